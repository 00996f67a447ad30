"""A TempoPlan and the page become OrchestraEvents, each committed once."""

from collaparte.conduct.conductor import Conductor

__all__ = ["Conductor"]
