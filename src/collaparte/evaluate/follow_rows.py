"""A row of the followers' table: what some runs of one follower on one variant come to.

Errors are pooled over onsets; the interval of the mean is a bootstrap over pieces. The row "oracle" reports every chord
at its first note. The row "told" is a follower that is told the beat of every note as it sounds: what it misses nobody
can get right, because an onset sounds (or is aligned) before one that stands earlier on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.evaluate.follow_cases import Case, Playing
from collaparte.measure import (
    Track,
    bootstrap_by_piece,
    capped,
    following_errors,
    is_lost,
    oracle_errors,
    recovery,
    share_near,
)

Array = NDArray[np.float64]
TOLERANCES_S = (0.025, 0.050, 0.100)
MILLI_SLACK_S = 1e-4

Job = tuple[Case, Playing]  # a case, and one variant of its playing


@dataclass(frozen=True)
class Run:
    """One follower on one variant of one case."""

    case: str
    truth_playing: Playing
    track: Track
    cpu_us: Array
    setup_s: float


@dataclass(frozen=True)
class InOrder:
    """One follower on one variant that goes through the page in order. Times in milliseconds, shares in per cent."""

    set: str
    variant: str
    follower: str
    cases: int
    onsets: int
    mean_ms: float
    mean_low_ms: float
    mean_high_ms: float
    median_ms: float
    within_25: float
    within_50: float
    within_100: float
    mean_chord_ms: float
    chord_within_25: float
    chord_within_50: float
    chord_within_100: float
    near_quarter_beat: float
    near_half_beat: float
    lost: int
    cpu_us: float
    cpu_p99_us: float
    setup_ms: float


@dataclass(frozen=True)
class Jumped:
    """One follower on one variant with a jump in it."""

    set: str
    variant: str
    follower: str
    cases: int
    found: int
    median_s: float
    p90_s: float
    half_beat_after: float
    worst_half_beat_after: float
    cpu_us: float
    cpu_p99_us: float


def summarise_in_order(group: str, variant: str, follower: str, runs: Sequence[Run]) -> InOrder:
    """Pool runs of one follower on one variant."""
    first, chord, near, half, lost = [], [], [], [], 0
    for run in runs:
        onsets = run.truth_playing.truth.onsets
        errors = following_errors(run.track, onsets, "first")
        first.append(errors)
        chord.append(following_errors(run.track, onsets, "mean"))
        near.append(share_near(run.track, onsets, 0.25) * len(onsets))
        half.append(share_near(run.track, onsets, 0.5) * len(onsets))
        lost += is_lost(errors)
    return _row(group, variant, follower, runs, [run.case for run in runs], first, chord, near, half, lost)


def _row(
    group: str,
    variant: str,
    follower: str,
    runs: Sequence[Run],
    names: Sequence[str],
    first: list[Array],
    chord: list[Array],
    near: list[float],
    half: list[float],
    lost: int,
) -> InOrder:
    pooled, mean = np.concatenate([capped(item) for item in first]), np.concatenate([capped(item) for item in chord])
    count = len(pooled)
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    piece = [known[name] for name, item in zip(names, first, strict=True) for _ in range(len(item))]
    interval = bootstrap_by_piece(pooled, piece, seed=1)
    setup_s = [run.setup_s for run in runs] or [float("nan")]
    cpu = np.concatenate([run.cpu_us for run in runs]) if runs else np.full(1, np.nan)
    within = [100.0 * float((pooled <= limit + MILLI_SLACK_S).mean()) for limit in TOLERANCES_S]
    within_chord = [100.0 * float((mean <= limit + MILLI_SLACK_S).mean()) for limit in TOLERANCES_S]
    return InOrder(
        set=group,
        variant=variant,
        follower=follower,
        cases=len(first),
        onsets=count,
        mean_ms=1e3 * float(pooled.mean()),
        mean_low_ms=1e3 * interval.low,
        mean_high_ms=1e3 * interval.high,
        median_ms=1e3 * float(np.median(pooled)),
        within_25=within[0],
        within_50=within[1],
        within_100=within[2],
        mean_chord_ms=1e3 * float(mean.mean()),
        chord_within_25=within_chord[0],
        chord_within_50=within_chord[1],
        chord_within_100=within_chord[2],
        near_quarter_beat=100.0 * sum(near) / count,
        near_half_beat=100.0 * sum(half) / count,
        lost=lost,
        cpu_us=float(cpu.mean()),
        cpu_p99_us=float(np.percentile(cpu, 99)),
        setup_ms=1e3 * float(np.mean(setup_s)),
    )


def oracle_row(group: str, variant: str, jobs: Sequence[Job]) -> InOrder:
    """What a follower comes to that reports every chord at its first note, at once."""
    all_onsets = [playing.truth.onsets for _, playing in jobs]
    return _row(
        group,
        variant,
        "oracle",
        [],
        [case.name for case, _ in jobs],
        [oracle_errors(onsets, "first") for onsets in all_onsets],
        [oracle_errors(onsets, "mean") for onsets in all_onsets],
        [float(len(onsets)) for onsets in all_onsets],
        [float(len(onsets)) for onsets in all_onsets],
        0,
    )


def told_row(group: str, variant: str, jobs: Sequence[Job]) -> InOrder:
    """What a follower comes to that is told every note: the running maximum of the truth itself."""
    return summarise_in_order(group, variant, "told", told_runs(jobs))


def told_runs(jobs: Sequence[Job]) -> list[Run]:
    """The runs of that follower."""
    runs = []
    for case, playing in jobs:
        known = ~np.isnan(playing.beat)
        ones = np.ones(int(known.sum()))
        track = Track(playing.time_s[known], playing.beat[known], ones, ones.astype(bool))
        runs.append(Run(case.name, playing, track, np.full(1, np.nan), float("nan")))
    return runs


def summarise_jumps(group: str, variant: str, follower: str, runs: Sequence[Run]) -> Jumped:
    """Pool runs with a jump: an unfound one counts as infinitely long in the median."""
    results = [recovery(run.track, run.truth_playing.truth.onsets, run.truth_playing.jump_s or 0.0) for run in runs]
    seconds = np.array([result.seconds if result.found else np.inf for result in results])
    shares = np.array([result.share_half_beat for result in results])
    cpu = np.concatenate([run.cpu_us for run in runs])
    ordered = np.sort(seconds)
    return Jumped(
        group, variant, follower, len(runs), int(np.isfinite(seconds).sum()),
        float(ordered[(len(ordered) - 1) // 2]), float(ordered[int(0.9 * (len(ordered) - 1))]),
        100.0 * float(shares.mean()), 100.0 * float(shares.min()), float(cpu.mean()), float(np.percentile(cpu, 99)),
    )  # fmt: skip
