"""A policy that cannot be honoured is refused by name, the steady model takes over, and the user is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="the policy runs on onnxruntime: pip install onnxruntime")

from collaparte.cli import main
from collaparte.errors import PolicyError
from collaparte.predict import playable
from collaparte.predict.policy import SHIPPED
from collaparte.takes import read_take

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """``say("simulate", ...)`` in an empty folder -> exit code, standard error."""
    monkeypatch.setenv("COLLAPARTE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def ask(*words: str) -> tuple[int, str]:
        return main(list(words)), capsys.readouterr().err

    return ask


def a_policy(folder: Path, fault: str) -> Path:
    """The shipped policy in a folder of its own, with one thing the matter with it."""
    path = folder / "mine.onnx"
    if fault != "missing":
        content = SHIPPED.read_bytes()
        path.write_bytes(content[:4000] if fault == "corrupt" else content)
        passport = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
        wrong = {"senses": "0123456789abcdef"} if fault == "mismatched" else {}
        path.with_suffix(".json").write_text(json.dumps({**passport, **wrong}), encoding="utf-8")
    return path


SIMULATE = ("simulate", "washerwoman", "--soloist", "simulated", "--seed", "3", "--out")


@pytest.mark.parametrize("fault", ["missing", "corrupt", "mismatched"])
def test_the_steady_model_takes_over_and_the_user_is_told(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    assert say(*SIMULATE, "steady.jsonl", "--predictor", "steady")[0] == 0
    monkeypatch.setattr("collaparte.predict.policy.SHIPPED", a_policy(tmp_path, fault))
    code, told = say(*SIMULATE, "fallen.jsonl")
    assert code == 0
    assert "mine.onnx" in told
    assert told.count("The plain tempo model (steady) plays instead.") == 1
    fallen, steady = (read_take(tmp_path / f"{name}.jsonl") for name in ("fallen", "steady"))
    assert fallen.header.config["predictor"] == "steady"  # a take says who played, so that it replays anywhere
    assert fallen.values == steady.values


@pytest.mark.parametrize("fault", ["missing", "corrupt", "mismatched"])
def test_a_policy_file_that_was_asked_for_is_never_replaced(say: Say, tmp_path: Path, fault: str) -> None:
    path = a_policy(tmp_path, fault)
    code, told = say(*SIMULATE, "take.jsonl", "--predictor", str(path))
    assert code == PolicyError.exit_code
    assert "mine.onnx" in told
    assert not (tmp_path / "take.jsonl").exists()


def test_a_policy_of_ones_own_plays_and_its_take_names_it_in_full(say: Say, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for suffix in (".onnx", ".json"):
        shutil.copy(SHIPPED.with_suffix(suffix), tmp_path / "own" / f"tuned{suffix}")
    assert say(*SIMULATE, "own.jsonl", "--predictor", "own/tuned.onnx")[0] == 0
    assert say(*SIMULATE, "shipped.jsonl")[0] == 0
    own, shipped = (read_take(tmp_path / f"{name}.jsonl") for name in ("own", "shipped"))
    assert own.header.config["predictor"] == str(tmp_path / "own" / "tuned.onnx")
    assert own.values == shipped.values
    assert say("takes", "replay", "own.jsonl")[0] == 0


def test_whoever_asks_in_code_is_told_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert playable(None, said.append) == playable("policy", said.append) == "policy"
    assert playable("steady", said.append) == "steady"
    assert not said
    monkeypatch.setattr("collaparte.predict.policy.SHIPPED", a_policy(tmp_path, "mismatched"))
    assert playable("policy", said.append) == "steady"
    assert len(said) == 1
    assert "its senses is '0123456789abcdef'" in said[0]
