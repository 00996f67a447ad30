"""The simulated soloist in a closed loop: plays a take, and gives way to what the orchestra does.

Two people playing together each correct part of the difference they hear (linear phase correction: Vorberg & Schulze
2002; Wing et al. 2014). Here: when the orchestra's sound of a beat both play came ``a`` seconds after the soloist's,
everything the soloist has not yet begun is moved by ``coupling * a``, half of it at the next note and half one note
later (second-order correction, as found by Pressing 1998: two who both corrected everything at once would overshoot
and never settle). In long rests the soloist counts along, and gives way by ``rest_coupling`` instead, at once; with 1
they enter with the orchestra, as a soloist does after a tutti.
"""

from __future__ import annotations

import heapq

import numpy as np

from collaparte.errors import SoloistError
from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.listen.simulated.phrases import LONG_REST_BEATS
from collaparte.listen.simulated.playing import GAP_S, SimulatedTake, Sounded

SAME_S = 1.0  # an orchestra further away than this is not listened to: it is somewhere else


class SimulatedSoloist:
    """Gives out one event after the other, in order of ``heard_s``; what has been given out is never moved.

    The loop that owns the clock asks ``next_s()``, lets the orchestra run until then, tells ``listen`` every note the
    orchestra sounded, and takes ``next_event()`` when nothing comes before it.
    """

    def __init__(self, take: SimulatedTake, *, coupling: float = 0.0, rest_coupling: float = 1.0) -> None:
        if not (0 <= coupling <= 1 and 0 <= rest_coupling <= 1):
            raise SoloistError("How much a simulated soloist gives way (coupling) lies between 0 and 1.")
        self._take = take
        self._coupling, self._rest_coupling = coupling, rest_coupling
        self._shift_s = 0.0
        self._next_stroke = 0
        self._pending: list[tuple[float, int, int, SoloEvent]] = []  # begun, but not yet given out
        self._owed_s = 0.0  # the half of a correction that comes one note later
        self._count = 0
        self._last_s = self._floor_s = 0.0
        self._sounding: dict[int, float] = {}
        self._to_hear: list[tuple[float, float]] = []  # (due_s, beat) of the orchestra, still ahead
        self._ahead: dict[float, float] = {}  # beat -> due_s: sounded before the soloist came to it
        self._compared: set[float] = set()
        self._played: dict[float, float] = {}  # beat -> when I played it
        self._beats = np.array([stroke.beat for stroke in take.strokes])
        self._times = np.array([stroke.time_s for stroke in take.strokes])

    @property
    def shift_s(self) -> float:
        """How far the soloist has been moved so far; positive: later."""
        return self._shift_s

    def listen(self, event: OrchestraEvent) -> None:
        """The orchestra will sound, or sounded, ``event``; it counts from its ``due_s`` on."""
        if event.on and not event.ornament:
            heapq.heappush(self._to_hear, (event.due_s, round(event.beat, 4)))

    def next_s(self) -> float:
        """The earliest that the next event can be heard, as far as is known now; inf after the last."""
        self._give_way(self._next_stroke_s())
        return min(self._next_stroke_s(), self._pending[0][0] if self._pending else float("inf"))

    def next_event(self) -> SoloEvent | None:
        """The next event, given out for good; None after the last."""
        while self._next_stroke < len(self._take.strokes):
            self._give_way(self._next_stroke_s())
            if self._pending and self._pending[0][0] < self._next_stroke_s():
                break
            self._begin()
        return heapq.heappop(self._pending)[3] if self._pending else None

    def _next_stroke_s(self) -> float:
        if self._next_stroke >= len(self._take.strokes):
            return float("inf")
        stroke = self._take.strokes[self._next_stroke]
        first_s = min((note.on_s for note in stroke.notes), default=stroke.time_s)
        return max(first_s + self._shift_s, self._last_s, self._floor_s)

    def _begin(self) -> None:
        stroke = self._take.strokes[self._next_stroke]
        self._next_stroke += 1
        # Nobody plays a note before the one that comes before it, or before the sound they give way to.
        first_s = min((note.on_s for note in stroke.notes), default=stroke.time_s)
        self._shift_s = max(max(self._last_s, self._floor_s) - first_s, self._shift_s)
        self._last_s = self._played[round(stroke.beat, 4)] = stroke.time_s + self._shift_s
        for note in stroke.notes:
            self._strike(note)
        self._shift_s, self._owed_s = self._shift_s + self._owed_s, 0.0
        beat = round(stroke.beat, 4)
        if beat in self._ahead:
            self._compare(beat, self._ahead.pop(beat) - self._last_s, self._coupling)

    def _strike(self, note: Sounded) -> None:
        on_s = max(note.on_s + self._shift_s, 0.0)
        off_s = note.off_s + self._shift_s
        still_s = self._sounding.get(note.pitch, -1.0)
        if still_s > on_s - GAP_S / 2:  # the same pitch has not ended yet: end it first
            self._end_earlier(note.pitch, max(on_s - GAP_S, 0.0))
        self._sounding[note.pitch] = off_s
        self._put(on_s, note.late_s, True, note.pitch, note.velocity)
        self._put(max(off_s, on_s + 0.001), note.late_s, False, note.pitch, 0)

    def _end_earlier(self, pitch: int, time_s: float) -> None:
        for index, (_, _, _, event) in enumerate(self._pending):
            if event.pitch == pitch and not event.on:
                del self._pending[index]
                heapq.heapify(self._pending)
                self._put(time_s, event.heard_s - event.time_s, False, pitch, 0)
                return

    def _put(self, time_s: float, late_s: float, on: bool, pitch: int, velocity: int) -> None:
        heard_s = round(time_s + late_s, 6)
        event = SoloEvent(round(time_s, 6), heard_s, on, pitch, velocity)
        heapq.heappush(self._pending, (heard_s, int(on), self._count, event))
        self._count += 1

    def _give_way(self, now_s: float) -> None:
        """Take in what the orchestra sounded before ``now_s``; what it plays ahead of the soloist waits for them."""
        while self._to_hear and self._to_hear[0][0] <= now_s:
            due_s, beat = heapq.heappop(self._to_hear)
            mine_s, coupling = self._mine(beat)
            if mine_s is None:
                self._ahead.setdefault(beat, due_s)
            else:
                self._floor_s = max(self._floor_s, due_s if coupling else 0.0)
                self._compare(beat, due_s - mine_s, coupling, beat not in self._played)
                now_s = max(now_s, self._next_stroke_s())

    def _compare(self, beat: float, late_s: float, coupling: float, resting: bool = False) -> None:
        if beat not in self._compared and abs(late_s) < SAME_S:
            self._compared.add(beat)
            at_once = 1.0 if resting else 0.5
            self._shift_s += at_once * coupling * late_s
            self._owed_s += (1 - at_once) * coupling * late_s

    def _mine(self, beat: float) -> tuple[float | None, float]:
        """When the soloist was, or in a long rest would have been, at ``beat``; and how much that counts."""
        if beat in self._played:
            return self._played[beat], self._coupling
        following = self._next_stroke
        if following >= len(self._beats):
            return None, 0.0
        after = self._beats[following]
        before = self._beats[following - 1] if following else 0.0
        if following and (after - before < LONG_REST_BEATS or not before < beat < after):
            return None, 0.0
        before_s = self._times[following - 1] if following else self._times[0] - self._intro_s()
        share = (beat - before) / max(after - before, 1e-9)
        return float(before_s + share * (self._times[following] - before_s) + self._shift_s), self._rest_coupling

    def _intro_s(self) -> float:
        score = self._take.score
        return score.seconds_at(float(self._beats[0])) - score.seconds_at(0.0)
