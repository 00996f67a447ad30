"""Devices that are real enough: a JACK server whose playback is wired to its capture; and how an input sounds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from jack_server import jack, until

from collaparte.calibrate import Calibrations, live
from collaparte.calibrate.live import record, round_trip
from collaparte.cli import main
from collaparte.errors import DeviceError
from collaparte.listen.sounding import sounding

pytestmark = pytest.mark.live

__all__ = ["jack"]
RATE = 48000


def ports() -> list[str]:
    server = os.environ["JACK_DEFAULT_SERVER"]
    listed = subprocess.run(["jack_lsp", "-s", server], capture_output=True, text=True, check=False)
    return [line for line in listed.stdout.splitlines() if ":" in line and not line.startswith("system:")]


def wire() -> bool:
    """Every output of a client to every input of one; True when something was wired."""
    server = os.environ["JACK_DEFAULT_SERVER"]
    names = ports()
    outputs, inputs = [p for p in names if "playback" in p], [p for p in names if "capture" in p]
    done = [subprocess.run(["jack_connect", "-s", server, out, into], capture_output=True, check=False).returncode == 0
            for out in outputs for into in inputs]  # fmt: skip
    return any(done)


@pytest.fixture
def loop(jack: None) -> None:
    if shutil.which("jack_connect") is None or shutil.which("jack_lsp") is None:
        pytest.skip("jack_connect is not installed (Debian: apt install jack-example-tools)")
    return


class FakeDevices:
    """Loudspeaker and microphone on a clock of their own, ``delay`` samples apart; time passes when someone sleeps."""

    def __init__(self, delay: int) -> None:
        self.now_s, self.held = 0.0, np.zeros((delay, 2), np.float32)
        self.arrived: Generator[None, bytes, None] | None = None
        self.pull: Generator[bytes, int, None] | None = None

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            block = np.zeros((480, 2), np.float32)
            if self.pull is not None:
                block = np.frombuffer(self.pull.send(480), np.float32).reshape(-1, 2)
            self.held = np.concatenate([self.held, 0.3 * block])
            self.now_s += 0.01
            assert self.arrived is not None
            self.arrived.send(self.held[:480].astype(np.float32).tobytes())
            self.held = self.held[480:]

    def capture(self, name: object, backend: object, arrived: Generator[None, bytes, None]) -> FakeDevices:
        next(arrived)
        self.arrived = arrived
        return self

    def playback(self, pull: Generator[bytes, int, None], name: object, backend: object) -> FakeDevices:
        next(pull)
        self.pull = pull
        return self

    def close(self) -> None:
        pass


@pytest.fixture
def devices_apart(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def put(delay_s: float) -> None:
        fake = FakeDevices(round(delay_s * RATE))
        monkeypatch.setattr(live, "time", fake)
        monkeypatch.setattr(live, "open_capture", fake.capture)
        monkeypatch.setattr(live, "open_playback", fake.playback)

    return put


@pytest.mark.parametrize("delay_s", [0.0, 0.0375, 0.2])
def test_a_known_delay_between_devices_is_found(devices_apart: Callable[[float], None], delay_s: float) -> None:
    devices_apart(delay_s)
    found = round_trip()
    assert found.round_trip_s == pytest.approx(delay_s, abs=1e-4)
    assert found.heard == found.played
    devices_apart(delay_s)
    assert round_trip(inserted_s=0.1234).round_trip_s == pytest.approx(delay_s + 0.1234, abs=1e-4)


def test_the_command_measures_keeps_and_lists(
    devices_apart: Callable[[float], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLLAPARTE_DATA", str(tmp_path))
    devices_apart(0.05)
    assert main(["calibrate", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = Calibrations(tmp_path).recall()
    assert kept is not None
    assert kept.round_trip_s == pytest.approx(0.05, abs=1e-4)
    assert kept.input_latency_s == pytest.approx(0.03, abs=1e-4)  # the output's two periods are its own
    assert told["round_trip_s"] == kept.round_trip_s
    assert kept.load_response() is not None
    assert main(["calibrate", "--list"]) == 0
    assert "50.0" in capsys.readouterr().out


@pytest.mark.long  # a machine with other things to do loses blocks, and then there is nothing to measure
def test_through_a_real_server_a_delay_that_was_put_in_comes_out(loop: None) -> None:
    without = round_trip(backend="JACK", started=lambda: until(wire) or None)
    delayed = round_trip(backend="JACK", started=lambda: until(wire) or None, inserted_s=0.1234)
    assert -0.03 < without.round_trip_s < 0.3  # wired inside the server there may be no delay at all
    # Two openings of the devices fill their buffers differently, by a period or two.
    assert delayed.round_trip_s - without.round_trip_s == pytest.approx(0.1234, abs=0.03)


@pytest.mark.long
def test_nothing_wired_is_nothing_heard(loop: None) -> None:
    with pytest.raises(DeviceError, match="heard nothing at all"):
        round_trip(backend="JACK")


def test_an_input_of_silence_is_recorded_and_said_to_be_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(record(0.3, backend="NULL")) == round(0.3 * RATE)
    assert main(["devices", "--test", "--backend", "NULL"]) == 0
    assert "silent throughout" in capsys.readouterr().out


def tone(hz: float, level: float, seconds: float = 2.0) -> np.ndarray:
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def noise(level: float) -> np.ndarray:
    return level * np.random.default_rng(1).standard_normal(2 * RATE)


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_hum_is_told_from_a_low_note(mains: float) -> None:
    hum = tone(mains, 0.01) + tone(2 * mains, 0.005) + noise(0.0005)
    found = sounding((hum + tone(440.0, 0.2)).astype(np.float32), RATE)
    assert found.hum_hz == mains
    assert found.hum_db == pytest.approx(20 * np.log10(np.hypot(0.01, 0.005) / np.sqrt(2)), abs=1.0)
    low = sounding((tone(98.0, 0.1) + tone(196.0, 0.05) + noise(0.0005)).astype(np.float32), RATE)
    assert low.hum_hz is None


def test_the_noise_floor_is_that_of_the_pauses() -> None:
    playing = tone(440.0, 0.3)
    playing[RATE:] = 0.0
    found = sounding((playing + noise(0.0003)).astype(np.float32), RATE)
    assert found.noise_db == pytest.approx(20 * np.log10(0.0003), abs=1.5)
    assert found.well


@pytest.mark.parametrize(
    ("sound", "word"),
    [
        (tone(440, 0.2) + noise(0.02), "noisy"),
        (tone(440, 0.002), "very soft"),
        (np.clip(tone(440, 4.0), -1, 1), "clipped"),
        (tone(440, 0.2) + 0.2, "constant offset"),
        (np.stack([tone(440, 0.2), np.zeros(2 * RATE)], axis=1), "Channel 2 of 2 is dead"),
        (np.zeros(2 * RATE), "silent throughout"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(sound: np.ndarray, word: str) -> None:
    assert word in " ".join(sounding(sound.astype(np.float32), RATE).words)
