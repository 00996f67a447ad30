"""Small scores written here, and what the page must make of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import mido
import numpy as np
import pytest
from tiny_scores import BACKWARD, FERMATA, FORWARD, REST, note, sound, volta, whole, write

from collaparte.errors import PartNotFound, ScoreError, TimelineMismatch, UnreadableScore
from collaparte.score import GRACE, NOTE, describe, read_score


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("COLLAPARTE_CACHE", str(folder))
    return folder


def pitches_by_beat(score: object) -> list[tuple[float, int]]:
    return [(float(row["beat"]), int(row["pitch"])) for row in score.notes]  # type: ignore[attr-defined]


def test_a_repeat_with_two_endings_is_played_out_with_passes_and_ids(tmp_path: Path) -> None:
    first, last = volta(1, True), volta(2, False)
    bars = [FORWARD + whole("C"), first[0] + whole("D") + first[1], last[0] + whole("E") + last[1], whole("F")]
    file = write(tmp_path / "voltas.musicxml", ("Flute", bars))
    score = read_score(file)
    assert pitches_by_beat(score) == [(0.0, 72), (4.0, 74), (8.0, 72), (12.0, 76), (16.0, 77)]
    assert [(bar.number, bar.passing) for bar in score.bars] == [("1", 1), ("2", 1), ("1", 2), ("3", 1), ("4", 1)]
    assert list(score.notes["written_beat"]) == [0.0, 4.0, 0.0, 8.0, 12.0]
    assert list(score.notes["passing"]) == [1, 1, 2, 1, 1]
    stem = str(score.notes["id"][0])[:-2]
    assert [str(score.notes["id"][place]) for place in (0, 2)] == [f"{stem}-1", f"{stem}-2"]
    assert score.beat_of_bar("1", passing=2) == 8.0
    assert score.parts[0].program == 73
    short = read_score(file, repeats=False)
    assert pitches_by_beat(short) == [(0.0, 72), (4.0, 76), (8.0, 77)]
    assert describe(score).repeats == (("1", "1", 2),)


def test_jumps_hold_the_ways_another_reading_allows(tmp_path: Path) -> None:
    bars = [FORWARD + whole("C"), whole("D") + BACKWARD, whole("E")]
    score = read_score(write(tmp_path / "r.musicxml", ("Flute", bars)))
    ways = {(jump.from_beat, jump.to_beat) for jump in score.jumps}
    assert (8.0, 16.0) in ways  # leave the repeat out
    assert (16.0, 8.0) in ways  # take it a third time
    assert not any(start == end for start, end in ways)


def test_dal_segno_al_fine_and_one_path_for_every_part(tmp_path: Path) -> None:
    bars = [
        whole("C"),
        sound('segno="segno"') + whole("D"),
        whole("E") + sound('fine="yes"', "Fine"),
        whole("F") + sound('dalsegno="segno"', "D.S. al Fine"),
    ]
    plain = [whole("C"), whole("D"), whole("E"), whole("F")]
    score = read_score(write(tmp_path / "ds.musicxml", ("Flute", bars), ("Violin", plain)), solo="Flute")
    assert [bar.number for bar in score.bars] == ["1", "2", "3", "4", "2", "3"]
    for view in (score.solo, score.orchestra):
        assert [int(pitch) for pitch in view["pitch"]] == [72, 74, 76, 77, 74, 76]
        assert list(view["beat"]) == [0.0, 4.0, 8.0, 12.0, 16.0, 20.0]
    assert any("disagree about repeats" in text for text in score.warnings)


def test_a_chosen_unfolding_and_one_that_names_no_section(tmp_path: Path) -> None:
    file = write(tmp_path / "r.musicxml", ("Flute", [FORWARD + whole("C") + BACKWARD, whole("D")]))
    assert [int(p) for p in read_score(file, unfolding="A-A-A-B").notes["pitch"]] == [72, 72, 72, 74]
    assert [int(p) for p in read_score(file, unfolding="AB").notes["pitch"]] == [72, 74]
    with pytest.raises(ScoreError, match=r"section Z.*A: bars 1 to 1; B: bars 2 to 2"):
        read_score(file, unfolding="A-Z")


def test_ties_become_one_note_also_over_a_section_that_runs_on(tmp_path: Path) -> None:
    bars = [
        note("C", 5, 3) + note("D", 5, 1, tie="start"),
        FORWARD + note("D", 5, 1, tie="stop") + note("E", 5, 3) + BACKWARD,
    ]
    score = read_score(write(tmp_path / "tie.musicxml", ("Flute", bars)))
    rows = [(float(r["beat"]), float(r["duration_beats"]), int(r["pitch"])) for r in score.notes]
    assert rows == [(0.0, 3.0, 72), (3.0, 2.0, 74), (5.0, 3.0, 76), (8.0, 1.0, 74), (9.0, 3.0, 76)]


def test_grace_notes_stand_at_their_main_note_and_are_not_required(tmp_path: Path) -> None:
    grace = "<note><grace/><pitch><step>B</step><octave>4</octave></pitch><voice>1</voice></note>"
    score = read_score(write(tmp_path / "g.musicxml", ("Flute", [note("C", 5, 2) + grace + note("D", 5, 2)])))
    assert [(float(r["beat"]), int(r["pitch"]), int(r["kind"])) for r in score.notes] == [
        (0.0, 72, NOTE), (2.0, 71, GRACE), (2.0, 74, NOTE)]  # fmt: skip
    assert list(score.solo_onsets) == [0.0, 2.0]


@pytest.mark.parametrize(("octave", "sounding"), [("", 70), ("<octave-change>-1</octave-change>", 58)])
def test_transposing_instruments_sound(tmp_path: Path, octave: str, sounding: int) -> None:
    transpose = f"<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic>{octave}</transpose>"
    file = write(
        tmp_path / "c.musicxml", ("Clarinet in Bb", [whole("C")]), ("Piano", [whole("C")]), transpose=transpose
    )
    score = read_score(file, solo=["Clarinet"])
    assert [int(score.solo["pitch"][0]), int(score.orchestra["pitch"][0])] == [sounding, 72]
    assert [part.program for part in score.parts] == [71, 0]


def test_a_pick_up_begins_at_zero_and_keeps_its_printed_number(tmp_path: Path) -> None:
    file = write(tmp_path / "p.musicxml", ("Flute", [note("G", 4, 1), whole("C")]), numbers=["0", "1"])
    score = read_score(file)
    assert pitches_by_beat(score) == [(0.0, 67), (1.0, 72)]
    assert [(bar.number, bar.beat, bar.duration_beats) for bar in score.bars] == [("0", 0.0, 1.0), ("1", 1.0, 4.0)]
    late = write(tmp_path / "late.musicxml", ("Flute", [
        "<note><rest/><duration>12</duration></note>" + note("G", 4, 1), whole("C")]))  # fmt: skip
    score = read_score(late)
    assert pitches_by_beat(score) == [(0.0, 67), (1.0, 72)]
    assert [(bar.number, bar.beat) for bar in score.bars] == [("1", 0.0), ("2", 1.0)]


def test_a_fermata_rests_where_the_last_voice_moves_and_knows_its_release(tmp_path: Path) -> None:
    solo = [whole("C", FERMATA), note("D", 5, 2) + note("D", 5, 2, FERMATA), REST]
    piano = [note("C", 4, 2) + note("D", 4, 2), whole("C"), whole("E")]
    file = write(tmp_path / "f.musicxml", ("Voice", solo), ("Piano", piano))
    score = read_score(file, solo="Voice")
    assert [(item.beat, item.release) for item in score.fermatas] == [(2.0, "onset"), (6.0, "note_off")]


def test_tempo_from_numbers_words_and_changes(tmp_path: Path) -> None:
    metronome = (
        "<direction><direction-type><metronome><beat-unit>half</beat-unit><per-minute>60</per-minute></metronome>"
        "</direction-type></direction>"
    )
    words = "<direction><direction-type><words>{}</words></direction-type></direction>"
    bars = [metronome + whole("C"), words.format("Adagio") + whole("C"), whole("C"), sound('tempo="90"') + whole("C"),
            words.format("rit.") + whole("C"), whole("D"), words.format("a tempo") + whole("C")]  # fmt: skip
    score = read_score(write(tmp_path / "t.musicxml", ("Flute", bars)))
    assert 60 / score.beat_period_at(0) == pytest.approx(120)
    assert 60 / score.beat_period_at(5) == pytest.approx(60)
    assert 60 / score.beat_period_at(12) == pytest.approx(90)
    assert 60 / score.beat_period_at(19) < 80
    assert 60 / score.beat_period_at(24) == pytest.approx(90)
    assert score.seconds_at(8.0) == pytest.approx(4 * 0.5 + 4 * 1.0)


def test_dynamics_hairpins_and_accents_become_velocities(tmp_path: Path) -> None:
    def mark(inside: str) -> str:
        return f"<direction><direction-type>{inside}</direction-type></direction>"

    accent = "<notations><articulations><accent/></articulations></notations>"
    bars = [
        mark("<dynamics><p/></dynamics>") + note("C", 5, 2) + note("C", 5, 2, accent),
        mark('<wedge type="crescendo"/>') + "".join(note("D", 5, 1) for _ in range(4)) + mark('<wedge type="stop"/>'),
        mark("<dynamics><f/></dynamics>") + whole("E"),
    ]
    velocities = [int(v) for v in read_score(write(tmp_path / "d.musicxml", ("Flute", bars))).notes["velocity"]]
    assert velocities[0] == 48
    assert velocities[1] == 60
    assert velocities[2:6] == sorted(velocities[2:6])
    assert 48 <= velocities[2] < velocities[5] < velocities[6] == 84


def test_long_rests_entries_and_tutti(tmp_path: Path) -> None:
    solo = [REST, REST, whole("C"), REST, whole("D"), REST]
    piano = [whole("C")] * 6
    score = read_score(write(tmp_path / "r.musicxml", ("Violin", solo), ("Piano", piano)), solo="1")
    assert list(score.solo_entries) == [8.0, 16.0]
    assert score.tutti == ((0.0, 8.0), (12.0, 16.0), (20.0, 24.0))
    assert describe(score).entries == ("3", "5")


def test_bars_that_disagree_between_parts_still_begin_together(tmp_path: Path) -> None:
    solo = [whole("C"), note("D", 5, 1), whole("E"), whole("F")]  # three hidden beats are missing in bar 2
    score = read_score(write(tmp_path / "h.musicxml", ("Voice", solo), ("Piano", [whole("C")] * 4)), solo="Voice")
    assert list(score.solo["beat"]) == [0.0, 4.0, 8.0, 12.0]
    assert list(score.orchestra["beat"]) == [0.0, 4.0, 8.0, 12.0]
    assert any("bars 2" in text for text in score.warnings)


def test_several_parts_ask_for_a_soloist_and_name_themselves(tmp_path: Path) -> None:
    file = write(tmp_path / "two.musicxml", ("Violin", [whole("C")]), ("Violin", [whole("C")]), ("Empty", [REST]))
    with pytest.raises(PartNotFound, match=r"1 Violin, 2 Violin \(2\), 3 Empty.*--solo"):
        read_score(file)
    with pytest.raises(PartNotFound, match="'Horn' is not in this score"):
        read_score(file, solo="Horn")
    assert [part.solo for part in read_score(file, solo="violin").parts] == [True, False, False]
    with pytest.raises(PartNotFound, match="'viol' could be several"):
        read_score(file, solo="viol")
    with pytest.raises(PartNotFound, match=r"'Empty' has no notes.*1 Violin"):
        read_score(file, solo="Empty")
    listed = read_score(file, choose=False)
    assert not any(part.solo for part in listed.parts)
    assert "part 3 Empty has no notes" in describe(listed).troubles


def test_a_part_is_chosen_by_a_word_of_its_name(tmp_path: Path) -> None:
    file = write(tmp_path / "song.musicxml", ("Singstimme Voice", [whole("C")]), ("Piano", [whole("C")]))
    assert [part.solo for part in read_score(file, solo="voice").parts] == [True, False]
    with pytest.raises(PartNotFound, match="'stimme' is not in this score"):
        read_score(file, solo="stimme")
    both = write(tmp_path / "duet.musicxml", ("First Voice", [whole("C")]), ("Second Voice", [whole("C")]))
    with pytest.raises(PartNotFound, match="'voice' could be several"):
        read_score(both, solo="voice")


def test_a_pair_has_the_first_file_as_soloist_and_one_earliest_quarter(tmp_path: Path) -> None:
    solo = write(tmp_path / "solo.musicxml", ("Violin", [REST, whole("C")]))
    other = write(tmp_path / "acc.musicxml", ("Piano", [REST.replace("16", "4") + note("C", 4, 3), whole("E")]))
    score = read_score(solo, other)
    assert [(part.name, part.solo) for part in score.parts] == [("Violin", True), ("Piano", False)]
    assert list(score.orchestra["beat"]) == [0.0, 3.0]
    assert list(score.solo["beat"]) == [3.0]


def test_a_pair_of_different_pieces_says_where(tmp_path: Path) -> None:
    solo = write(tmp_path / "solo.musicxml", ("Violin", [whole("C")] * 12))
    shorter = write(tmp_path / "acc.musicxml", ("Piano", [whole("C")] * 9))
    with pytest.raises(TimelineMismatch, match=r"solo.musicxml and acc.musicxml.*48.*36"):
        read_score(solo, shorter)
    waltz = tmp_path / "waltz.musicxml"
    waltz.write_text(write(tmp_path / "x.musicxml", ("Piano", [note("C", 4, 3)] * 16)).read_text().replace(
        "<beats>4", "<beats>3"))  # fmt: skip
    with pytest.raises(TimelineMismatch, match=r"beat 0.*4/4.*3/4"):
        read_score(solo, waltz)


def midi_file(file: Path, bars: int, tempo: int = 500_000, name: str = "Violin") -> Path:
    midi = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name), mido.MetaMessage("set_tempo", tempo=tempo),
                            mido.MetaMessage("time_signature", numerator=4, denominator=4)])  # fmt: skip
    for index in range(bars * 4):
        track += [
            mido.Message("note_on", note=60 + index % 12, velocity=70),
            mido.Message("note_off", note=60 + index % 12, time=480),
        ]
    midi.tracks.append(track)
    midi.save(file)
    return file


def test_a_midi_pair_whose_timelines_disagree(tmp_path: Path) -> None:
    solo, other = midi_file(tmp_path / "a.mid", 40), midi_file(tmp_path / "b.mid", 20)
    with pytest.raises(TimelineMismatch, match=r"160 quarter notes.*80"):
        read_score(solo, other)
    slower = midi_file(tmp_path / "c.mid", 40, tempo=900_000)
    with pytest.raises(TimelineMismatch, match=r"beat 0 on the first asks for 120.*67"):
        read_score(solo, slower)
    assert len(read_score(solo, midi_file(tmp_path / "d.mid", 38, name="Piano")).orchestra) == 152


def test_a_midi_solo_with_its_repeat_written_out_meets_an_accompaniment_with_signs(tmp_path: Path) -> None:
    signs = write(
        tmp_path / "acc.musicxml", ("Piano", [FORWARD + whole("C"), *[whole("D")] * 18, whole("E") + BACKWARD])
    )
    score = read_score(midi_file(tmp_path / "solo.mid", 40), signs)
    assert score.end_beat == 160.0
    assert len(score.orchestra) == 40
    once = read_score(midi_file(tmp_path / "once.mid", 20), signs)
    assert len(once.orchestra) == 20


def test_a_second_load_comes_from_the_cache_and_a_damaged_one_is_rebuilt(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import collaparte.score.reading as reading

    file = write(tmp_path / "r.musicxml", ("Flute", [FORWARD + whole("C", FERMATA) + BACKWARD, whole("D")]))
    told: list[float] = []
    first = read_score(file, progress=lambda share, what: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    calls: list[str] = []
    original = reading.read_sheet
    monkeypatch.setattr(reading, "read_sheet", lambda *args: calls.append("read") or original(*args))
    second = read_score(file)
    assert calls == []
    assert np.array_equal(second.notes, first.notes)
    for field in ("title", "parts", "bars", "tempi", "fermatas", "jumps", "warnings"):
        assert getattr(second, field) == getattr(first, field)
    for kept in own_cache.glob("*.npz"):
        kept.write_bytes(kept.read_bytes()[:200])
    third = read_score(file)
    assert calls == ["read"]
    assert np.array_equal(third.notes, first.notes)
    assert read_score(file, repeats=False).end_beat == 8.0
    assert not list(own_cache.glob("*.part"))
    shutil.rmtree(own_cache)
    read_score(file, cache=False)
    assert not own_cache.exists()


def test_what_is_no_score_is_refused_with_a_word(tmp_path: Path) -> None:
    cases = {
        "missing.mid": (None, "does not exist"),
        "empty.musicxml": (b"", "is empty"),
        "blank.mid": (b"  \n", "is empty"),
        "letter.txt": (b"Dear Clara, ...", "not a score this program reads"),
        "page.xml": (b"<html><body/></html>", "not MusicXML: it begins with <html>"),
        "cut.musicxml": (b"<?xml version='1.0'?><score-partwise><part-list>", "cut short"),
        "noise.mid": (bytes(range(256)), "MThd"),
        "cut.mid": (b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x10\x00\x00\x90", "damaged"),
        "noise.mxl": (b"PK\x03\x04 nothing", "damaged"),
        "noise.krn": (b"!! nothing at all", "krn"),
        "noise.match": (b"nothing(at all).", "match"),
    }
    for name, (content, word) in cases.items():
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(UnreadableScore, match=word):
            read_score(file)
    with pytest.raises(UnreadableScore, match="folder"):
        read_score(tmp_path)
    with pytest.raises(UnreadableScore, match="not one note"):
        read_score(write(tmp_path / "rests.musicxml", ("Flute", [REST])))


def test_a_bomb_in_an_archive_is_refused(tmp_path: Path) -> None:
    import zipfile

    file = tmp_path / "bomb.mxl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.xml", b"<score-partwise>" + b" " * 30_000_000)
    assert file.stat().st_size < 100_000
    with pytest.raises(UnreadableScore, match="refused"):
        read_score(file)


def test_notes_beyond_midi_are_left_out_with_a_word(tmp_path: Path) -> None:
    score = read_score(write(tmp_path / "h.musicxml", ("Flute", [note("C", 5, 2) + note("C", 13, 2)])))
    assert [int(pitch) for pitch in score.notes["pitch"]] == [72]
    assert any("1 notes outside MIDI" in text for text in score.warnings)


def test_a_thousand_parts(tmp_path: Path) -> None:
    parts = [(f"Voice {index}", [whole("C")]) for index in range(1000)]
    score = read_score(write(tmp_path / "many.musicxml", *parts), solo="1000")
    assert len(score.parts) == 1000
    assert len(score.solo) == 1
    assert len(score.orchestra) == 999
