"""What the agent senses: in range, the same at run time as in training, causal, and documented."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from collaparte.events import Position, Recalled, TempoPlan
from collaparte.predict import features
from collaparte.predict.features import N_LOOK, N_OWN, N_SENSES, Page, RecalledLine, Senses, SteadyLine, observe
from collaparte.predict.steady import Steady
from collaparte.score import Fermata, Score

Floats = NDArray[np.float64]
NAMES = [row[0] for row in features.SENSES]


def a_piece(seed: int = 3, repeats: int = 3) -> Score:
    """A tune with rests, chords and a fermata, said ``repeats`` times."""
    rng = np.random.default_rng(seed)
    lengths = rng.choice([0.25, 0.5, 0.5, 1.0, 1.5, 2.0], 24)
    lengths[-1] = 16.0 - lengths[:-1].sum() % 4 if lengths[:-1].sum() < 16 else 4.0 - lengths[:-1].sum() % 4 + 2
    rows: list[tuple[float, float, int]] = []
    start = 0.0
    for _ in range(repeats):
        for index, length in enumerate(lengths.tolist()):
            pitch = 60 + (index * 5) % 17
            rows.append((start, length * (0.4 if index % 7 == 6 else 1.0), pitch))
            if index % 5 == 0:
                rows.append((start, length, pitch - 12))
            start += length
    return Score.from_notes(rows, beat_period_s=0.5, fermatas=(Fermata(rows[20][0]),))


def a_take(score: Score, seed: int) -> tuple[NDArray[np.int64], Floats]:
    """Which onsets were played, and when."""
    rng = np.random.default_rng(seed)
    onsets = score.solo_onsets
    period = 0.55 * np.exp(0.25 * np.sin(onsets[:-1] / 3) + rng.normal(0, 0.06, len(onsets) - 1))
    time_s = 0.3 + np.concatenate([[0.0], np.cumsum(period * np.diff(onsets))])
    visited = np.flatnonzero((rng.random(len(onsets)) > 0.08) | (np.arange(len(onsets)) < 2))
    return visited, np.round(time_s[visited], 6)


def a_memory(score: Score, seed: int) -> RecalledLine:
    rng = np.random.default_rng(seed)
    n = len(score.solo_onsets)
    weight = np.where(rng.random(n) < 0.2, 0.0, rng.integers(1, 4, n)).astype(float)
    takes = np.log(0.5) + rng.normal(0, 0.2, (3, n + 3))
    takes[rng.random(takes.shape) < 0.1] = np.nan
    takes[:, n - 1 :] = np.nan  # behind the last interval there is none
    each = np.lib.stride_tricks.sliding_window_view(takes, 4, axis=1).transpose(1, 0, 2)
    return RecalledLine(
        rng.normal(0, 0.2, (n, 4)), rng.uniform(0, 0.3, n), weight, rng.uniform(0.4, 0.7, n), each,
        np.array([0.5, 0.7, 1.0]),
    )  # fmt: skip


def one_by_one(
    score: Score, visited: NDArray[np.int64], time_s: Floats, memory: RecalledLine | None
) -> tuple[NDArray[np.float32], list[TempoPlan]]:
    steady, senses = Steady(score), Senses(Page.of_score(score))
    rows, plans = [], []
    for place, now in zip(visited.tolist(), time_s.tolist(), strict=True):
        beat = float(score.solo_onsets[place])
        plan = steady.plan(Position(now, now, beat, 1.0, "playing"))
        recalled = None
        if memory is not None:
            ahead = np.arange(place, min(place + 6, len(score.solo_onsets)))
            weights = np.where(np.arange(len(ahead)) == 0, memory.weight[place], 1.0)
            ratios = np.zeros(len(ahead))
            ratios[:4] = memory.log_ratio[place][: len(ahead)]
            recalled = Recalled(
                score.solo_onsets[ahead], ratios, np.full(len(ahead), memory.spread[place]), weights,
                float(memory.local_beat_period_s[place]), memory.each_log_period[place], memory.each_weight,
            )  # fmt: skip
        rows.append(senses.sense(now, plan, recalled))
        plans.append(plan)
    return np.stack(rows), plans


@pytest.mark.parametrize("with_memory", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_run_time_senses_what_training_sensed(seed: int, with_memory: bool) -> None:
    score = a_piece(seed)
    visited, time_s = a_take(score, seed)
    memory = a_memory(score, seed) if with_memory else None
    single, plans = one_by_one(score, visited, time_s, memory)
    line = SteadyLine(
        np.array([plan.from_s for plan in plans]),
        np.array([plan.beat_period_s for plan in plans]),
        np.array([plan.spread_s for plan in plans]),
    )
    recalled = None
    if memory is not None:
        near_end = np.arange(4)[None, :] + visited[:, None] < len(score.solo_onsets)
        ratios = np.where(near_end, memory.log_ratio[visited], memory.log_ratio[visited][:, :1])
        recalled = RecalledLine(
            ratios, memory.spread[visited], memory.weight[visited], memory.local_beat_period_s[visited],
            memory.each_log_period[visited], memory.each_weight,
        )  # fmt: skip
    whole = observe(Page.of_score(score), visited, time_s, line, recalled)
    assert single.shape == whole.shape == (len(visited), N_SENSES)
    worst = np.abs(single - whole).max(axis=0)
    assert worst.max() < 2e-5, [NAMES[index] for index in np.flatnonzero(worst >= 2e-5)]
    if with_memory:
        for name in ("recalled_8", "advised_quick", "advised_slow", "advised_miss", "advised_ahead_1"):
            assert np.abs(whole[:, NAMES.index(name)]).max() > 0.05, name  # it says something


def test_every_sense_stays_in_its_range_whatever_is_played() -> None:
    score = a_piece(5)
    rng = np.random.default_rng(0)
    n = len(score.solo_onsets)
    wild = np.cumsum(rng.exponential(2.0, n) * rng.choice([1e-4, 1.0, 30.0], n))
    rows, _ = one_by_one(score, np.arange(n), np.round(wild, 6), a_memory(score, 1))
    assert np.isfinite(rows).all()
    assert (rows >= features.LOW).all()
    assert (rows <= features.HIGH).all()


def test_the_same_place_is_found_again_with_the_rubato_made_there() -> None:
    score = a_piece(4, repeats=2)
    onsets = score.solo_onsets
    half = len(onsets) // 2
    period = np.full(len(onsets) - 1, 0.5)
    period[10] = period[10 + half] = 0.8  # the same hesitation in both passes
    time_s = np.concatenate([[0.0], np.cumsum(period * np.diff(onsets))])
    rows, _ = one_by_one(score, np.arange(len(onsets)), time_s, None)
    said = rows[:, NAMES.index("self_notes_last")]
    assert said[10] == 0.0  # never been here
    assert said[10 + half] == pytest.approx(np.log(1.6), abs=0.12)
    assert abs(said[12 + half]) < 0.35


def test_nothing_sensed_depends_on_what_comes_later() -> None:
    score = a_piece(6)
    visited, time_s = a_take(score, 4)
    memory = a_memory(score, 2)
    rows, _ = one_by_one(score, visited, time_s, memory)
    later = time_s.copy()
    later[40:] += 3.0
    other, _ = one_by_one(score, visited, later, memory)
    np.testing.assert_array_equal(rows[:40], other[:40])
    assert np.abs(rows[40] - other[40]).max() > 0.1


def test_a_jump_back_begins_a_new_stretch_and_keeps_what_was_learnt() -> None:
    score = a_piece(4, repeats=1)
    onsets = score.solo_onsets
    steady, senses = Steady(score), Senses(Page.of_score(score))
    now, last = 0.0, None
    for place in [*range(12), *range(4, 11)]:
        plan = steady.plan(Position(now, now, float(onsets[place]), 1.0, "playing"))
        last = senses.sense(now, plan)
        now = round(now + 0.6 * float(onsets[place + 1] - onsets[place]), 6)
    assert last is not None
    assert last[NAMES.index("self_notes_count")] > 0
    senses.forget()
    plan = steady.plan(Position(now, now, float(onsets[11]), 1.0, "playing"))
    assert senses.sense(now, plan)[NAMES.index("self_notes_count")] == 0


def test_the_table_in_the_docstring_is_the_table_in_use() -> None:
    assert features.__doc__ is not None
    for index, (name, low, high, unit) in enumerate(features.SENSES):
        assert f"{index:4d}  {name:<20} {low:5.1f} {high:5.1f}  {unit}" in features.__doc__
    assert len(set(NAMES)) == N_SENSES
    assert NAMES[N_LOOK] == "phase"
    assert NAMES[-N_OWN:] == ["own_late", "own_late_s", "own_action"]
