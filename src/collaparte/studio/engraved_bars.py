"""Which engraved bar is which of ours.

Bars are matched by where they begin on the paper or, where the engraver counts time otherwise than the reader (a part
that does not fill its bars and is seen alone), by their order and numbers. Several bars of rest may be engraved as one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

from collaparte.score import Score

GRID = 960  # of a quarter


class Bars:
    """Which engraved bar is which of ours, and where a note of ours is for the engraver.

    ``engraved``: (name, number, onset in GRID) of every bar on the paper, in order.
    """

    def __init__(self, score: Score, engraved: Sequence[tuple[str, str, int]]) -> None:
        self._beats = [bar.beat for bar in score.bars]
        self.written = _written_starts(score)
        self.bar_of: list[int | None] = []  # of each performed bar, its place among the engraved
        onsets = np.array([onset for _, _, onset in engraved], dtype=np.int64)
        self._onsets = onsets
        ours = sorted({(round(start * GRID), bar.number) for start, bar in zip(self.written, score.bars, strict=True)})
        at_their_place = {
            key: int(np.argmin(np.abs(onsets - key[0])))
            for key in ours
            if len(onsets) and np.abs(onsets - key[0]).min() <= GRID / 8
        }
        by_number: dict[tuple[int, str], int] = {}
        matcher = SequenceMatcher(None, [number for _, number in ours], [number for _, number, _ in engraved], False)
        for first, second, size in matcher.get_matching_blocks():
            by_number |= {ours[first + step]: second + step for step in range(size)}
        astray = any(engraved[place][1] != key[1] for key, place in at_their_place.items())
        found = {**at_their_place, **by_number} if astray or len(at_their_place) < len(ours) else at_their_place
        for start, bar in zip(self.written, score.bars, strict=True):
            self.bar_of.append(found.get((round(start * GRID), bar.number)))

    @property
    def drawn(self) -> list[int | None]:
        """Of each performed bar, the engraved bar to point at: its own, or the long rest that stands for several."""
        found: list[int | None] = []
        for place in self.bar_of:
            found.append(place if place is not None else found[-1] if found else None)
        return found

    def onset_of(self, beat: float, written_beat: float) -> int:
        """Where the engraver counts a note of ours that is performed at ``beat``, in GRID."""
        place = max(bisect_right(self._beats, beat + 1e-6) - 1, 0)
        engraved = self.bar_of[place] if self.bar_of else None
        if engraved is None:
            return round(written_beat * GRID)
        return int(self._onsets[engraved]) + round((written_beat - self.written[place]) * GRID)


def _written_starts(score: Score) -> list[float]:
    """Where each performed bar begins on the paper, in quarters."""
    beats, written = score.notes["beat"], score.notes["written_beat"]
    starts: list[float] = []
    expected = 0.0
    for bar in score.bars:
        first = int(np.searchsorted(beats, bar.beat - 1e-6))
        inside = first < len(beats) and beats[first] < bar.beat + bar.duration_beats - 1e-6
        starts.append(float(written[first] - (beats[first] - bar.beat)) if inside else expected)
        expected = starts[-1] + bar.duration_beats
    return starts
