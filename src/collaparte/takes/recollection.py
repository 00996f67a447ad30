"""Several run-throughs of one piece, brought together once at the start: what is remembered about each beat.

For every interval i and the ``horizon`` intervals from it on, each run-through offers the log of (its beat period
there / its own local beat period before i), where the local beat period is seconds by quarters over its last
``LOCAL_INTERVALS`` remembered intervals before i (its whole, at the beginning). These are brought together by a
weighted mean in which no run-through may be further than a bound from the weighted median, so that one bad or
foreign take among three moves the memory by a few per cent at most.

A run-through's weight is recency (half for each ``HALF_LIFE`` later ones) times likeness (how near it is to what the
others say, 1 for an ordinary one), at most 1. An interval known only from another pass of a repeat counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.events import Recalled
from collaparte.score import Score
from collaparte.takes.remember import Key, RunThrough, interval_keys

Array = NDArray[np.float64]

HORIZON = 16
LOCAL_INTERVALS = 8
HALF_LIFE = 6.0
MOST_RUNS = 24
OTHER_PASS = 0.5
OUTLIER = 0.15  # log ratio: what lies further from the median counts as if it lay here (or at 2 spreads, if wider)
PRIOR_SPREAD = 0.12  # log ratio: what one run-through alone leaves open


@dataclass(frozen=True)
class Recollection:
    """What is remembered of one piece, ready to be asked: ``recalled(beat)`` costs a few microseconds.

    ``beat`` (n,) is where each interval begins; ``log_ratio``, ``spread``, ``weight`` (n, horizon), ``local_s`` (n,)
    seconds per quarter; ``curve_log_period``, ``curve_spread``, ``curve_weight`` (n,) for plots; ``each_log_period``
    (runs, n), NaN where unknown, and ``each_weight`` (runs,) for those who ask the run-throughs one by one.
    """

    beat: Array
    log_ratio: Array
    spread: Array
    weight: Array
    local_s: Array
    curve_log_period: Array
    curve_spread: Array
    curve_weight: Array
    runs: int
    each_log_period: Array
    each_weight: Array

    def recalled(self, beat: float) -> Recalled | None:
        """What is remembered from the interval that begins at ``beat`` (or in which ``beat`` lies) on.

        None when nothing at all is remembered of this piece, or no interval follows.
        """
        if not self.runs or not len(self.beat):
            return None
        index = max(int(self.beat.searchsorted(beat + 1e-4, side="right")) - 1, 0)
        count = min(self.log_ratio.shape[1], len(self.beat) - index)
        return Recalled(
            self.beat[index : index + count],
            self.log_ratio[index, :count],
            self.spread[index, :count],
            self.weight[index, :count],
            float(self.local_s[index]),
            self.each_log_period[:, index : index + count],
            self.each_weight,
        )


def recollect(score: Score, runs: Sequence[RunThrough], horizon: int = HORIZON) -> Recollection:
    """Bring the latest run-throughs together for ``score``, whatever repeats they or it take."""
    runs = sorted(runs, key=lambda run: run.order)[-MOST_RUNS:]
    keys, lengths = interval_keys(score)
    beat = np.array(score.solo_onsets[: len(keys)], dtype=np.float64)
    count = len(keys)
    log_period = np.full((len(runs), count), np.nan)
    trust = np.zeros((len(runs), count))
    for row, run in enumerate(runs):
        log_period[row], trust[row] = _placed(run, keys)
    known = ~np.isnan(log_period)
    heard = known.any(axis=1) if count else np.zeros(len(runs), bool)
    log_period, trust, known = log_period[heard], trust[heard], known[heard]
    number = len(log_period)
    if number == 0:
        empty = np.zeros((count, horizon))
        flat = np.zeros(count)
        return Recollection(beat, empty, empty, empty, np.ones(count), flat, flat, flat, 0, empty[:0], flat[:0])
    local = np.stack([_local_log_period(log_period[row], lengths) for row in range(number)])
    recency = 0.5 ** (np.arange(number - 1, -1, -1) / HALF_LIFE)
    each_weight = recency * _likeness(log_period - local)
    trust = trust * each_weight[:, None]

    ahead = np.minimum(np.arange(count)[:, None] + np.arange(horizon)[None, :], count - 1)
    beyond = np.arange(count)[:, None] + np.arange(horizon)[None, :] >= count
    ratios = log_period[:, ahead] - local[:, :, None]
    weights = np.where(beyond[None] | np.isnan(ratios), 0.0, trust[:, ahead])
    log_ratio, spread, weight = together(ratios, weights)
    local_middle, _, _ = together(local, np.broadcast_to((recency[:, None]), local.shape))

    level = np.nanmedian(log_period, axis=1, keepdims=True)
    curve, curve_spread, curve_weight = together(log_period - level, trust)
    return Recollection(
        beat,
        log_ratio,
        spread,
        weight,
        np.exp(local_middle),
        curve + float(np.median(level)),
        curve_spread,
        curve_weight,
        number,
        log_period,
        each_weight,
    )


def together(values: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Weighted mean over the first axis, with values drawn in to near the weighted median; its spread; its weight.

    Where there is no weight: 0.0, the prior spread, 0.0. NaN values count nothing.
    """
    weights = np.where(np.isnan(values), 0.0, weights)
    values = np.where(np.isnan(values), 0.0, values)
    total = weights.sum(axis=0)
    safe = np.where(total > 0, total, 1.0)
    middle = _weighted_median(values, weights)
    off = np.abs(values - middle)
    bound = np.maximum(2.0 * _weighted_median(off, weights), OUTLIER)
    drawn = np.clip(values, middle - bound, middle + bound)
    mean = (drawn * weights).sum(axis=0) / safe
    variance = (weights * (values - mean) ** 2).sum(axis=0)
    spread = np.sqrt((variance + PRIOR_SPREAD**2) / (total + 1.0))
    return np.where(total > 0, mean, 0.0), spread, total


