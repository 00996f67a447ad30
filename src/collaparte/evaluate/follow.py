"""Followers, judged: ours, and others' in the same run on the same input.

One table for each group of variants. *In order* (clean, wrong, omitted and added, pause, amateurs): asynchrony against
each chord's first note and against its mean, shares within 25, 50 and 100 ms, the share of onsets at which 30 ms later
the position is within a quarter and half a beat, cases lost. *Jumps* (skip, repeat, restart of a bar, start anywhere):
cases found, seconds until found, share of the later onsets within half a beat. Definitions: ``measure`` and
``follow_rows``. CPU time is this process's own.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from collaparte.evaluate.follow_cases import Case, Playing, nasap_cases, read_case
from collaparte.evaluate.follow_peers import run_peer
from collaparte.evaluate.follow_rows import (
    InOrder,
    Job,
    Jumped,
    Run,
    oracle_row,
    summarise_in_order,
    summarise_jumps,
    told_row,
    told_runs,
)
from collaparte.evaluate.follow_variants import VARIANTS
from collaparte.events import Position
from collaparte.follow import make_follower
from collaparte.measure import Reliability, Track, reliability
from collaparte.predict import make_predictor
from collaparte.score import Score

JUMPS = ("skip 8", "repeat 8", "restart bar", "start anywhere")


@dataclass(frozen=True)
class FollowReport:
    """Everything ``collaparte evaluate follow`` says."""

    in_order: list[InOrder] = field(default_factory=list)
    jumps: list[Jumped] = field(default_factory=list)
    reliability: dict[str, Reliability] = field(default_factory=dict)
    alignment: list[dict[str, object]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)


def run_follower(name: str, score: Score, playing: Playing, predictor: str | None = None, case: str = "") -> Run:
    """Follow one performance of ``case``; with a predictor, each plan is handed back as the engine does."""
    began = time.process_time()
    follower = make_follower(name, score)
    setup_s = time.process_time() - began
    guide = make_predictor(predictor, score) if predictor else None
    plan, last = None, (-1.0, -1.0)
    positions: list[Position] = []
    cpu_us = []
    for event in playing.events:
        start = time.process_time_ns()
        position = follower.hear(event, plan)
        cpu_us.append((time.process_time_ns() - start) / 1000.0)
        if position is None:
            continue
        positions.append(position)
        if guide is not None and position.state == "playing" and (position.beat, position.onset_s) != last:
            last = (position.beat, position.onset_s)
            plan = guide.plan(position)
    return Run(case, playing, Track.of(positions), np.array(cpu_us), setup_s)


def gather_cases(corpora: Path | None, pieces: int, seed: int) -> dict[str, list[Case]]:
    """Cases by set: ``nasap held out``, ``vienna4x22`` (the first pianist of each piece), ``duets`` (each folder's)."""
    from collaparte.training.data.corpus import unpack

    vienna, duets = unpack("vienna4x22", corpora), unpack("duets", corpora)
    return {
        "nasap held out": nasap_cases(unpack("nasap", corpora), pieces, seed),
        "vienna4x22": [read_case(path) for path in sorted(vienna.rglob("*_p0[1-3].match"))],
        "duets": [
            read_case(path)
            for path in sorted(duets.rglob("*.match"))
            if "cc_solo" in path.parent.name and "basismixer" not in path.parts and "quantized" not in path.stem
        ],
    }


def evaluate_follow(
    corpora: Path | None = None,
    *,
    pieces: int = 20,
    followers: Sequence[str] = ("paths", "oltw"),
    variants: Sequence[str] = tuple(VARIANTS),
    peers: Sequence[str] = (),
    peers_python: Path | str = sys.executable,
    peer_pieces: int = 10,
    peer_notes: int = 300,
    predictor: str | None = None,
    seed: int = 1,
    seeds: int = 1,
    tell: Callable[[str], None] = lambda what: None,
) -> FollowReport:
    """Whole pieces with our followers; with ``peers``, also the first ``peer_notes`` (0: all) of each with everybody.

    Of the held-out pieces everybody has the first ``peer_pieces``.
    Pieces are drawn by ``seed``. Every variant is made ``seeds`` times over, with ``seed`` and the numbers after it,
    and pooled; the clean one is the same each time, and made once.
    """
    sets = gather_cases(corpora, pieces, seed)
    drawn = range(seed, seed + seeds)
    report = FollowReport(
        facts={
            "seeds": list(drawn),
            "sets": {name: [case.name for case in cases] for name, cases in sets.items()},
        }
    )
    for group, cases in sets.items():
        for variant in variants if group == "nasap held out" else ("clean",):
            jobs = _vary(variant, cases, drawn)
            for name in followers:
                tell(f"{group}, {variant}: {name}")
                _add(report, group, variant, name, _run_all(name, jobs, predictor))
            if variant == "clean":
                report.in_order.append(oracle_row(group, variant, jobs))
            if variant not in JUMPS:
                report.in_order.append(told_row(group, variant, jobs))
    if followers:
        tell("reliability")
        _calibrate(report, sets["nasap held out"], followers[0], variants, seed)
    if peers:
        shared = {
            f"{group}, with peers": [
                case.cut(peer_notes or len(case.playing))
                for case in cases[: peer_pieces if group == "nasap held out" else len(cases)]
            ]
            for group, cases in sets.items()
        }
        _with_peers(report, shared, variants, [*followers], peers, peers_python, drawn, tell)
    report.facts["peak_memory_mb"] = _peak_memory_mb()
    return report


def _vary(variant: str, cases: Sequence[Case], seeds: Sequence[int]) -> list[Job]:
    return [
        (case, VARIANTS[variant](case.playing, case.score, np.random.default_rng([seed, number])))
        for seed in (seeds[:1] if variant == "clean" else seeds)
        for number, case in enumerate(cases)
    ]


def _run_all(name: str, jobs: Sequence[Job], predictor: str | None = None) -> list[Run]:
    return [run_follower(name, case.score, playing, predictor, case.name) for case, playing in jobs]


def _add(report: FollowReport, group: str, variant: str, name: str, runs: Sequence[Run]) -> None:
    if variant in JUMPS:
        report.jumps.append(summarise_jumps(group, variant, name, runs))
    else:
        report.in_order.append(summarise_in_order(group, variant, name, runs))


def _calibrate(report: FollowReport, cases: Sequence[Case], name: str, variants: Sequence[str], seed: int) -> None:
    """Reliability of one follower over all variants, each on every third case."""
    parts = []
    for offset, variant in enumerate(variants):
        for number in range(offset % 3, len(cases), 3):
            case = cases[number]
            playing = VARIANTS[variant](case.playing, case.score, np.random.default_rng([seed, number]))
            measured = reliability(run_follower(name, case.score, playing).track, playing.whereabouts.onsets)
            if len(measured.count):
                parts.append(measured)
    if parts:
        report.reliability[name] = _pool(parts)


def _pool(parts: Sequence[Reliability]) -> Reliability:
    """Reliability curves of several runs as one, weighted by positions; in tenths of certainty."""
    said, right, count = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("certainty", "right", "count")
    )
    box = np.minimum((said * 10).astype(int), 9)
    filled = [number for number in range(10) if count[box == number].sum()]
    weight = [count[box == number] for number in filled]
    means = np.array([np.average(said[box == number], weights=w) for number, w in zip(filled, weight, strict=True)])
    shares = np.array([np.average(right[box == number], weights=w) for number, w in zip(filled, weight, strict=True)])
    totals = np.array([int(w.sum()) for w in weight], dtype=np.int64)
    high = [index for index, number in enumerate(filled) if number == 9]
    return Reliability(
        means,
        shares,
        totals,
        float((np.abs(means - shares) * totals).sum() / totals.sum()),
        float(shares[high[0]]) if high else float("nan"),
    )


