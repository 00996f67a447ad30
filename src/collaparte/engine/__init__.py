"""The five rooms in a row, on one clock: the same program live and in simulation."""

from collaparte.engine.engine import Engine, Settings
from collaparte.engine.perform import Listening, perform, rehearse
from collaparte.engine.replay import replay

__all__ = ["Engine", "Listening", "Settings", "perform", "rehearse", "replay"]
