"""The observations of a whole take at once, for training: the same numbers as ``live.py``, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.predict.features.advice import advised
from collaparte.predict.features.page import Page, lengths, shifted
from collaparte.predict.features.table import (
    EPS,
    HIGH,
    KEYS,
    LOCAL_BEATS,
    LONG,
    LONG_BEATS,
    LOW,
    N_ADVISED,
    N_DYNAMIC,
    N_LOOK,
    N_SENSES,
    PAST,
    RECALL_AHEAD,
    RECENT,
    Floats,
)


@dataclass(frozen=True)
class SteadyLine:
    """What the steady model planned at each of n matched onsets: the smoothed time, seconds per quarter, its spread."""

    from_s: Floats
    beat_period_s: Floats
    spread_s: Floats


@dataclass(frozen=True)
class RecalledLine:
    """What was remembered at each of n matched onsets; ``log_ratio`` (n, RECALL_AHEAD), the next three (n,),

    ``each_log_period`` (n, takes, RECALL_AHEAD), ``each_weight`` (takes,). See Recalled.
    """

    log_ratio: Floats
    spread: Floats
    weight: Floats
    local_beat_period_s: Floats
    each_log_period: Floats
    each_weight: Floats


def _log_ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.log(np.maximum(numerator, 0.005) / np.maximum(denominator, 0.005))


def observe(
    page: Page,
    visited: NDArray[np.int64],
    time_s: Floats,
    steady: SteadyLine,
    recalled: RecalledLine | None = None,
) -> NDArray[np.float32]:
    """The observations (n, N_SENSES) of a whole take without jumps; ``visited`` (n,) page indices, ascending."""
    n = len(visited)
    out = np.zeros((n, N_SENSES), dtype=np.float32)
    out[:, :N_LOOK] = page.look[visited]
    beat, period = page.beat[visited], steady.beat_period_s
    length = lengths(page)[visited]
    expected = period * length
    span = np.diff(beat)
    index = np.arange(n)
    ratio = np.zeros(n)
    ratio[1:] = np.clip(_log_ratio(time_s[1:] - steady.from_s[:-1], period[:-1] * span), -1.5, 1.5)
    whole = np.zeros(n, dtype=bool)  # the interval that begins here was heard to its end
    whole[:-1] = np.diff(visited) == 1
    start = np.maximum(np.searchsorted(beat, beat - LOCAL_BEATS + EPS, side="right") - 1, 0)
    local = period.copy()
    moved = start < index
    local[moved] = np.maximum(time_s - time_s[start], 0.005)[moved] / (beat - beat[start])[moved]
    log_local = np.log(local / period)
    columns = [(time_s - steady.from_s) / expected, np.log(expected / 0.25) / 2]
    columns += [np.log(steady.spread_s / expected) / 2, np.concatenate([[0.0], np.log(period[1:] / period[:-1])])]
    columns += [shifted(ratio, -k, 0.0) for k in range(PAST)]
    log_recent = np.zeros(n)
    for width in (1, 2, 4, 8, 16):
        back = np.maximum(index - width, 0)
        value = np.where(index > 0, _log_ratio(time_s - time_s[back], period * (beat - beat[back])), 0.0)
        columns.append(value)
        if width == RECENT:
            log_recent = value
    columns += [log_local, np.concatenate([[0.0], (np.diff(visited) > 1).astype(float)])]
    by_local = np.zeros(n)
    by_local[:-1] = _log_ratio(np.diff(time_s), local[:-1] * span)
    for way in range(KEYS):
        last, mean, mean_local, count = _earlier(
            page.likeness[way][visited], np.append(ratio[1:], 0.0), by_local, whole
        )
        there = count > 0
        columns += [last, mean, np.where(there, mean_local + log_local, 0.0), np.log1p(count) / 2]
    memory = _recall(time_s, beat, period, length, log_recent, whole, recalled)
    columns += memory[:-3]
    columns.append(_mean_of_last(np.abs(ratio), (index > 0).astype(float)))
    columns += memory[-3:]
    columns += _advise(time_s, period, length, whole, recalled)
    dynamic = np.stack(columns, axis=1)
    out[:, N_LOOK : N_LOOK + N_DYNAMIC] = np.clip(
        dynamic, LOW[N_LOOK : N_LOOK + N_DYNAMIC], HIGH[N_LOOK : N_LOOK + N_DYNAMIC]
    )
    return out


def _earlier(
    key: NDArray[np.int64], ratio: Floats, by_local: Floats, whole: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Over earlier whole intervals with the same key: last ratio, mean ratio, mean by local tempo, how many."""
    order = np.argsort(key, kind="stable")
    valid = whole[order].astype(float)
    new = np.concatenate([[True], np.diff(key[order]) != 0])
    first = np.maximum.accumulate(np.where(new, np.arange(len(key)), 0))

    def before(values: Floats) -> Floats:
        total = np.concatenate([[0.0], np.cumsum(values[order] * valid)])
        return np.asarray(total[:-1] - total[first])

    count = np.round(before(np.ones(len(key))))
    some = np.maximum(count, 1)
    place = np.maximum.accumulate(np.where(valid > 0, np.arange(len(key)), -1))
    place = np.concatenate([[-1], place[:-1]])
    last = np.where(place >= first, ratio[order][np.maximum(place, 0)], 0.0)
    out = []
    for values in (last, before(ratio) / some, before(by_local) / some, count):
        restored = np.empty(len(key))
        restored[order] = values
        out.append(restored)
    return out[0], out[1], out[2], out[3]


