"""How well soloist and orchestra played together: asynchrony, prediction, smoothness, waiting.

Conventions: see ``measure/__init__.py``. Every function takes and returns plain arrays in seconds and quarters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collaparte.measure.onsets import SAME_BEAT, Onsets, Plans

Array = NDArray[np.float64]

ROUNDING_S = 2e-6  # of the times in a take
AWAY_S = 0.150  # an orchestra note this far from the soloist is heard as a mistake
NEIGHBOURS_BEATS = 4.0  # the soloist's place is known between onsets no further apart than this
LEAST_INTERVAL_S = 0.010
WAIT_S = 0.150


def shared_onsets(solo: Onsets, orchestra: Onsets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (m,) into ``solo`` and into ``orchestra`` of the chords at the same beat, each used once.

    Where a beat was played several times (a repeat, a restart), the pairs nearest in time are taken first.
    """
    by_beat: dict[int, list[int]] = {}
    for index, beat in enumerate(orchestra.beat.tolist()):
        by_beat.setdefault(round(beat / SAME_BEAT), []).append(index)
    wanted: dict[int, list[int]] = {}
    for index, beat in enumerate(solo.beat.tolist()):
        key = round(beat / SAME_BEAT)
        if key in by_beat:
            wanted.setdefault(key, []).append(index)
    pairs: list[tuple[int, int]] = []
    for key, players in wanted.items():
        others = by_beat[key]
        distance = np.abs(solo.first_s[players][:, None] - orchestra.first_s[others][None, :])
        for _ in range(min(distance.shape)):
            row, column = np.unravel_index(int(np.argmin(distance)), distance.shape)
            pairs.append((players[row], others[column]))
            distance[row, :] = np.inf
            distance[:, column] = np.inf
    pairs.sort()
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def asynchrony(solo: Onsets, orchestra: Onsets, chord: str = "first") -> tuple[Array, Array]:
    """Signed asynchrony (m,) in seconds at each shared onset, and its beat (m,). Positive: the orchestra is late.

    ``chord``: ``first`` compares the first notes of both chords, ``mean`` the means of their notes.
    """
    mine, theirs = shared_onsets(solo, orchestra)
    if chord == "first":
        return orchestra.first_s[theirs] - solo.first_s[mine], solo.beat[mine]
    if chord == "mean":
        return orchestra.mean_s[theirs] - solo.mean_s[mine], solo.beat[mine]
    raise ValueError(f"chord is 'first' or 'mean', not {chord!r}")


def prediction_errors(solo: Onsets, plans: Plans) -> tuple[Array, Array]:
    """Signed next-onset prediction error (m,) in seconds, and the onset's beat (m,). Positive: expected too late.

    For each solo chord: the last plan made strictly before its first note sounded, read at its beat, minus when that
    note sounded. A take's times are rounded to microseconds and a truth's are not: a plan that answers the chord itself
    must not pass for an earlier one. A chord that no plan looked forward to (the first one; a jump back) is left out.
    """
    index = plans.before(solo.first_s - ROUNDING_S)
    awaited = (
        (index >= 0) & (plans.from_beat[np.maximum(index, 0)] < solo.beat - SAME_BEAT)
        if len(plans.time_s)
        else (np.zeros(len(solo), bool))
    )
    chosen = index[awaited]
    beats = solo.beat[awaited]
    expected_s = plans.from_s[chosen] + (beats - plans.from_beat[chosen]) * plans.beat_period_s[chosen]
    return expected_s - solo.first_s[awaited], beats


@dataclass(frozen=True)
class Away:
    """How many notes of the orchestra could be ``judged``, and how many of them sounded ``away`` from the soloist."""

    judged: int
    away: int
    distance_s: Array  # (judged,), signed, positive: the orchestra's note is late


def notes_away(solo: Onsets, beats: ArrayLike, times_s: ArrayLike, limit_s: float = AWAY_S) -> Away:
    """Notes of the orchestra at (``beats``, ``times_s``) more than ``limit_s`` away from where the soloist was.

    At a beat the soloist plays, that is the first note of the chord; between two of the soloist's onsets no more than
    4 quarters apart, the straight line from one to the other. Notes elsewhere (tutti, long rests) are not judged.
    Where the beat was played in several passages, the nearest in time counts.
    """
    beat = np.asarray(beats, dtype=np.float64)
    time = np.asarray(times_s, dtype=np.float64)
    best = np.full(beat.shape, np.nan)
    for passage in np.unique(solo.passage):
        rows = solo.passage == passage
        mine, when = solo.beat[rows], solo.first_s[rows]
        after = np.searchsorted(mine, beat - SAME_BEAT, side="left")
        here = (after < len(mine)) & (np.abs(mine[np.minimum(after, len(mine) - 1)] - beat) <= SAME_BEAT)
        low = np.clip(after - 1, 0, len(mine) - 1)
        high = np.clip(after, 0, len(mine) - 1)
        between = (after > 0) & (after < len(mine)) & (mine[high] - mine[low] <= NEIGHBOURS_BEATS)
        width = np.where(mine[high] > mine[low], mine[high] - mine[low], 1.0)
        line = when[low] + (beat - mine[low]) / width * (when[high] - when[low])
        expected = np.where(here, when[high], np.where(between, line, np.nan))
        distance = time - expected
        better = ~np.isnan(distance) & (np.isnan(best) | (np.abs(distance) < np.abs(best)))
        best[better] = distance[better]
    judged = best[~np.isnan(best)]
    return Away(int(judged.size), int((np.abs(judged) > limit_s).sum()), judged)


def tempo_changes(onsets: Onsets) -> tuple[Array, Array]:
    """|change of log beat period| (m,) between neighbouring intervals of the sounded onsets, and the beat (m,) of the
    onset where they meet. Waits count. Jumps break the line; an interval lasts at least 10 ms."""
    changes: list[Array] = []
    places: list[Array] = []
    for passage in np.unique(onsets.passage):
        rows = onsets.passage == passage
        beat, when = onsets.beat[rows], onsets.first_s[rows]
        if len(beat) < 3:
            continue
        log_period = np.log(np.maximum(np.diff(when), LEAST_INTERVAL_S) / np.diff(beat))
        changes.append(np.abs(np.diff(log_period)))
        places.append(beat[1:-1])
    if not changes:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(changes), np.concatenate(places)


def roughness(onsets: Onsets) -> float:
    """Mean |change of log beat period| of the sounded onsets: 0.0 is a metronome. NaN with fewer than 3 onsets."""
    changes, _ = tempo_changes(onsets)
    return float(changes.mean()) if changes.size else float("nan")


def waits(onsets: Onsets, plans: Plans) -> Array:
    """Seconds (m,) of each wait: how much later an onset of the orchestra came than the beat period planned when the
    onset before it sounded, where that is more than 150 ms."""
    if len(onsets) < 2 or len(plans.time_s) == 0:
        return np.zeros(0)
    beats, gaps_s = np.diff(onsets.beat), np.diff(onsets.first_s)
    index = np.searchsorted(plans.time_s, onsets.first_s[:-1], side="right") - 1
    planned_s = beats * plans.beat_period_s[np.maximum(index, 0)]
    excess: Array = gaps_s - planned_s
    valid = (np.diff(onsets.passage) == 0) & (index >= 0) & (excess > WAIT_S)
    found: Array = excess[valid]
    return found
