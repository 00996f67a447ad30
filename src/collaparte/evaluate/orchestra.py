"""The whole engine, judged: how close the orchestra is to soloists, real and simulated.

Real takes are the primo of the duets (Grieg: the takes of both folders; Schubert), with the secondo as orchestra, and
the primo's match file as truth. Simulated soloists play the solo violin of Mendelssohn's op. 64 and do not listen to
the orchestra: they are as merciless as a recording, also after a tutti.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.events import SoloEvent, TakeHeader
from collaparte.follow import make_follower
from collaparte.listen.midi import read_midi_solo
from collaparte.listen.simulated import simulate_solo
from collaparte.measure import Report, Truth, measure_take, read_truth
from collaparte.pieces import marks_path
from collaparte.predict import make_predictor
from collaparte.score import Score, read_score
from collaparte.takes import make_take
from collaparte.training.data.corpus import corpora_folder, unpack

LEVELS = ("low", "middle", "high", "amateur 1", "amateur 2", "amateur 3")


@dataclass(frozen=True, slots=True)
class Case:
    """One take to be accompanied; ``group`` is the row of the table it belongs to."""

    group: str
    score: Score
    heard: Sequence[SoloEvent]
    truth: Truth


@dataclass(frozen=True, slots=True)
class Row:
    """One group of takes, pooled: times in milliseconds, shares 0..1 of ``onsets`` shared onsets."""

    group: str
    takes: int
    onsets: int
    mean_ms: float
    median_ms: float
    within_30: float
    within_50: float
    within_100: float
    notes: int
    notes_away: int
    next_onset_median_ms: float
    roughness: float
    lost: int


def mendelssohn(folder: Path, seeds: int, levels: Sequence[str] = LEVELS) -> Iterator[Case]:
    """Simulated soloists on the whole of the pair."""
    pair = folder / "concerto"
    score = read_score(
        pair / "mendelssohn_op64_solo.mid",
        pair / "mendelssohn_op64_accompaniment.mid",
        marks=marks_path("mendelssohn_op64"),
    )
    for level in levels:
        for seed in range(seeds):
            take = simulate_solo(score, seed, level)
            reached = np.isfinite(take.onset_s)
            heard = [event for event in take.events if isinstance(event, SoloEvent)]
            truth = Truth.of(take.onset_beats[reached], take.onset_s[reached])
            yield Case(f"Mendelssohn op. 64, {level}", score, heard, truth)


def duets(folder: Path) -> Iterator[Case]:
    """The real takes, by the same pianist several times."""
    root = unpack("duets", folder)
    grieg, schubert = root / "grieg_ases_tod", root / "schubert"
    score = _pair(grieg / "musicxml", "*Primo*", "*Secondo*")
    for matches in ("cc_solo", "cc_solo_alt"):
        for match in sorted((grieg / "match" / matches).glob("*.match")):
            midi = grieg / "midi" / matches / f"{match.stem[match.stem.rindex('_v') - 8 :]}.mid"
            yield Case("Grieg, Åses Tod", score, _recorded(midi), read_truth(match, score))
    score = _pair(schubert / "musicxml", "*Piano_1*", "*Piano_2*")
    for match in sorted((schubert / "match" / "cc_solo").glob("*.match")):
        midi = schubert / "midi" / f"{match.stem[match.stem.index('gw_') :]}.mid"
        yield Case("Schubert, Rondo in A", score, _recorded(midi), read_truth(match, score))


def accompany(case: Case, follower: str | None, predictor: str) -> Report:
    """Let the engine play with one take and measure it."""
    first_s = min(event.time_s for event in case.heard if event.on)
    engine = Engine(
        case.score,
        make_follower(follower, case.score),
        make_predictor(predictor, case.score),
        Settings(first_onset_s=first_s),
    )
    values = list(rehearse(engine, VirtualClock(case.heard)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the ruler questions is said by the tests; here are whole corpora
        return measure_take(
            make_take(TakeHeader(case.score.title, case.score.digest, "", None), values), case.score, case.truth
        )


def evaluate_orchestra(
    corpora: Path | None = None,
    *,
    seeds: int = 3,
    follower: str | None = None,
    predictor: str = "steady",
    tell: Callable[[str], None] = lambda what: None,
) -> list[Row]:
    """One row for each group of takes; raises UnreadableScore where the corpora are missing."""
    folder = corpora_folder(corpora)
    groups: dict[str, list[Report]] = {}
    for source in (mendelssohn(folder, seeds), duets(folder)):
        for case in source:
            tell(case.group)
            groups.setdefault(case.group, []).append(accompany(case, follower, predictor))
    return [_row(group, reports) for group, reports in groups.items()]


def _row(group: str, reports: Sequence[Report]) -> Row:
    counts = np.array([report.asynchrony.count for report in reports], dtype=float)

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=counts))

    return Row(
        group,
        len(reports),
        int(counts.sum()),
        1000 * mean([report.asynchrony.mean_abs_s for report in reports]),
        1000 * float(np.median([report.asynchrony.median_abs_s for report in reports])),
        mean([report.asynchrony.share[30] for report in reports]),
        mean([report.asynchrony.share[50] for report in reports]),
        mean([report.asynchrony.share[100] for report in reports]),
        sum(report.away.judged for report in reports),
        sum(report.away.away for report in reports),
        1000 * float(np.median([report.prediction.median_abs_s for report in reports])),
        mean([report.roughness for report in reports]),
        sum(report.following is not None and report.following.lost for report in reports),
    )


def _pair(folder: Path, solo: str, rest: str) -> Score:
    return read_score(next(folder.glob(solo)), next(folder.glob(rest)))


def _recorded(path: Path) -> list[SoloEvent]:
    return [event for event in read_midi_solo(path) if isinstance(event, SoloEvent)]
