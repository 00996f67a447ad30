"""The orchestra's desk: which notes are still to come, and which are sounding.

Every note has a place in the score (``beat``), a place where it starts on the time line (``start_beat``: earlier than
``beat`` for a grace note) and one where it ends. Notes of one part that share onset and pitch are one note, as long
as the longest. Where the score realises an ornament the written note stops for the little ones, but under a fermata,
where they would have to wait, it is simply held. A pitch struck again ends its former sounding first; every note that
starts is ended exactly once.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from dataclasses import dataclass

from collaparte.score import GRACE, NOTE, ORNAMENT, Score

EPS = 1e-6
GRACE_BEATS = 0.125  # length of one grace note, taken from the time before its beat
SHORTEST_BEATS = 1 / 32


@dataclass(frozen=True, slots=True)
class DeskNote:
    """One note of the orchestra, ready to be played."""

    start_beat: float
    end_beat: float
    beat: float
    part: int
    pitch: int
    velocity: int
    ornament: bool


def desk_notes(score: Score) -> list[DeskNote]:
    """The orchestra's notes in playing order, grace notes laid out before their beat, unisons of one part merged."""
    found: dict[tuple[float, int, int], DeskNote] = {}
    graces: dict[tuple[float, int], list[tuple[int, int]]] = {}
    adorned = _adorned(score)
    for row in score.orchestra:
        beat, pitch, part = float(row["beat"]), int(row["pitch"]), int(row["part"])
        if row["kind"] == GRACE:
            graces.setdefault((beat, part), []).append((pitch, int(row["velocity"])))
            continue
        end = beat + max(float(row["duration_beats"]), SHORTEST_BEATS)
        main = (part, str(row["id"]).rpartition("~")[0] if row["kind"] == ORNAMENT else str(row["id"]))
        if main in adorned:
            if row["kind"] == NOTE:
                end = min(end, adorned[main])
            elif math.isinf(adorned[main]):
                continue
        note = DeskNote(beat, end, beat, part, pitch, int(row["velocity"]), bool(row["kind"] != NOTE))
        former = found.get((beat, part, pitch))
        if former is None or former.end_beat < end:
            found[beat, part, pitch] = note
    notes = list(found.values())
    for (beat, part), group in graces.items():
        for index, (pitch, velocity) in enumerate(group):
            start = beat - (len(group) - index) * GRACE_BEATS
            if start >= -EPS:
                notes.append(DeskNote(start, start + GRACE_BEATS * 0.95, beat, part, pitch, velocity, True))
    return sorted(notes, key=lambda note: (note.start_beat, note.part, note.pitch))


def _adorned(score: Score) -> dict[tuple[int, str], float]:
    """(part, id) of the written notes with little notes behind them: where they stop; ``inf`` under a fermata."""
    rows = score.orchestra
    stops: dict[tuple[int, str], float] = {}
    for row in rows[rows["kind"] == ORNAMENT]:
        main = (int(row["part"]), str(row["id"]).rpartition("~")[0])
        stops[main] = min(float(row["beat"]), stops.get(main, math.inf))
    for row in rows[rows["kind"] == NOTE] if stops else ():
        main, beat = (int(row["part"]), str(row["id"])), float(row["beat"])
        end = beat + float(row["duration_beats"])
        if main in stops and any(beat - EPS <= fermata.beat < end - EPS for fermata in score.fermatas):
            stops[main] = math.inf
    return stops


class Desk:
    """Pending and sounding notes, in beats; knows nothing of seconds."""

    def __init__(self, score: Score) -> None:
        self._notes = desk_notes(score)
        self._starts = [note.start_beat for note in self._notes]
        self._next = 0
        self._late: list[int] = []  # notes passed over by a step forward that should still sound, in order
        self._sounding: dict[tuple[int, int], tuple[int, DeskNote]] = {}  # (part, pitch) -> its number in the take
        self._ends: list[tuple[float, int, DeskNote]] = []
        self._count = 0

    def next_start(self) -> float:
        """Beat of the next note to begin; ``inf`` when there is none, ``-inf`` when one is overdue."""
        if self._late:
            return -math.inf
        return self._starts[self._next] if self._next < len(self._notes) else math.inf

    def next_end(self) -> float:
        """Beat of the next sounding note to end; ``inf`` when nothing sounds."""
        while self._ends and not self._is_sounding(self._ends[0][1], self._ends[0][2]):
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else math.inf

    def begin(self) -> tuple[int, DeskNote, tuple[int, DeskNote] | None]:
        """Start the next note: its number, the note, and the sounding one of the same pitch that must end first."""
        if self._late:
            note = self._notes[self._late.pop(0)]
        else:
            note = self._notes[self._next]
            self._next += 1
        former = self._sounding.get((note.part, note.pitch))
        self._count += 1
        self._sounding[note.part, note.pitch] = (self._count, note)
        heapq.heappush(self._ends, (note.end_beat, self._count, note))
        return self._count, note, former

    def next_beat(self) -> float:
        """Where in the score the next note to begin stands."""
        return self._notes[self._late[0] if self._late else self._next].beat

    def skip(self) -> None:
        """Leave the next note out."""
        if self._late:
            self._late.pop(0)
        else:
            self._next += 1

    def end(self) -> tuple[int, DeskNote]:
        """End the sounding note whose end comes first."""
        self.next_end()
        _, number, note = heapq.heappop(self._ends)
        del self._sounding[note.part, note.pitch]
        return number, note

    def end_all(self, besides_beat: float | None = None) -> list[tuple[int, DeskNote]]:
        """End everything that sounds (but notes that span ``besides_beat``, when given)."""
        ended = [
            (number, note)
            for number, note in self._sounding.values()
            if besides_beat is None or not note.start_beat - EPS <= besides_beat < note.end_beat - EPS
        ]
        for _, note in ended:
            del self._sounding[note.part, note.pitch]
        return ended

    def step_forward(self, beat: float, within_beats: float) -> None:
        """The soloist is at ``beat``: of the notes passed over, play those that still sound or are only just late."""
        target = bisect_left(self._starts, beat - EPS)
        for index in range(self._next, target):
            note = self._notes[index]
            if note.end_beat > beat + EPS or beat - note.start_beat <= within_beats:
                self._late.append(index)
        self._next = max(self._next, target)

    def jump(self, beat: float) -> None:
        """Go on from ``beat``, earlier or later; notes that already sound across it are not begun again."""
        self._late = []
        self._next = bisect_left(self._starts, beat - EPS)

    def _is_sounding(self, number: int, note: DeskNote) -> bool:
        return self._sounding.get((note.part, note.pitch), (0, note))[0] == number
