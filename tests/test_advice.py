"""Remembered run-throughs as advisers: the true one is found; the foreign, faulty and hostile are not heard."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from collaparte.predict.features.advice import AHEAD, Advice, advised

Floats = NDArray[np.float64]
N = 80


def a_rubato(seed: int) -> Floats:
    """Log seconds per quarter of N intervals."""
    return np.log(0.5) + np.random.default_rng(seed).normal(0, 0.15, N)


def advised_live(takes: Floats, weight: Floats, heard: Floats) -> Floats:
    """What is said of each interval, by the advisers ``takes`` (k, N); NaN where nothing."""
    advice, said = Advice(weight), np.full(len(heard), np.nan)
    for place, period in enumerate(heard.tolist()):
        answer = advice.ask(takes[:, place : place + AHEAD])
        said[place] = answer.quick if answer is not None else np.nan
        advice.tell(period, 1.0)
    return said


@pytest.mark.parametrize("tempo", [0.6, 1.0, 1.7])
def test_a_run_through_foretells_the_same_rubato_at_another_tempo(tempo: float) -> None:
    heard = a_rubato(1)
    said = advised_live((heard - np.log(tempo))[None], np.ones(1), heard)
    assert np.isnan(said[0])  # nothing has been heard yet: nobody can tell the tempo
    np.testing.assert_allclose(said[1:], heard[1:], atol=1e-9)


def test_the_one_who_plays_alike_is_believed() -> None:
    heard = a_rubato(1)
    jitter = np.random.default_rng(5).normal(0, 0.02, N)
    takes = np.stack([a_rubato(2), heard + jitter, a_rubato(3)])
    said = advised_live(takes, np.ones(3), heard)
    plain = np.abs(takes.mean(axis=0) - heard)
    assert np.abs(said - heard)[10:].mean() < 0.45 * plain[10:].mean()


@pytest.mark.parametrize("harm", ["foreign", "still", "wild"])
def test_a_bad_run_through_moves_what_is_foretold_by_a_bounded_little(harm: str) -> None:
    heard, dice = a_rubato(1), np.random.default_rng(7)
    good = np.stack([heard + dice.normal(0, 0.03, N) for _ in range(3)])
    bad = {"foreign": a_rubato(9), "still": np.full(N, np.log(0.5)), "wild": dice.uniform(-3, 2.9, N)}[harm]
    without = advised_live(good, np.ones(3), heard)
    moved = np.abs(advised_live(np.vstack([good, bad]), np.ones(4), heard) - without)
    assert np.nanmedian(moved[8:]) < 0.02
    assert np.nanmax(moved[16:]) < 0.10


def test_a_gap_in_a_memory_is_no_advice_and_does_no_harm() -> None:
    heard = a_rubato(1)
    holed = heard.copy()
    holed[20:30] = np.nan
    said = advised_live(holed[None], np.ones(1), heard)
    assert np.isnan(said[20:30]).all()
    np.testing.assert_allclose(said[30:], heard[30:], atol=1e-9)


def test_one_by_one_and_at_once_are_the_same_over_a_long_take() -> None:
    dice = np.random.default_rng(3)
    n = 700  # longer than a block of the fading sums
    heard, takes = dice.normal(-0.7, 0.3, n), dice.normal(-0.7, 0.3, (4, n + AHEAD))
    takes[dice.random(takes.shape) < 0.1] = np.nan
    each = np.lib.stride_tricks.sliding_window_view(takes, AHEAD, axis=1).transpose(1, 0, 2)[:n]
    weight = np.array([0.5, 0.7, 0.9, 1.0])
    at_once = advised(each, weight, heard, np.ones(n))[:, 0]
    np.testing.assert_allclose(at_once, advised_live(takes, weight, heard), atol=1e-9)
