"""The ruler of prediction: perfect in, zero out; intervals over pieces; the closed loop hears what it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the agent runs on onnxruntime")
pytest.importorskip("gymnasium", reason="the ghost orchestra is the practice room's: pip install 'collaparte[train]'")

from collaparte.evaluate.predict import bootstrap, errors, figures, judge, makers, table, trials
from collaparte.evaluate.predict_suite import closed_loop
from collaparte.events import Position, Recalled, TempoPlan
from collaparte.predict.features import Page, gather
from collaparte.predict.policy import load_policy
from collaparte.training.data.corpus import load
from collaparte.training.data.onsets import Performance


def a_take(player: int, piece: str = "a", onsets: int = 60) -> Performance:
    beat = np.arange(onsets) * 0.5
    rng = np.random.default_rng(player)
    page = PAGES.setdefault(
        piece,
        Page(
            gather(
                beat, np.full(onsets, 0.5), 60 + np.arange(onsets) % 9, np.zeros(onsets, bool), np.zeros(0), beat[::8]
            )
        ),
    )
    shape = 0.15 * np.sin(beat[:-1]) + rng.normal(0, 0.01, onsets - 1)
    time_s = 1.0 + np.concatenate([[0.0], np.cumsum(0.3 * np.exp(shape))])
    return Performance(piece, f"p{player}", "all", page, time_s)


PAGES: dict[str, Page] = {}


class Prophet:
    """Knows when everything will be."""

    def __init__(self, take: Performance, late_s: float = 0.0) -> None:
        self._take, self._late_s = take, late_s

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        beat, time_s = self._take.page.beat, self._take.time_s
        place = int(np.searchsorted(beat, position.beat - 1e-6))
        following = min(place + 1, len(beat) - 1)
        span = max(float(beat[following] - beat[place]), 0.5)
        target = time_s[following] - time_s[place] + self._late_s if following > place else 0.2
        return TempoPlan(position.time_s, position.onset_s, position.beat, float(target) / span)

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        return TempoPlan(time_s, time_s, beat, beat_period_s)


def test_perfect_in_zero_out_and_late_is_positive() -> None:
    take = a_take(1)
    (trial,) = trials([take], 0, 1)
    assert np.abs(errors(trial, Prophet(take))).max() < 2e-6
    np.testing.assert_allclose(errors(trial, Prophet(take, 0.04)), 0.04, atol=2e-6)
    assert len(errors(trial, Prophet(take))) == 60 - 1 - 10
    assert figures(np.array([0.01, -0.02, 0.05])) == pytest.approx((80 / 3, 20.0, 2 / 3))


def test_intervals_resample_pieces_not_performances() -> None:
    values = np.array([[1.0], [1.0], [1.0], [5.0]])
    low, high = bootstrap(values, ["a", "a", "a", "b"], 1)
    assert low[0] == 1.0
    assert high[0] == 5.0  # a piece with one performance can be drawn alone
    row = judge("set", 0, "me", [("a", np.full(5, 0.01)), ("b", np.full(5, 0.05))], 1)
    assert row.mean_ms == pytest.approx(30.0)
    assert row.within_30 == 0.5
    assert row.reaches(11, 11, 0.9) == (True, True, True)
    assert row.reaches(9, 11, 0.9) == (False, True, True)


def test_memory_lowers_the_error_of_those_who_remember_and_of_nobody_else() -> None:
    takes = [a_take(player) for player in range(4)]
    predictors = makers({"agent": load_policy()})
    cold, warm = ({row.predictor: row for row in table("set", takes, k, predictors)} for k in (0, 3))
    assert warm["naive memory"].mean_ms < 0.7 * cold["naive memory"].mean_ms
    assert warm["agent"].mean_ms < cold["agent"].mean_ms
    assert warm["linear"].mean_ms == cold["linear"].mean_ms
    assert cold["agent"].performances == 4


def test_the_closed_loop_of_a_prophet_is_together_and_as_rough_as_the_soloist() -> None:
    takes = [a_take(1)]
    (loop,) = closed_loop("set", takes, 0, {"prophet": lambda score, take: Prophet(take)})
    assert loop.asynchrony_ms < 0.01
    assert loop.within_30 == loop.foreseen_30 == 1.0
    assert loop.roughness == pytest.approx(loop.soloist, rel=1e-3)
    (late,) = closed_loop("set", takes, 0, {"late": lambda score, take: Prophet(take, 0.1)})
    assert late.asynchrony_ms == pytest.approx(5.0, abs=0.1)  # heard first: it sounds at once, a horizon later
    assert late.foreseen_30 == 0.0


@pytest.mark.corpora
def test_the_shipped_agent_foresees_real_pianists_far_better(corpora: Path, tmp_path: Path) -> None:
    whole = load("vienna4x22", corpora, tmp_path, progress=False).voice("all").performances
    chosen = {
        name: make for name, make in makers({"agent": load_policy()}).items() if name in ("agent", "steady (kalman)")
    }
    rows = {row.predictor: row for row in table("vienna4x22", whole[::7], 0, chosen)}
    assert rows["agent"].performances == 13
    assert rows["agent"].within_30 > 0.48
    assert rows["agent"].median_ms < 33.0
    assert rows["agent"].median_ms < 0.55 * rows["steady (kalman)"].median_ms
