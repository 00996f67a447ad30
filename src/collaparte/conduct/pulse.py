"""The metronome: one stroke on each counted beat, along the orchestra's own line.

A counted beat is the metre's lower number, or a dotted quarter in compound metre (6/8, 9/8, 12/8). A bar shorter than
its metre, as a pick-up, is counted from its end.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from collaparte.conduct.wishes import Metronome
from collaparte.score import Bar, Score

EPS = 1e-6


def pulse_beats(bar: Bar) -> float:
    """Quarters in one counted beat of ``bar``."""
    return 1.5 if bar.denominator == 8 and bar.numerator % 3 == 0 else 4 / bar.denominator


def strokes(bars: Sequence[Bar]) -> Iterator[tuple[float, bool]]:
    """(beat, accent) of every counted beat, ascending; the first of a full bar is accented."""
    for bar in bars:
        unit, full = pulse_beats(bar), 4.0 * bar.numerator / bar.denominator
        missing = max(full - bar.duration_beats, 0.0)
        place = math.ceil(missing / unit - EPS) * unit
        while place - missing < bar.duration_beats - EPS:
            yield bar.beat + place - missing, place < EPS
            place += unit


class Pulse:
    """The strokes still to come; ``beat`` is where the next one is, ``inf`` when there is none."""

    def __init__(self, score: Score) -> None:
        self._all = list(strokes(score.bars))
        self._rests = score.solo_rests
        self._strokes: list[tuple[float, bool]] = []
        self._next = 0

    def choose(self, metronome: Metronome, beat: float) -> None:
        """Mark the beat "always", in the soloist's long "rests", or not at all ("off"), from ``beat`` on."""
        if metronome == "always":
            self._strokes = self._all
        elif metronome == "off":
            self._strokes = []
        else:
            self._strokes = [
                stroke
                for stroke in self._all
                if any(start - EPS <= stroke[0] < stop - EPS for start, stop in self._rests)
            ]
        self.jump(beat)

    @property
    def beat(self) -> float:
        """Where the next stroke is."""
        return self._strokes[self._next][0] if self._next < len(self._strokes) else math.inf

    def strike(self) -> tuple[float, bool]:
        """Take the next stroke."""
        self._next += 1
        return self._strokes[self._next - 1]

    def jump(self, beat: float) -> None:
        """Go on from ``beat``, earlier or later."""
        self._next = bisect_left(self._strokes, (beat - EPS, False))

    def step_forward(self, beat: float) -> None:
        """What lies before ``beat`` is over."""
        self._next = max(self._next, bisect_left(self._strokes, (beat - EPS, False)))