def _with_peers(
    report: FollowReport,
    sets: Mapping[str, Sequence[Case]],
    variants: Sequence[str],
    followers: Sequence[str],
    peers: Sequence[str],
    python: Path | str,
    seeds: Sequence[int],
    tell: Callable[[str], None],
) -> None:
    """Everybody on the cases of every set, then on all of them together."""
    pooled: dict[tuple[str, str], list[Run]] = {}
    for group, cases in sets.items():
        jobs = {variant: _vary(variant, cases, seeds) for variant in variants}
        found: dict[tuple[str, str], list[Run]] = {}
        for variant in variants:
            for name in followers:
                found[variant, name] = _run_all(name, jobs[variant])
            if variant == "clean":
                report.in_order.append(oracle_row(group, variant, jobs[variant]))
            if variant not in JUMPS:
                found[variant, "told"] = told_runs(jobs[variant])
        for name in peers:
            tell(f"{group}: {name}")
            given = [(case.score, playing) for variant in variants for case, playing in jobs[variant]]
            done = iter(run_peer(name, given, python))
            for variant in variants:
                answers = islice(done, len(jobs[variant]))
                found[variant, name] = [
                    Run(case.name, playing, answer.track, answer.cpu_us, answer.setup_s)
                    for (case, playing), answer in zip(jobs[variant], answers, strict=True)
                ]
        for (variant, name), runs in found.items():
            _add(report, group, variant, name, runs)
            pooled.setdefault((variant, name), []).extend(runs)
    for (variant, name), runs in pooled.items():
        _add(report, "all, with peers", variant, name, runs)


def _peak_memory_mb() -> float:
    """The most memory this process has held, corpora included."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024.0**2 if sys.platform == "darwin" else 1024.0)
