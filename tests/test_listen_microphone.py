"""The microphone: late blocks do not move notes, a device that captures nothing starts nothing and leaves nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from jack_server import until
from test_listen_hearing import TUNE, bowed, onsets_s, page

import collaparte
from collaparte.cli import main
from collaparte.clock import WallClock
from collaparte.errors import DeviceError
from collaparte.listen import microphone
from collaparte.listen.hearing import SAMPLE_RATE
from collaparte.listen.microphone import LiveEar, Microphone
from collaparte.listen.simulated import simulate_solo
from collaparte.pieces import piece_path, solo_part
from collaparte.score import read_score
from collaparte.sound.render import render_solo, write_wav

pytestmark = pytest.mark.live


def test_notes_are_placed_where_they_began_though_blocks_arrive_late_and_the_clock_started_before() -> None:
    rng = np.random.default_rng(3)
    truth_s = onsets_s(len(TUNE))
    sound = bowed(TUNE, truth_s)
    live = LiveEar(page(), SAMPLE_RATE, latency_s=0.03)
    events = []
    for first in range(0, len(sound), 160):
        ended_s = (first + 160) / SAMPLE_RATE
        stamp_s = 7.0 + 0.03 + ended_s + abs(float(rng.normal(0.0, 0.004)))  # opened at 7 s, 30 ms away, jitter
        events += live.take(stamp_s, sound[first : first + 160, None])
    begun = [event for event in events if event.on]
    assert [event.pitch for event in begun] == list(TUNE)
    errors_s = np.array([event.time_s for event in begun]) - 7.0 - truth_s
    assert np.median(np.abs(errors_s)) < 0.025
    assert all(event.heard_s > event.time_s for event in begun)


def dead(stereo: np.ndarray) -> np.ndarray:
    return stereo * np.array([1.0, 0.0])


def offset(stereo: np.ndarray) -> np.ndarray:
    return stereo + 0.2


def clipped(stereo: np.ndarray) -> np.ndarray:
    return np.clip(30.0 * stereo, -1.0, 1.0)


def broken(stereo: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(stereo))[:, None] % 5000 < 3, np.nan, stereo)


@pytest.mark.parametrize(
    ("worse", "words"),
    [(dead, "Channel 2 of 2 is dead"), (offset, "constant offset of 20 %"), (clipped, "is clipped"),
     (broken, "are not numbers")],
)  # fmt: skip
def test_a_bad_input_is_complained_of_and_heard_all_the_same(
    worse: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    tune = TUNE[:10]
    sound = bowed(tune, onsets_s(len(tune)))
    stereo = worse(np.stack([sound, sound], axis=1)).astype(np.float32)
    live = LiveEar(page(tune), SAMPLE_RATE, a4_hz=440.0)
    events = []
    for first in range(0, len(stereo), 160):
        events += live.take((first + 160) / SAMPLE_RATE, stereo[first : first + 160])
    assert words in " ".join(live.health.complaints())
    assert [event.pitch for event in events if event.on] == list(tune)


def test_blocks_that_a_device_has_lost_make_no_later_note_early() -> None:
    rng = np.random.default_rng(3)
    truth_s = onsets_s(len(TUNE))
    sound = bowed(TUNE, truth_s)
    live, events = LiveEar(page(), SAMPLE_RATE), []
    lost_s = truth_s[4] + 0.2  # in the middle of a note
    for first in range(0, len(sound), 160):
        ended_s = (first + 160) / SAMPLE_RATE
        if not lost_s <= ended_s < lost_s + 0.06:
            events += live.take(ended_s + abs(float(rng.normal(0.0, 0.002))), sound[first : first + 160, None])
    begun = [event for event in events if event.on]
    assert [event.pitch for event in begun] == list(TUNE)
    errors_s = (np.array([event.time_s for event in begun]) - truth_s)[truth_s > lost_s + 0.35]
    assert np.abs(errors_s).max() < 0.03


def test_an_input_of_silence_is_heard_says_nothing_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    clock = WallClock()
    with Microphone(page(), clock.put, clock.now, backend="NULL") as microphone:
        end_s = time.monotonic() + 10.0
        while microphone.live.health.count < SAMPLE_RATE // 2 and time.monotonic() < end_s:
            time.sleep(0.02)
        assert microphone.live.health.count >= SAMPLE_RATE // 2
        assert "silent throughout" in " ".join(microphone.live.health.complaints())
    assert clock.wait(clock.now()) == []
    assert {thread for thread in threading.enumerate() if thread.name == "collaparte-ear"} <= before


def test_an_input_that_is_not_there_is_refused_with_the_names_there_are() -> None:
    clock = WallClock()
    with pytest.raises(DeviceError, match=r"There is no input 'Zither'\. The inputs are: "):
        Microphone(page(), clock.put, clock.now, device="Zither", backend="NULL")


def test_a_sound_system_that_is_not_there_is_refused_with_the_names_there_are() -> None:
    clock = WallClock()
    with pytest.raises(DeviceError, match=r"There is no sound system 'ORGAN'\. There are: .*NULL"):
        Microphone(page(), clock.put, clock.now, backend="ORGAN")


def test_play_refuses_a_microphone_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    piece = Path(collaparte.__file__).parent / "pieces" / "greensleeves.musicxml"
    out = ["--silent", "--no-memory", "--out", str(tmp_path / "take.jsonl")]
    assert main(["play", str(piece), "--solo", "1", "--mic", "Zither", *out]) == DeviceError.exit_code
    assert "microphone" in (said := capsys.readouterr().err) or "no input 'Zither'" in said
    assert main(["play", str(piece), "--solo", "1", "--mic", "default", "--midi-in", "Piano", *out]) == 2


def test_hum_and_noise_are_told_once_at_the_start_though_nobody_plays_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(microphone, "JUDGED_S", 1.0)
    clock = WallClock()
    with Microphone(page(), clock.put, clock.now, backend="NULL", notice=told.append) as listening:
        time_s = np.arange(2 * microphone.RATE) / microphone.RATE
        hum = 0.004 * np.sin(2 * np.pi * 50 * time_s) + 0.002 * np.sin(2 * np.pi * 100 * time_s)
        hum += 0.0003 * np.random.default_rng(1).standard_normal(len(hum))
        listening._judge(np.stack([hum, hum], axis=1).astype(np.float32))
    assert "hums at 50 Hz" in " ".join(told)
    assert "soft" not in " ".join(told)


class Unplugged:
    """Inputs that are there, are not, and are there again; what is sent to them arrives at once."""

    def __init__(self) -> None:
        self.arrived: Generator[None, bytes, None] | None = None
        self.plugged, self.opened = True, 0

    def open(self, wanted: object, backend: object, arrived: Generator[None, bytes, None]) -> Unplugged:
        if not self.plugged:
            raise DeviceError("There is no input.")
        next(arrived)
        self.arrived, self.opened = arrived, self.opened + 1
        return self

    def send(self, sound: np.ndarray) -> None:
        assert self.arrived is not None
        stereo = np.repeat(np.repeat(sound, 3)[:, None], 2, axis=1)  # at 48 kHz: the ear hears it at 16
        self.arrived.send(stereo.astype(np.float32).tobytes())

    def close(self) -> None:
        pass


def test_a_microphone_that_is_lost_in_mid_take_and_found_again_goes_on_where_the_music_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device, told, found, now_s = Unplugged(), [], [], [0.0]
    monkeypatch.setattr(microphone, "open_capture", device.open)
    monkeypatch.setattr(microphone, "LOOK_AGAIN_S", 0.1)
    monkeypatch.setattr(microphone, "GONE_S", 0.5)
    truth_s = onsets_s(len(TUNE))
    sound = bowed(TUNE, truth_s)
    middle = len(TUNE) // 2
    cut, away_s = int((truth_s[middle] - 0.08) * SAMPLE_RATE) // 160 * 160, 3.7

    def play(first: int, last: int, later_s: float) -> None:
        for at in range(first, last, 160):
            now_s[0] = (at + 160) / SAMPLE_RATE + later_s
            device.send(sound[at : at + 160])

    with Microphone(page(), found.append, lambda: now_s[0], notice=told.append) as listening:
        play(0, cut, 0.0)
        assert until(lambda: listening.live.health.count >= 3 * cut, 60)
        device.plugged = False
        assert until(lambda: any("gone" in words for words in told), 60)
        device.plugged = True
        opened = device.opened
        assert until(lambda: device.opened > opened, 60)
        play(cut, len(sound) // 160 * 160, away_s)
        assert until(lambda: listening.live.health.count >= 3 * (len(sound) // 160 * 160), 60)
    assert any("is back" in words for words in told)
    begun = [event for event in found if event.on]
    assert [event.pitch for event in begun] == list(TUNE)
    wanted_s = truth_s + away_s * (np.arange(len(TUNE)) >= middle)
    assert np.abs(np.array([event.time_s for event in begun]) - wanted_s).max() < 0.06


def test_a_recording_of_another_piece_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = read_score(piece_path("greensleeves"), solo=[solo_part("greensleeves")])
    events = [event for event in simulate_solo(other, 1, "low").events if event.time_s < 12.0]
    write_wav(tmp_path / "other.wav", render_solo(events, 40, None, sample_rate=16000), 16000)
    main(["simulate", "washerwoman", "--soloist", str(tmp_path / "other.wav"), "--out", str(tmp_path / "run.jsonl")])
    said = " ".join(capsys.readouterr().err.split())
    asked = ("Is it the right recording", "Is it a recording of this piece?", "Is the soloist playing this piece?")
    assert any(words in said for words in asked)
