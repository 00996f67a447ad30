"""The synthesiser: notes where they belong to the millisecond, attacks compensated, soundfonts found and cut."""

from __future__ import annotations

import os
import struct
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from jack_server import until
from numpy.typing import NDArray

from collaparte.errors import DeviceError
from collaparte.events import Click, OrchestraEvent, SoloEvent
from collaparte.score.page import Part
from collaparte.sound import soundfont
from collaparte.sound.attack import leads_s, rise_s
from collaparte.sound.audio import AudioClock
from collaparte.sound.player import SAMPLE_RATE
from collaparte.sound.render import mix, render, render_solo, write_wav
from collaparte.sound.sf2 import BAG, GEN, INST, MOD, PHDR, SHDR, cut, is_compressed, read_tables
from collaparte.sound.synth import SynthSound

STRINGS = Part("Strings", 1, 48)
DRUMS = Part("Drums", 2, 0, percussion=True)


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No soundfont but the tests' own, no cache but theirs: they hear the same on every machine."""
    home = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.delenv(soundfont.ENVIRONMENT, raising=False)
    monkeypatch.setattr(soundfont, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(soundfont, "CARRIERS", ())


def a_font(path: Path, rise: float = 0.0, programs: tuple[int, ...] = (48, 73)) -> Path:
    """A soundfont of our own: presets of one sine at 440 Hz (key 69), its amplitude rising over ``rise`` seconds."""
    frames = np.arange(2 * SAMPLE_RATE)
    envelope = np.minimum(frames / max(rise * SAMPLE_RATE, 1), 1.0)
    sine = np.round(12000 * envelope * np.sin(2 * np.pi * 440 * frames / SAMPLE_RATE)).astype("<i2")
    smpl = np.concatenate([sine, np.zeros(46, "<i2")])
    heads = [(f"p{program}".encode(), program, 0, index, (0, 0, 0)) for index, program in enumerate(programs)]
    tables = {
        "phdr": np.array([*heads, (b"EOP", 255, 255, len(programs), (0, 0, 0))], PHDR),
        "pbag": np.array([(index, 0) for index in range(len(programs) + 1)], BAG),
        "pmod": np.zeros(1, MOD),
        "pgen": np.array([*[(41, 0)] * len(programs), (0, 0)], GEN),
        "inst": np.array([(b"sine", 0), (b"EOI", 1)], INST),
        "ibag": np.array([(0, 0), (1, 0)], BAG),
        "imod": np.zeros(1, MOD),
        "igen": np.array([(53, 0), (0, 0)], GEN),
        "shdr": np.array(
            [(b"sine", 0, len(sine), 8, len(sine) - 8, SAMPLE_RATE, 69, 0, 0, 1), (b"EOS", *[0] * 9)], SHDR
        ),
    }

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    body = b"sfbk" + chunk(b"LIST", b"INFO" + chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"INAM", b"sine"))
    body += chunk(b"LIST", b"sdta" + chunk(b"smpl", smpl.tobytes()))
    body += chunk(b"LIST", b"pdta" + b"".join(chunk(name.encode(), rows.tobytes()) for name, rows in tables.items()))
    path.write_bytes(chunk(b"RIFF", body))
    return path


def chords(part: str, count: int, gap_s: float = 1.5, length_s: float = 0.6) -> list[OrchestraEvent]:
    """One note every ``gap_s`` from 0.5 s on, louder and louder."""
    events = []
    for number in range(count):
        due_s = 0.5 + number * gap_s
        events.append(OrchestraEvent(due_s, float(number), part, True, 69, 60 + number * 8, note=number))
        events.append(OrchestraEvent(due_s + length_s, float(number), part, False, 69, 0, note=number))
    return events


def errors_ms(audio: NDArray[np.float32], events: list[OrchestraEvent]) -> NDArray[np.float64]:
    """Where the energy of each note rises, against its ``due_s``, in milliseconds."""
    found = []
    for event in events:
        if event.on:
            start = round((event.due_s - 0.2) * SAMPLE_RATE)
            rise = rise_s(audio[start : start + round(0.55 * SAMPLE_RATE)], SAMPLE_RATE)
            assert rise is not None
            found.append((rise - 0.2) * 1000)
    return np.array(found)


def test_a_quick_attack_is_heard_when_it_is_due(tmp_path: Path) -> None:
    events = chords("Strings", 4)
    audio = render(events, [STRINGS], a_font(tmp_path / "sharp.sf2"))
    assert np.abs(errors_ms(audio, events)).max() < 3.0


def test_a_slow_attack_is_late_alone_and_on_time_compensated(tmp_path: Path) -> None:
    font, events = a_font(tmp_path / "slow.sf2", rise=0.2), chords("Strings", 4)
    late = errors_ms(render(events, [STRINGS], font, compensate=False), events)
    mended = errors_ms(render(events, [STRINGS], font), events)
    assert late.min() > 35.0  # a quarter of 200 ms is 50
    assert np.abs(mended).max() < 6.0
    assert np.mean(leads_s([STRINGS], font)["Strings"][69]) == pytest.approx(0.05, abs=0.012)


