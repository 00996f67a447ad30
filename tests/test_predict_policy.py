"""The agent at run time: what it promises whoever hires it."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the policy runs on onnxruntime: pip install onnxruntime")

from collaparte.errors import PolicyError
from collaparte.events import Position, Recalled, TempoPlan
from collaparte.predict import make_predictor
from collaparte.predict.features import N_SENSES
from collaparte.predict.policy import SHIPPED, Policy, PolicyPredictor, load_policy, rest
from collaparte.predict.steady import Steady
from collaparte.predict.tempo_models import TEMPO_MODELS
from collaparte.score import Score


def a_tune(bars: int = 24) -> Score:
    rng = np.random.default_rng(2)
    rows, beat = [], 0.0
    for index in range(bars * 6):
        length = float(rng.choice([0.5, 0.5, 1.0]))
        rows.append((beat, length, 60 + (index * 7) % 15))
        beat += length
    return Score.from_notes(rows)


def rubato(score: Score, seed: int = 1, spread: float = 0.05) -> np.ndarray:
    onsets = score.solo_onsets
    rng = np.random.default_rng(seed)
    period = 0.5 * np.exp(0.2 * np.sin(onsets[:-1] / 4) + rng.normal(0, spread, len(onsets) - 1))
    return np.round(1.0 + np.concatenate([[0.0], np.cumsum(period * np.diff(onsets))]), 6)


def plans_of(predictor: object, score: Score, time_s: np.ndarray, recall: object = None) -> list[TempoPlan]:
    return [
        predictor.plan(  # type: ignore[attr-defined]
            Position(float(now), float(now), float(beat), 1.0, "playing"), recall(place) if recall else None
        )
        for place, (beat, now) in enumerate(zip(score.solo_onsets, time_s, strict=True))
    ]


class _Still(Policy):
    """A policy that always says: as the steady model."""

    def act(self, observation, state):  # type: ignore[no-untyped-def]
        return 0.0, -2.0, state


def test_action_zero_is_the_steady_models_plan_exactly() -> None:
    score = a_tune()
    time_s = rubato(score)
    still = PolicyPredictor(score, _Still(None, {"action_limit": 1.0}))
    assert plans_of(still, score, time_s) == plans_of(Steady(score), score, time_s)
    fresh = PolicyPredictor(score, _Still(None, {"action_limit": 1.0}))
    assert fresh.start(0.0, 0.4, 2.0) == Steady(score).start(0.0, 0.4, 2.0)


def test_the_shipped_policy_bends_the_plan_within_its_range() -> None:
    score = a_tune()
    time_s = rubato(score, spread=0.3)
    plain, bent = plans_of(Steady(score), score, time_s), plans_of(make_predictor("policy", score), score, time_s)
    logs = [math.log(one.beat_period_s / other.beat_period_s) for one, other in zip(bent, plain, strict=True)]
    assert max(map(abs, logs)) <= load_policy().action_limit + 1e-9
    assert np.std(logs) > 0.005
    assert [plan.from_s for plan in bent] == [plan.from_s for plan in plain]


def test_nothing_planned_depends_on_what_comes_later() -> None:
    score = a_tune()
    time_s = rubato(score)
    later = time_s.copy()
    later[60:] += 2.0
    one, other = (plans_of(PolicyPredictor(score), score, times) for times in (time_s, later))
    assert one[:60] == other[:60]
    assert one[61] != other[61]


def test_the_same_take_gives_the_same_plans() -> None:
    score = a_tune()
    time_s = rubato(score)
    one, again = (plans_of(PolicyPredictor(score), score, time_s) for _ in range(2))
    assert one == again


def error_ms(predictor: object, score: Score, time_s: np.ndarray, recall: object = None) -> float:
    plans = plans_of(predictor, score, time_s, recall)
    onsets = score.solo_onsets
    missed = [abs(plans[i].time_of(onsets[i + 1]) - time_s[i + 1]) for i in range(20, len(onsets) - 1)]
    return float(1e3 * np.mean(missed))


def test_memory_matters() -> None:
    """A soloist with the same wild rubato each time: without memory the error stays, with it it falls."""
    score = a_tune()
    onsets, time_s = score.solo_onsets, rubato(score, seed=5, spread=0.18)
    earlier = rubato(score, seed=5, spread=0.18) + np.random.default_rng(0).normal(0, 0.005, len(onsets))
    span = np.diff(onsets)
    period = np.diff(earlier) / span

    def recall(place: int) -> Recalled | None:
        if place < 1 or place >= len(period):
            return None
        first = max(place - 8, 0)
        local = float((earlier[place] - earlier[first]) / (onsets[place] - onsets[first]))
        ahead = slice(place, place + 4)
        count = len(period[ahead])
        return Recalled(
            onsets[ahead][:count], np.log(period[ahead] / local), np.full(count, 0.08), np.full(count, 2.0), local
        )

    cold, warm = (error_ms(PolicyPredictor(score), score, time_s, how) for how in (None, recall))
    assert warm < 0.75 * cold
    naive = error_ms(TEMPO_MODELS["naive memory"](score), score, time_s, recall)
    assert naive < 0.75 * error_ms(TEMPO_MODELS["naive memory"](score), score, time_s)


def test_every_tempo_model_follows_a_metronome_and_a_new_tempo() -> None:
    score = a_tune()
    onsets = score.solo_onsets
    for name, model in TEMPO_MODELS.items():
        predictor = model(score)
        plans = plans_of(predictor, score, 1.0 + 0.4 * onsets)  # the page says .5 s
        late = abs(plans[-2].time_of(float(onsets[-1])) - (1.0 + 0.4 * float(onsets[-1])))
        assert late < 0.010, name
        assert predictor.start(0.0, 0.6, 3.0).time_of(1.0) == pytest.approx(3.6), name


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for suffix in (".onnx", ".json"):
        shutil.copy(SHIPPED.with_suffix(suffix), tmp_path / f"mine{suffix}")
    return tmp_path / "mine.onnx"


def test_a_policy_that_cannot_be_honoured_is_refused_by_name(copied: Path) -> None:
    load_policy(copied)
    passport = json.loads(copied.with_suffix(".json").read_text())
    for place, (key, value) in enumerate(
        [("feature_version", 99), ("senses", "0" * 16), ("onnx_sha256", "0" * 64), ("action_limit", 9.0), ("hidden", 3)]
    ):
        other = copied.with_name(f"other{place}.onnx")
        shutil.copy(copied, other)
        other.with_suffix(".json").write_text(json.dumps({**passport, key: value}))
        with pytest.raises(PolicyError, match=rf"other{place}"):
            load_policy(other)


def test_missing_and_damaged_policies_are_refused_by_name(copied: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.onnx is missing"):
        load_policy(copied.with_name("nowhere.onnx"))
    half = copied.with_name("half.onnx")
    half.write_bytes(copied.read_bytes()[:5000])
    shutil.copy(copied.with_suffix(".json"), half.with_suffix(".json"))
    with pytest.raises(PolicyError, match=r"half\.onnx is not the file"):
        load_policy(half)
    half.with_suffix(".json").write_text("{")
    with pytest.raises(PolicyError, match=r"half\.json is damaged"):
        load_policy(half)


def test_the_shipped_policy_is_small_and_says_what_it_learnt_from() -> None:
    passport = load_policy().passport
    assert SHIPPED.stat().st_size < 1_000_000
    assert passport["licence"] == "CC-BY-NC-SA-4.0"
    assert "ASAP" in passport["attribution"]
    assert len(passport["training_pieces"]) > 100
    assert not any("vienna" in piece.lower() for piece in passport["training_pieces"])


def test_a_reset_begins_as_the_first_time() -> None:
    policy = load_policy()
    rng = np.random.default_rng(0)
    seen = rng.uniform(-1, 1, (5, N_SENSES)).astype(np.float32)
    runs = []
    for _ in range(2):
        state, run = rest(), []
        for observation in seen:
            action, _, state = policy.act(observation, state)
            run.append(action)
        runs.append(run)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 5


def test_a_tutti_is_left_to_the_orchestra() -> None:
    score = Score.from_notes([(float(beat), 1.0, 60 + beat) for beat in range(12)] + [(24.0, 1.0, 60)])
    time_s = 1.0 + 0.5 * score.solo_onsets + np.where(np.arange(13) % 2, 0.05, 0.0)
    plain, bent = plans_of(Steady(score), score, time_s), plans_of(PolicyPredictor(score), score, time_s)
    assert replace(bent[11], time_s=0.0) == replace(plain[11], time_s=0.0)
    assert bent[10] != plain[10]
