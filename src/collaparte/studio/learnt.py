"""What the orchestra learnt from one take: what it expected before, and how that moved.

Tempi are compared after each take's own level is taken out, so that playing everything slower changes nothing. A change
is a factor on the time a bar takes: 1.1 is a tenth more.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from collaparte.score import Score
from collaparte.takes import Memory, Recollection, Take, recollect, run_through
from collaparte.takes.remember import interval_keys

SAID = 4  # bars
WORTH_SAYING = 0.05  # of the bar's time


def learnt(memory: Memory, take: Take, score: Score) -> dict[str, Any]:
    """``remembered``, ``kept`` of ``attempted`` intervals, ``reason``, run-throughs ``before``, ``bars`` that moved.

    Each bar: {"bar", "beat", "took", "expected"}: how much longer than remembered it took this time, and by how much
    the orchestra now expects more (both factors).
    """
    run, account = run_through(take, score)
    runs = memory.runs(score.digest)
    there = any(one.take == take.identity for one in runs)
    before = recollect(score, [one for one in runs if one.take != take.identity])
    after = recollect(score, runs)
    return {
        "remembered": there,
        "kept": account.kept,
        "attempted": account.attempted,
        "reason": account.reason,
        "before": before.runs,
        "bars": _bars(score, dict(zip(run.keys, run.interval_s, strict=True)), before, after) if there else [],
    }


def _bars(score: Score, mine: dict[Any, float], before: Recollection, after: Recollection) -> list[dict[str, Any]]:
    if not before.runs:
        return []
    keys, lengths = interval_keys(score)
    took = np.array(
        [np.log(mine[key] / length) if key in mine else np.nan for key, length in zip(keys, lengths, strict=True)]
    )
    known = (before.curve_weight > 0) & np.isfinite(took)
    if not known.any():
        return []
    apart = np.where(known, took - before.curve_log_period, np.nan)
    both = (before.curve_weight > 0) & (after.curve_weight > 0)
    moved = np.where(both, after.curve_log_period - before.curve_log_period, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apart -= np.nanmedian(apart)
        moved -= np.nanmedian(moved)
    starts = np.array([bar.beat for bar in score.bars])
    place = np.searchsorted(starts, before.beat + 1e-6, side="right") - 1
    found: list[tuple[float, dict[str, Any]]] = []
    for index, bar in enumerate(score.bars):
        here = (place == index) & np.isfinite(apart)
        if here.any():
            weight = lengths[here] / lengths[here].sum()
            took_log, expected_log = float(weight @ apart[here]), float(weight @ np.nan_to_num(moved[here]))
            factors = {"took": round(math.exp(took_log), 3), "expected": round(math.exp(expected_log), 3)}
            found.append((abs(took_log), {"bar": bar.number, "beat": bar.beat, **factors}))
    worth = sorted((row for row in found if row[0] > WORTH_SAYING), key=lambda row: -row[0])
    return [row for _, row in worth[:SAID]]
