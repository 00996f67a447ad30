"""The microphone: late blocks do not move notes, a device that captures nothing starts nothing and leaves nothing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_listen_hearing import TUNE, bowed, onsets_s, page

import collaparte
from collaparte.cli import main
from collaparte.clock import WallClock
from collaparte.errors import DeviceError
from collaparte.listen import microphone
from collaparte.listen.hearing import SAMPLE_RATE
from collaparte.listen.microphone import LiveEar, Microphone


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
