"""A performance as a MIDI file: every note at its time, none left hanging."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest

from collaparte.errors import DeviceError
from collaparte.events import Click, OrchestraEvent, Pedal, SoloEvent
from collaparte.score import Part
from collaparte.sound.midi_file import write_midi

PARTS = [Part("Violin", 1, 40, solo=True), Part("Violins – 提琴", 2, 48), Part("Bass", 3, 43)]
TICK_S = 1 / 9600


def notes_of(path: Path, track: int) -> list[tuple[float, float, int]]:
    """(begins, ends, pitch) in seconds of one track, as another program would hear it."""
    now, open_notes, notes = 0, {}, []
    for message in mido.MidiFile(path).tracks[track]:
        now += message.time
        if message.type == "note_on" and message.velocity > 0:
            open_notes.setdefault(message.note, []).append(now)
        elif message.type in ("note_on", "note_off"):
            notes.append((open_notes[message.note].pop(0) * TICK_S, now * TICK_S, message.note))
    assert not any(open_notes.values())
    return sorted(notes)


def test_every_note_is_at_its_time_and_none_is_left_hanging(tmp_path: Path) -> None:
    solo: list[SoloEvent | Pedal] = [
        SoloEvent(0.5, 0.6, True, 60, 80),
        Pedal(0.7, 0.7, 64, 127),
        SoloEvent(1.0, 1.0, True, 60, 80),  # struck again while it sounds
        SoloEvent(1.2, 1.2, False, 60),
        SoloEvent(1.6, 1.6, False, 60),  # the end of the first, which the second has already ended
        SoloEvent(1.7, 1.7, False, 61),  # an end without a beginning
    ]
    orchestra = [
        OrchestraEvent(0.5, 0.0, PARTS[1].name, True, 64, 50, note=1),
        OrchestraEvent(0.9, 0.5, PARTS[1].name, True, 64, 50, note=2),
        OrchestraEvent(1.0, 1.0, PARTS[1].name, False, 64, 0, note=1),
        OrchestraEvent(1.4, 1.0, PARTS[1].name, False, 64, 0, note=2),
        OrchestraEvent(1.5, 1.0, "Bass", True, 40, 50, note=3),  # never ended
        Click(0.25, 0.0, True),
    ]
    file = write_midi(tmp_path / "take.mid", PARTS, orchestra, solo)
    tracks = mido.MidiFile(file).tracks
    assert [track.name for track in tracks[1:]] == ["Violin", "Violins ? ??", "Bass", "Clicks"]
    near = 1.5 * TICK_S
    assert notes_of(file, 1) == [pytest.approx((0.5, 1.0, 60), abs=near), pytest.approx((1.0, 1.2, 60), abs=near)]
    assert notes_of(file, 2) == [pytest.approx((0.5, 0.9, 64), abs=near), pytest.approx((0.9, 1.4, 64), abs=near)]
    assert notes_of(file, 3) == [pytest.approx((1.5, 1.7, 40), abs=near)]  # ends with the take
    assert notes_of(file, 4)[0][0] == pytest.approx(0.25, abs=near)
    messages = [message for track in tracks for message in track]
    assert [message.program for message in messages if message.type == "program_change"][:3] == [40, 48, 43]
    assert [message.value for message in messages if message.type == "control_change" and message.control == 64][
        :1
    ] == [127]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"folder\.mid cannot be written"):
        write_midi(tmp_path / "no" / "such" / "folder.mid", PARTS, [])
