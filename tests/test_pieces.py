"""The shipped pieces: what they hold, that they are what the engraver writes, and that the harmony is clean."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from collaparte.errors import UnreadableScore
from collaparte.pieces import list_pieces, marks_path, piece_path, solo_part
from collaparte.score import NOTE, Score, read_score

TOOLS = Path(__file__).parent.parent / "tools"
# Beats where the tune leans on a note beside the chord, by (bar, quarter in the bar).
LEANING = {"greensleeves": set(), "washerwoman": {(4, 1.5), (12, 1.5), (15, 1.5), (44, 1.5)}}


def tool(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def engraving(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(TOOLS / "engraving"))
    yield
    for name in ("notation", "check", *list_pieces()):
        sys.modules.pop(name, None)


def page(name: str) -> Score:
    return read_score(piece_path(name), solo=solo_part(name))


@pytest.mark.parametrize("name", list_pieces())
def test_a_piece_loads_with_its_soloist_and_without_a_warning(name: str) -> None:
    score = page(name)
    assert score.warnings == ()
    assert [part.name for part in score.parts if part.solo] == ["Solo Violin"]
    assert len(score.orchestra) > len(score.solo)
    assert 60 < score.seconds_at(score.end_beat) < 150
    assert all(bar.duration_beats == 3.0 for bar in score.bars)


@pytest.mark.parametrize("name", list_pieces())
def test_the_file_is_what_the_engraver_writes(name: str) -> None:
    assert tool("engrave").engraved(name) == piece_path(name).read_bytes()


@pytest.mark.parametrize("name", list_pieces())
@pytest.mark.usefixtures("engraving")
def test_chords_are_chords_and_no_voices_move_in_parallel_fifths_or_octaves(name: str) -> None:
    chords, parallels, strays = importlib.import_module("check").report(importlib.import_module(name).piece())
    assert parallels == []
    assert strays == []
    assert {(bar, place) for bar, place, chord in chords if chord.startswith("?")} <= LEANING[name]


def test_the_slow_piece_holds_a_fermata_and_slows_before_it() -> None:
    score = page("greensleeves")
    held = score.fermatas[0].beat
    assert score.bar_at(held).number == "35"
    assert held in score.solo_onsets
    assert score.beat_period_at(held) > 1.05 * score.beat_period_at(held - 6)
    assert score.beat_period_at(score.beat_of_bar("36")) == pytest.approx(score.beat_period_at(0.0))  # a tempo
    assert score.solo_onsets[0] == 11.5  # four bars of introduction, the solo's pick-up within the last


def test_the_quick_piece_repeats_the_solo_and_rests_in_the_tuttis() -> None:
    score = page("washerwoman")
    assert score.beat_of_bar("9", 2) - score.beat_of_bar("9", 1) == 24.0
    rests = np.diff(np.concatenate([[0.0], score.solo_onsets]))
    assert (rests >= 24.0).sum() == 2  # the opening ritornello, and the tutti of bars 25 to 32
    first, second = (
        score.solo[(score.solo["beat"] >= start) & (score.solo["beat"] < start + 24)]["pitch"]
        for start in (score.beat_of_bar("9", 1), score.beat_of_bar("9", 2))
    )
    assert first.tolist() == second.tolist()
    assert page("washerwoman").with_solo(["Flute"]).solo_onsets[0] == 0.0
    assert len(read_score(piece_path("washerwoman"), solo="Solo Violin", repeats=False).bars) == 52


def test_transposing_instruments_sound_where_they_should() -> None:
    score = page("washerwoman")
    names = [part.name for part in score.parts]
    first = {
        name: int(score.notes["pitch"][(score.notes["part"] == names.index(name)) & (score.notes["kind"] == NOTE)][0])
        for name in ("Clarinet in B♭", "Cellos", "Double Basses")
    }
    assert first == {"Clarinet in B♭": 62, "Cellos": 43, "Double Basses": 31}  # D4, G2, G1


def test_an_unknown_piece_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnreadableScore, match="greensleeves, washerwoman"):
        piece_path("la campanella")
    with pytest.raises(UnreadableScore, match="mendelssohn_op64"):
        marks_path("tchaikovsky")


@pytest.mark.corpora
def test_the_marks_of_the_concerto_find_its_cadenza_fermatas_and_instruments(corpora: Path) -> None:
    folder = corpora / "concerto"
    score = read_score(
        folder / "mendelssohn_op64_solo.mid",
        folder / "mendelssohn_op64_accompaniment.mid",
        marks=marks_path("mendelssohn_op64"),
    )
    orchestra = score.orchestra
    (cadenza,) = [passage for passage in score.passages if passage.cadenza]
    inside = (orchestra["beat"] >= cadenza.start_beat) & (orchestra["beat"] < cadenza.end_beat - 1e-6)
    assert not inside.any()
    assert cadenza.end_beat in orchestra["beat"]  # and there the theme begins: B4 and B5
    assert {71, 83} <= set(orchestra["pitch"][orchestra["beat"] == cadenza.end_beat].tolist())
    held = {
        int(score.solo["pitch"][np.abs(score.solo["beat"] - fermata.beat) < 1e-6].max()) for fermata in score.fermatas
    }
    assert held == {93, 88, 100, 92}  # A6 (165), E6 (524), E7 (307 and 436), G sharp 6 (389)
    for passage in score.passages:
        if passage.leads == "orchestra":
            within = (score.solo["beat"] >= passage.start_beat) & (score.solo["beat"] < passage.end_beat - 1e-6)
            assert not within.any()
    players = {score.parts[index].name: int((orchestra["part"] == index).sum()) for index in set(orchestra["part"])}
    strings = {"Violins I", "Violins II", "Violas", "Cellos", "Double Basses"}
    assert set(players) == strings | {"Flutes", "Oboes", "Clarinets", "Horns"}
    assert min(players.values()) >= 20
    second_subject = orchestra[
        (orchestra["beat"] >= score.beat_of_bar("131")) & (orchestra["beat"] < score.beat_of_bar("139"))
    ]
    assert {score.parts[index].name for index in second_subject["part"]} <= {"Flutes", "Clarinets", "Cellos"}
