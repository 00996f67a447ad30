"""Calibration: the round trip that was put in comes out, through rooms and noise; what went wrong is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from collaparte.calibrate import Calibration, Calibrations, Measured, clicks, measure
from collaparte.calibrate.response import RESPONSE_LEAD_S
from collaparte.errors import DeviceError


def loop(played: np.ndarray, rate: int, delay_s: float, *, gain: float = 0.2, noise: float = 0.0) -> np.ndarray:
    """``played`` after ``delay_s``, exact between samples."""
    size = len(played)
    spectrum = np.fft.rfft(played, 2 * size)
    turned = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * size, 1 / rate) * delay_s)
    heard = gain * np.fft.irfft(spectrum * turned, 2 * size)[:size]
    return (heard + noise * np.random.default_rng(5).standard_normal(size)).astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("delay_s", [-0.0042, 0.0031, 0.0627, 0.43217])
def test_the_round_trip_is_found_between_samples(rate: int, delay_s: float) -> None:
    signal = clicks(rate)
    found = measure(loop(signal, rate, delay_s, noise=0.001), signal, rate)
    assert found.round_trip_s == pytest.approx(delay_s, abs=2e-5)
    assert found.spread_s < 2e-5
    assert (found.heard, found.played) == (8, 8)
    assert found.complaints == ()


def test_a_reflection_louder_than_the_direct_sound_is_not_taken_for_it() -> None:
    rate = 48000
    signal = clicks(rate)
    heard = loop(signal, rate, 0.05, gain=0.1) + loop(signal, rate, 0.054, gain=0.15)
    assert measure(heard, signal, rate).round_trip_s == pytest.approx(0.05, abs=1e-4)


def test_turned_polarity_an_offset_and_a_room_louder_than_the_clicks_change_little() -> None:
    rate = 48000
    signal = clicks(rate)
    heard = loop(signal, rate, 0.0814, gain=-0.05, noise=0.02) + np.float32(0.1)
    found = measure(heard, signal, rate)
    assert found.round_trip_s == pytest.approx(0.0814, abs=1e-4)
    assert "hardly louder than the room" in " ".join(found.complaints)


def test_the_response_is_the_room_s() -> None:
    rate = 16000
    signal = clicks(rate)
    heard = loop(signal, rate, 0.03, gain=0.3) + loop(signal, rate, 0.042, gain=-0.1)
    response = measure(heard, signal, rate).response
    lead, later = round(RESPONSE_LEAD_S * rate), round(0.012 * rate)
    sent = np.sin(2 * np.pi * 700 * np.arange(4000) / rate)
    wanted = 0.3 * sent - 0.1 * np.concatenate([np.zeros(later), sent[:-later]])
    got = np.convolve(sent, response)[lead : lead + 4000]
    assert np.sqrt(np.mean((got - wanted)[500:3500] ** 2) / np.mean(wanted[500:3500] ** 2)) < 0.1


def test_a_click_that_somebody_coughed_over_does_not_count() -> None:
    rate = 16000
    signal = clicks(rate)
    heard = loop(signal, rate, 0.07, gain=0.1, noise=0.001)
    cough = np.random.default_rng(1).standard_normal(rate // 2).astype(np.float32)
    heard[rate : rate + len(cough)] += 0.5 * cough
    assert measure(heard, signal, rate).round_trip_s == pytest.approx(0.07, abs=1e-4)


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("silence", "heard nothing at all"),
        ("hiss", "clicks were not heard"),
        ("noise", "too loud"),
        ("cut", "breaks off"),
        ("jumps", "were heard at one distance"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_plain_words(what: str, word: str) -> None:
    rate = 16000
    signal = clicks(rate)
    rng = np.random.default_rng(2)
    heard = np.zeros(len(signal), np.float32)
    if what in ("hiss", "noise"):
        heard = ((0.001 if what == "hiss" else 0.2) * rng.standard_normal(len(signal))).astype(np.float32)
    elif what == "cut":
        heard = loop(signal, rate, 0.05)[: 2 * rate]
    elif what == "jumps":  # every click at another distance, as when blocks are lost
        starts = [round(at * rate) for at in 0.3 + np.concatenate([[0.0], np.cumsum((0.41, 0.53, 0.45, 0.61))])]
        for index, first in enumerate(starts):
            heard[first + 160 * (1 + 3 * index) :][:640] += 0.1 * signal[first : first + 640]
    with pytest.raises(DeviceError, match=word):
        measure(heard, signal, rate)


def test_clipped_clicks_are_measured_and_complained_of() -> None:
    rate = 48000
    signal = clicks(rate)
    found = measure(np.clip(loop(signal, rate, 0.06, gain=20.0), -1, 1), signal, rate)
    assert found.round_trip_s == pytest.approx(0.06, abs=1e-4)
    assert "clipped" in found.complaints[0]


def found_in(rate: int) -> Measured:
    signal = clicks(rate)
    return measure(loop(signal, rate, 0.06, gain=0.3), signal, rate)


def test_what_is_kept_is_recalled_for_its_pair_alone_with_the_response_at_16_khz(tmp_path: Path) -> None:
    found = found_in(48000)
    kept = Calibrations(tmp_path).keep(Calibration.of(found, "USB", "Loud", 0.02), found)
    assert kept.input_latency_s == pytest.approx(0.04, abs=1e-4)
    recalled = Calibrations(tmp_path).recall("USB", "Loud")
    assert recalled == kept
    assert Calibrations(tmp_path).recall("USB") is None
    response = recalled.load_response()
    assert response is not None
    spectrum = np.abs(np.fft.rfft(response, 16000))[300:6000]
    assert np.median(spectrum) == pytest.approx(0.3, rel=0.05)
    again = replace(kept, round_trip_s=0.07)
    Calibrations(tmp_path).keep(again)
    assert Calibrations(tmp_path).all() == [again]


@pytest.mark.parametrize("content", ["{", "[]", '{"pairs": [{"input": "a"}]}', '{"pairs": [7]}', '{"pairs": null}'])
def test_a_damaged_file_is_set_aside_with_a_word(tmp_path: Path, content: str) -> None:
    told: list[str] = []
    store = Calibrations(tmp_path, told.append)
    store.path.write_text(content, encoding="utf-8")
    assert store.recall() is None
    assert "cannot be understood" in told[0]
    assert (tmp_path / "calibrations.json.damaged").read_text(encoding="utf-8") == content
    store.keep(Calibration("default", "default", 0.1, 0.08, 0.0, -20.0, "2026-01-01"))
    assert store.recall() is not None


def test_a_response_that_is_gone_is_none(tmp_path: Path) -> None:
    found = found_in(16000)
    kept = Calibrations(tmp_path).keep(Calibration.of(found, "a", "b", 0.0), found)
    assert kept.response is not None
    Path(kept.response).write_bytes(b"no array")
    assert kept.load_response() is None
    Path(kept.response).unlink()
    assert kept.load_response() is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(DeviceError, match="COLLAPARTE_DATA"):
        Calibrations(blocked / "below").keep(Calibration("a", "b", 0.1, 0.1, 0.0, -20.0, "2026-01-01"))
