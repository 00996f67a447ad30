"""What the agent senses: the only place where an observation is made.

An observation answers one matched solo onset. It has three parts, in this order:

- **page** (``look``): what the score says around the onset; known before the take begins, one row for each onset;
- **take** (``dynamic``): how this take has gone so far, told relative to the steady model's plan, and what is
  remembered of the next interval from this take (the last places with the same notes) and from earlier ones;
- **own**: what the agent's own last plan did. All zero where nobody acts (the warm start by cloning).

``Senses`` makes observations one by one at run time, ``observe`` makes those of a whole take at once for training;
a test holds them equal. Every number is clipped into its range, so an observation never leaves its Box.

Version 2 (what single run-throughs advise: see ``advice.py``). ``log`` is natural; an *interval* lies between consecutive onsets of the page; *expected* is the steady
model's; a quantity that does not exist (no memory, nothing played yet, past the end) is 0.

{table}
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.events import Recalled, TempoPlan
from collaparte.predict import advice
from collaparte.predict.advice import Advice, Advised, advised
from collaparte.score import Score
from collaparte.score.page import NOTE

VERSION = 2
AHEAD = 7  # intervals of look-ahead
PAST = 8  # intervals of look-back
KEYS = 3  # ways of being the same place: see ``_likeness``
RECALL_AHEAD = advice.AHEAD
LOCAL_BEATS = 4.0  # local tempo is taken over this many quarters
LONG, LONG_BEATS = 32, 8.0  # the longer windows a memory is scaled by
RECENT = 8  # the tempo a memory is scaled to is that of so many intervals, as in takes/recollection.py
EPS = 1e-6

Floats = NDArray[np.float64]

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


def _table() -> tuple[tuple[str, float, float, str], ...]:
    rows: list[tuple[str, float, float, str]] = []
    rows += [(f"length_{k}", -2.0, 2.0, "log2(beats)/2") for k in range(AHEAD)]
    rows += [(f"length_past_{k}", -2.0, 2.0, "log2(ratio to length_0)/2") for k in range(1, 5)]
    rows += [(f"silence_{k}", 0.0, 1.0, "share of the interval") for k in range(AHEAD)]
    rows += [(f"long_{k}", -2.0, 2.0, "log2(length/median of 16 around)/2") for k in range(AHEAD)]
    rows += [(f"notes_{k}", 0.0, 1.5, "log2(notes struck)/2") for k in range(4)]
    rows += [(f"rise_{k}", -2.0, 2.0, "octaves, top pitch from here") for k in range(1, 5)]
    rows += [(f"rise_past_{k}", -2.0, 2.0, "octaves, top pitch from here") for k in range(1, 4)]
    rows += [(f"bass_{k}", -2.0, 2.0, "octaves, lowest pitch from here") for k in range(1, 3)]
    rows += [(f"height_{k}", -2.0, 2.0, "octaves from middle C, top") for k in range(1)]
    rows += [(f"grace_{k}", 0.0, 1.0, "flag") for k in range(3)]
    rows += [(f"fermata_{k}", 0.0, 1.0, "flag") for k in range(3)]
    rows += [(f"bar_line_{k}", 0.0, 1.0, "flag") for k in range(4)]
    rows += [(f"quarter_{k}", 0.0, 1.0, "flag: a whole quarter of its bar") for k in range(3)]
    rows += [("bar_sine", -1.0, 1.0, "of the phase in the bar"), ("bar_cosine", -1.0, 1.0, "of the phase in the bar")]
    rows += [("left", 0.0, 2.0, "log2(1 + quarters to the end)/4"), ("gone", 0.0, 2.0, "log2(1 + quarters)/4")]
    rows += [("rest_in", 0.0, 1.0, "quarters to the next rest or long note, /16")]
    rows += [("rest_since", 0.0, 1.0, "quarters since the last rest or long note, /16")]
    return tuple(rows)


def _dynamic_table() -> tuple[tuple[str, float, float, str], ...]:
    rows: list[tuple[str, float, float, str]] = []
    rows += [("phase", -1.0, 1.0, "(onset - smoothed onset)/expected")]
    rows += [("expected", -2.0, 2.0, "log(expected/.25 s)/2"), ("spread", -2.0, 2.0, "log(plan's spread/expected)/2")]
    rows += [("tempo_step", -1.0, 1.0, "log ratio of steady beat periods, last step")]
    rows += [(f"ratio_{k}", -1.5, 1.5, "log(heard/expected), k-th last interval") for k in range(PAST)]
    rows += [(f"tempo_{w}", -1.5, 1.5, f"log(beat period of the last {w} onsets/steady)") for w in (1, 2, 4, 8, 16)]
    rows += [("tempo_local", -1.5, 1.5, "log(local beat period/steady)")]
    rows += [("missed", 0.0, 1.0, "flag: the page's last onset was passed over")]
    for name in ("notes", "contour", "rhythm"):
        rows += [(f"self_{name}_last", -1.5, 1.5, "log(heard/expected) there")]
        rows += [(f"self_{name}_mean", -1.5, 1.5, "the same, mean of all such places")]
        rows += [(f"self_{name}_local", -1.5, 1.5, "by local tempo instead, mean")]
        rows += [(f"self_{name}_count", 0.0, 2.0, "log(1 + places)/2")]
    rows += [("recalled", -1.5, 1.5, "log(remembered/expected), by tempo_8")]
    rows += [
        ("recalled_2", -1.5, 1.5, "the same, tempo of the last 2 intervals"),
        ("recalled_8", -1.5, 1.5, "... last 8"),
    ]
    rows += [("recalled_spread", 0.0, 1.0, "log units"), ("recalled_weight", 0.0, 2.0, "log(1 + takes)/1")]
    rows += [(f"recalled_ahead_{k}", -1.5, 1.5, "log ratio of interval k to this") for k in range(1, RECALL_AHEAD)]
    rows += [("recalled_miss", -1.5, 1.5, "log(heard/remembered), last interval")]
    rows += [("recalled_doubt", 0.0, 1.0, "mean of |recalled_miss| over 8"), ("doubt", 0.0, 1.0, "the same of |ratio|")]
    rows += [("recalled_32", -1.5, 1.5, "as recalled_8, tempo of the last 32 intervals")]
    rows += [("recalled_long", -1.5, 1.5, "... of those in the last 8 quarters")]
    rows += [("recalled_level", -1.5, 1.5, "log(tempo_8 beat period/remembered local one)")]
    rows += [(f"advised_{how}", -1.5, 1.5, f"log(advised/expected), {how}") for how in ("quick", "slow", "best")]
    rows += [("advised_spread", 0.0, 1.0, "log units"), ("advised_doubt", 0.0, 1.0, "advisers' mean miss, log units")]
    rows += [("advised_voices", 0.0, 2.0, "log(effective advisers)")]
    rows += [(f"advised_ahead_{k}", -1.5, 1.5, "log ratio of interval k to this") for k in range(1, RECALL_AHEAD)]
    rows += [("advised_miss", -1.5, 1.5, "log(heard/advised), last interval")]
    return tuple(rows)


LOOK = _table()
DYNAMIC = _dynamic_table()
OWN = (
    ("own_late", -1.0, 1.0, "(own predicted onset - onset)/expected"),
    ("own_late_s", -2.0, 2.0, "the same in tenths of a second"),
    ("own_action", -1.0, 1.0, "own last action"),
)
SENSES = LOOK + DYNAMIC + OWN
LOW = np.array([row[1] for row in SENSES], dtype=np.float32)
HIGH = np.array([row[2] for row in SENSES], dtype=np.float32)
N_ADVISED = 6 + RECALL_AHEAD - 1 + 1
N_LOOK, N_DYNAMIC, N_OWN, N_SENSES = len(LOOK), len(DYNAMIC), len(OWN), len(SENSES)


def describe() -> str:
    """The table of senses as text: number, name, min, max, unit."""
    return "\n".join(
        f"{index:4d}  {name:<20} {low:5.1f} {high:5.1f}  {unit}" for index, (name, low, high, unit) in enumerate(SENSES)
    )


__doc__ = __doc__.replace("{table}", describe()) if __doc__ else __doc__


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


def _shifted(values: Floats, by: int, fill: float) -> Floats:
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
    columns = [_shifted(log_length, k, 0.0) / 2 for k in range(AHEAD)]
    columns += [(_shifted(log_length, -k, 0.0) - log_length) / 2 * (np.arange(n) >= k) for k in range(1, 5)]
    columns += [_shifted(silence, k, 0.0) for k in range(AHEAD)]
    columns += [_shifted(long, k, 0.0) / 2 for k in range(AHEAD)]
    columns += [_shifted(notes, k, 0.0) for k in range(4)]
    columns += [np.where(np.arange(n) + k < n, _shifted(top, k, 0.0) - top, 0.0) for k in range(1, 5)]
    columns += [np.where(np.arange(n) >= k, _shifted(top, -k, 0.0) - top, 0.0) for k in range(1, 4)]
    columns += [np.where(np.arange(n) + k < n, _shifted(low, k, 0.0) - low, 0.0) for k in range(1, 3)]
    columns += [top - 5.0]
    columns += [_shifted(onsets["grace"].astype(float), k, 0.0) for k in range(3)]
    columns += [_shifted(onsets["fermata"].astype(float), k, 0.0) for k in range(3)]
    columns += [_shifted(bar_line, k, 0.0) for k in range(4)]
    columns += [_shifted(quarter, k, 0.0) for k in range(3)]
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
    length = _lengths(page)[visited]
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
    columns += [_shifted(ratio, -k, 0.0) for k in range(PAST)]
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


def _lengths(page: Page) -> Floats:
    """Quarters from each onset to the next one (from the last one to the end of its sound)."""
    if not len(page):
        return np.zeros(0)
    final = max(float(page.onsets["end_beat"].max()), float(page.beat[-1]) + 0.25)
    return np.diff(page.beat, append=final)


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


def _told(said: Advised | None, log_expected: float, miss: float) -> list[float]:
    """The senses of what was advised; ``log_expected`` seconds per quarter, ``miss`` the last interval's."""
    if said is None:
        return [0.0] * (N_ADVISED - 1) + [miss]
    values = [said.quick - log_expected, said.slow - log_expected, said.best - log_expected]
    return [*values, said.spread, said.miss, math.log(said.voices), *said.ahead, miss]


