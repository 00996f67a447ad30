"""A concert, whole: the program itself, a soloist at a real MIDI port, the orchestra at another, the wall clock.

Over a minute of music; what the orchestra's port received is held against the take, and the take against its replay.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jack_server import jack, until  # noqa: F401 - a fixture

from collaparte.events import OrchestraEvent, SoloEvent, TempoPlan, to_line
from collaparte.listen.midi import MidiInput
from collaparte.listen.simulated import simulate_solo
from collaparte.pieces import piece_path, solo_part
from collaparte.ports import close_client, open_port, ports
from collaparte.score import read_score

pytestmark = pytest.mark.usefixtures("jack")

PIECE = "greensleeves"
LONGEST_S = 63.0


def on_port(name: str) -> str | None:
    found = [full for direction in ("MidiIn", "MidiOut") for full in ports(direction) if name in full]  # type: ignore[arg-type]
    return found[0] if found else None


def test_over_a_minute_live_equals_its_replay_and_sounds_when_it_says(tmp_path: Path) -> None:
    score = read_score(piece_path(PIECE), solo=[solo_part(PIECE)])
    played = [event for event in simulate_solo(score, 2, "middle").events if isinstance(event, SoloEvent)]
    begins_s = played[0].time_s
    played = [event for event in played if event.time_s - begins_s < LONGEST_S]
    out = tmp_path / "concert.jsonl"
    command = [sys.executable, "-m", "collaparte.cli", "play", str(piece_path(PIECE)), "--solo", solo_part(PIECE)]
    command += ["--midi-in", "virtual:soloist", "--midi-out", "virtual:orchestra", "--no-memory", "--out", str(out)]
    environment = os.environ | {"COLLAPARTE_DATA": str(tmp_path / "data")}
    concert = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
    keyboard: Any = None
    try:
        assert until(lambda: on_port("soloist") and on_port("orchestra"), 30)
        received: list[SoloEvent] = []
        with MidiInput(on_port("orchestra"), lambda event: received.append(event), time.monotonic):  # type: ignore[arg-type, func-returns-value]
            keyboard, _ = open_port("MidiOut", on_port("soloist"))
            assert until(out.exists, 30)
            time.sleep(1.0)
            origin_s = time.monotonic() - begins_s
            for event in played:
                time.sleep(max(origin_s + event.time_s - time.monotonic(), 0.0))
                keyboard.send_message([0x90 if event.on else 0x80, event.pitch, event.velocity])
            time.sleep(2.0)
            concert.send_signal(signal.SIGINT)
            assert concert.wait(15) == 130  # ended by Ctrl-C, with everything closed
            time.sleep(0.2)
    finally:
        concert.kill()
        if keyboard is not None:
            close_client(keyboard)

    from collaparte.cli.stage import Piece as Asked
    from collaparte.cli.stage import engine_of, read_piece
    from collaparte.engine import replay
    from collaparte.takes import read_take

    take = read_take(out)
    solo_s = np.array([event.time_s for event in take.solo if event.on])
    assert len(solo_s) == sum(event.on for event in played)
    assert solo_s[-1] - solo_s[0] > 60

    _, page = read_piece(Asked.from_config(take.header.config))
    again = [to_line(value) for value in replay(engine_of(take.header, page), take.values)]
    assert again == [_as_simulated(value) for value in take.values]

    sent = [event for event in take.orchestra if event.on]
    arrived = [event for event in received if isinstance(event, SoloEvent) and event.on]
    assert [event.pitch for event in arrived] == [event.pitch for event in sent]
    offsets_ms = 1000 * np.array([got.time_s - event.due_s for got, event in zip(arrived, sent, strict=True)])
    late_ms = offsets_ms - np.median(offsets_ms)  # the take's zero on this process's clock is not known
    assert np.median(np.abs(late_ms)) < 50  # that they came as committed; how exactly is for benchmarks/lateness.py
    assert len([event for event in take.orchestra if event.on]) == len([e for e in take.orchestra if not e.on])
    assert sum(isinstance(value, TempoPlan) for value in take.values) > 50


def _as_simulated(value: Any) -> str:
    if isinstance(value, OrchestraEvent):
        value = OrchestraEvent(**{name: getattr(value, name) for name in value.__slots__ if name != "sent_s"})
    return to_line(value)
