"""Many trainings on a Ray cluster: a real one, local and small, in which rivals practise and the best one ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'collaparte[train]'")
pytest.importorskip("sb3_contrib", reason="training needs sb3-contrib: pip install 'collaparte[train]'")
pytest.importorskip("onnx", reason="training needs onnx: pip install 'collaparte[train]'")
pytest.importorskip("ray", reason="many trainings at once need ray: pip install 'collaparte[ray]'")

import ray
from test_training_data import a_match

from collaparte.predict.policy import load_policy
from collaparte.training.clone import CloneSettings
from collaparte.training.cluster import Trials, run_many
from collaparte.training.polish import PolishSettings
from collaparte.training.ppo import PpoSettings


@pytest.fixture
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, object_store_memory=80_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    assert not ray.is_initialized()


def test_rivals_practise_on_a_cluster_and_the_best_one_ships(cluster: None, tmp_path: Path) -> None:
    for piece in range(4):
        a_match(tmp_path / f"corpus/piece{piece}/P0.match", piece, 80 + piece)
    said: list[str] = []
    found = run_many(
        Trials(corpora=(str(tmp_path / "corpus"),), seeds=(1,), population=2, turns=2),
        tmp_path / "run",
        CloneSettings(rounds=1, takes_a_round=3, crop=64, lanes=4, passes=1),
        PpoSettings(steps=256, lanes=4, rollout=32, batch=64, epochs=1, critic_first=1),
        cache=tmp_path / "cache",
        say=said.append,
        polishing=PolishSettings(rounds=1, takes_a_round=3, crop=64, lanes=4, passes=1),
    )
    assert sorted(item.trial for item in found) == [0, 1]
    assert [item.pay for item in found] == sorted((item.pay for item in found), reverse=True)
    assert all(item.mean_ms > item.median_ms > 0 for item in found)
    table = json.loads((tmp_path / "run/results.json").read_text(encoding="utf-8"))
    assert [row["pay"] for row in table] == [item.pay for item in found]
    usual = PpoSettings()
    assert all(0.0 < row["settings"]["rate"] != usual.rate for row in table)  # the rivals tried settings of their own
    assert all(row["settings"]["jerk"] != usual.pay.jerk for row in table)
    assert load_policy(tmp_path / "run/corpus/policy.onnx").passport["corpus"] == "corpus"
    assert sum("trial" in line for line in said) == 2
