"""What is on the paper, whatever is played of it: the digest that memory is keyed by, and written beats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_scores import BACKWARD, FERMATA, FORWARD, REST, note, volta, whole, write

from collaparte.score import Fermata, Score, read_score


@pytest.fixture
def piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bars 1 and 2 (a first ending), 1 again and 3 (the second), 4."""
    monkeypatch.setenv("COLLAPARTE_CACHE", str(tmp_path / "cache"))
    first, last = volta(1, True), volta(2, False)
    solo = [FORWARD + whole("C"), first[0] + note("D", 5, 1) + note("E", 5, 3) + first[1],
            last[0] + whole("G") + last[1], whole("A")]  # fmt: skip
    other = [FORWARD + whole("E"), first[0] + whole("F") + first[1], last[0] + whole("G") + last[1], whole("A")]
    return write(tmp_path / "piece.musicxml", ("Violin", solo), ("Viola", other))


def places(score: Score) -> dict[tuple[float, int], set[int]]:
    """Written place and pitch of what is played of the solo, with its passes."""
    found: dict[tuple[float, int], set[int]] = {}
    for row in score.solo:
        found.setdefault((float(row["written_beat"]), int(row["pitch"])), set()).add(int(row["passing"]))
    return found


def test_one_digest_with_and_without_the_repeat_and_its_first_ending(piece: Path) -> None:
    whole_piece = read_score(piece, solo="Violin")
    short = read_score(piece, solo="Violin", repeats=False)
    assert (whole_piece.end_beat, short.end_beat) == (20.0, 12.0)
    assert 74 in whole_piece.solo["pitch"]
    assert 74 not in short.solo["pitch"]
    assert short.digest == whole_piece.digest
    assert read_score(piece, solo="Violin", unfolding="A-B-A-B-A-C-D").digest == whole_piece.digest
    assert set(places(short)) < set(places(whole_piece))
    again = read_score(piece, solo="Violin", repeats=False)  # from the cache
    assert again.digest == whole_piece.digest
    assert np.array_equal(again.written, whole_piece.written)


def test_a_cut_and_other_marks_leave_the_digest_as_it_is(piece: Path) -> None:
    digest = read_score(piece, solo="Violin").digest
    piece.with_name("piece.marks.toml").write_text(
        '[[cut]]\nfrom = "4"\nto = "4"\n[[instrument]]\npart = "Violin"\nname = "Flute"\npitches = "G5-"'
    )
    score = read_score(piece, solo="Violin", repeats=False)
    assert [part.name for part in score.parts if part.solo] == ["Violin", "Flute"]
    assert score.end_beat == 8.0
    assert score.digest == digest


def test_another_part_and_another_note_have_another_digest(piece: Path, tmp_path: Path) -> None:
    score = read_score(piece, solo="Violin")
    other = score.with_solo(["Viola"])
    assert other.digest != score.digest
    assert other.digest == read_score(piece, solo="Viola", repeats=False).digest
    assert other.with_solo(["1"]).digest == score.digest
    changed = tmp_path / "changed.musicxml"  # a note of the first ending, which the short reading leaves out
    changed.write_text(piece.read_text().replace("<step>D</step>", "<step>B</step>"))
    assert read_score(changed, solo="Violin", repeats=False).digest != score.digest


def test_beats_on_paper_count_from_the_earliest_note_on_paper(tmp_path: Path) -> None:
    first, last = volta(1, True), volta(2, False)
    bars = [FORWARD + REST, first[0] + note("C", 5, 4) + first[1], last[0] + whole("D") + last[1], whole("E")]
    file = write(tmp_path / "late.musicxml", ("Oboe", bars))
    taken, left_out = read_score(file, cache=False), read_score(file, repeats=False, cache=False)
    assert places(taken) == {(0.0, 72): {1}, (4.0, 74): {1}, (8.0, 76): {1}}
    assert places(left_out) == {(4.0, 74): {1}, (8.0, 76): {1}}
    assert list(left_out.solo["beat"]) == [0.0, 4.0]


def test_a_plain_score_is_written_as_it_is_played() -> None:
    score = Score.from_notes([(0.0, 1.0, 60), (1.0, 1.0, 62)], [(0.0, 2.0, 48)])
    assert [tuple(row) for row in score.written.tolist()] == [(1, 0.0, 48), (0, 0.0, 60), (0, 1.0, 62)]
    assert Score.from_notes([(0.0, 1.0, 60), (1.0, 1.0, 62)]).digest == score.digest
    assert Score.from_notes([(0.0, 1.0, 60), (1.0, 1.0, 63)]).digest != score.digest


def test_ties_are_one_note_on_paper_too(tmp_path: Path) -> None:
    bars = [note("C", 5, 3) + note("D", 5, 1, tie="start"),
            FORWARD + note("D", 5, 1, tie="stop") + note("E", 5, 3) + BACKWARD]  # fmt: skip
    score = read_score(write(tmp_path / "tie.musicxml", ("Flute", bars)), cache=False)
    assert [tuple(row)[1:] for row in score.written.tolist()] == [(0.0, 72), (3.0, 74), (5.0, 76)]


def test_choosing_another_soloist_settles_printed_fermatas_anew_and_leaves_the_players_alone(tmp_path: Path) -> None:
    flute = [whole("C", FERMATA), whole("D"), REST, whole("E")]
    piano = [whole("C"), REST, whole("D", FERMATA), whole("E")]
    file = write(tmp_path / "f.musicxml", ("Flute", flute), ("Piano", piano))

    def releases(score: Score) -> list[tuple[float, str]]:
        return [(fermata.beat, fermata.release) for fermata in score.fermatas]

    score = read_score(file, solo="Flute", cache=False)
    assert releases(score) == [(0.0, "onset"), (8.0, "onset")]
    other = score.with_solo(["Piano"])
    assert releases(other) == [(0.0, "note_off"), (8.0, "onset")]
    assert releases(other) == releases(read_score(file, solo="Piano", cache=False))
    assert releases(other.with_solo(["Flute"])) == releases(score)
    assert releases(read_score(file, choose=False, cache=False)) == [(0.0, "note_off"), (8.0, "note_off")]
    (tmp_path / "f.marks.toml").write_text('[[fermata]]\nat = "1"\nrelease = "pedal"')
    marked = read_score(file, solo="Flute", cache=False)
    assert releases(marked.with_solo(["Piano"])) == [(0.0, "pedal"), (8.0, "onset")]
    own = Score.from_notes([(0.0, 1.0, 60)], [(1.0, 1.0, 60)], fermatas=(Fermata(0.0),))
    assert releases(own.with_solo(["Orchestra"])) == [(0.0, "onset")]


def test_scores_can_be_compared_and_kept_in_sets() -> None:
    one, other = (Score.from_notes([(0.0, 1.0, 60)]) for _ in range(2))
    assert one != other  # one object, or not: what they say is compared by digest and notes
    assert one.digest == other.digest
    assert one == [other, one][1]
    assert len({one, other, one}) == 2
