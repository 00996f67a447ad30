"""One performance as a table of onsets: chords gathered, grace notes apart, the melody found.

An onset's time is that of its first note (the follower reports a chord at its first note). An onset nobody played, or
one whose time runs back behind an earlier one (a slip of the alignment), has NaN for its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from collaparte.predict.features import Page, gather
from collaparte.training.data.matchfile import INSERTION, MATCH, Match

Voice: TypeAlias = Literal["all", "melody"]
GRID = 960  # onsets closer than a 960th of a quarter are one: triplets are rounded differently in different hands


@dataclass(frozen=True)
class Performance:
    """``page`` holds N onsets, ``time_s`` (N,) when each was played (NaN: not), ``name`` piece and player."""

    piece: str
    player: str
    voice: Voice
    page: Page
    time_s: NDArray[np.float64]

    @property
    def name(self) -> str:
        return f"{self.piece}/{self.player}"

    @cached_property
    def played(self) -> NDArray[np.int64]:
        """Page indices of the onsets that were played, ascending."""
        return np.flatnonzero(np.isfinite(self.time_s))

    @cached_property
    def log_period_spread(self) -> float:
        """Standard deviation of the log beat period over windows of four quarters: how free the tempo is."""
        beat, time_s = self.page.beat[self.played], self.time_s[self.played]
        first = np.searchsorted(beat, np.arange(beat[0], beat[-1], 4.0)) if len(beat) else np.zeros(0, dtype=int)
        spans, times = np.diff(beat[first]), np.diff(time_s[first])
        usable = (spans > 0) & (times > 0)
        return float(np.std(np.log(times[usable] / spans[usable]))) if usable.sum() > 2 else float("nan")


def performance_of(match: Match, piece: str, player: str, voice: Voice = "all") -> Performance:
    """The onset table of one aligned performance, of the whole texture or of its melody."""
    rows = np.flatnonzero(match.kind != INSERTION)
    if voice == "melody":
        rows = rows[melody(match, rows)]
    beat = np.round(match.beat[rows] * GRID) / GRID
    grace = match.grace[rows]
    page = Page(
        gather(
            beat,
            match.duration_beats[rows],
            match.pitch[rows],
            grace,
            np.unique(beat[match.fermata[rows]]),
            match.bar_beats,
        )
    )
    time_s = np.full(len(page), np.inf)
    sounding = (match.kind[rows] == MATCH) & ~grace
    np.minimum.at(time_s, np.searchsorted(page.beat, beat[sounding]), match.onset_s[rows][sounding])
    time_s[np.isinf(time_s)] = np.nan
    return Performance(piece, player, voice, page, forward(time_s))


def forward(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same times, NaN where one is not later than all before it.

    A single onset far too late would silence everything behind it, so an onset that over half of the next eight
    contradict is the one left out.
    """
    out = time_s.copy()
    places = np.flatnonzero(np.isfinite(out))
    latest = -np.inf
    for rank, place in enumerate(places.tolist()):
        now = out[place]
        following = out[places[rank + 1 : rank + 9]]
        if now <= latest or (len(following) and np.mean(following <= now) > 0.5):
            out[place] = np.nan
        else:
            latest = now
    return out


def melody(match: Match, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of ``rows`` belong to the melody: the skyline, with the voice kept together.

    A note is a candidate when nothing above it sounds as it begins (a note that ends within a 32nd no longer
    counts). Among candidates a dynamic programme prefers the true top, small steps, and the voice number it is in;
    falling far below the line for a moment (an accompaniment showing through a rest) costs more than resting.
    """
    beat = np.round(match.beat[rows] * GRID) / GRID
    end = beat + match.duration_beats[rows]
    pitch, voice = match.pitch[rows].astype(float), match.voice[rows]
    places, first = np.unique(beat, return_index=True)
    top = np.full(len(places), -1)
    ceiling = np.zeros(len(places))
    bounds = np.append(first, len(rows))
    active: list[tuple[float, float]] = []
    for place, now in enumerate(places.tolist()):
        group = np.arange(bounds[place], bounds[place + 1])
        real = group[match.duration_beats[rows][group] > 1e-6]
        active = [item for item in active if item[0] > now + 0.125]
        ceiling[place] = max((item[1] for item in active), default=0.0)
        if len(real):
            best = real[np.argmax(pitch[real])]
            top[place] = best
            active += [(float(end[index]), float(pitch[index])) for index in real.tolist()]
    kept = np.flatnonzero((top >= 0) & (np.where(top >= 0, pitch[top], 0) >= ceiling))
    chosen = np.zeros(len(rows), dtype=bool)
    if not len(kept):
        return chosen
    notes = top[kept]
    chosen[notes[_line(beat[notes], pitch[notes], voice[notes])]] = True
    return chosen


def _line(beat: NDArray[np.float64], pitch: NDArray[np.float64], voice: NDArray[np.int16]) -> NDArray[np.bool_]:
    """The cheapest way through the skyline: leave a note out (cost .9) or step to it from one of the last six kept."""
    n, leave = len(beat), 0.9
    cost, back = np.zeros(n), np.full(n, -1)
    for here in range(n):
        earlier = np.arange(max(here - 6, 0), here)
        if not len(earlier):
            continue
        leap = np.abs(pitch[here] - pitch[earlier])
        fall = np.maximum(pitch[earlier] - pitch[here] - 7, 0)
        near = np.maximum(beat[here] - beat[earlier], 0.25)
        other = (voice[here] != voice[earlier]) & (voice[here] > 0)
        step = 0.04 * leap + 0.12 * fall / np.sqrt(near) + 0.35 * other
        total = cost[earlier] + step + leave * (here - earlier - 1)
        best = int(np.argmin(total))
        if total[best] < leave * here:
            cost[here], back[here] = total[best], earlier[best]
        else:
            cost[here] = leave * here
    place = int(np.argmin(cost + leave * (n - 1 - np.arange(n))))
    kept = np.zeros(n, dtype=bool)
    while place >= 0:
        kept[place] = True
        place = int(back[place])
    return kept
