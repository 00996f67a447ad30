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
    """A soloist who hears the orchestra and plays accordingly (see ``listen/simulated``)."""

    def next_s(self) -> float:
        """The earliest that the next event can be heard; inf after the last."""

    def next_event(self) -> Heard | None:
        """The next event, or a command that the listening gave rise to, given out for good."""

    def listen(self, event: OrchestraEvent) -> None:
        """The orchestra sounds ``event``."""


def rehearse(engine: Engine, clock: VirtualClock, soloist: Listening | None = None) -> Iterator[Value]:
    """A simulated performance, faster than real time: every value of the take, in order.

    ``clock`` holds what will be heard; a ``soloist`` who listens adds to it while the music goes on.
    """
    while not engine.finished:
        solo_s = soloist.next_s() if soloist is not None else math.inf
        until_s = min(engine.next_s(), solo_s)
        if math.isinf(until_s) and clock.exhausted:
            break
        heard = clock.wait(until_s)
        for value in engine.step(clock.now(), heard):
            yield value
            if soloist is not None and isinstance(value, OrchestraEvent):
                soloist.listen(value)
        if soloist is not None and soloist.next_s() <= clock.now():
            event = soloist.next_event()
            if event is not None:
                clock.push(event)
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
