"""How well the next onset is foreseen: every predictor on the same takes, in one table.

Conventions
-----------
The soloist is a note-aligned performance; an onset's time is that of its first note; the predictor is told every
matched onset (following is another table). The error of an onset is |time the last plan gave it - time it was
played|, judged after the first ten onsets of a take and only where the onset was played and the one before it too.
A row gives the mean over performances of: mean absolute error in ms, median error in ms, share within 30 ms.
The intervals are 95 % bootstrap intervals over pieces (performances stay with their piece); ``k`` earlier takes are
drawn at random, by the seed, from the other performances of the same piece. The page's tempo mark is the tempo of the
take's first interval, so that nobody profits from a mark the match files do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.events import Position, Recalled
from collaparte.predict import Predictor
from collaparte.predict.features import RecalledLine
from collaparte.predict.policy import Policy, PolicyPredictor
from collaparte.predict.steady import Steady
from collaparte.predict.tempo_models import TEMPO_MODELS
from collaparte.score import Score
from collaparte.training.data.onsets import Performance
from collaparte.training.env import page_score
from collaparte.training.episodes import pool_of, remember

Floats = NDArray[np.float64]
Maker = Callable[[Score, Performance], Predictor]

SKIP = 10
TOLERANCE_S = 0.030
RESAMPLES = 2000


@dataclass(frozen=True)
class Row:
    """One predictor on one set: three figures, each with its bootstrap interval, and how much they rest on."""

    set_name: str
    takes: int
    predictor: str
    mean_ms: float
    median_ms: float
    within_30: float
    mean_interval: tuple[float, float]
    median_interval: tuple[float, float]
    within_interval: tuple[float, float]
    performances: int
    pieces: int
    onsets: int

    def reaches(self, mean_ms: float, median_ms: float, within_30: float) -> tuple[bool, bool, bool]:
        """Whether each figure's interval includes (or is better than) a target."""
        return (
            self.mean_interval[0] <= mean_ms,
            self.median_interval[0] <= median_ms,
            self.within_interval[1] >= within_30,
        )


@dataclass(frozen=True)
class Trial:
    """One take to be foreseen: visited onsets and when they were heard and played; what is remembered."""

    performance: Performance
    heard_s: Floats
    score: Score
    recalled: RecalledLine | None


def makers(policies: Mapping[str, Policy]) -> dict[str, Maker]:
    """Every predictor of the table by name: the tempo models, the house's Kalman model, and some policies."""
    table: dict[str, Maker] = {}
    for name, model in TEMPO_MODELS.items():
        table[name] = lambda score, take, model=model: model(score)  # type: ignore[misc]
    table["steady (kalman)"] = lambda score, take: Steady(score)
    for name, policy in policies.items():
        table[name] = lambda score, take, policy=policy: PolicyPredictor(score, policy, take.page)  # type: ignore[misc]
    return table


def trials(
    performances: Sequence[Performance], takes: int, seed: int, noise_s: float = 0.0, pool: Sequence[Performance] = ()
) -> list[Trial]:
    """Each performance with ``takes`` random earlier ones of its page; those with too few others are left out."""
    others_of = pool_of(pool or performances)
    rng = np.random.default_rng([seed, takes])
    out = []
    for item in performances:
        others = [other for other in others_of.get(id(item.page), []) if other is not item]
        if len(others) < takes:
            continue
        recalled = None
        if takes:
            recalled = remember(item.page, [others[index].time_s for index in rng.permutation(len(others))[:takes]])
        heard = item.time_s[item.played]
        heard = np.maximum.accumulate(heard + rng.normal(0, noise_s, len(heard))) if noise_s else heard
        beat = item.page.beat[item.played]
        first = float(np.clip((heard[1] - heard[0]) / (beat[1] - beat[0]), 0.15, 4.0))
        out.append(Trial(item, np.round(heard, 6), page_score(item.page, first), recalled))
    return out


def recalled_at(trial: Trial, place: int) -> Recalled | None:
    """What is remembered at one onset of the page."""
    line, page = trial.recalled, trial.performance.page
    if line is None:
        return None
    ahead = np.arange(place, min(place + line.log_ratio.shape[1], len(page)))
    count = len(ahead)
    return Recalled(
        page.beat[ahead],
        line.log_ratio[place, :count],
        np.full(count, line.spread[place]),
        np.full(count, line.weight[place]),
        float(line.local_beat_period_s[place]),
        line.each_log_period[place, :, :count],
        line.each_weight,
    )


def errors(trial: Trial, predictor: Predictor) -> Floats:
    """Signed next-onset errors in seconds (positive: expected too late), judged onsets only."""
    page, visited = trial.performance.page, trial.performance.played
    true_s = trial.performance.time_s
    found = []
    for rank, (place, heard_s) in enumerate(zip(visited.tolist(), trial.heard_s.tolist(), strict=True)):
        beat = float(page.beat[place])
        plan = predictor.plan(Position(heard_s, heard_s, beat, 1.0, "playing"), recalled_at(trial, place))
        if rank >= SKIP and place + 1 < len(page) and np.isfinite(true_s[place + 1]):
            found.append(plan.time_of(float(page.beat[place + 1])) - float(true_s[place + 1]))
    return np.array(found)


def figures(error_s: Floats) -> tuple[float, float, float]:
    """(mean absolute ms, median absolute ms, share within 30 ms)."""
    size = np.abs(error_s)
    return float(1e3 * size.mean()), float(1e3 * np.median(size)), float((size <= TOLERANCE_S).mean())


def bootstrap(values: NDArray[np.float64], pieces: Sequence[str], seed: int) -> NDArray[np.float64]:
    """95 % interval (2, columns) of the mean over rows (performances), resampling whole pieces."""
    names = sorted(set(pieces))
    index = np.array([names.index(piece) for piece in pieces])
    sums = np.stack([values[index == place].sum(axis=0) for place in range(len(names))])
    counts = np.bincount(index, minlength=len(names)).astype(float)
    draws = np.random.default_rng([seed, 41]).integers(0, len(names), (RESAMPLES, len(names)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)[:, None]
    return np.asarray(np.percentile(means, [2.5, 97.5], axis=0))


def judge(set_name: str, takes: int, name: str, found: Sequence[tuple[str, Floats]], seed: int) -> Row:
    """One row from (piece, errors) of each performance."""
    rows = [(piece, error) for piece, error in found if len(error)]
    values = np.array([figures(error) for _, error in rows])
    low, high = bootstrap(values, [piece for piece, _ in rows], seed)
    mean_ms, median_ms, within = values.mean(axis=0).tolist()
    spans = [(float(below), float(above)) for below, above in zip(low, high, strict=True)]
    return Row(
        set_name=set_name,
        takes=takes,
        predictor=name,
        mean_ms=mean_ms,
        median_ms=median_ms,
        within_30=within,
        mean_interval=spans[0],
        median_interval=spans[1],
        within_interval=spans[2],
        performances=len(rows),
        pieces=len({piece for piece, _ in rows}),
        onsets=sum(len(error) for _, error in rows),
    )


def table(
    set_name: str,
    performances: Sequence[Performance],
    takes: int,
    predictors: Mapping[str, Maker],
    seed: int = 1,
    pool: Sequence[Performance] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Every predictor on one set, with ``takes`` remembered takes each."""
    chosen = trials(performances, takes, seed, pool=pool)
    out = []
    for name, make in predictors.items():
        progress(f"{set_name}, k = {takes}: {name}")
        found = [(trial.performance.piece, errors(trial, make(trial.score, trial.performance))) for trial in chosen]
        if found:
            out.append(judge(set_name, takes, name, found, seed))
    return out
