"""MIDI files as scores: exact ticks, real-world disorder, and anything at all as input."""

from __future__ import annotations

import tempfile
from pathlib import Path

import mido
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collaparte.errors import CollaparteError, PartNotFound, UnreadableScore
from collaparte.score import Score, read_score
from collaparte.score.midi import read_midi

Event = tuple[int, str, dict[str, int]]


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAPARTE_CACHE", "")


def on(tick: int, pitch: int, channel: int = 0, velocity: int = 80) -> Event:
    return tick, "note_on", {"note": pitch, "channel": channel, "velocity": velocity}


def off(tick: int, pitch: int, channel: int = 0) -> Event:
    return tick, "note_off", {"note": pitch, "channel": channel}


def track_of(
    events: list[Event], name: str = "", meta: list[tuple[int, mido.MetaMessage]] | None = None
) -> mido.MidiTrack:
    messages = [(tick, mido.Message(kind, **values)) for tick, kind, values in events] + (meta or [])
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)] if name else [])
    before = 0
    for tick, message in sorted(messages, key=lambda item: item[0]):
        track.append(message.copy(time=tick - before))
        before = tick
    return track


def save(file: Path, *tracks: mido.MidiTrack, ticks: int = 480) -> Path:
    midi = mido.MidiFile(ticks_per_beat=ticks)
    midi.tracks.extend(tracks)
    midi.save(file)
    return file


def metre(tick: int, numerator: int, denominator: int) -> tuple[int, mido.MetaMessage]:
    return tick, mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)


def rows(score: Score) -> list[tuple[float, float, int]]:
    return [(float(r["beat"]), float(r["duration_beats"]), int(r["pitch"])) for r in score.notes]


def test_ticks_are_kept_exactly(tmp_path: Path) -> None:
    events = [on(7, 60), off(311, 60), on(313, 62), off(961, 62)]
    score = read_score(save(tmp_path / "a.mid", track_of(events)))
    assert rows(score) == [(0.0, 304 / 480, 60), (306 / 480, 648 / 480, 62)]


def test_bars_follow_the_metres_and_begin_with_the_first_note(tmp_path: Path) -> None:
    events = [on(960, 60), off(1440, 60), on(1440, 62), off(3000, 62), on(4320, 64), off(4800, 64)]
    meta = [metre(0, 3, 4), metre(2880, 6, 8), (0, mido.MetaMessage("set_tempo", tempo=600_000)),
            (2880, mido.MetaMessage("set_tempo", tempo=400_000))]  # fmt: skip
    score = read_score(save(tmp_path / "a.mid", track_of(events, meta=meta)))
    assert [(bar.beat, bar.duration_beats, bar.number, f"{bar.numerator}/{bar.denominator}") for bar in score.bars] == [
        (0.0, 1.0, "1", "3/4"), (1.0, 3.0, "2", "3/4"), (4.0, 3.0, "3", "6/8"), (7.0, 3.0, "4", "6/8")]  # fmt: skip
    assert [(mark.beat, mark.beat_period_s) for mark in score.tempi] == [(0.0, 0.6), (4.0, 0.4)]
    assert score.bars[-1].beat + score.bars[-1].duration_beats >= score.end_beat


def test_disorder_is_mended_and_said(tmp_path: Path) -> None:
    events = [
        on(0, 60), on(240, 60), off(480, 60), off(960, 60),  # struck again while sounding
        on(960, 64), off(960, 64),  # no length
        on(1440, 67), on(1920, 65), off(2400, 65),  # 67 never ends
    ]  # fmt: skip
    score = read_score(save(tmp_path / "a.mid", track_of(events)))
    assert rows(score) == [(0.0, 1.0, 60), (0.5, 1.5, 60), (2.0, 1 / 16, 64), (3.0, 2.0, 67), (4.0, 1.0, 65)]
    said = " ".join(score.warnings)
    for word in ("struck again", "never end", "without length", "no time signature", "no tempo"):
        assert word in said
    assert all(length > 0 for _, length, _ in rows(score))


def test_tracks_and_channels_are_parts_with_names_and_programs(tmp_path: Path) -> None:
    program = [(0, "program_change", {"program": 42, "channel": 1})]
    both = [on(0, 72), off(480, 72), on(0, 48, 1), off(480, 48, 1), *program]
    drums = [on(0, 36, 9), off(240, 36, 9)]
    file = save(
        tmp_path / "a.mid", track_of([], "Trio"), track_of(both, "Keys"), track_of(drums), track_of(both, "Keys")
    )
    score = read_score(file, choose=False)
    assert score.title == "Trio"
    assert [(part.name, part.program, part.percussion) for part in score.parts] == [
        ("Keys, Channel 1", 0, False), ("Keys, Strings", 42, False), ("Percussion", 0, True),
        ("Keys, Channel 1 (2)", 0, False),
        ("Keys, Strings (2)", 42, False)]  # fmt: skip
    with pytest.raises(PartNotFound, match="5 Keys, Strings"):
        read_score(file)


def test_film_time_is_refused(tmp_path: Path) -> None:
    data = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\xe7\x28MTrk\x00\x00\x00\x04\x00\xff\x2f\x00"
    with pytest.raises(UnreadableScore, match="SMPTE"):
        read_midi(data, "film.mid")