def test_soloist_and_orchestra_sharing_onsets_are_heard_together(tmp_path: Path) -> None:
    slow = a_font(tmp_path / "slow.sf2", rise=0.16)
    events = chords("Strings", 4)
    solo = [SoloEvent(event.due_s, event.due_s, event.on, 69, 80) for event in events]
    orchestra, alone = render(events, [STRINGS], slow), render_solo(solo, 73, slow)
    asynchrony_ms = errors_ms(orchestra, events) - errors_ms(alone, events)
    assert np.abs(asynchrony_ms).max() < 6.0


def test_the_built_in_bank_plays_without_any_soundfont() -> None:
    events = [
        OrchestraEvent(0.3, 0.0, "Drums", True, 38, 90, note=1),
        OrchestraEvent(0.4, 0.0, "Drums", False, 38, 0, note=1),
        Click(0.8, 1.0, True),
    ]
    audio = render(events, [DRUMS, STRINGS], None)
    loud = np.flatnonzero(np.abs(audio).max(axis=1) > 1e-3) / SAMPLE_RATE
    assert 0.295 < loud[0] < 0.32
    assert np.any((loud > 0.795) & (loud < 0.83))
    assert audio.dtype == np.float32


@pytest.mark.parametrize(("level", "tuning_hz"), [(0.5, 440.0), (1.0, 415.0), (1.0, 466.0)])
def test_a_level_is_a_factor_of_amplitude_and_a_tuning_moves_the_a(level: float, tuning_hz: float) -> None:
    part = Part("Flute", 1, 73)
    notes = [OrchestraEvent(at_s, 0.0, "Flute", on, 69, 90, note=1) for at_s, on in ((0.1, True), (2.0, False))]

    def heard(level: float, tuning_hz: float) -> tuple[float, float]:
        audio = render(notes, [part], None, levels=[(0.0, "Flute", level)], tuning_hz=tuning_hz)[48000:90000].mean(1)
        power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), n=1 << 19))
        near = slice(*(round(hz * (1 << 19) / 48000) for hz in (390, 500)))
        return float(np.sqrt(np.mean(audio**2))), (near.start + int(power[near].argmax())) * 48000 / (1 << 19)

    (loud, a_hz), (softer, tuned_hz) = heard(1.0, 440.0), heard(level, tuning_hz)
    if level != 1.0:
        assert softer / loud == pytest.approx(level, rel=0.03)
    assert 1200 * np.log2(tuned_hz / a_hz) == pytest.approx(1200 * np.log2(tuning_hz / 440), abs=5)  # cents


def test_notes_end_and_the_recording_with_them(tmp_path: Path) -> None:
    font = a_font(tmp_path / "sharp.sf2")
    ended = render(
        [
            OrchestraEvent(
                0.0,
                0.0,
                "Strings",
                on,
                69,
                90,
                note=1,
            )
            for on in (True, False)
        ][:1],
        [STRINGS],
        font,
    )
    assert len(ended) / SAMPLE_RATE == pytest.approx(2.0, abs=0.02)  # the tail after the last event
    assert np.abs(ended[-SAMPLE_RATE // 2 :]).max() < 1e-2  # a note without an end does not sound for ever
    assert np.abs(render([], [STRINGS], font)).max() == 0.0
    with pytest.raises(DeviceError, match="at most"):
        render([OrchestraEvent(1e6, 0.0, "Strings", True, 69, 90)], [STRINGS], font)


def test_seventeen_parts_each_have_a_channel_of_their_own(tmp_path: Path) -> None:
    font = a_font(tmp_path / "sharp.sf2")
    parts = [Part(f"P{number}", number, 48) for number in range(17)]
    events = [OrchestraEvent(0.2, 0.0, "P16", on, 69, 90, note=1) for on in (True,)]
    events.append(OrchestraEvent(0.6, 0.0, "P16", False, 69, 0, note=1))
    alone = render(events, parts, font)
    assert np.abs(alone[: round(0.19 * SAMPLE_RATE)]).max() < 1e-4
    assert np.abs(alone[round(0.3 * SAMPLE_RATE) : round(0.5 * SAMPLE_RATE)]).max() > 1e-2


def test_the_soloist_is_audible_in_the_mix_and_stands_left(tmp_path: Path) -> None:
    font = a_font(tmp_path / "sharp.sf2")
    solo = [SoloEvent(2.5, 2.5, True, 81, 30), SoloEvent(3.5, 3.5, False, 81, 0)]  # played very softly
    events = [OrchestraEvent(at_s, 0.0, "Strings", at_s < 1.0, 69, 110, note=1) for at_s in (0.5, 1.5)]
    audio = mix(events, solo, [STRINGS, Part("Flute", 2, 73, solo=True)], font)
    rms = [
        np.sqrt(np.mean(audio[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)].astype(float) ** 2, axis=0))
        for a, b in ((0.7, 1.4), (2.7, 3.4))
    ]
    orchestra, alone = rms
    assert 1.0 < 20 * np.log10(np.linalg.norm(alone) / np.linalg.norm(orchestra)) < 6.0
    assert alone[0] > 1.1 * alone[1]
    assert np.abs(audio).max() == pytest.approx(0.89, abs=0.01)
    path = write_wav(tmp_path / "mix.wav", audio)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, SAMPLE_RATE, len(audio))
    with pytest.raises(DeviceError, match="cannot be written"):
        write_wav(tmp_path / "no" / "mix.wav", audio)


