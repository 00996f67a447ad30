"""The player's marks: where they land, what they change, and how a wrong one is answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_scores import BACKWARD, FERMATA, FORWARD, REST, note, whole, write

from collaparte.errors import MarksError
from collaparte.score import Score, apply_marks, find_marks, read_marks, read_score, start_marks


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAPARTE_CACHE", "")


@pytest.fixture
def piece(tmp_path: Path) -> Path:
    """Four bars, the first two repeated: bars 1 2 1 2 3 4; a violin and a piano of two staves."""
    solo = [FORWARD + whole("C"), whole("D") + BACKWARD, note("E", 5, 2) + note("F", 5, 2, FERMATA), whole("G")]
    low = "<backup><duration>16</duration></backup>" + note("C", 3, 4, "<staff>2</staff>")
    piano = [FORWARD + whole("C") + low, whole("D") + low + BACKWARD, whole("E") + low, whole("F") + low]
    return write(tmp_path / "piece.musicxml", ("Violin", solo), ("Piano", piano))


def marked(piece: Path, text: str) -> Score:
    file = piece.with_name("piece.marks.toml")
    file.write_text(text, encoding="utf-8")
    return read_score(piece, solo="Violin")


def test_marks_beside_the_score_are_found_and_change_the_title(piece: Path) -> None:
    assert find_marks(piece) is None
    assert marked(piece, 'title = "Romance"').title == "Romance"
    assert find_marks(piece) == piece.with_name("piece.marks.toml")


def test_places_are_bars_beats_and_passes(piece: Path) -> None:
    score = marked(piece, '[[fermata]]\nat = "1.3"\n[[fermata]]\nat = "2@2"\nrelease = "pedal"\n'
                          '[[fermata]]\nat = "3.3"\nlength_beats = 2.5\n[[fermata]]\nat = "4.2.5"')  # fmt: skip
    assert [(item.beat, item.release, item.length_beats) for item in score.fermatas] == [
        (2.0, "onset", None), (10.0, "onset", None), (12.0, "pedal", None), (18.0, "length", 2.5),
        (21.5, "note_off", None),
    ]  # fmt: skip


def test_a_printed_fermata_can_be_taken_away(piece: Path) -> None:
    assert [item.beat for item in read_score(piece, solo="Violin").fermatas] == [18.0]
    assert marked(piece, '[[fermata]]\nat = "3.3"\nremove = true').fermatas == ()


def test_passages_cover_whole_bars_or_stop_at_a_beat(piece: Path) -> None:
    score = marked(piece, '[[cadenza]]\nfrom = "4"\nto = "4"\n[[lead]]\nfrom = "1"\nto = "2"\nleads = "orchestra"\n'
                          '[[silence]]\nfrom = "3"\nto = "4.3"\npolicy = "hold"\n'
                          '[[vamp]]\nfrom = "2@1"\nto = "2@1"')  # fmt: skip
    found = [(p.start_beat, p.end_beat, p.leads, p.silence, p.cadenza, p.vamp) for p in score.passages]
    assert found == [
        (0.0, 8.0, "orchestra", "go on", False, False), (4.0, 8.0, "follow", "go on", False, True),
        (8.0, 16.0, "orchestra", "go on", False, False), (16.0, 22.0, "follow", "hold", False, False),
        (20.0, 24.0, "follow", "hold", True, False),
    ]  # fmt: skip


def test_tempi_are_added_in_their_unit(piece: Path) -> None:
    score = marked(piece, '[[tempo]]\nat = "1@1"\nbpm = 60\nunit = "half"\n[[tempo]]\nat = "3"\nbpm = 80.0')
    assert [(mark.beat, 60 / mark.beat_period_s) for mark in score.tempi] == [(0.0, 120.0), (16.0, pytest.approx(80.0))]


def test_a_cut_takes_bars_out_and_lays_the_rest_again(piece: Path) -> None:
    whole_piece = read_score(piece, solo="Violin")
    score = marked(piece, '[[cut]]\nfrom = "1@2"\nto = "2@2"\n[[tempo]]\nat = "2@2"\nbpm = 50')
    assert score.end_beat == whole_piece.end_beat - 8.0
    assert [(bar.number, bar.beat) for bar in score.bars] == [("1", 0.0), ("2", 4.0), ("3", 8.0), ("4", 12.0)]
    assert list(score.solo["beat"]) == [0.0, 4.0, 8.0, 10.0, 12.0]
    assert [item.beat for item in score.fermatas] == [10.0]
    assert 60 / score.beat_period_at(8.0) == pytest.approx(50)  # the tempo in force where the music goes on
    assert list(score.solo["written_beat"]) == [0.0, 4.0, 8.0, 10.0, 12.0]
    assert score.digest == whole_piece.digest
    assert (score.notes["beat"] + score.notes["duration_beats"]).max() == 16.0


def test_a_piano_becomes_strings_and_winds_by_register_staff_and_bars(piece: Path) -> None:
    score = marked(piece, '[[instrument]]\npart = "Piano"\nname = "Cellos"\nstaff = 2\n'
                          '[[instrument]]\npart = "Piano"\nname = "Flutes"\npitches = "E5-"\nfrom = "3"\nto = "4"\n'
                          '[[instrument]]\npart = "Piano"\nname = "Strings"\nprogram = 48')  # fmt: skip
    assert [(part.name, part.program, part.solo) for part in score.parts] == [
        ("Violin", 40, True), ("Strings", 48, False), ("Cellos", 42, False), ("Flutes", 73, False)]  # fmt: skip
    by_part = {part.name: sorted({int(p) for p in score.notes["pitch"][score.notes["part"] == index]})
               for index, part in enumerate(score.parts)}  # fmt: skip
    assert by_part == {"Violin": [72, 74, 76, 77, 79], "Strings": [72, 74], "Cellos": [48], "Flutes": [76, 77]}
    plain = read_score(piece, solo="Violin", marks=empty(piece))
    assert np.array_equal(np.sort(plain.notes["id"]), np.sort(score.notes["id"]))


def empty(piece: Path) -> Path:
    file = piece.with_name("none.toml")
    file.write_text("")
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[fermata]\n", ["not TOML"]),
        ("[[fermatta]]\nat = '1'", ["'fermatta'", "fermata, cadenza"]),
        ("[[fermata]]\nwhere = '1'", ["[[fermata]] number 1", "'where'", "at, release"]),
        ("[[fermata]]\nrelease = 'onset'", ["lacks 'at'"]),
        ("[[fermata]]\nat = 3", ["at: 3", "text in quotes"]),
        ("[[fermata]]\nat = '1'\n[[fermata]]\nat = '1.5.5.5'", ["number 2", "no place"]),
        ("[[fermata]]\nat = '1'\nrelease = 'never'", ["'never'", "'note_off'"]),
        ("[[fermata]]\nat = '1'\nrelease = 'length'", ["length_beats"]),
        ("[[fermata]]\nat = '99'", ["no bar '99'", "1 to 4"]),
        ("[[fermata]]\nat = '3@2'", ["played 1 time"]),
        ("[[fermata]]\nat = '1.5'", ["only 4 beats"]),
        ("[[fermata]]\nat = '1'\nremove = true", ["no fermata at '1'"]),
        ("[[cut]]\nfrom = '4'\nto = '3'", ["does not come after"]),
        ("[[cut]]\nfrom = '1'\nto = '4'", ["leaves nothing"]),
        ("[[tempo]]\nat = '1'\nbpm = 0", ["no tempo"]),
        ("[[tempo]]\nat = '1'\nbpm = nan", ["no number"]),
        ("[[lead]]\nfrom = '1'\nto = '2'\nleads = 'me'", ["'me'", "'orchestra'"]),
        ("[[instrument]]\npart = 'Organ'", ["'Organ'", "1 Violin, 2 Piano"]),
        ("[[instrument]]\npart = 'Piano'\nprogram = 128", ["0 to 127"]),
        ("[[instrument]]\npart = 'Piano'\nprogram = 'spoons'", ["'spoons'"]),
        ("[[instrument]]\npart = 'Piano'\npitches = 'low'", ["no register"]),
        ("[[instrument]]\npart = 'Piano'\nstaff = 7", ["staff 7"]),
        ("title = 3", ["title"]),
    ],
)  # fmt: skip
def test_a_wrong_mark_is_named_with_what_is_allowed(piece: Path, text: str, words: list[str]) -> None:
    with pytest.raises(MarksError) as caught:
        marked(piece, text)
    for word in [*words, *([] if "leaves" in words[0] else ["piece.marks.toml"])]:
        assert word in str(caught.value)


def test_a_starter_file_is_valid_says_what_is_printed_and_never_overwrites(piece: Path, tmp_path: Path) -> None:
    score = read_score(piece, solo="Violin")
    file = start_marks(score, tmp_path / "start.toml")
    assert read_marks(file).tables == {}
    assert apply_marks(score, read_marks(file)).fermatas == score.fermatas
    text = file.read_text()
    assert "a fermata at 3.3, released by note_off" in text or "a fermata at 3.3, released by onset" in text
    assert "1 Violin (solo)" in text
    with pytest.raises(MarksError, match="already"):
        start_marks(score, file)
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    examples = [line for line in lines if line.startswith("[[") or line.split(" ")[1:2] == ["="]]
    (tmp_path / "all.toml").write_text("\n".join(examples))
    assert set(read_marks(tmp_path / "all.toml").tables) == {
        "fermata", "cadenza", "lead", "silence", "vamp", "cut", "tempo", "instrument"}  # fmt: skip


def test_a_rest_in_the_solo_does_not_lose_the_marks_of_its_bar(tmp_path: Path) -> None:
    file = write(tmp_path / "piece.musicxml", ("Violin", [whole("C"), REST, whole("D")]), ("Piano", [whole("C")] * 3))
    score = marked(file, '[[fermata]]\nat = "2"\n[[lead]]\nfrom = "2"\nto = "2"\nleads = "orchestra"')
    assert [(item.beat, item.release) for item in score.fermatas] == [(4.0, "onset")]
    assert (score.passages[0].start_beat, score.passages[0].end_beat) == (4.0, 8.0)
