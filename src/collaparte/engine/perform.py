"""Performing: the engine and a clock, until the music is over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from collaparte.clock import VirtualClock, WallClock
from collaparte.engine.engine import Engine
from collaparte.events import Click, Heard, OrchestraEvent, Value

IDLE_S = 0.25  # live: how often an idle engine looks whether it should stop


class Listening(Protocol):
    """A soloist who hears the orchestra and plays accordingly (see ``listen/simulated.py``)."""

    def begin(self) -> list[Heard]:
        """What is heard of them before the orchestra sounds anything."""

    def listen(self, sounded: OrchestraEvent) -> list[Heard]:
        """What is heard next, now that this note of the orchestra has been committed."""


def rehearse(engine: Engine, clock: VirtualClock, soloist: Listening | None = None) -> Iterator[Value]:
    """A simulated performance, faster than real time: every value of the take, in order.

    ``clock`` holds what will be heard; a ``soloist`` who listens adds to it while the music goes on.
    """
    if soloist is not None:
        for heard in soloist.begin():
            clock.push(heard)
    while not engine.finished:
        next_s = engine.next_s()
        if math.isinf(next_s) and clock.exhausted:
            break
        heard_now = clock.wait(next_s)
        for value in engine.step(clock.now(), heard_now):
            yield value
            if soloist is not None and isinstance(value, OrchestraEvent):
                for heard in soloist.listen(value):
                    clock.push(heard)
    yield from engine.close()


def perform(
    engine: Engine,
    clock: WallClock,
    send: Callable[[list[OrchestraEvent | Click]], None],
    *,
    until: Callable[[], bool] = lambda: False,
) -> Iterator[Value]:
    """A live performance: every value of the take, in order, while it happens.

    ``send`` hands committed sounds over and must not block. The generator ends when ``until`` says so, when a stop
    command is obeyed, or when soloist and orchestra have reached the end; closing it early (Ctrl-C) silences the
    orchestra first.
    """
    try:
        while not (engine.finished or until() or _over(engine)):
            heard = clock.wait(min(engine.next_s(), clock.now() + IDLE_S))
            yield from _sent(engine.step(clock.now(), heard), clock, send)
    finally:
        ending = [value for value in engine.close() if isinstance(value, OrchestraEvent)]
        if ending:
            send(list(ending))
    yield from ending


def _sent(values: list[Value], clock: WallClock, send: Callable[[list[OrchestraEvent | Click]], None]) -> list[Value]:
    sounds = [value for value in values if isinstance(value, (OrchestraEvent, Click))]
    if not sounds:
        return values
    send(sounds)
    sent_s = round(clock.now(), 6)
    return [replace(value, sent_s=sent_s) if isinstance(value, OrchestraEvent) else value for value in values]


def _over(engine: Engine) -> bool:
    finished = engine.position is not None and engine.position.state == "finished"
    return finished and math.isinf(engine.next_s())
