"""The page as the agent looks at it: its onsets, what the score says around each, and which places are alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.predict.features.table import AHEAD, EPS, HIGH, KEYS, LOW, N_LOOK, Floats
from collaparte.score import Score
from collaparte.score.page import NOTE

ONSET_FIELDS = np.dtype(
    [
        ("beat", "f8"),  # quarters
        ("end_beat", "f8"),  # when the last note struck here ends
        ("count", "i4"),  # notes struck together
        ("top", "i4"),  # highest pitch
        ("low", "i4"),  # lowest pitch
        ("chord", "i8"),  # names the set of pitches
        ("grace", "?"),  # grace notes or ornaments belong to this onset
        ("fermata", "?"),
        ("bar_phase", "f8"),  # 0..1 through the bar; 0 is its beginning
    ]
)


@dataclass(frozen=True)
class Page:
    """The onsets of one voice of a score, as the agent looks at them; ``onsets`` (n,) of ONSET_FIELDS, ascending."""

    onsets: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.onsets)

    @cached_property
    def beat(self) -> Floats:
        return np.ascontiguousarray(self.onsets["beat"])

    @cached_property
    def look(self) -> NDArray[np.float32]:
        """What the page says around each onset: (n, N_LOOK)."""
        return _look(self.onsets)

    @cached_property
    def likeness(self) -> NDArray[np.int64]:
        """(KEYS, n): onsets with equal numbers in a row begin intervals alike in that row's way."""
        return _likeness(self.onsets)

    @classmethod
    def of_score(cls, score: Score) -> Page:
        """The soloist's onsets of a score."""
        rows = score.solo
        bars = np.array([bar.beat for bar in score.bars])
        fermatas = np.array([fermata.beat for fermata in score.fermatas])
        return cls(
            gather(rows["beat"], rows["duration_beats"], rows["pitch"], rows["kind"] != NOTE, fermatas, bars),
        )


def gather(
    beat: Floats,
    duration: Floats,
    pitch: NDArray[Any],
    grace: NDArray[np.bool_],
    fermata_beats: Floats,
    bar_beats: Floats,
) -> NDArray[np.void]:
    """Notes (any order) to onsets: notes struck on one beat are one onset; grace notes only leave a flag."""
    order = np.lexsort((pitch, beat))
    beat, duration, pitch, grace = beat[order], duration[order], np.asarray(pitch[order], dtype=np.int64), grace[order]
    real = ~grace
    places, first, inverse = np.unique(beat[real], return_index=True, return_inverse=True)
    rows = np.zeros(len(places), dtype=ONSET_FIELDS)
    if not len(places):
        return rows
    rows["beat"] = places
    end = np.zeros(len(places))
    np.maximum.at(end, inverse, (beat + duration)[real])
    rows["end_beat"] = end
    rows["count"] = np.bincount(inverse, minlength=len(places))
    rows["low"] = pitch[real][first]
    rows["top"] = pitch[real][np.append(first[1:], real.sum()) - 1]
    rows["chord"] = np.bincount(inverse, weights=_scramble(pitch[real]), minlength=len(places)).astype(np.int64)
    if grace.any():
        at = np.clip(np.searchsorted(places, beat[grace] - EPS), 0, len(places) - 1)
        rows["grace"][at] = True
    if len(fermata_beats):
        rows["fermata"] = np.isin(np.round(places, 4), np.round(fermata_beats, 4))
    if len(bar_beats):
        bar = np.maximum(np.searchsorted(bar_beats, places + EPS, side="right") - 1, 0)
        length = np.diff(
            bar_beats, append=bar_beats[-1] + (bar_beats[-1] - bar_beats[-2] if len(bar_beats) > 1 else 4.0)
        )
        rows["bar_phase"] = np.clip((places - bar_beats[bar]) / np.maximum(length[bar], 0.25), 0.0, 1.0)
    return rows


def _scramble(pitch: NDArray[np.int64]) -> Floats:
    """A number for a pitch such that sums of a few of them name the set (exact in a double)."""
    return ((pitch * 2654435761 + 97) * (pitch + 7919) % 1000003 * 911).astype(np.float64)


def shifted(values: Floats, by: int, fill: float) -> Floats:
    """``values[i + by]`` for each i, ``fill`` outside."""
    out = np.full(len(values), fill)
    if by >= 0:
        out[: max(len(values) - by, 0)] = values[by:]
    else:
        out[-by:] = values[:by]
    return out


