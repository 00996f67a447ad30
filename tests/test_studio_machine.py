"""The studio by the machine's own microphone and loudspeaker: measured from the page, and used as in ``play --mic``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studio_server import Studio, open_studio
from test_calibrate_live import FakeDevices

from collaparte.calibrate import Calibrations, live
from collaparte.listen import microphone
from collaparte.sound import Silent
from collaparte.sound import synth as synthesiser
from collaparte.sound.tap import Tap

DELAY_S = 0.05


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with open_studio(tmp_path) as found:
        yield found


@pytest.fixture
def measured(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page is answered when it asks for a measurement between two devices DELAY_S apart."""
    fake = FakeDevices(round(DELAY_S * live.RATE))
    monkeypatch.setattr(live, "time", fake)
    monkeypatch.setattr(live, "open_capture", fake.capture)
    monkeypatch.setattr(live, "open_playback", fake.playback)
    found: dict[str, Any] = studio.json("/api/calibration/machine", "POST", {"input": None, "output": None})
    return found


def test_the_machines_own_devices_are_measured_from_the_page_and_remembered(
    studio: Studio, measured: dict[str, Any], tmp_path: Path
) -> None:
    assert measured["round_trip_ms"] == pytest.approx(1000 * DELAY_S, abs=0.1)
    assert measured["heard"] == measured["played"]
    listed = studio.json("/api/settings")["calibrations"]
    assert [(one["input"], one["output"]) for one in listed] == [("default", "default")]
    kept = Calibrations(tmp_path).recall()
    assert kept is not None
    assert kept.round_trip_s == pytest.approx(DELAY_S, abs=1e-4)
    assert kept.load_response() is not None


class Listening:
    """In the microphone's place: keeps what it was given."""

    given: dict[str, Any]
    tuned_hz: list[float]

    def __init__(self, score: object, put: object, now: object, **given: Any) -> None:
        Listening.given, Listening.tuned_hz = given, []
        self.live = self
        self.told: list[object] = []

    def relocate(self, beat: float) -> None:
        pass

    def sounds(self, event: object) -> None:
        self.told.append(event)

    def tune(self, a4_hz: float) -> None:
        Listening.tuned_hz.append(a4_hz)

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *how: object) -> None:
        pass


class Synth(Silent):
    """In the synthesiser's place, with a tap where one was asked for."""

    def __init__(self, *parts: object, tapped: bool = False, **more: object) -> None:
        super().__init__()
        if tapped:
            self.tap = Tap()
            self.tap.write(np.ones(48000, np.float32), 0.0)


@pytest.mark.parametrize("headphones", [False, True])
def test_the_orchestras_own_sound_is_taken_out_of_the_machines_microphone(
    studio: Studio, measured: dict[str, Any], monkeypatch: pytest.MonkeyPatch, headphones: bool
) -> None:
    monkeypatch.setattr(microphone, "Microphone", Listening)
    monkeypatch.setattr(synthesiser, "SynthSound", Synth)
    asked = {
        "piece": "greensleeves", "input": "mic", "output": "synth", "headphones": headphones, "tuning_hz": 442.0,
    }  # fmt: skip
    studio.json("/api/rehearsal", "POST", asked)
    studio.wait_for("ready")
    given = Listening.given
    assert given["latency_s"] == pytest.approx(DELAY_S - 0.02, abs=1e-4)
    assert Listening.tuned_hz == [442.0]  # what else the ear must know of the orchestra
    if headphones:
        assert not {"reference", "canceller", "pitches"} & set(given)
    else:
        response = given["canceller"].response()
        assert np.abs(response).max() == pytest.approx(0.3, abs=0.1)  # as loud as those devices are
        assert given["reference"](160, 0.0).shape == (160,)
    studio.json("/api/rehearsal", "DELETE")