def _mean_of_last(values: Floats, counted: Floats, width: int = PAST) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values * counted)])
    number = np.concatenate([[0.0], np.cumsum(counted)])
    end = np.arange(1, len(values) + 1)
    back = np.maximum(end - width, 0)
    return np.asarray((total[end] - total[back]) / np.maximum(number[end] - number[back], 1.0))


class Senses:
    """The observations of one take, made one by one. ``forget`` begins again; jumps begin a new stretch."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._beat: list[float] = page.beat.tolist()
        self._index = {round(beat, 4): place for place, beat in enumerate(self._beat)}
        self._length: list[float] = _lengths(page).tolist()
        self._keys: list[list[int]] = page.likeness.tolist()
        self._look = page.look
        self._low: list[float] = LOW[N_LOOK : N_LOOK + N_DYNAMIC].tolist()
        self._high: list[float] = HIGH[N_LOOK : N_LOOK + N_DYNAMIC].tolist()
        self.forget()

    def forget(self) -> None:
        """As before the first note of a take."""
        self._memory: list[dict[int, list[float]]] = [{} for _ in range(KEYS)]
        self._break()

    def _break(self) -> None:
        self._trail: deque[tuple[float, float, int]] = deque(maxlen=17)  # time_s, beat, page index
        self._bar: deque[tuple[float, float]] = deque()  # (time_s, beat) over the last LOCAL_BEATS
        self._ratios: deque[float] = deque([0.0] * PAST, maxlen=PAST)
        self._doubts: deque[float] = deque(maxlen=PAST)
        # heard and remembered seconds of the last intervals (0, 0: neither), and the beat where each began
        self._pairs: deque[tuple[float, float, float]] = deque(maxlen=LONG)
        self._misses: deque[float] = deque(maxlen=PAST)
        self._plan: TempoPlan | None = None  # the steady model's last one
        self._local = 0.0
        self._remembered: tuple[float, float] | None = None  # log s per quarter: as it was, and by local tempo
        self._advisers: Advice | None = None
        self._advised: Advised | None = None

    def place_of(self, beat: float) -> int | None:
        """The page index of an onset; None where the soloist has no note to play."""
        return self._index.get(round(beat, 4))

    def expected_s(self, place: int, steady: TempoPlan) -> float:
        """Seconds from the smoothed onset to the next one, by the steady model."""
        return steady.beat_period_s * self._length[place]

    def sense(
        self,
        onset_s: float,
        steady: TempoPlan,
        recalled: Recalled | None = None,
        own: tuple[float, float] = (0.0, 0.0),
    ) -> NDArray[np.float32]:
        """The observation (N_SENSES,) at one matched onset, its steady plan already made.

        ``own``: (own predicted time of this onset - onset_s, own last action). Raises KeyError off the page's onsets.
        """
        beat = steady.from_beat
        place = self._index[round(beat, 4)]
        trail, log = self._trail, math.log
        if trail and (place <= trail[-1][2] or onset_s < trail[-1][0] or place - trail[-1][2] > 64):
            self._break()
            trail = self._trail
        period, length = steady.beat_period_s, self._length[place]
        expected = period * length
        step, ratio, miss, missed, advice_miss = 0.0, 0.0, 0.0, 0.0, 0.0
        if trail:
            before_s, before_beat, before = trail[-1]
            last = self._plan
            assert last is not None
            span = beat - before_beat
            ratio = log(max(onset_s - last.from_s, 0.005) / max(last.beat_period_s * span, 0.005))
            ratio = min(max(ratio, -1.5), 1.5)
            self._ratios.appendleft(ratio)
            self._doubts.append(abs(ratio))
            step = log(period / last.beat_period_s)
            whole = place == before + 1
            missed = 0.0 if whole else 1.0
            heard = max(onset_s - before_s, 0.005)
            if whole:
                by_local = log(heard / max(self._local * span, 0.005))
                for way, memory in zip(self._keys, self._memory, strict=True):
                    entry = memory.setdefault(way[before], [0.0, 0.0, 0.0, 0.0])
                    entry[0] = ratio
                    entry[1] += ratio
                    entry[2] += by_local
                    entry[3] += 1.0
            if whole and self._advisers is not None:
                log_heard = log(heard / span)
                self._advisers.tell(log_heard, span)
                advice_miss = log_heard - self._advised.quick if self._advised is not None else 0.0
            if whole and self._remembered is not None:
                absolute, scaled = self._remembered
                self._pairs.append((heard, math.exp(absolute) * span, before_beat))
                miss = min(max(log(heard / span) - scaled, -1.5), 1.5)
                self._misses.append(abs(miss))
            else:
                self._pairs.append((0.0, 0.0, before_beat))
                self._misses.append(-1.0)
        trail.append((onset_s, beat, place))
        bar = self._bar
        bar.append((onset_s, beat))
        while len(bar) > 1 and bar[1][1] <= beat - LOCAL_BEATS + EPS:
            bar.popleft()
        local = period
        if len(bar) > 1:
            local = max(onset_s - bar[0][0], 0.005) / (beat - bar[0][1])
        log_local = log(local / period)

        values = [(onset_s - steady.from_s) / expected, log(expected / 0.25) / 2]
        values += [log(steady.spread_s / expected) / 2, step, *self._ratios]
        newest, log_recent = len(trail) - 1, 0.0
        for width in (1, 2, 4, 8, 16):
            if newest:
                then_s, then_beat, _ = trail[max(newest - width, 0)]
                value = log(max(onset_s - then_s, 0.005) / max(period * (beat - then_beat), 0.005))
            else:
                value = 0.0
            values.append(value)
            if width == RECENT:
                log_recent = value
        values += [log_local, missed]
        for way, memory in zip(self._keys, self._memory, strict=True):
            found = memory.get(way[place])
            if found is None:
                values += [0.0, 0.0, 0.0, 0.0]
            else:
                count = found[3]
                values += [found[0], found[1] / count, found[2] / count + log_local, math.log1p(count) / 2]
        remembered, long_ago = self._recall(recalled, beat, log_recent, period)
        values += remembered
        counted = [item for item in self._misses if item >= 0]
        values += [miss, sum(counted) / len(counted) if counted else 0.0]
        values.append(sum(self._doubts) / len(self._doubts) if self._doubts else 0.0)
        values += long_ago
        values += self._ask(recalled, beat, log(period), advice_miss)

        self._plan, self._local = steady, local
        out = np.empty(N_SENSES, dtype=np.float32)
        out[:N_LOOK] = self._look[place]
        out[N_LOOK : N_LOOK + N_DYNAMIC] = [
            low if value < low else high if value > high else value
            for value, low, high in zip(values, self._low, self._high, strict=True)
        ]
        late_s, action = own
        out[N_LOOK + N_DYNAMIC :] = (
            min(max(late_s / expected, -1.0), 1.0),
            min(max(late_s / 0.1, -2.0), 2.0),
            min(max(action, -1.0), 1.0),
        )
        return out

    def _ask(self, recalled: Recalled | None, beat: float, log_period: float, miss: float) -> list[float]:
        self._advised = None
        if recalled is None or not len(recalled.each_weight) or abs(recalled.beat[0] - beat) > 1e-3:
            return _told(None, log_period, miss)
        if self._advisers is None or len(recalled.each_weight) != self._advisers.count:
            self._advisers = Advice(recalled.each_weight)
        self._advised = self._advisers.ask(recalled.each_log_period[:, :RECALL_AHEAD])
        return _told(self._advised, log_period, miss)

    def _recall(
        self, recalled: Recalled | None, beat: float, log_recent: float, period: float
    ) -> tuple[list[float], list[float]]:
        self._remembered = None
        if (
            recalled is None
            or not len(recalled.beat)
            or recalled.weight[0] <= 0
            or abs(recalled.beat[0] - beat) > 1e-3
            or recalled.local_beat_period_s <= 0
        ):
            return [0.0] * (5 + RECALL_AHEAD - 1), [0.0, 0.0, 0.0]
        ratios = [float(item) for item in recalled.log_ratio[:RECALL_AHEAD]]
        weights = recalled.weight[:RECALL_AHEAD]
        absolute = math.log(recalled.local_beat_period_s) + ratios[0]
        first = log_recent + ratios[0]
        log_period = math.log(period)
        heard = remembered = 0.0
        sums = [(0.0, 0.0)] * 4  # heard and remembered over the last 2, 8, 32 intervals, and the last 8 quarters
        edge = beat - LONG_BEATS - EPS
        for count, (one, other, began) in enumerate(reversed(self._pairs), 1):
            heard += one
            remembered += other
            if count <= 2:
                sums[0] = (heard, remembered)
            if count <= PAST:
                sums[1] = (heard, remembered)
            if began >= edge:
                sums[3] = (heard, remembered)
        sums[2] = (heard, remembered)
        level_log = absolute - log_period
        scaled = [math.log(up / down) + level_log if down > 1e-9 else first for up, down in sums]
        values = [first, scaled[0], scaled[1]]
        values += [float(recalled.spread[0]), math.log1p(float(recalled.weight[0]))]
        for k in range(1, RECALL_AHEAD):
            there = k < len(ratios) and weights[k] > 0
            values.append(ratios[k] - ratios[0] if there else 0.0)
        self._remembered = (absolute, log_period + first)
        level = log_recent + log_period - math.log(recalled.local_beat_period_s)
        return values, [scaled[2], scaled[3], level]
