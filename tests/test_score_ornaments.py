"""Ornament signs and cue notes: what is required stays as written, what is added stands beside it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tiny_scores import BACKWARD, FERMATA, FORWARD, REST, note, sound, whole, write

from collaparte.conduct.desk import desk_notes
from collaparte.score import CUE, NOTE, ORNAMENT, Score, read_score
from collaparte.score.ornaments import SHORTEST_S, STROKE_S, BarOfAccidentals, Sign, realise

SLOW = sound('tempo="60"')


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAPARTE_CACHE", "")


def signed(*signs: str) -> str:
    return f"<notations><ornaments>{''.join(signs)}</ornaments></notations>"


def key(fifths: int) -> str:
    return f"<attributes><key><fifths>{fifths}</fifths></key></attributes>"


def little(score: Score) -> list[tuple[float, float, int]]:
    rows = score.notes[score.notes["kind"] == ORNAMENT]
    return [(float(r["beat"]), float(r["duration_beats"]), int(r["pitch"])) for r in rows]


def required(score: Score) -> list[tuple[float, float, int, str]]:
    rows = score.notes[score.notes["kind"] == NOTE]
    return [(float(r["beat"]), float(r["duration_beats"]), int(r["pitch"]), str(r["id"])) for r in rows]


def test_a_trill_leaves_the_written_notes_alone_and_alternates_with_the_step_above(tmp_path: Path) -> None:
    plain = read_score(write(tmp_path / "a.musicxml", ("Flute", [SLOW + note("C", 5, 2) + note("E", 5, 2)])))
    score = read_score(write(tmp_path / "b.musicxml", (
        "Flute", [SLOW + key(0) + note("C", 5, 2) + note("E", 5, 2, signed("<trill-mark/>"))])))  # fmt: skip
    assert required(score) == required(plain)
    assert list(score.solo_onsets) == list(plain.solo_onsets)
    assert score.digest == plain.digest
    assert [(item.beat, item.part, item.pitch, item.sign) for item in score.ornaments] == [(2.0, 0, 76, "trill-mark")]
    rows = little(score)
    assert {pitch for _, _, pitch in rows} == {76, 77}
    assert [pitch for _, _, pitch in rows] == [77, 76] * (len(rows) // 2)  # ends on the written note
    starts = [2.0, *(beat for beat, _, _ in rows)]
    assert np.allclose(np.diff(starts), rows[0][1])
    assert STROKE_S <= rows[0][1] < 1.2 * STROKE_S  # a quarter lasts a second here
    assert rows[-1][0] + rows[-1][1] == pytest.approx(4.0)
    main = required(score)[1][3]
    names = [str(r["id"]) for r in score.notes if r["kind"] == ORNAMENT]
    assert names == [f"{main}~{number}" for number in range(1, len(rows) + 1)]


@pytest.mark.parametrize(
    ("before", "signs", "pitch"),
    [
        (key(0), "<trill-mark/>", 77),  # e to f
        (key(1), "<trill-mark/>", 78),  # f sharp in the signature
        (key(1), "<trill-mark/><accidental-mark>natural</accidental-mark>", 77),
        (key(0), '<trill-mark/><accidental-mark placement="above">sharp</accidental-mark>', 78),
        (key(0), "<inverted-mordent/>", 77),
        (key(0), "<mordent/>", 74),
        (key(-2), "<mordent/>", 74),
        (key(-4), "<mordent/>", 73),  # d flat
        (key(0), '<mordent/><accidental-mark placement="below">sharp</accidental-mark>', 75),
    ],
)
def test_the_neighbour_is_the_step_in_the_key_or_as_printed(
    tmp_path: Path, before: str, signs: str, pitch: int
) -> None:
    score = read_score(write(tmp_path / "a.musicxml", ("Flute", [SLOW + before + note("E", 5, 4, signed(signs))])))
    assert {other for _, _, other in little(score)} - {76} == {pitch}


def test_an_accidental_earlier_in_the_bar_holds_for_the_neighbour_until_the_barline() -> None:
    bar = BarOfAccidentals()
    bar.fifths = -3
    assert bar.neighbour("D", 5, 0, 1) == 1  # e flat
    bar.meet("E", 5, 0)
    assert bar.neighbour("D", 5, 0, 1) == 2
    assert bar.neighbour("D", 4, 0, 1) == 1  # in its own octave only
    bar.begin()
    assert bar.neighbour("D", 5, 0, 1) == 1
    assert bar.neighbour("C", 5, 0, -1) == 2  # b flat lies below c, in the octave below
    assert bar.neighbour("B", 4, -1, 1) == 2


@pytest.mark.parametrize(
    ("name", "pitches"),
    [
        ("mordent", [70, 72]), ("inverted-mordent", [74, 72]), ("turn", [74, 72, 70, 72]),
        ("inverted-turn", [70, 72, 74, 72]), ("delayed-turn", [74, 72, 70, 72]), ("arpeggiate", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beat_period_s", [0.3, 0.5, 1.5])
def test_little_notes_follow_one_another_within_the_written_one(
    name: str, pitches: list[int], beat_period_s: float
) -> None:
    rows = realise(Sign(name), 72, 2.0, beat_period_s)
    assert [pitch for _, _, pitch in rows] == pitches
    for (start, length, _), (following, _, _) in pairwise(rows):
        assert start + length == pytest.approx(following)
        assert length * beat_period_s >= SHORTEST_S
    if rows:
        assert rows[-1][0] + rows[-1][1] == pytest.approx(2.0)
        assert rows[0][0] * beat_period_s >= SHORTEST_S
    if name == "delayed-turn":
        assert rows[0][0] > 0.5
    if name == "turn":
        assert rows[0][0] * beat_period_s <= STROKE_S + 1e-9


def test_a_trill_is_as_fast_at_every_tempo_and_gives_way_where_there_is_no_time() -> None:
    for beat_period_s in (0.3, 0.6, 1.2):
        rows = realise(Sign("trill-mark"), 72, 3.0, beat_period_s)
        assert rows[0][1] * beat_period_s == pytest.approx(STROKE_S, rel=0.1)
    assert len(realise(Sign("trill-mark"), 72, 0.5, 0.3)) == 2  # three notes, quick
    assert realise(Sign("trill-mark"), 72, 0.125, 0.3) == []
    assert realise(Sign("turn"), 72, 0.25, 0.4) == []
    assert len(realise(Sign("trill-mark"), 72, 1e6, 1.0)) < 1000


def test_a_measured_tremolo_is_struck_and_an_unmeasured_one_is_held(tmp_path: Path) -> None:
    def bars(strokes: int) -> list[str]:
        return [SLOW + note("C", 5, 4, signed(f'<tremolo type="single">{strokes}</tremolo>'))]

    eighths = read_score(write(tmp_path / "a.musicxml", ("Viola", bars(1))))
    assert little(eighths) == [(k / 2, 0.5, 72) for k in range(1, 8)]
    held = read_score(write(tmp_path / "b.musicxml", ("Viola", bars(3))))
    assert little(held) == []
    assert [item.sign for item in held.ornaments] == ["tremolo"]


def test_arpeggios_are_marked_and_nothing_is_added(tmp_path: Path) -> None:
    sign = "<notations><arpeggiate/></notations>"
    chord = note("C", 4, 4, sign) + note("G", 4, 4, sign).replace("<note>", "<note><chord/>")
    score = read_score(write(tmp_path / "a.musicxml", ("Harp", [chord])))
    assert [(item.beat, item.pitch, item.sign) for item in score.ornaments] == [
        (0.0, 60, "arpeggiate"), (0.0, 67, "arpeggiate")]  # fmt: skip
    assert len(score.notes) == 2


def test_the_orchestra_plays_its_trill_one_note_at_a_time(tmp_path: Path) -> None:
    piano = [SLOW + note("C", 5, 2) + note("D", 5, 2, signed("<trill-mark/>")), whole("C")]
    score = read_score(write(tmp_path / "a.musicxml", ("Flute", [whole("E")] * 2), ("Piano", piano)), solo="Flute")
    notes = desk_notes(score)
    trill = [each for each in notes if 2.0 <= each.start_beat < 4.0]
    assert [each.pitch for each in trill[:4]] == [74, 76, 74, 76]
    assert [each.ornament for each in trill] == [False] + [True] * (len(trill) - 1)
    for each, following in pairwise(trill):
        assert each.end_beat == pytest.approx(following.start_beat)
    assert trill[-1].end_beat == pytest.approx(4.0)
    assert [(each.start_beat, each.end_beat) for each in notes if each not in trill] == [(0.0, 2.0), (4.0, 8.0)]


def test_under_a_fermata_the_trilled_note_is_held(tmp_path: Path) -> None:
    both = "<notations><ornaments><trill-mark/></ornaments><fermata/></notations>"
    piano = [SLOW + note("C", 5, 2) + note("D", 5, 2, both), whole("C")]
    score = read_score(write(tmp_path / "a.musicxml", ("Flute", [whole("E")] * 2), ("Piano", piano)), solo="Flute")
    assert [item.beat for item in score.fermatas] == [2.0]  # the trill's own notes do not move it
    assert [(each.start_beat, each.end_beat, each.pitch) for each in desk_notes(score)] == [
        (0.0, 2.0, 72), (2.0, 4.0, 74), (4.0, 8.0, 72)]  # fmt: skip


def test_ornaments_come_on_every_pass_and_survive_marks_and_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAPARTE_CACHE", str(tmp_path / "cache"))
    trill = signed("<trill-mark/>")
    piano = [FORWARD + whole("C"), note("D", 5, 4, trill) + BACKWARD, note("E", 5, 4, trill)]
    file = write(tmp_path / "a.musicxml", ("Flute", [FORWARD + whole("G"), whole("G") + BACKWARD, whole("G")]),
                 ("Piano", piano))  # fmt: skip
    assert [item.beat for item in read_score(file, solo="1").ornaments] == [4.0, 12.0, 16.0]
    (tmp_path / "a.marks.toml").write_text(
        '[[instrument]]\npart = "Piano"\nname = "Oboe"\npitches = "E5-"\n[[cut]]\nfrom = "1@2"\nto = "1@2"'
    )
    score = read_score(file, solo="1")  # from the cache
    assert [(item.beat, score.parts[item.part].name) for item in score.ornaments] == [
        (4.0, "Piano"), (8.0, "Piano"), (12.0, "Oboe")]  # fmt: skip
    assert sum(1 for beat, _, _ in little(score) if beat > 12) == sum(1 for beat, _, _ in little(score) if beat < 8)


def cue(step: str, octave: int, quarters: float) -> str:
    return note(step, octave, quarters).replace("<note>", "<note><cue/>")


def test_cue_notes_do_not_sound_in_the_orchestra_and_are_not_required_of_the_soloist(tmp_path: Path) -> None:
    parts = ("Violin", [whole("C"), cue("E", 5, 4), whole("D")]), ("Piano", [cue("C", 6, 4), whole("E"), whole("F")])
    score = read_score(write(tmp_path / "a.musicxml", *parts), solo="Violin")
    assert [int(pitch) for pitch in score.orchestra["pitch"]] == [76, 77]
    assert [(int(row["pitch"]), int(row["kind"])) for row in score.solo] == [
        (72, NOTE), (76, ORNAMENT), (74, NOTE)]  # fmt: skip
    assert list(score.solo_onsets) == [0.0, 8.0]
    assert sorted(int(kind) for kind in score.notes["kind"]) == [NOTE] * 4 + [CUE] * 2
    assert [each.pitch for each in desk_notes(score)] == [76, 77]


def test_a_cadenza_or_a_whole_part_in_small_print_is_music(tmp_path: Path) -> None:
    alone = read_score(write(tmp_path / "a.musicxml", ("Violin", [whole("C"), cue("E", 5, 4)])))
    assert list(alone.solo_onsets) == [0.0, 4.0]
    parts = ("Violin", [cue("C", 5, 4), cue("E", 5, 4)]), ("Piano", [whole("E"), REST])
    small = read_score(write(tmp_path / "b.musicxml", *parts), solo="Piano")
    assert [int(pitch) for pitch in small.orchestra["pitch"]] == [72, 76]


def test_a_fermata_on_the_soloists_trill_stays_on_its_note(tmp_path: Path) -> None:
    solo = [SLOW + note("C", 5, 2, FERMATA) + note("D", 5, 2, signed("<trill-mark/>"))]
    score = read_score(write(tmp_path / "a.musicxml", ("Flute", solo)))
    assert [item.beat for item in score.fermatas] == [0.0]
    assert score.solo_entries.tolist() == [0.0]
