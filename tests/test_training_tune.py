"""``collaparte train tune``: from whom and from what it learns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'collaparte[train]'")
pytest.importorskip("onnx", reason="training needs onnx: pip install 'collaparte[train]'")

from test_training_data import a_match

from collaparte.cli import main
from collaparte.predict.policy import SHIPPED, load_policy
from collaparte.takes import Shelf

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """``say("train", "tune", ...)`` in an empty folder -> exit code, standard output, standard error."""
    monkeypatch.setenv("COLLAPARTE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLLAPARTE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def ask(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        printed = capsys.readouterr()
        return code, " ".join(printed.out.split()), printed.err

    return ask


def keep(say: Say, piece: str, *players: str) -> None:
    """A simulated take among the kept ones, once for each of ``players``, as if they had played it."""
    assert say("simulate", piece, "--soloist", "simulated", "--predictor", "steady", "--out", "one.jsonl")[0] == 0
    header, *lines = Path("one.jsonl").read_text(encoding="utf-8").splitlines()
    for number, soloist in enumerate(players):
        told = {**json.loads(header), "soloist": soloist, "seed": number}
        path = Shelf().takes / piece / f"{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([json.dumps(told), *lines]) + "\n", encoding="utf-8")


def new_pieces(path: str) -> set[str]:
    """What a tuned policy has learnt from besides what the shipped one had."""
    known = set(load_policy(SHIPPED).passport["training_pieces"])
    return set(load_policy(Path(path)).passport["training_pieces"]) - known


def test_only_the_named_soloists_takes_are_learnt_from(say: Say) -> None:
    keep(say, "washerwoman", "anna", "anna", "clara")
    keep(say, "greensleeves", "anna")
    digests = {kept.piece: kept.digest for kept in Shelf().list()}
    code, told, _ = say("train", "tune", "--as", "Anna", "--run", "anna", "--rounds", "1")
    assert code == 0
    assert "learnt from 2 takes, judged on 1" in told  # two and one: Clara's is nobody's business
    assert new_pieces("anna/policy.onnx") <= set(digests.values())
    washerwoman = next(name for name in digests if "asherwoman" in name)
    code, told, _ = say("train", "tune", "--as", "anna", "--only", washerwoman, "--run", "one", "--rounds", "1")
    assert code == 0
    assert "learnt from 1 takes, judged on 1" in told
    assert new_pieces("one/policy.onnx") == {digests[washerwoman]}


def test_a_soloist_nobody_knows_is_told_where_takes_come_from(say: Say) -> None:
    code, _, told = say("train", "tune", "--as", "nobody", "--run", "run")
    assert code != 0
    assert "No take of nobody is kept" in told
    assert not Path("run/policy.onnx").exists()


def test_only_the_pieces_that_begin_so_are_learnt_from(say: Say, tmp_path: Path) -> None:
    for piece in ("Chopin/Etudes/1", "Chopin/Ballades/1", "Bach/Fugue/1"):
        for player in range(2):
            a_match(tmp_path / "corpus" / piece / f"P{player}.match", player, 60)
    words = ("train", "tune", "--corpus", "corpus", "--run", "run", "--rounds", "1")
    code, told, _ = say(*words, "--only", "Chopin/Etudes")
    assert code == 0
    assert "learnt from 1 takes, judged on 1" in told
    assert new_pieces("run/policy.onnx") == {"Chopin/Etudes/1"}
    code, _, told = say(*words, "--only", "Liszt")
    assert code != 0
    assert "no take to learn from" in told


def test_a_soloist_or_a_corpus_must_be_named_and_not_both(say: Say) -> None:
    for words in ((), ("--as", "anna", "--corpus", "nasap")):
        code, _, told = say("train", "tune", *words)
        assert code == 2
        assert "Name a soloist with --as, or a corpus with --corpus." in told
