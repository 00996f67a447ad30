"""The other formats: MEI, Humdrum kern and timewise MusicXML say what partwise MusicXML says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_scores import BACKWARD, FERMATA, FORWARD, note, whole, write

from collaparte.errors import UnreadableScore
from collaparte.score import Score, read_score


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAPARTE_CACHE", "")


def rows(score: Score, part: str) -> list[tuple[float, float, int]]:
    chosen = score.notes[score.notes["part"] == [each.name for each in score.parts].index(part)]
    return [(float(row["beat"]), float(row["duration_beats"]), int(row["pitch"])) for row in chosen]


# Three quarters to the bar, one of pick-up; the bar before the repeat sign lacks what the pick-up has.
FLUTE = [(0.0, 1.0, 74), (1.0, 2.0, 79), (3.0, 1.0, 81), (4.0, 2.0, 83)]
CELLO = [(1.0, 3.0, 43), (4.0, 2.0, 43)]


def twice(notes: list[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    return notes + [(beat + 6.0, length, pitch) for beat, length, pitch in notes]


def staff(number: int, inside: str) -> str:
    return f'<staff n="{number}"><layer n="1">{inside}</layer></staff>'


def pitched(name: str, pname: str, octave: int, duration: str) -> str:
    return f'<note xml:id="{name}" pname="{pname}" oct="{octave}" {duration}/>'


LONG = 'dur="2" dots="1"'
BARS = [
    ('n="0" metcon="false"', pitched("a1", "d", 5, 'dur="4"'), '<rest dur="4"/>'),
    ('n="1"', pitched("a2", "g", 5, 'dur="2"') + pitched("a3", "a", 5, 'dur="4"'), pitched("b1", "g", 2, LONG)),
    ('n="2" right="rptend"', pitched("a4", "b", 5, 'dur="2"'), pitched("b2", "g", 2, 'dur="2"')),
    ('n="3" right="end"', pitched("a5", "f", 5, LONG + ' accid.ges="s"'), pitched("b3", "d", 3, LONG)),
]
MEI = (
    '<?xml version="1.0" encoding="UTF-8"?><mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="4.0.1">'
    "<meiHead><fileDesc><titleStmt><title>Air</title></titleStmt><pubStmt/></fileDesc></meiHead><music><body><mdiv>"
    '<score><scoreDef meter.count="3" meter.unit="4" key.sig="1s"><staffGrp>'
    '<staffDef n="1" lines="5" clef.shape="G" clef.line="2" ppq="4"><label>Flute</label></staffDef>'
    '<staffDef n="2" lines="5" clef.shape="F" clef.line="4" ppq="4"><label>Cello</label></staffDef>'
    "</staffGrp></scoreDef><section>"
    + "".join(f"<measure {head}>{staff(1, high)}{staff(2, low)}</measure>" for head, high, low in BARS)
    + "</section></score></mdiv></body></music></mei>"
)


@pytest.mark.parametrize("named", [True, False])
def test_mei_with_a_pick_up_and_a_repeat(tmp_path: Path, named: bool) -> None:
    file = tmp_path / "air.mei"
    file.write_text(MEI if named else re.sub(r' xml:id="..?"', "", MEI))
    score = read_score(file, solo="Flute")
    assert [(part.name, part.program) for part in score.parts] == [("Flute", 73), ("Cello", 42)]
    assert rows(score, "Flute") == [*twice(FLUTE), (12.0, 3.0, 78)]
    assert rows(score, "Cello") == [*twice(CELLO), (12.0, 3.0, 50)]
    assert [(bar.number, bar.passing, bar.beat) for bar in score.bars] == [
        ("0", 1, 0.0), ("1", 1, 1.0), ("2", 1, 4.0), ("0", 2, 6.0), ("1", 2, 7.0), ("2", 2, 10.0), ("3", 1, 12.0),
    ]  # fmt: skip
    once = read_score(file, solo="Flute", repeats=False)
    assert rows(once, "Flute") == [*FLUTE, (6.0, 3.0, 78)]
    assert once.digest == score.digest
    assert [text for text in score.warnings if "tempo" not in text] == []
    assert ("a2-1" in score.solo["id"]) == named


def test_mei_is_the_same_with_and_without_verovio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "air.mei"
    file.write_text(re.sub(r' xml:id="b."', "", MEI))
    before = read_score(file, solo="Flute")
    from partitura.io import importmei  # after our own reading, which imports partitura without its soundfont

    monkeypatch.setattr(importmei, "VEROVIO_AVAILABLE", False)
    after = read_score(file, solo="Flute")
    assert np.array_equal(before.notes, after.notes)
    assert (before.parts, before.bars) == (after.parts, after.bars)


KERN = """**kern\t**kern
*Icello\t*Iflt
*clefF4\t*clefG2
*k[f#]\t*k[f#]
*M3/4\t*M3/4
4r\t4dd
=1\t=1
2.GG\t2gg
.\t4aa
=2\t=2
2GG\t2bb
=:|!\t=:|!
4r\t4dd
=3\t=3
2.D\t2.ff#
==\t==
*-\t*-
"""


def test_kern_with_two_spines_a_pick_up_and_a_repeat(tmp_path: Path) -> None:
    file = tmp_path / "air.krn"
    file.write_text(KERN)
    score = read_score(file, solo="Flute")
    assert {(part.name, part.program) for part in score.parts} == {("Flute", 73), ("Cello", 42)}
    assert rows(score, "Flute") == [*twice(FLUTE), (12.0, 1.0, 74), (13.0, 3.0, 78)]
    assert rows(score, "Cello") == [*twice(CELLO), (13.0, 3.0, 50)]
    assert [(bar.number, bar.passing) for bar in score.bars] == [
        ("0", 1), ("1", 1), ("2", 1), ("0", 2), ("1", 2), ("2", 2), ("2", 1), ("3", 1)]  # fmt: skip
    once = read_score(file, solo="Flute", repeats=False)
    assert once.end_beat == 10.0
    assert once.digest == score.digest


def test_kern_names_parts_as_printed_and_repeats_between_two_signs(tmp_path: Path) -> None:
    file = tmp_path / "air.krn"
    signs = KERN.replace("=1\t=1", "=1!|:\t=1!|:").replace("*Iflt", '*I"Traverso')
    file.write_text(signs)
    score = read_score(file, solo="Traverso")
    assert score.parts[0].name == "Traverso"
    assert [float(beat) for beat in score.solo["beat"]] == [0.0, 1.0, 3.0, 4.0, 6.0, 8.0, 9.0, 11.0, 12.0]
    assert [int(p) for p in score.solo["pitch"]] == [74, 79, 81, 83, 79, 81, 83, 74, 78]


def test_timewise_musicxml_is_read_as_partwise(tmp_path: Path) -> None:
    high = [FORWARD + whole("C"), note("D", 5, 2) + note("E", 5, 2) + BACKWARD, whole("F", FERMATA)]
    low = [FORWARD + whole("E"), whole("F") + BACKWARD, whole("G")]
    partwise = write(tmp_path / "partwise.musicxml", ("Flute", high), ("Viola", low))
    text = partwise.read_text()
    parts = {name: re.findall(r'<measure number="(\d+)">(.*?)</measure>', inside, re.DOTALL)
             for name, inside in re.findall(r'<part id="(P\d)">(.*?)</part>', text, re.DOTALL)}  # fmt: skip
    bars = "".join(
        f'<measure number="{number}">'
        + "".join(f'<part id="{name}">{inside[place][1]}</part>' for name, inside in parts.items())
        + "</measure>"
        for place, (number, _) in enumerate(parts["P0"])
    )
    timewise = tmp_path / "timewise.musicxml"
    head = text[: text.index('<part id="P0"')].replace("score-partwise", "score-timewise")
    timewise.write_text(f"{head}{bars}</score-timewise>")
    one, other = (read_score(file, solo="Flute") for file in (partwise, timewise))
    assert len(other.notes) == 7 + 5  # bars 1, 2, 1, 2, 3
    for name in ("beat", "duration_beats", "pitch", "part", "kind", "written_beat", "passing"):
        assert np.array_equal(one.notes[name], other.notes[name])
    assert (one.parts, one.bars, one.fermatas, one.digest) == (other.parts, other.bars, other.fermatas, other.digest)


@pytest.mark.parametrize("inside", ["", "<measure number='1'/>"])
def test_timewise_musicxml_without_a_part_is_refused(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "none.musicxml"
    file.write_text(f"<?xml version='1.0'?><score-timewise><part-list/>{inside}</score-timewise>")
    with pytest.raises(UnreadableScore, match="without a single part"):
        read_score(file)