def test_cutting_keeps_what_is_asked_for_and_its_pitch(tmp_path: Path) -> None:
    font = a_font(tmp_path / "whole.sf2")
    small = cut(font, tmp_path / "small.sf2", frozenset({(0, 73)}))
    _, tables = read_tables(small)
    assert [int(row["preset"]) for row in tables["phdr"][:-1]] == [73]
    assert not is_compressed(tables)
    flute = Part("Flute", 1, 73)
    audio = render(chords("Flute", 1), [flute], small)[round(0.6 * SAMPLE_RATE) : round(1.0 * SAMPLE_RATE), 0]
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(audio) == pytest.approx(440.0, abs=3.0)
    with pytest.raises(DeviceError, match="none of the instruments"):
        cut(font, tmp_path / "none.sf2", frozenset({(0, 5)}))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x10\0\0\0sfbkLIST\xff\0\0\0sdta", b"MThd" * 50])
def test_what_is_no_soundfont_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.sf2"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match="not a soundfont"):
        render(chords("Strings", 1), [STRINGS], path)


def test_a_soundfont_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, data = tmp_path / "system", tmp_path / "data"
    system.mkdir()
    monkeypatch.setattr(soundfont, "SYSTEM_FOLDERS", (str(system),))
    monkeypatch.setattr(soundfont, "data_folder", lambda: data)
    assert soundfont.find_soundfont() is None
    with pytest.raises(DeviceError, match=soundfont.ENVIRONMENT):
        soundfont.soundfont()
    plain = a_font(system / "TimGM6mb.sf2")
    assert soundfont.find_soundfont() == plain
    good = a_font(system / "FluidR3_GM.sf2")
    assert soundfont.find_soundfont() == good  # of two, the better
    asked = a_font(tmp_path / "mine.sf2")
    monkeypatch.setenv(soundfont.ENVIRONMENT, str(asked))
    assert soundfont.find_soundfont() == asked
    assert soundfont.find_soundfont(plain) == plain
    with pytest.raises(DeviceError, match=r"nowhere\.sf2"):
        soundfont.find_soundfont(tmp_path / "nowhere.sf2")


def test_a_machine_that_can_fetch_nothing_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "data_folder", lambda: tmp_path / "data")
    monkeypatch.setattr(soundfont.shutil, "which", lambda name: None)
    monkeypatch.setattr(soundfont.importlib.util, "find_spec", lambda name: None)
    said: list[str] = []
    with pytest.raises(DeviceError, match=r"npm is not installed.*apt is not installed.*pip is not installed"):
        soundfont.fetch_soundfont(said.append)
    assert len(said) == 3
    (tmp_path / "data").mkdir()
    kept = a_font(tmp_path / "data" / "MuseScore_General.sf2")
    assert soundfont.fetch_soundfont(said.append) == kept  # what is there is not fetched again
    assert len(said) == 3


def test_the_audio_clock_finds_the_line_through_jittering_callbacks() -> None:
    clock, rate, rng = AudioClock(48000), 48000 * (1 + 50e-6), np.random.default_rng(1)
    for call in range(3000):
        frame = call * 480
        clock.saw(frame, 100.0 + frame / rate + abs(rng.normal(0.0, 0.002)))
    last = 3000 * 480
    error_ms = (clock.frame_at(100.0 + last / rate) - last) / 48.0
    assert abs(error_ms) < 3.0
    clock.saw(last, 200.0)  # the device stalled: the line starts anew
    assert clock.frame_at(200.0) == last


def test_the_live_synthesiser_takes_notes_without_a_loudspeaker(tmp_path: Path) -> None:
    """miniaudio's null device pulls blocks at the pace of a real one."""
    font, origin_s = a_font(tmp_path / "sharp.sf2"), time.monotonic()
    with SynthSound([STRINGS, DRUMS], font, origin_s=origin_s, backend="NULL") as sound:
        assert 0.04 < sound.output_latency_s < 0.2
        now_s = time.monotonic() - origin_s + sound.output_latency_s
        events = [
            OrchestraEvent(now_s + event.due_s, 0.0, "Strings", event.on, 69, 80, note=event.note)
            for event in chords("Strings", 5, gap_s=0.1, length_s=0.05)
        ]
        sound.send(events)
        reports = []
        assert until(lambda: reports.extend(sound.reports()) or len(reports) == 10)
        assert all(report.sent_s < report.due_s for report in reports)  # handed over before their frame
        process = sound.process_id
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
