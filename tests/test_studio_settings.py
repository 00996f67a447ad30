"""Settings: profiles with a memory of their own, preferences that survive, latency measured, meters that move."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studio_server import Studio, open_studio
from test_calibrate_live import devices_apart

from collaparte.calibrate import Calibrations, clicks
from collaparte.errors import TakeError
from collaparte.studio.meter import FLOOR_DB, Meter
from collaparte.studio.preferences import Players
from collaparte.takes import Shelf

__all__ = ["devices_apart"]  # a fixture
RATE = 44100


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


def names(studio: Studio) -> dict[str, str]:
    return {profile["id"]: profile["name"] for profile in studio.json("/api/settings")["profiles"]}


def test_profiles_are_made_renamed_chosen_and_deleted_with_their_memory(studio: Studio) -> None:
    assert names(studio) == {"me": "me"}
    made = studio.json("/api/profiles", "POST", {"name": "  Anna   Büchner "}, 201)
    assert (made["id"], made["name"]) == ("Anna-Büchner", "Anna Büchner")
    studio.json("/api/settings", "POST", {"profile": made["id"]})
    studio.json(f"/api/profiles/{'Anna-B%C3%BCchner'}", "POST", {"name": "Anna"})
    assert names(studio) == {"me": "me", "Anna-Büchner": "Anna"}
    memory = studio.stage.shelf.memory(made["id"])
    (memory.folder / "0123456789abcdef").mkdir(parents=True)
    (memory.folder / "0123456789abcdef" / "fedcba9876543210.json").write_text("{}")
    assert [profile["runs"] for profile in studio.json("/api/settings")["profiles"]] == [1, 0]
    studio.json("/api/profiles/Anna-B%C3%BCchner", "DELETE")
    assert not memory.folder.exists()
    assert names(studio) == {"me": "me"}
    assert studio.json("/api/settings")["preferences"]["profile"] == "me"


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "me", "ME", "a\x00b", "\u202eevil"])
def test_a_profile_needs_a_name_of_its_own(studio: Studio, name: str) -> None:
    studio.json("/api/profiles", "POST", {"name": name}, 422)
    assert names(studio) == {"me": "me"}


@pytest.mark.parametrize("key", ["..", "%2e%2e", "..%2ftakes", "nobody", "../takes", "%2fetc"])
def test_no_profile_is_a_path(studio: Studio, key: str) -> None:
    (studio.stage.shelf.folder / "takes").mkdir(exist_ok=True)
    for method, body in (("DELETE", None), ("POST", {"name": "new"})):
        assert studio.ask(f"/api/profiles/{key}", method, body)[0] in (404, 405, 422)
    assert (studio.stage.shelf.folder / "takes").is_dir()


def test_whoever_is_remembered_by_the_command_line_has_a_profile(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    folder = shelf.memory("carl").folder / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "0123456789abcdef.json").write_text("{}")
    players = Players(shelf)
    assert [(profile.id, profile.pieces, profile.runs) for profile in players.profiles()] == [
        ("carl", 1, 1), ("me", 0, 0)]  # fmt: skip
    players.prefer({"profile": "carl"})
    with pytest.raises(TakeError, match="no profile 'eve'"):
        players.prefer({"profile": "eve"})


def test_preferences_survive_and_nonsense_is_refused(tmp_path: Path) -> None:
    players = Players(Shelf(tmp_path))
    players.prefer({"theme": "dark", "size": "large", "input": "mic:Röhre", "unknown": 1})
    again = Players(Shelf(tmp_path)).preferences()
    assert (again.theme, again.size, again.input, again.predictor) == ("dark", "large", "mic:Röhre", "")
    for wrong in ({"theme": "pink"}, {"size": 3}, {"input": "x" * 201}, {"predictor": "magic"}):
        with pytest.raises(Exception, match=r"theme|size|input|predictor"):
            players.prefer(wrong)
    assert Players(Shelf(tmp_path)).preferences() == again
    for damage in ("", "{", "[]", '{"preferences": {"theme": "pink"}, "profiles": []}', "[" * 100_000):
        (tmp_path / "studio" / "preferences.json").write_text(damage)
        assert Players(Shelf(tmp_path)).preferences().theme == "auto"


# -- latency -----------------------------------------------------------------------------------------------------------


def recording(delay_s: float, loss_db: float = 12.0) -> bytes:
    """The clicks, once through a quiet room."""
    played = clicks(RATE)
    heard = np.concatenate([np.zeros(round(delay_s * RATE)), played])[: len(played)] * 10 ** (-loss_db / 20)
    noise = np.random.default_rng(3).normal(0, 1e-4, len(heard))
    return np.round(np.clip(heard + noise, -1, 1) * 32767).astype("<i2").tobytes()


def test_the_browsers_clicks_are_measured_and_remembered(studio: Studio) -> None:
    code, _, body = studio.ask(f"/api/calibration/clicks?rate={RATE}")
    assert code == 200
    assert np.array_equal(np.frombuffer(body, "<f4"), clicks(RATE))
    found = studio.json(f"/api/calibration/browser?rate={RATE}&latency_ms=30", "POST", recording(0.0832))
    assert found["round_trip_ms"] == pytest.approx(83.2, abs=0.1)
    assert found["heard"] == found["played"] == 8
    kept = Calibrations(studio.stage.shelf.folder).recall("browser", "browser")
    assert kept is not None
    assert kept.input_latency_s == pytest.approx(0.0532, abs=0.0002)
    assert studio.json("/api/settings")["calibrations"][0]["input"] == "browser"
    assert "response" not in studio.json("/api/settings")["calibrations"][0]


def test_what_cannot_be_measured_says_what_to_do(studio: Studio) -> None:
    silent = studio.json(f"/api/calibration/browser?rate={RATE}&latency_ms=30", "POST", bytes(2 * 6 * RATE), 422)
    assert "microphone" in silent["error"]
    short = studio.json(f"/api/calibration/browser?rate={RATE}&latency_ms=30", "POST", bytes(2 * RATE), 422)
    assert "breaks off" in short["error"]
    for query in ("", "rate=1", "rate=nan&latency_ms=1", f"rate={RATE}", f"rate={RATE}&latency_ms=-1"):
        assert studio.ask(f"/api/calibration/browser?{query}", "POST", b"")[0] == 400
    assert studio.ask(f"/api/calibration/browser?rate={RATE}&latency_ms=1", "POST", bytes(3_000_000))[0] == 413


# -- meters ------------------------------------------------------------------------------------------------------------


def test_a_meter_shows_level_and_peak_since_it_was_last_read() -> None:
    meter = Meter()
    arrived = meter._arrived()
    next(arrived)
    wave = np.sin(np.arange(1600) / 5).astype(np.float32)
    arrived.send((0.1 * wave).tobytes())
    arrived.send((0.1 * wave).tobytes())
    found = meter.read()
    assert found["level_db"] == pytest.approx(-23.0, abs=0.1)
    assert found["peak_db"] == pytest.approx(-20.0, abs=0.1)
    assert meter.read()["level_db"] is None
    arrived.send(np.zeros(100, np.float32).tobytes())
    assert meter.read()["level_db"] == FLOOR_DB
    meter.listen("a microphone that is not there")
    assert meter.read()["trouble"]
    meter.listen(False)
    assert meter.read()["trouble"] is None
    meter.close()


def test_the_meters_tell_and_leave_nothing_open(studio: Studio) -> None:
    client = pytest.importorskip("websockets.sync.client")
    before = threading.active_count()
    for _ in range(3):
        with client.connect(f"ws://{studio.host}/api/meter", proxy=None) as socket:
            assert set(json.loads(socket.recv(timeout=10))) == {"level_db", "peak_db", "midi", "trouble"}
            for text in ("[]", '{"mic": false}', '{"mic": 3}', '{"mic": "nowhere"}'):
                socket.send(text)
            until = time.monotonic() + 10
            while (found := json.loads(socket.recv(timeout=10)))["trouble"] is None and time.monotonic() < until:
                pass
            assert found["trouble"]
    with client.connect(f"ws://{studio.host}/api/meter", proxy=None) as socket:
        socket.send("no json")
        closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
        with pytest.raises(closed):
            _until_closed(socket)
    assert threading.active_count() <= before + 4  # the server's own pool
    refused = pytest.importorskip("websockets.exceptions").InvalidStatus
    with pytest.raises(refused):
        client.connect(
            f"ws://{studio.host}/api/meter", additional_headers={"Origin": "https://evil.example"}, proxy=None
        )


def _until_closed(socket: Any) -> None:
    while True:
        socket.recv(timeout=5)


def test_the_machines_own_devices_are_measured_by_name_or_refused_in_words(studio: Studio) -> None:
    refused = studio.json("/api/calibration/machine", "POST", {"input": "No such microphone"}, 422)
    assert "microphone" in refused["error"].lower()  # there is none, or none of that name
    assert studio.json("/api/calibration/machine", "POST", {"input": 7}, 400)["error"]
    assert studio.json("/api/calibration/machine", "POST", {"output": "x" * 201}, 400)["error"]


def test_the_round_trip_of_the_machines_own_devices_is_measured_and_kept(
    studio: Studio, devices_apart: Callable[[float], None]
) -> None:
    devices_apart(0.0731)
    found = studio.json("/api/calibration/machine", "POST", {"input": None, "output": None})
    assert found["round_trip_ms"] == pytest.approx(73.1, abs=0.2)
    assert found["heard"] == found["played"] == 8
    kept = Calibrations(studio.stage.shelf.folder).recall(None, None)
    assert kept is not None
    assert kept.round_trip_s == pytest.approx(0.0731, abs=0.0002)
