"""A wall clock on which a simulated soloist plays, who waits while the player holds.

Without a soloist it is a wall clock. With one, ``wait`` also returns when they sound, and the orchestra's notes are
passed on to them. ``speed`` other than 1 is a wall clock that runs fast, for trying the studio itself.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

from collaparte.clock import WallClock
from collaparte.events import Heard, OrchestraEvent, SoloEvent
from collaparte.listen.simulated import SimulatedSoloist, simulate_solo
from collaparte.listen.simulated.playing import LEAD_IN_S
from collaparte.score import Score

COUPLING = 0.3  # how far the simulated soloist gives way: about as much as people do
LONGEST_WAIT_S = 0.25


def from_beat(score: Score, beat: float | None, seed: int, level: str) -> tuple[SimulatedSoloist, float]:
    """A simulated soloist who begins at ``beat`` (None: at the beginning), and when their first note sounds."""
    take = simulate_solo(score, seed, level)
    strokes = take.strokes
    if beat is not None:
        left = [stroke for stroke in strokes if stroke.beat >= beat - 1e-6]
        if left:
            lead_s = LEAD_IN_S + score.seconds_at(left[0].beat) - score.seconds_at(beat)
            shift_s = lead_s - left[0].time_s
            left = [
                replace(
                    stroke,
                    time_s=stroke.time_s + shift_s,
                    notes=tuple(
                        replace(note, on_s=note.on_s + shift_s, off_s=note.off_s + shift_s) for note in stroke.notes
                    ),
                )
                for stroke in left
            ]
        strokes = tuple(left)
    first_s = min((note.on_s for stroke in strokes[:1] for note in stroke.notes), default=LEAD_IN_S)
    return SimulatedSoloist(replace(take, strokes=strokes), coupling=COUPLING), max(first_s, 0.0)


class PracticeClock(WallClock):
    """``begin()`` sets zero; ``put`` is safe from any thread, all else belongs to the music's thread."""

    def __init__(self, speed: float = 1.0, soloist: SimulatedSoloist | None = None) -> None:
        super().__init__(time.monotonic if speed == 1 else lambda: time.monotonic() * speed)
        self._speed = speed
        self._soloist = soloist
        self._offset_s = 0.0  # the soloist's own zero on this clock
        self._paused_s: float | None = None
        self._sounding: set[int] = set()

    def begin(self) -> None:
        """Clock zero is now; what was heard before is forgotten."""
        super().wait(-math.inf)
        self.origin_s = self._source()

    @property
    def simulated(self) -> bool:
        """Whether a simulated soloist plays."""
        return self._soloist is not None

    @property
    def paused(self) -> bool:
        """Whether the simulated soloist waits."""
        return self._paused_s is not None

    @property
    def exhausted(self) -> bool:
        """Whether a simulated soloist has played everything."""
        return self._soloist is not None and math.isinf(self._soloist.next_s())

    def pause(self) -> None:
        """The soloist waits."""
        if self._paused_s is None:
            self._paused_s = self.now()

    def go_on(self) -> None:
        """The soloist goes on where they were."""
        if self._paused_s is not None:
            self._offset_s += self.now() - self._paused_s
            self._paused_s = None

    def replace_soloist(self, soloist: SimulatedSoloist) -> None:
        """Another soloist, who begins now; what the last one held ends."""
        for pitch in sorted(self._sounding):
            self.put(SoloEvent(self.now(), self.now(), False, pitch, 0))
        self._sounding.clear()
        self._soloist, self._offset_s = soloist, self.now()
        self._paused_s = None

    def listen(self, event: OrchestraEvent) -> None:
        """Let the soloist hear the orchestra."""
        if self._soloist is not None:
            self._soloist.listen(replace(event, due_s=event.due_s - self._offset_s))

    def wait(self, until_s: float) -> list[Heard]:
        if self._soloist is None and self._speed == 1:
            return super().wait(until_s)
        while True:
            heard = self._played() + super().wait(-math.inf)
            left_s = min(until_s, self._soloist_s()) - self.now()
            if heard or until_s <= self.now():
                return heard
            if left_s > 0:
                self._wake.wait(min(left_s / self._speed, LONGEST_WAIT_S))
                self._wake.clear()

    def _soloist_s(self) -> float:
        if self._soloist is None or self.paused:
            return math.inf
        return self._soloist.next_s() + self._offset_s

    def _played(self) -> list[Heard]:
        heard: list[Heard] = []
        while self._soloist is not None and self._soloist_s() <= self.now():
            event = self._soloist.next_event()
            if not isinstance(event, SoloEvent):
                break
            (self._sounding.add if event.on else self._sounding.discard)(event.pitch)
            heard.append(replace(event, time_s=event.time_s + self._offset_s, heard_s=event.heard_s + self._offset_s))
        return heard
