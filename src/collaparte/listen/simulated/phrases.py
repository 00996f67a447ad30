"""Where a melody breathes: phrases guessed from bars, rests and long notes.

Boundaries are chosen by dynamic programming among bar lines and the onsets after rests and long notes: a boundary
earns what its gap suggests (the two strongest of the rules of Cambouropoulos's local boundary detection, 2001: rest
and length), a phrase pays for being far from the usual length of four bars, and for not being two, four or eight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.score import NOTE, Score

Array = NDArray[np.float64]

USUAL_BARS = 4
USUAL_S = (4.0, 12.0)  # a phrase of four bars is halved or doubled until it lasts about this long
LONG_REST_BEATS = 6.0  # a solo rest that always ends a phrase
LOOK_BACK = 40  # candidates a phrase may reach back over


def phrase_starts(score: Score) -> Array:
    """Beats (k,) at which the soloist's phrases begin, ascending, the first solo onset first."""
    onsets = score.solo_onsets
    if len(onsets) < 3:
        return onsets[:1].copy()
    usual = _usual_beats(score)
    strength = _boundary_strength(score)
    lines = np.array([bar.beat for bar in score.bars])
    after_line = np.isin(np.arange(len(onsets)), np.searchsorted(onsets, lines - 1e-6))
    chosen = after_line | (strength > 0.8)
    chosen[0] = True
    candidates = np.flatnonzero(chosen)
    beats, worth = onsets[candidates], strength[candidates] + 0.3 * after_line[candidates]

    best = np.full(len(candidates), -np.inf)
    origin = np.zeros(len(candidates), dtype=np.int64)
    best[0] = 0.0
    for here in range(1, len(candidates)):
        back = np.arange(max(0, here - LOOK_BACK), here)
        length = np.log2((beats[here] - beats[back]) / usual)
        total = best[back] - 1.5 * length**2 - 0.5 * np.abs(length - np.round(length)) + worth[here]
        origin[here] = back[np.argmax(total)]
        best[here] = total.max()
    ends = np.log2((onsets[-1] + 1e-3 - beats) / usual)
    here = int(np.argmax(best - 1.5 * ends**2))
    path = [here]
    while path[-1] > 0:
        path.append(int(origin[path[-1]]))
    return np.asarray(beats[np.array(path[::-1])])


def sounding_ends(score: Score) -> Array:
    """Beats (k,) at which the longest note of each solo onset ends; for ``score.solo_onsets``."""
    rows = score.solo[score.solo["kind"] == NOTE]
    ends = np.zeros(len(score.solo_onsets))
    np.maximum.at(ends, np.searchsorted(score.solo_onsets, rows["beat"]), rows["beat"] + rows["duration_beats"])
    return ends


def running_median(values: Array, reach: int) -> Array:
    """The median (n,) of each value and ``reach`` neighbours on both sides; ends are mirrored."""
    reach = min(reach, len(values) - 1)
    padded = np.pad(values, reach, mode="reflect") if reach else values
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1))


def _usual_beats(score: Score) -> float:
    bar = float(np.median([bar.duration_beats for bar in score.bars])) if score.bars else 4.0
    usual = USUAL_BARS * bar
    seconds = usual * score.beat_period_at(float(score.solo_onsets[0]))
    while seconds < USUAL_S[0]:
        usual, seconds = usual * 2, seconds * 2
    while seconds > USUAL_S[1] and usual > bar:
        usual, seconds = usual / 2, seconds / 2
    return usual


def _boundary_strength(score: Score) -> Array:
    """How much (k,) each onset looks like the start of a phrase, 0..about 3, from what lies just before it."""
    onsets = score.solo_onsets
    gap = np.diff(onsets, prepend=onsets[0])
    rest = np.maximum(onsets - np.concatenate([onsets[:1], sounding_ends(score)[:-1]]), 0)
    usual = np.maximum(running_median(gap, 8), 1e-3)
    strength = 0.5 * np.clip(np.log2(np.maximum(gap, 1e-3) / usual), 0, 2) + 0.5 * np.clip(rest / usual, 0, 2)
    strength[rest >= LONG_REST_BEATS] += 6.0
    strength[0] = 0.0
    return np.asarray(strength)
