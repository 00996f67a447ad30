"""The studio on the machine's own MIDI ports: a soloist on one, the orchestra on another, over a real JACK server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from jack_server import jack, until  # noqa: F401 - a fixture
from studio_server import open_studio

from collaparte.events import Pedal, SoloEvent
from collaparte.listen.midi import MidiInput
from collaparte.pieces import piece_path
from collaparte.ports import close_client, open_port, ports
from collaparte.score import read_score

pytestmark = pytest.mark.usefixtures("jack")
NOTES = 12


def full_name(name: str) -> str:
    found = [full for direction in ("MidiIn", "MidiOut") for full in ports(direction) if name in full]  # type: ignore[arg-type]
    assert found, name
    return found[0]


def test_a_soloist_on_a_port_is_followed_and_the_orchestra_sounds_on_another(tmp_path: Path) -> None:
    score = read_score(piece_path("washerwoman"), None, "Solo Violin")
    instrument, _ = open_port("MidiOut", "virtual:fiddle")
    heard: list[SoloEvent | Pedal] = []
    try:
        with open_studio(tmp_path) as studio:
            assert full_name("fiddle") in studio.json("/api/devices")["midi_in"]
            studio.json("/api/rehearsal", "POST", {
                "piece": "washerwoman", "input": "midi", "midi_in": full_name("fiddle"),
                "output": "midi", "midi_out": "virtual:band", "from_bar": score.bar_at(score.solo_onsets[0]).number,
            })  # fmt: skip
            studio.wait_for("ready")
            with MidiInput(full_name("band"), heard.append, time.monotonic):
                time.sleep(0.3)
                onsets = score.solo_onsets[:NOTES].tolist()
                began_s = time.monotonic()
                for onset in onsets:
                    at_s = began_s + score.seconds_at(onset) - score.seconds_at(onsets[0])
                    time.sleep(max(at_s - time.monotonic(), 0.0))
                    for row in score.solo[score.solo["beat"] == onset]:
                        instrument.send_message([0x90, int(row["pitch"]), 80])
                        instrument.send_message([0x80, int(row["pitch"]), 0])
                assert until(lambda: bool(_begun(heard)))
                studio.json("/api/rehearsal", "POST", {"piece": "nothing"}, status=422)  # does not disturb
                rehearsal = studio.stage.rehearsal
                assert rehearsal is not None
                rehearsal.command("panic")
                studio.wait_for("held")
                sounding = _begun(heard)
                assert until(lambda: _silent(heard))
            studio.json("/api/rehearsal", "DELETE")
            take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    finally:
        close_client(instrument)
    matched = {position.beat for position in take.positions if position.state == "playing"}
    assert set(onsets) <= matched
    written = {event.pitch for event in take.orchestra if event.on}
    assert sounding <= written


def _begun(heard: list[SoloEvent | Pedal]) -> set[int]:
    return {event.pitch for event in heard if isinstance(event, SoloEvent) and event.on}


def _silent(heard: list[SoloEvent | Pedal]) -> bool:
    held: dict[int, bool] = {}
    for event in heard:
        if isinstance(event, SoloEvent):
            held[event.pitch] = event.on
    return not any(held.values())
