"""Devices that are real enough: a JACK server whose playback is wired to its capture; and how an input sounds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from jack_server import jack, until

from collaparte.calibrate import Calibrations
from collaparte.calibrate.live import record, round_trip
from collaparte.cli import main
from collaparte.errors import DeviceError
from collaparte.listen.sounding import sounding

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


def test_a_delay_that_was_put_in_comes_out(loop: None) -> None:
    without = round_trip(backend="JACK", started=lambda: until(wire) or None)
    delayed = round_trip(backend="JACK", started=lambda: until(wire) or None, inserted_s=0.1234)
    assert without.heard == without.played
    assert -0.03 < without.round_trip_s < 0.3  # wired inside the server there may be no delay at all
    # Two openings of the devices fill their buffers differently, by a period or two.
    assert delayed.round_trip_s - without.round_trip_s == pytest.approx(0.1234, abs=0.03)
    assert delayed.spread_s < 0.001


def test_the_command_measures_keeps_and_lists(
    loop: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLLAPARTE_DATA", str(tmp_path))
    wiring = threading.Thread(target=lambda: until(wire, 8.0))
    wiring.start()
    assert main(["calibrate", "--backend", "JACK", "--json"]) == 0
    wiring.join()
    told = json.loads(capsys.readouterr().out)
    kept = Calibrations(tmp_path).recall()
    assert kept is not None
    assert kept.round_trip_s == pytest.approx(told["round_trip_s"])
    assert kept.input_latency_s == pytest.approx(max(kept.round_trip_s - 0.02, 0.0), abs=1e-6)
    assert kept.load_response() is not None
    assert main(["calibrate", "--list"]) == 0
    assert "default" in capsys.readouterr().out


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