def _look(onsets: NDArray[np.void]) -> NDArray[np.float32]:
    n = len(onsets)
    out = np.zeros((n, N_LOOK))
    if not n:
        return out.astype(np.float32)
    beat, end = onsets["beat"], onsets["end_beat"]
    final = max(float(end.max()), float(beat[-1]) + 0.25)
    length = np.maximum(np.diff(beat, append=final), 1e-3)
    log_length = np.log2(length)
    sounding = np.maximum.accumulate(end)
    silence = np.clip((beat + length - np.maximum(sounding, beat)) / length, 0.0, 1.0)
    silence[silence < 0.1] = 0.0
    padded = np.pad(log_length, 8, mode="edge")
    long = log_length - np.median(np.lib.stride_tricks.sliding_window_view(padded, 17)[:n], axis=1)
    top, low = onsets["top"] / 12.0, onsets["low"] / 12.0
    notes = np.log2(np.maximum(onsets["count"], 1)) / 2
    phase = onsets["bar_phase"]
    bar_line = np.isclose(phase, 0.0, atol=1e-3).astype(float)
    quarter = np.isclose(beat, np.round(beat), atol=1e-3).astype(float)
    columns = [shifted(log_length, k, 0.0) / 2 for k in range(AHEAD)]
    columns += [(shifted(log_length, -k, 0.0) - log_length) / 2 * (np.arange(n) >= k) for k in range(1, 5)]
    columns += [shifted(silence, k, 0.0) for k in range(AHEAD)]
    columns += [shifted(long, k, 0.0) / 2 for k in range(AHEAD)]
    columns += [shifted(notes, k, 0.0) for k in range(4)]
    columns += [np.where(np.arange(n) + k < n, shifted(top, k, 0.0) - top, 0.0) for k in range(1, 5)]
    columns += [np.where(np.arange(n) >= k, shifted(top, -k, 0.0) - top, 0.0) for k in range(1, 4)]
    columns += [np.where(np.arange(n) + k < n, shifted(low, k, 0.0) - low, 0.0) for k in range(1, 3)]
    columns += [top - 5.0]
    columns += [shifted(onsets["grace"].astype(float), k, 0.0) for k in range(3)]
    columns += [shifted(onsets["fermata"].astype(float), k, 0.0) for k in range(3)]
    columns += [shifted(bar_line, k, 0.0) for k in range(4)]
    columns += [shifted(quarter, k, 0.0) for k in range(3)]
    columns += [np.sin(2 * np.pi * phase), np.cos(2 * np.pi * phase)]
    columns += [np.log2(1 + final - beat) / 4, np.log2(1 + beat - beat[0]) / 4]
    breath = (silence > 0.2) | (long >= 1.5) | onsets["fermata"]
    marks = np.flatnonzero(breath)
    if len(marks):
        after = np.searchsorted(marks, np.arange(n))
        ahead = np.where(after < len(marks), beat[marks[np.minimum(after, len(marks) - 1)]] - beat, 16.0)
        behind = np.where(after > 0, beat - beat[marks[np.maximum(after - 1, 0)]], 16.0)
    else:
        ahead = behind = np.full(n, 16.0)
    columns += [np.clip(ahead, 0, 16) / 16, np.clip(behind, 0, 16) / 16]
    out[:] = np.stack(columns, axis=1)
    return np.clip(out, LOW[:N_LOOK], HIGH[:N_LOOK]).astype(np.float32)


def _likeness(onsets: NDArray[np.void]) -> NDArray[np.int64]:
    """Numbers naming intervals that are alike: by notes, by contour and rhythm (transposed), by rhythm and metre.

    *notes*: the chords of this onset, of two before and of the next one, and the intervals between, are equal;
    *contour*: the steps of the top voice and the intervals, from two before to two after, are equal;
    *rhythm*: the intervals from three before to three after, and the place in the bar, are equal.
    """
    n = len(onsets)
    length = np.round(np.diff(onsets["beat"], append=onsets["beat"][-1:] + 1.0) * 48).astype(np.int64)
    step: NDArray[np.int64] = np.asarray(np.diff(onsets["top"].astype(np.int64), append=0), dtype=np.int64)
    ways: tuple[list[tuple[NDArray[np.int64], int]], ...] = (
        [(onsets["chord"], k) for k in (-2, -1, 0, 1)] + [(length, k) for k in (-2, -1, 0)],
        [(step, k) for k in (-2, -1, 0, 1)] + [(length, k) for k in (-2, -1, 0, 1)],
        [(length, k) for k in (-3, -2, -1, 0, 1, 2)] + [(np.round(onsets["bar_phase"] * 96).astype(np.int64), 0)],
    )
    out = np.empty((KEYS, n), dtype=np.int64)
    for row, parts in enumerate(ways):
        stacked = np.full((n, len(parts)), -1, dtype=np.int64)
        for column, (values, by) in enumerate(parts):
            if by >= 0:
                stacked[: max(n - by, 0), column] = values[by:]
            else:
                stacked[-by:, column] = values[:by]
        out[row] = np.unique(stacked, axis=0, return_inverse=True)[1].reshape(-1) if n else 0
    return out


def lengths(page: Page) -> Floats:
    """Quarters from each onset to the next one (from the last one to the end of its sound)."""
    if not len(page):
        return np.zeros(0)
    final = max(float(page.onsets["end_beat"].max()), float(page.beat[-1]) + 0.25)
    return np.diff(page.beat, append=final)