def _recall(
    time_s: Floats,
    beat: Floats,
    period: Floats,
    length: Floats,
    log_recent: Floats,
    whole: NDArray[np.bool_],
    recalled: RecalledLine | None,
) -> list[Floats]:
    n = len(time_s)
    if recalled is None:
        return [np.zeros(n)] * (5 + RECALL_AHEAD - 1 + 2 + 3)
    have = recalled.weight > 0
    log_ratio = recalled.log_ratio
    log_remembered = np.log(recalled.local_beat_period_s) + log_ratio[:, 0]  # log seconds per quarter, as it was
    first = np.where(have, log_recent + log_ratio[:, 0], 0.0)
    valid = have & whole
    heard = np.where(valid, np.maximum(np.append(np.diff(time_s), 0.0), 0.005), 0.0)
    remembered = np.where(valid, np.exp(log_remembered) * length, 0.0)
    total_heard = np.concatenate([[0.0], np.cumsum(heard)])
    total_remembered = np.concatenate([[0.0], np.cumsum(remembered)])

    def scaled(back: NDArray[np.int64]) -> Floats:
        """The remembered interval by the tempo since onset ``back``."""
        up = total_heard[:-1] - total_heard[back]
        down = total_remembered[:-1] - total_remembered[back]
        some = down > 1e-9
        scale = np.log(np.where(some, up, 1.0) / np.where(some, down, 1.0))
        return np.where(have, np.where(some, scale + log_remembered - np.log(period), first), 0.0)

    here = np.arange(n)
    columns = [first, scaled(np.maximum(here - 2, 0)), scaled(np.maximum(here - PAST, 0))]
    columns += [np.where(have, recalled.spread, 0.0), np.where(have, np.log1p(recalled.weight), 0.0)]
    columns += [np.where(have, log_ratio[:, k] - log_ratio[:, 0], 0.0) for k in range(1, RECALL_AHEAD)]
    miss = np.zeros(n)
    outcome = np.log(np.maximum(heard, 0.005) / length) - np.log(period) - first
    miss[1:] = np.where(valid, outcome, 0.0)[:-1]
    miss = np.clip(miss, -1.5, 1.5)
    counted = np.concatenate([[0.0], valid[:-1].astype(float)])
    longest = np.maximum(here - LONG, 0)
    quarters = np.maximum(longest, np.searchsorted(beat, beat - LONG_BEATS - EPS))
    level = np.where(have, log_recent + np.log(period) - np.log(recalled.local_beat_period_s), 0.0)
    columns += [miss, _mean_of_last(np.abs(miss), counted), scaled(longest), scaled(quarters), level]
    return columns


def _advise(
    time_s: Floats, period: Floats, length: Floats, whole: NDArray[np.bool_], recalled: RecalledLine | None
) -> list[Floats]:
    n = len(time_s)
    if recalled is None or not len(recalled.each_weight):
        return [np.zeros(n)] * N_ADVISED
    heard = np.full(n, np.nan)
    heard[:-1] = np.where(whole[:-1], np.log(np.maximum(np.diff(time_s), 0.005) / length[:-1]), np.nan)
    said = advised(recalled.each_log_period, recalled.each_weight, heard, length)
    some = np.isfinite(said[:, 0])
    miss = np.zeros(n)
    miss[1:] = np.nan_to_num(heard - said[:, 0])[:-1]
    columns = [np.where(some, said[:, k] - np.log(period), 0.0) for k in range(3)]
    columns += [np.where(some, said[:, 3], 0.0), np.where(some, said[:, 4], 0.0)]
    columns += [np.where(some, np.log(np.where(some, said[:, 5], 1.0)), 0.0)]
    columns += [np.where(some, said[:, k], 0.0) for k in range(6, 6 + RECALL_AHEAD - 1)]
    return [*columns, miss]


def _mean_of_last(values: Floats, counted: Floats, width: int = PAST) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values * counted)])
    number = np.concatenate([[0.0], np.cumsum(counted)])
    end = np.arange(1, len(values) + 1)
    back = np.maximum(end - width, 0)
    return np.asarray((total[end] - total[back]) / np.maximum(number[end] - number[back], 1.0))
