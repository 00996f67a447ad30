"""The whole evaluation of prediction: four sets, cold and with memory, and the closed loop in the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.engine.engine import Engine, Settings
from collaparte.evaluate.predict import (
    SKIP,
    TOLERANCE_S,
    Maker,
    Row,
    Trial,
    bootstrap,
    makers,
    recalled_at,
    table,
    trials,
)
from collaparte.events import OrchestraEvent, Position, Recalled, SoloEvent, TempoPlan
from collaparte.measure.together import LEAST_INTERVAL_S
from collaparte.predict import Predictor
from collaparte.predict.policy import Policy, load_policy
from collaparte.training.data.corpus import Corpus, load
from collaparte.training.data.onsets import Performance
from collaparte.training.data.splits import Split, chosen, split
from collaparte.training.env import SOLO_PITCH, ghost_score

Floats = NDArray[np.float64]

NOISE_S = 0.010

TARGETS: Mapping[tuple[str, int], tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    ("vienna4x22", 0): ((55, 33, 0.49), (50, 29, 0.53)),
    ("vienna4x22", 3): ((40, 25, 0.59), (37, 23, 0.62)),
    ("vienna4x22", 6): ((40, 25, 0.59), (35, 22, 0.64)),
}
"""(set, earlier takes) -> what must be reached and what is aimed at: mean ms, median ms, share within 30 ms."""


@dataclass(frozen=True)
class Loop:
    """One predictor in the engine's chair, a ghost orchestra doubling every onset of the page.

    ``asynchrony_ms``: mean |orchestra - soloist|; ``within_30`` its share within 30 ms; ``foreseen_30`` that of the
    plans; ``roughness``: mean |change of log beat period| of the sounded orchestra, waits included; ``soloist``: the
    same of the soloist's own onsets.
    """

    set_name: str
    noise_ms: float
    takes: int
    predictor: str
    asynchrony_ms: float
    within_30: float
    foreseen_30: float
    roughness: float
    soloist: float
    roughness_interval: tuple[float, float]
    performances: int


def suite(
    nasap: Corpus,
    vienna: Corpus,
    duets: Corpus,
    parts: Split,
    policies: Mapping[str, Policy],
    seed: int = 1,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """The table: vienna4x22 cold and with 1, 3, 6 takes; held-out pieces cold; duets with 1 and 3 takes."""
    predictors = makers(policies)
    whole = [item for item in vienna.performances if item.voice == "all"]
    held_out = [item for item in chosen(nasap, parts.test) if item.voice == "all"]
    primo = [item for item in duets.performances if item.voice == "all" and item.piece.endswith("/primo")]
    primo = [item for item in primo if "quantized" not in item.player]
    rows: list[Row] = []
    for takes in (0, 1, 3, 6):
        rows += table("vienna4x22", whole, takes, predictors, seed, progress=progress)
    rows += table("nasap held out", held_out, 0, predictors, seed, progress=progress)
    for takes in (0, 1, 3):
        rows += table("duets", primo, takes, predictors, seed, progress=progress)
    return rows


def evaluate_predict(
    corpora: Path | None = None,
    cache: Path | None = None,
    seed: int = 1,
    policy: Path | None = None,
    clone: Path | None = None,
    plots: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[list[Row], list[Loop]]:
    """What ``collaparte evaluate predict`` prints: the table, and the closed loop on vienna4x22, clean and noisy."""
    nasap, vienna, duets = (load(name, corpora, cache, progress=False) for name in ("nasap", "vienna4x22", "duets"))
    policies = {"agent": load_policy(policy)}
    if clone is not None:
        policies = {"clone": load_policy(clone), **policies}
    rows = suite(nasap, vienna, duets, split(nasap), policies, seed, progress)
    whole = [item for item in vienna.performances if item.voice == "all"]
    wanted = ("steady (kalman)", *policies)
    chairs = {name: make for name, make in makers(policies).items() if name in wanted}
    loops = []
    for takes, noise_s in ((0, 0.0), (0, NOISE_S), (3, 0.0)):
        loops += closed_loop("vienna4x22", whole, takes, chairs, seed, noise_s, progress)
    if plots is not None:
        from collaparte.evaluate.predict_plots import plot_ballade, plot_takes

        plots.mkdir(parents=True, exist_ok=True)
        plot_takes([row for row in rows if row.set_name == "vienna4x22"], plots / "error-by-takes.png")
        ballade = [item for item in nasap.performances if item.piece == "Chopin/Ballades/1" and item.voice == "all"]
        plot_ballade(ballade[0], next(reversed(policies.values())), plots / "ballade-tempo.png")
    return rows, loops


class _Ungoverned:
    """A predictor for the ghost, which has no fermatas of its own and is told what is remembered."""

    def __init__(self, predictor: Predictor, trial: Trial) -> None:
        self._predictor, self._trial = predictor, trial

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        place = int(np.searchsorted(self._trial.performance.page.beat, position.beat - 1e-6))
        return replace(self._predictor.plan(position, recalled_at(self._trial, place)), hold_beat=None)

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        return self._predictor.start(beat, beat_period_s, time_s)


class _Told:
    """A follower who knows the beat of every onset in turn."""

    def __init__(self, beats: Sequence[float]) -> None:
        self._beats = iter(beats)

    def hear(self, event: object, plan: TempoPlan | None) -> Position | None:
        assert isinstance(event, SoloEvent)
        return Position(event.heard_s, event.time_s, next(self._beats), 1.0, "playing")

    def relocate(self, beat: float, time_s: float) -> Position:
        raise NotImplementedError("the ghost's soloist does not jump")


def closed_loop(
    set_name: str,
    performances: Sequence[Performance],
    takes: int,
    predictors: Mapping[str, Maker],
    seed: int = 1,
    noise_s: float = 0.0,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Loop]:
    """The engine with each predictor in the chair; ``noise_s`` is the standard deviation of what is heard."""
    prepared = trials(performances, takes, seed, noise_s)
    out = []
    for name, make in predictors.items():
        progress(f"closed loop, {set_name}, k = {takes}, noise {1e3 * noise_s:.0f} ms: {name}")
        values, pieces = [], []
        for trial in prepared:
            figures = _perform(trial, make(trial.score, trial.performance))
            if all(math.isfinite(value) for value in figures):
                values.append(figures)
                pieces.append(trial.performance.piece)
        away_ms, within, foreseen, rough, soloist = np.mean(values, axis=0).tolist()
        low, high = bootstrap(np.array(values), pieces, seed)
        span = (float(low[3]), float(high[3]))
        out.append(
            Loop(set_name, 1e3 * noise_s, takes, name, away_ms, within, foreseen, rough, soloist, span, len(values))
        )
    return out


def _perform(trial: Trial, predictor: Predictor) -> tuple[float, float, float, float, float]:
    """(mean asynchrony ms, share within 30 ms, foreseen within 30 ms, orchestra's roughness, soloist's roughness)."""
    page, visited = trial.performance.page, trial.performance.played
    shift_s = 1.0 - float(trial.heard_s[0])
    told = _Told([float(page.beat[place]) for place in visited.tolist()])
    engine = Engine(ghost_score(page, trial.score.beat_period_at(0.0)), told, _Ungoverned(predictor, trial), Settings())
    sounded: dict[int, float] = {}
    foreseen: dict[int, float] = {}
    index = {round(float(beat), 4): place for place, beat in enumerate(page.beat)}
    for rank, heard_s in enumerate((trial.heard_s + shift_s).tolist()):
        for value in engine.step(heard_s, [SoloEvent(heard_s, heard_s, True, SOLO_PITCH)]):
            if isinstance(value, OrchestraEvent) and value.on:
                sounded[index[round(value.beat, 4)]] = value.due_s
        plan = engine.last_plan
        place = int(visited[rank])
        if plan is not None and place + 1 < len(page):
            foreseen[place + 1] = plan.time_of(float(page.beat[place + 1]))
    true_s = trial.performance.time_s + shift_s
    judged = [place for place in visited[SKIP:].tolist() if place in sounded and place in foreseen]
    away = np.array([sounded[place] - true_s[place] for place in judged])
    missed = np.array([foreseen[place] - true_s[place] for place in judged])
    places = sorted(place for place in sounded if place >= visited[min(SKIP, len(visited) - 1)])
    heard = [place for place in visited.tolist() if place >= visited[min(SKIP, len(visited) - 1)]]
    if len(judged) < 3:
        return (math.nan,) * 5
    return (
        float(1e3 * np.abs(away).mean()),
        float((np.abs(away) <= TOLERANCE_S).mean()),
        float((np.abs(missed) <= TOLERANCE_S).mean()),
        _roughness(page.beat[places], np.array([sounded[place] for place in places])),
        _roughness(page.beat[heard], true_s[heard]),
    )


def _roughness(beat: Floats, when_s: Floats) -> float:
    """As in measure/together.py: mean |change of log beat period| of neighbouring intervals."""
    period = np.log(np.maximum(np.diff(when_s), LEAST_INTERVAL_S) / np.diff(beat))
    return float(np.abs(np.diff(period)).mean()) if len(period) > 1 else math.nan


__all__ = ["NOISE_S", "TARGETS", "Loop", "closed_loop", "evaluate_predict", "suite"]
