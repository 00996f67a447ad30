"""A MIDI file as the soloist: every note heard once, at its time, whatever the file."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collaparte.errors import SoloistError
from collaparte.events import Pedal, SoloEvent
from collaparte.listen.midi import read_midi_solo


def midi(path: Path, *tracks: list[mido.Message | mido.MetaMessage], kind: int = 1, ticks: int = 480) -> Path:
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    for messages in tracks:
        file.tracks.append(mido.MidiTrack(messages))
    file.save(path)
    return path


def note(kind: str, pitch: int, ticks: int = 0, velocity: int = 80, channel: int = 0) -> mido.Message:
    return mido.Message(kind, note=pitch, velocity=velocity, time=ticks, channel=channel)


def rows(path: Path) -> list[tuple[float, bool, int]]:
    return [(round(e.time_s, 6), e.on, e.pitch) for e in read_midi_solo(path) if isinstance(e, SoloEvent)]


def test_tick_zero_is_clock_zero_and_tempo_changes_move_later_notes(tmp_path: Path) -> None:
    tempi = [mido.MetaMessage("set_tempo", tempo=1_000_000), mido.MetaMessage("set_tempo", tempo=250_000, time=960)]
    notes = [note("note_on", 60, 480), note("note_off", 60, 480), note("note_on", 62, 480), note("note_off", 62, 480)]
    assert rows(midi(tmp_path / "a.mid", tempi, notes)) == [
        (1.0, True, 60),
        (2.0, False, 60),
        (2.25, True, 62),
        (2.5, False, 62),
    ]


def test_all_tracks_and_channels_count_and_latency_delays_hearing_alone(tmp_path: Path) -> None:
    one = [note("note_on", 60, 0, channel=3), note("note_off", 60, 480, channel=3)]
    two = [note("note_on", 67, 240, channel=8), note("note_off", 67, 480, channel=8)]
    heard = read_midi_solo(midi(tmp_path / "a.mid", one, two), latency_s=0.012)
    assert [(e.time_s, e.pitch) for e in heard if isinstance(e, SoloEvent) and e.on] == [(0.0, 60), (0.25, 67)]
    assert all(e.heard_s - e.time_s == pytest.approx(0.012) for e in heard)


def test_smpte_files_count_frames(tmp_path: Path) -> None:
    path = midi(tmp_path / "a.mid", [note("note_on", 60, 100), note("note_off", 60, 50)])
    data = bytearray(path.read_bytes())
    data[12:14] = bytes([256 - 25, 4])  # 25 frames a second, 4 ticks a frame: 100 ticks are one second
    path.write_bytes(data)
    assert rows(path) == [(1.0, True, 60), (1.5, False, 60)]


def test_overlapping_hanging_and_empty_notes_all_end(tmp_path: Path) -> None:
    messages = [
        note("note_on", 60),
        note("note_on", 60, 480),  # struck again while it sounds
        note("note_off", 60, 480),
        note("note_off", 60, 480),
        note("note_on", 64),  # of no length
        note("note_off", 64),
        note("note_on", 67),  # never ends
        note("note_off", 72, 480),  # never began
    ]
    assert rows(midi(tmp_path / "a.mid", messages)) == [
        (0.0, True, 60),
        (0.5, False, 60),
        (0.5, True, 60),
        (1.5, False, 60),
        (1.5, True, 64),
        (1.5, False, 64),
        (1.5, True, 67),
        (2.0, False, 67),
    ]


def test_velocity_zero_ends_a_note_and_pedals_are_heard(tmp_path: Path) -> None:
    messages = [
        mido.Message("control_change", control=64, value=127),
        mido.Message("control_change", control=7, value=90),
        note("note_on", 60),
        note("note_on", 60, 240, velocity=0),
    ]
    heard = read_midi_solo(midi(tmp_path / "a.mid", messages))
    assert heard[0] == Pedal(0.0, 0.0, 64, 127)
    assert [(e.on, e.time_s) for e in heard[1:] if isinstance(e, SoloEvent)] == [(True, 0.0), (False, 0.25)]
    assert len(heard) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"RIFF....WAVE", "not a MIDI file"),
        (b"MThd\x00\x00", "cut short"),
        (b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x10\x00\x00\x90", "cut short"),
    ],
)
def test_what_is_not_a_performance_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(content)
    with pytest.raises(SoloistError, match=words):
        read_midi_solo(path)


def test_missing_noteless_and_type_2_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(SoloistError, match="no file"):
        read_midi_solo(tmp_path / "none.mid")
    with pytest.raises(SoloistError, match="no notes"):
        read_midi_solo(midi(tmp_path / "a.mid", [mido.Message("control_change", control=64, value=1)]))
    with pytest.raises(SoloistError, match="type 2"):
        read_midi_solo(midi(tmp_path / "b.mid", [note("note_on", 60)], kind=2))


def test_a_file_cut_anywhere_is_an_error_or_ends_every_note(tmp_path: Path) -> None:
    notes = [note(kind, 60 + n % 12, 120) for n in range(20) for kind in ("note_on", "note_off")]
    whole = midi(tmp_path / "a.mid", notes).read_bytes()
    cut = tmp_path / "cut.mid"
    errors = 0
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        try:
            heard = read_midi_solo(cut)
        except SoloistError:
            errors += 1
        else:
            assert sum(1 if e.on else -1 for e in heard if isinstance(e, SoloEvent)) == 0
    assert errors >= len(whole) - 1  # only a cut within the closing meta event could pass


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_error_or_a_performance_in_order(tmp_path: Path, data: bytes, dressed: bool) -> None:
    path = tmp_path / "fuzz.mid"
    head = b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk" + len(data).to_bytes(4, "big")
    path.write_bytes(head + data if dressed else data)
    try:
        heard = read_midi_solo(path)
    except SoloistError:
        return
    assert heard == sorted(heard, key=lambda value: value.heard_s)
    assert sum(1 if value.on else -1 for value in heard if isinstance(value, SoloEvent)) == 0
