"""A take played again: the same inputs through the same rooms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collaparte.clock import VirtualClock
from collaparte.engine.engine import Engine
from collaparte.engine.perform import rehearse
from collaparte.events import Command, Heard, Pedal, SoloEvent, Value


def replay(engine: Engine, values: Iterable[Value]) -> Iterator[Value]:
    """Feed the soloist's events and the commands of a recorded take to a fresh ``engine``.

    With the take's own score, follower, predictor, memory and settings the result is the take itself, but for
    ``sent_s``, which only a live performance has.
    """
    heard: list[Heard] = [value for value in values if isinstance(value, (SoloEvent, Pedal, Command))]
    return rehearse(engine, VirtualClock(heard))
