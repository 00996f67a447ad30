"""Plain online time warping on notes: the baseline, and the first thing to read.

Dixon, "Live tracking of musical performances using on-line time warping" (DAFx 2005) and Arzt, Widmer & Dixon,
"Automatic page turning for musicians via real-time machine listening" (ECAI 2008), with notes for frames: a row is
one heard note-on, a column one onset (chord) of the score. ``cost[j]`` is the cheapest way to explain everything
heard so far and be at column j now. Only a window of columns around the place is kept, so an event costs
O(``WINDOW``) whatever the score's length. It has no sense of time and does not look for jumps: for that see
``recursion``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import ScoreError
from collaparte.events import Position, SoloEvent, SoloFrame, State, TempoPlan
from collaparte.score import NOTE, Score

BEHIND, AHEAD = 8, 40  # columns kept before and after the place
WRONG = 1.0  # cost of a note that is not in the column
STRUCK_AGAIN = 0.6  # ... that is in the column but was already heard there
SKIP = 0.7  # cost of each column left out
REACH = 4  # columns one note may leave out


class PlainOltw:
    """Where the soloist is, by the cheapest monotonic path of notes through chords."""

    def __init__(self, score: Score) -> None:
        solo = score.solo[score.solo["kind"] == NOTE]
        if len(solo) == 0:
            raise ScoreError(f"The soloist of {score.title!r} has no notes to follow. Choose another part with --solo.")
        self._beats, column = np.unique(solo["beat"], return_inverse=True)
        self._has: NDArray[np.bool_] = np.zeros((len(self._beats), 128), dtype=bool)
        self._has[column, np.clip(solo["pitch"], 0, 127)] = True
        self._beat, self._onset_s = 0.0, 0.0
        self._state: State = "waiting"
        self._place = -1
        self._misses = 0.0  # leaky share of notes that matched nothing
        self._begin(0)

    def _begin(self, column: int) -> None:
        """Forget the path; the next note is awaited at ``column``."""
        self._first = column  # column of cost[0]; one virtual column, "not begun", lies before it
        self._cost = np.full(BEHIND + AHEAD + 1, np.inf)
        self._cost[0] = 0.0
        self._entered = np.zeros(len(self._cost), dtype=np.int64)  # number of the event with which a path came in
        self._struck = np.full(128, -1, dtype=np.int64)  # number of the event that last struck each pitch
        self._event = 0
        self._told = False  # the place is the player's word; no note has been heard there yet

    def relocate(self, beat: float, time_s: float) -> Position:
        column = min(int(np.searchsorted(self._beats, beat - 1e-6)), len(self._beats) - 1)
        self._begin(column)
        self._place, self._misses = column - 1, 0.0
        self._beat, self._onset_s, self._state = float(beat), time_s, "playing"
        self._told = True
        return Position(time_s, time_s, float(beat), 1.0, "playing")

    def hear(self, event: SoloEvent | SoloFrame, plan: TempoPlan | None) -> Position | None:
        if isinstance(event, SoloFrame) or not event.on:
            return None
        matched = self._step(event.pitch)
        if matched:
            beat = float(self._beats[self._place])
            if beat != self._beat or self._state == "waiting" or self._told:
                self._beat, self._onset_s, self._told = beat, event.time_s, False
        self._misses += 0.2 * ((0.0 if matched else 1.0) - self._misses)
        if matched or self._state != "waiting":
            self._state = "lost" if self._misses > 0.65 else "playing"
            if matched and self._place == len(self._beats) - 1:
                self._state = "finished"
        certainty = min(max(1.0 - self._misses, 0.01), 0.99)
        return Position(event.heard_s, self._onset_s, self._beat, certainty, self._state)

    def _step(self, pitch: int) -> bool:
        """One row of the warping; True when the note belongs to the column the cheapest path ends in."""
        self._event += 1
        size = len(self._cost)
        columns = np.arange(self._first - 1, self._first - 1 + size)
        inside = (columns >= 0) & (columns < len(self._beats))
        has = np.zeros(size, dtype=bool)
        has[inside] = self._has[columns[inside], pitch]
        fresh = has & (self._struck[pitch] < self._entered)
        stay = self._cost + np.where(fresh, 0.0, np.where(has, STRUCK_AGAIN, WRONG))
        come = np.full(size, np.inf)
        for left_out in range(REACH + 1):
            step = left_out + 1
            come[step:] = np.minimum(come[step:], self._cost[:-step] + SKIP * left_out)
        come += np.where(has, 0.0, WRONG + 0.1)
        come[~inside] = np.inf
        moved = come < stay
        self._cost = np.where(moved, come, stay)
        self._entered[moved] = self._event
        self._struck[pitch] = self._event
        self._cost -= self._cost.min()
        best = int(np.argmin(self._cost))  # the earliest of equals: do not run ahead
        place = self._first - 1 + best
        matched = bool(has[best])
        if matched or place < self._place:
            self._place = max(place, 0)
        self._slide(best)
        return matched

    def _slide(self, best: int) -> None:
        """Keep ``BEHIND`` columns behind the place."""
        shift = best - BEHIND
        if shift > 0:
            self._first += shift
            self._cost = np.concatenate([self._cost[shift:], np.full(shift, np.inf)])
            self._entered = np.concatenate([self._entered[shift:], np.zeros(shift, dtype=np.int64)])