NOTES = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(0, 2000), st.integers(0, 127), st.integers(0, 15)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(NOTES, st.integers(1, 960))
def test_every_note_of_every_file_has_its_place(notes: list[tuple[int, int, int, int]], ticks: int) -> None:
    events: list[Event] = []
    for start, length, pitch, channel in notes:
        events += [on(start, pitch, channel), off(start + length + 1, pitch, channel)]
    midi = mido.MidiFile(ticks_per_beat=ticks)
    midi.tracks.append(track_of(events))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.mid"
        midi.save(file)
        score = read_score(file, choose=False)
    earliest = min(start for start, *_ in notes)
    assert sorted(rows_at(score)) == sorted(((start - earliest) / ticks, pitch) for start, _, pitch, _ in notes)
    assert score.notes["beat"].min() == 0.0
    assert len(set(score.notes["id"])) == len(notes)


def rows_at(score: Score) -> list[tuple[float, int]]:
    return [(float(row["beat"]), int(row["pitch"])) for row in score.notes]


HEADER = b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0"


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_bytes_are_a_score_or_a_clear_error(noise: bytes, header: bool, track: bool) -> None:
    data = (HEADER if header else b"") + (b"MTrk" + len(noise).to_bytes(4, "big") if track else b"") + noise
    read_anything(data, ".mid")


SEED = (
    HEADER
    + b"MTrk\x00\x00\x00\x1c\x00\xff\x58\x04\x03\x02\x18\x08"
    + b"\x00\x90\x3c\x50\x60\x80\x3c\x00\x00\x90\x40\x50\x60\x80\x40\x00"
)


@settings(max_examples=80, deadline=None)
@given(st.integers(14, len(SEED) - 1), st.integers(0, 255), st.integers(20, len(SEED)))
def test_a_damaged_file_is_a_score_or_a_clear_error(place: int, byte: int, length: int) -> None:
    read_anything((SEED[:place] + bytes([byte]) + SEED[place + 1 :])[:length], ".mid")


XML = (
    '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>A</part-name>'
    '</score-part></part-list><part id="P1">{}</part></score-partwise>'
)
NUMBER = st.sampled_from(["0", "1", "2", "4", "-1", "x", "", "1.5", "999999", "5"])
PIECES = st.sampled_from([
    "<note><pitch><step>{a}</step><octave>{b}</octave></pitch><duration>{c}</duration><tie type='start'/></note>",
    "<note><pitch><step>C</step><octave>{b}</octave></pitch><duration>{c}</duration><tie type='stop'/></note>",
    "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>",
    "<note><chord/><pitch><step>E</step><octave>4</octave></pitch><duration>{c}</duration></note>",
    "<note><rest/><duration>{c}</duration></note>", "<note/>", "<backup><duration>{c}</duration></backup>",
    "<attributes><divisions>{c}</divisions></attributes>", "<forward><duration>{b}</duration></forward>",
    "<attributes><time><beats>{b}</beats><beat-type>{c}</beat-type></time></attributes>",
    "<barline location='left'><repeat direction='forward'/></barline>",
    "<barline location='right'><repeat direction='backward'/></barline>",
    "<barline location='left'><ending number='{b}' type='start'/></barline>",
    "<barline location='right'><ending number='{b}' type='stop'/></barline>",
    "<direction><direction-type><words>D.C.</words></direction-type><sound dacapo='yes'/></direction>",
    "<direction><direction-type><words>x</words></direction-type><sound tocoda='coda'/></direction>",
    "<direction><direction-type><words>x</words></direction-type><sound dalsegno='segno'/></direction>",
    "<direction><sound tempo='{c}'/></direction>", "</measure><measure number='{b}'>", "<unpitched/>",
    "<direction><direction-type><metronome><beat-unit>{a}</beat-unit><per-minute>{c}</per-minute></metronome>"
    "</direction-type></direction>",
    "<attributes><transpose number='{a}'><chromatic>{c}</chromatic></transpose></attributes>",
    "<note><unpitched/><duration>{c}</duration><notations><fermata/></notations></note>",
])  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(PIECES, st.sampled_from("CDX"), NUMBER, NUMBER), max_size=14))
def test_any_musicxml_is_a_score_or_a_clear_error(pieces: list[tuple[str, str, str, str]]) -> None:
    inside = "".join(piece.format(a=a, b=b, c=c) for piece, a, b, c in pieces)
    read_anything(XML.format(f"<measure number='1'>{inside}</measure>").encode(), ".musicxml")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([".musicxml", ".mxl", ".mei", ".krn", ".match", ".xml"]))
def test_noise_under_any_ending_is_a_clear_error(noise: bytes, ending: str) -> None:
    read_anything(noise, ending)


def read_anything(data: bytes, ending: str) -> None:
    """Read ``data``; only our own errors may come out, and a page that does come out keeps the page's promises."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"anything{ending}"
        file.write_bytes(data)
        try:
            score = read_score(file, choose=False, cache=False)
        except CollaparteError:
            return
    assert len(score.notes) > 0
    assert score.notes["beat"].min() >= 0.0
    assert (score.notes["duration_beats"] >= 0).all()
    assert all(before.beat < after.beat for before, after in zip(score.bars, score.bars[1:], strict=False))
    assert score.seconds_at(score.end_beat) >= 0.0
