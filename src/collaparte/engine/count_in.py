"""The count-in: clicks before the music."""

from __future__ import annotations

import math

from collaparte.conduct.pulse import pulse_beats
from collaparte.events import Click
from collaparte.score import Bar


class CountIn:
    """Clicks that wait for their time."""

    def __init__(self) -> None:
        self._clicks: list[Click] = []

    def count(self, bar: Bar, beat: float, time_s: float, beat_period_s: float, bars: int) -> float:
        """Lay out ``bars`` bars of clicks from ``time_s`` on; answers when ``beat`` then begins.

        A start inside a bar (a pick-up too) is counted up to its place in the bar.
        """
        unit_beats = pulse_beats(bar)
        full_beats = bar.numerator * 4 / bar.denominator
        upbeat = max(full_beats - bar.duration_beats, 0.0) + beat - bar.beat
        count = max(round((bars * full_beats + upbeat) / unit_beats), 1)
        per_bar = max(round(full_beats / unit_beats), 1)
        begins_s = time_s + count * unit_beats * beat_period_s
        self._clicks = [
            Click(
                round(begins_s - left * unit_beats * beat_period_s, 6),
                beat - left * unit_beats,
                (count - left) % per_bar == 0,
            )
            for left in range(count, 0, -1)
        ]
        return begins_s

    def next_s(self) -> float:
        """When the next click is due; ``inf`` when there is none."""
        return self._clicks[0].due_s if self._clicks else math.inf

    def due(self, until_s: float) -> list[Click]:
        """Take the clicks due by ``until_s``."""
        ripe = [click for click in self._clicks if click.due_s <= until_s]
        self._clicks = self._clicks[len(ripe) :]
        return ripe