def _weighted_median(values: Array, weights: Array) -> Array:
    """Over the first axis; the middle of the two middle values where the weight divides evenly."""
    order = np.argsort(np.where(weights > 0, values, np.inf), axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    heap = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    half = heap[-1] / 2
    lower = np.argmax(heap >= half - 1e-12, axis=0)[None]
    upper = np.argmax(heap > half + 1e-12, axis=0)[None]
    low = np.take_along_axis(ranked, lower, axis=0)[0]
    high = np.take_along_axis(ranked, np.where(heap[-1:] > 0, upper, lower), axis=0)[0]
    middle: Array = (low + high) / 2
    return middle


def _placed(run: RunThrough, keys: Sequence[Key]) -> tuple[Array, Array]:
    """A run-through's log beat period and trust at each of the score's intervals (NaN and 0 where unknown)."""
    known: dict[Key, float] = {}
    anywhere: dict[tuple[int, int], float] = {}
    for key, length, interval_s in zip(run.keys, run.interval_beats, run.interval_s, strict=True):
        known[key] = float(np.log(interval_s / length))
        anywhere[key[0], key[2]] = known[key]
    log_period = np.full(len(keys), np.nan)
    trust = np.zeros(len(keys))
    for index, key in enumerate(keys):
        if key in known:
            log_period[index], trust[index] = known[key], 1.0
        elif (key[0], key[2]) in anywhere:
            log_period[index], trust[index] = anywhere[key[0], key[2]], OTHER_PASS
    return log_period, trust


def _local_log_period(log_period: Array, lengths: Array) -> Array:
    """Log of the local beat period before each interval (n,), from the run-through's own remembered intervals."""
    rows = np.flatnonzero(~np.isnan(log_period))
    seconds = np.concatenate([[0.0], np.cumsum(np.exp(log_period[rows]) * lengths[rows])])
    quarters = np.concatenate([[0.0], np.cumsum(lengths[rows])])
    until = np.searchsorted(rows, np.arange(len(log_period)), side="left")
    since = np.maximum(until - LOCAL_INTERVALS, 0)
    whole = float(np.median(log_period[rows]))
    length = quarters[until] - quarters[since]
    ratio = np.where(length > 0, (seconds[until] - seconds[since]) / np.where(length > 0, length, 1.0), np.exp(whole))
    local: Array = np.log(ratio)
    return local


def _likeness(shape: Array) -> Array:
    """(runs,) in 0..1: how near each run-through's shape is to the nearer half of the others. 1 with fewer than three.

    A run-through twice as far off as usual counts a quarter.
    """
    number = len(shape)
    if number < 3:
        return np.ones(number)
    apart = np.full((number, number), np.nan)
    for one in range(number):
        for other in range(one):
            difference = np.abs(shape[one] - shape[other])
            seen = difference[~np.isnan(difference)]
            apart[one, other] = apart[other, one] = float(np.median(seen)) if seen.size else np.nan
    ranked = np.sort(apart, axis=1)  # NaN, and so each one itself, last
    off = ranked[:, (number - 2) // 2]
    usual = float(np.nanmedian(off)) if not np.isnan(off).all() else 0.0
    off = np.where(np.isnan(off), usual, off)
    likeness: Array = np.minimum(1.0, ((usual + 1e-3) / (off + 1e-3)) ** 2)
    return likeness
