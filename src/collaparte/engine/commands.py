"""What the player may ask for while playing, and what the engine then does.

While the edit lock is on, only what cannot spoil a concert is obeyed: start, stop, panic, hold, release, lock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collaparte.errors import CollaparteError
from collaparte.events import Command, Notice, Value
from collaparte.sound.balance import HIGHEST_A_HZ, LOUDEST, LOWEST_A_HZ

if TYPE_CHECKING:
    from collaparte.engine.engine import Engine

ALWAYS = {"start", "stop", "panic", "hold", "release", "lock"}
ENTRY_REST_BEATS = 6.0  # a solo onset after so long a rest is an entry
TAPS_OF_ONE_COUNT_S = 6.0  # two taps closer than this give a tempo
EPS = 1e-6


class Commands:
    """Obeys one command at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._locked = False
        self._last_tap: tuple[float, float] | None = None  # (time_s, beat)
        onsets = engine.score.solo_onsets.tolist()
        gaps = [float("inf"), *(later - sooner for sooner, later in pairwise(onsets))]
        self._entries = [onset for onset, gap in zip(onsets, gaps, strict=True) if gap >= ENTRY_REST_BEATS]
        self._obey: dict[str, Callable[[Command], list[Value]]] = {
            "start": self._start,
            "stop": self._stop,
            "panic": self._panic,
            "hold": self._hold,
            "release": lambda command: self.release(command.heard_s),
            "tap": self._tap,
            "next_entry": self._next_entry,
            "previous_entry": self._previous_entry,
            "relocate": self._relocate,
            "vamp": self._vamp,
            "cut": self._cut,
            "tempo": self._tempo,
            "lock": self._lock,
            **dict.fromkeys(("mode", "slowest", "fastest", "tuttis", "metronome"), self._wish),
            "balance": self._balance,
            "tuning": self._tuning,
        }

    def obey(self, command: Command) -> list[Value]:
        """Do what ``command`` says; a command nobody knows, or that the lock forbids, is answered by a notice."""
        if command.name not in self._obey:
            known = ", ".join(self._obey)
            return [Notice(command.heard_s, f"There is no command {command.name!r}. Commands are: {known}.")]
        if self._locked and command.name not in ALWAYS:
            return [Notice(command.heard_s, f"The edit lock is on; {command.name!r} was not obeyed.")]
        return self._obey[command.name](command)

    def release(self, time_s: float) -> list[Value]:
        """A fermata or hold ends: the orchestra moves on now."""
        engine = self._engine
        period_s = engine.conductor.beat_period_s
        beat = engine.conductor.release(time_s)
        plan = engine.predictor.start(beat, period_s, time_s)
        return engine.adopt(plan)

    def _start(self, command: Command) -> list[Value]:
        engine = self._engine
        beat = command.value if command.value is not None else (engine.settings.from_beat or 0.0)
        return engine.begin_at(beat, command.heard_s)

    def _stop(self, command: Command) -> list[Value]:
        return self._engine.close()

    def _panic(self, command: Command) -> list[Value]:
        conductor = self._engine.conductor
        conductor.stop(command.heard_s)
        return [*conductor.close(command.heard_s), Notice(command.heard_s, "All notes off. Release to go on.")]

    def _hold(self, command: Command) -> list[Value]:
        self._engine.conductor.stop(command.heard_s)
        return []

    def _tap(self, command: Command) -> list[Value]:
        """The player beats a bar line: the nearest one is now."""
        engine, time_s = self._engine, command.time_s
        bars = [bar.beat for bar in engine.score.bars]
        here = engine.conductor.beat_at(command.heard_s)
        beat = min(bars, key=lambda bar: abs(bar - here))
        period_s = engine.conductor.beat_period_s
        if self._last_tap is not None and time_s - self._last_tap[0] < TAPS_OF_ONE_COUNT_S and beat > self._last_tap[1]:
            period_s = (time_s - self._last_tap[0]) / (beat - self._last_tap[1])
        self._last_tap = (time_s, beat)
        return self._be_at(beat, command, period_s)

    def _relocate(self, command: Command) -> list[Value]:
        """I am here: ``value`` is sounding now."""
        beat = command.value if command.value is not None else self._engine.conductor.beat_at(command.heard_s)
        return self._be_at(beat, command, self._engine.conductor.beat_period_s)

    def _be_at(self, beat: float, command: Command, period_s: float) -> list[Value]:
        engine = self._engine
        beat = min(max(beat, 0.0), engine.score.end_beat)
        position = engine.follower.relocate(beat, command.heard_s)
        engine.position = position
        plan = engine.predictor.start(beat, period_s, command.time_s)
        return [position, *engine.adopt(plan, seek=abs(beat - engine.conductor.beat_at(command.heard_s)) > 1.0)]

    def _next_entry(self, command: Command) -> list[Value]:
        here = self._engine.conductor.beat_at(command.heard_s)
        index = bisect_right(self._entries, here + EPS)
        if index == len(self._entries):
            return [Notice(command.heard_s, "There is no later solo entry.")]
        return self._await(self._entries[index], command)

    def _previous_entry(self, command: Command) -> list[Value]:
        here = self._engine.conductor.beat_at(command.heard_s)
        index = bisect_left(self._entries, here - 1.0) - 1  # pressed just after an entry: the one before
        return self._await(self._entries[max(index, 0)], command)

    def _await(self, beat: float, command: Command) -> list[Value]:
        engine = self._engine
        period_s = engine.conductor.beat_period_s
        position = engine.follower.relocate(beat, command.heard_s)
        engine.position = position
        engine.conductor.await_soloist(beat, command.heard_s)
        engine.last_plan = engine.predictor.start(beat, period_s, command.heard_s)
        return [position]

    def _vamp(self, command: Command) -> list[Value]:
        self._engine.conductor.leave_vamp(leave=not command.value)
        return []

    def _cut(self, command: Command) -> list[Value]:
        """Shorten this tutti: go to the bar before the soloist's next entry."""
        engine = self._engine
        here = engine.conductor.beat_at(command.heard_s)
        index = bisect_right(self._entries, here + EPS)
        if index == len(self._entries):
            return [Notice(command.heard_s, "There is no later solo entry to cut to.")]
        entry = self._entries[index]
        bar = engine.score.bar_at(max(entry - EPS * 10, 0.0))
        if bar.beat <= here:
            return [Notice(command.heard_s, "The soloist's entry is already in this bar.")]
        return self._be_at(bar.beat, command, engine.conductor.beat_period_s)

    def _tempo(self, command: Command) -> list[Value]:
        engine = self._engine
        if command.value is None or not 0.05 <= command.value <= 10:
            return [Notice(command.heard_s, "A tempo is given in seconds per quarter, from 0.05 to 10.")]
        beat = engine.conductor.beat_at(command.heard_s)
        return engine.adopt(engine.predictor.start(beat, command.value, command.heard_s))

    def _wish(self, command: Command) -> list[Value]:
        """One of the player's wishes (``conduct.wishes``) becomes another."""
        conductor, name = self._engine.conductor, command.name
        wished: dict[str, Any] = {name: command.value if name in ("slowest", "fastest") else command.about}
        if name == "tuttis" and command.value is not None:
            wished["lead_in_bars"] = round(command.value)
        try:
            wishes = replace(conductor.wishes, **wished)
        except CollaparteError as error:
            return [Notice(command.heard_s, str(error))]
        conductor.wish(wishes, command.heard_s)
        return []

    def _balance(self, command: Command) -> list[Value]:
        """How loud a section or part is to be; whoever sounds looks it up (``sound.balance``)."""
        if command.about is None or command.value is None or not 0 <= command.value <= LOUDEST:
            return [Notice(command.heard_s, f"A balance is a section or part and a level from 0 to {LOUDEST:g}.")]
        self._engine.balance[command.about] = command.value
        return []

    def _tuning(self, command: Command) -> list[Value]:
        if command.value is None or not LOWEST_A_HZ <= command.value <= HIGHEST_A_HZ:
            return [Notice(command.heard_s, f"The A lies between {LOWEST_A_HZ:g} and {HIGHEST_A_HZ:g} Hz.")]
        self._engine.tuning_hz = command.value
        return []

    def _lock(self, command: Command) -> list[Value]:
        self._locked = bool(command.value) if command.value is not None else not self._locked
        return [Notice(command.heard_s, f"The edit lock is {'on' if self._locked else 'off'}.")]
