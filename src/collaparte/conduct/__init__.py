"""A TempoPlan and the page become OrchestraEvents, each committed once."""

from collaparte.conduct.conductor import Conductor
from collaparte.conduct.wishes import METRONOMES, MODES, TUTTIS, Metronome, Mode, Tuttis, Wishes

__all__ = ["METRONOMES", "MODES", "TUTTIS", "Conductor", "Metronome", "Mode", "Tuttis", "Wishes"]
