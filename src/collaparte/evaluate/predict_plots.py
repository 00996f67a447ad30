"""The pictures of docs/prediction.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from collaparte.evaluate.predict import Row, Trial, trials
from collaparte.events import Position
from collaparte.predict import Predictor
from collaparte.predict.policy import Policy, PolicyPredictor
from collaparte.predict.steady import Steady
from collaparte.training.data.onsets import Performance

PAGE_BEATS = (21.0, 93.0)  # about the first page of the Ballade's Moderato


def plot_takes(rows: Sequence[Row], path: Path) -> None:
    """Next-onset error against the number of remembered takes, one line for each predictor that remembers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = [
        name for name in ("steady (kalman)", "naive memory", "clone", "agent") if any(r.predictor == name for r in rows)
    ]
    for name in shown:
        line = sorted((row for row in rows if row.predictor == name), key=lambda row: row.takes)
        takes = [row.takes for row in line]
        left.plot(takes, [row.median_ms for row in line], "o-", label=name)
        right.plot(takes, [row.within_30 for row in line], "o-", label=name)
    left.set_ylabel("median next-onset error (ms)")
    right.set_ylabel("share within 30 ms")
    for axes in (left, right):
        axes.set_xlabel("remembered takes")
        axes.set_xticks(sorted({row.takes for row in rows}))
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    left.legend()
    figure.savefig(path, dpi=130)


def plot_ballade(take: Performance, policy: Policy, path: Path) -> None:
    """One page: what the soloist's tempo did, and what the steady model and the agent expected it to do."""
    from matplotlib.figure import Figure

    trial = trials([take], 0, 1)[0]
    beat = take.page.beat[take.played]
    played = np.diff(take.time_s[take.played]) / np.diff(beat)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    shown = (beat[:-1] >= PAGE_BEATS[0]) & (beat[:-1] < PAGE_BEATS[1])
    axes.step(beat[:-1][shown], 60 / played[shown], where="post", color="black", alpha=0.5, label="soloist")
    predictors: dict[str, Predictor] = {
        "steady": Steady(trial.score),
        "agent": PolicyPredictor(trial.score, policy, take.page),
    }
    for name, predictor in predictors.items():
        expected = _expected(trial, predictor)
        axes.step(beat[:-1][shown], 60 / expected[:-1][shown], where="post", label=name, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_xlabel("quarters")
    axes.set_ylabel("quarters a minute")
    axes.set_title(f"{take.name}: the tempo of each interval, played and expected")
    axes.legend(ncols=3)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


def _expected(trial: Trial, predictor: Predictor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Seconds per quarter that each plan expects until the page's next onset, from the onset as heard."""
    page, visited = trial.performance.page, trial.performance.played
    out = np.empty(len(visited))
    for rank, (place, heard_s) in enumerate(zip(visited.tolist(), trial.heard_s.tolist(), strict=True)):
        plan = predictor.plan(Position(heard_s, heard_s, float(page.beat[place]), 1.0, "playing"))
        following = float(page.beat[min(place + 1, len(page) - 1)])
        length = max(following - float(page.beat[place]), 1e-3)
        out[rank] = max(plan.time_of(following) - heard_s, 0.01) / length
    return out
