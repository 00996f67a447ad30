"""A concert from the command line: hands, the music stand, and the whole program on real ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jack_server import jack, until

from collaparte.cli import main
from collaparte.cli.keys import Hands, beat_of, pedal_meanings
from collaparte.cli.play import settings_of
from collaparte.cli.stand import Stand
from collaparte.conduct import Wishes
from collaparte.errors import CollaparteError, ScoreError
from collaparte.events import Command, Notice, Pedal, Position, SoloEvent, TempoPlan
from collaparte.pieces import piece_path
from collaparte.score import Score, read_score
from collaparte.takes import read_take

__all__ = ["jack"]


@pytest.fixture(scope="module")
def page() -> Score:
    return read_score(piece_path("washerwoman"), solo="Solo Violin")


def hands(page: Score, pedals: dict[int, str] | None = None) -> tuple[Hands, list[object], list[str]]:
    put: list[object] = []
    said: list[str] = []
    return Hands(put.append, lambda: 2.0, page, lambda: 0.5, said.append, pedals or {}), put, said


def test_keys_are_commands(page: Score) -> None:
    player, put, said = hands(page)
    for key in (" ", " ", "n", "\x1b[D", "t", "s", "+", "v", "p", " ", "x", "q"):
        player.press(key)
    assert [(value.name, value.value) for value in put if isinstance(value, Command)] == [
        ("hold", None), ("release", None), ("next_entry", None), ("previous_entry", None), ("tap", None),
        ("start", None), ("tempo", 0.5 / 1.03), ("vamp", 0.0), ("panic", None), ("release", None), ("stop", None),
    ]  # fmt: skip
    assert all(isinstance(value, Command) and value.heard_s == 2.0 for value in put)
    assert said == []


def test_modes_and_the_metronome_go_round(page: Score) -> None:
    put: list[Command] = []
    wishes = Wishes(mode="keep going")
    player = Hands(lambda value: put.append(value), lambda: 1.0, page, lambda: 0.5, print, {}, lambda: wishes)
    for key in "wm":
        player.press(key)
    assert [(command.name, command.about) for command in put] == [("mode", "follow"), ("metronome", "rests")]


def test_a_bar_number_and_enter_say_where_i_am(page: Score) -> None:
    player, put, said = hands(page)
    for key in "12\n999\n":
        player.press(key)
    assert [(value.name, value.value) for value in put if isinstance(value, Command)] == [
        ("relocate", page.beat_of_bar("12"))
    ]
    assert "999" in said[0]


def test_a_pedal_with_a_meaning_is_pressed_once_and_not_passed_on(page: Score) -> None:
    player, put, _ = hands(page, pedal_meanings(("67=next_entry",)))
    for value in (40, 80, 127, 30, 0, 90):
        player.hear(Pedal(1.0, 1.0, 67, value))
    player.hear(Pedal(1.0, 1.0, 64, 127))
    player.hear(SoloEvent(1.0, 1.0, True, 60))
    assert [getattr(value, "name", None) for value in put] == ["next_entry", "next_entry", None, None]
    with pytest.raises(CollaparteError, match="PEDAL=COMMAND"):
        pedal_meanings(("12=stop",))


def test_bars_and_tempi_become_beats_and_seconds(page: Score) -> None:
    settings = settings_of(page, 0.02, None, 120.0, 1, "9:12", 1.05)
    twelve = page.bar_at(page.beat_of_bar("12"))
    assert settings.loop == (page.beat_of_bar("9"), twelve.beat + twelve.duration_beats)
    assert settings.from_beat == page.beat_of_bar("9")
    assert settings.beat_period_s == 0.5
    assert beat_of(page, "9@2") > beat_of(page, "9")
    for loop in ("12", "12:9", "1:999"):
        with pytest.raises(ScoreError):
            settings_of(page, 0.02, None, None, 0, loop, 1.0)


def test_the_stand_says_where_we_are(page: Score, capsys: pytest.CaptureFixture[str]) -> None:
    beat = page.beat_of_bar("10")
    with Stand(page) as stand:
        assert stand.line() == "waiting for the first note"
        stand.see(Position(5.0, 5.0, beat + 0.5, 0.97, "playing"))
        stand.see(TempoPlan(5.0, 5.0, beat, 0.5))
        stand.see(Notice(5.0, "The MIDI input Keys is gone."))
        line = stand.line()
    assert line.startswith("bar 10, beat 2.00   120 quarters a minute   playing, 97% sure")
    assert "The MIDI input Keys is gone." in capsys.readouterr().err


def test_what_cannot_be_played_is_said_before_anything_opens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "washerwoman", "--from-bar", "999"]) == 3
    assert "999" in capsys.readouterr().err
    assert main(["play", "washerwoman", "--synth", "--silent"]) == 2


@pytest.mark.usefixtures("jack")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_concert_is_stopped_and_everything_is_closed(page: Score, tmp_path: Path, number: int, code: int) -> None:
    """Ten seconds of violin on a real port; stopped in mid-bar: every note ends, the take is whole and replays."""
    from collaparte.ports import ports
    from collaparte.sound.midi_port import MidiPort  # noqa: F401 - the same rooms as the program under test

    log, out = tmp_path / "orchestra.log", tmp_path / "take.jsonl"
    name = f"solo{os.getpid()}"
    words = [
        "play", "washerwoman", "--midi-in", f"virtual:{name}", "--midi-out", f"log:{log}", "--out", str(out),
        "--tempo", "200", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "COLLAPARTE_DATA": str(tmp_path / "data")}
    process = subprocess.Popen(
        [sys.executable, "-m", "collaparte.cli", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        assert until(lambda: any(name in port for port in ports("MidiOut")), 30.0)
        assert until(lambda: out.is_file() and out.stat().st_size > 0, 10.0)
        time.sleep(0.3)
        play_solo(page, name, 6.0)
    finally:
        process.send_signal(number)
        printed, told = process.communicate(timeout=30)
    assert process.returncode == code, told.decode()
    take = read_take(out)
    assert take.warnings == ()
    assert json.loads(printed)["solo_notes"] == sum(event.on for event in take.solo) > 10
    assert [command.name for command in take.commands] == ["stop"]
    begun = [event.note for event in take.orchestra if event.on]
    ended = [event.note for event in take.orchestra if not event.on]
    assert len(begun) > 5
    assert sorted(begun) == sorted(ended)
    sounding: set[tuple[int, int]] = set()
    for line in log.read_text().splitlines():
        status, key, velocity = (bytes.fromhex(line.split()[1]) + b"\0")[:3]
        if status & 0xF0 == 0x90 and velocity:
            sounding.add((status & 15, key))
        elif status & 0xF0 in (0x80, 0x90):
            sounding.discard((status & 15, key))
    assert sounding == set()
    os.environ["COLLAPARTE_DATA"] = str(tmp_path / "data")
    try:
        assert main(["takes", "replay", str(out)]) == 0
    finally:
        del os.environ["COLLAPARTE_DATA"]


def play_solo(page: Score, port: str, seconds: float) -> None:
    """The solo part from its first note, at 200 quarters a minute, on the port whose name holds ``port``."""
    from collaparte.ports import close_client, open_client

    client = open_client("MidiOut")
    assert client is not None
    index = next(index for index, name in enumerate(client.get_ports()) if port in name)
    client.open_port(index)
    first = float(page.solo_onsets[0])
    events = sorted(
        ((float(beat) - first) * 0.3, on, int(note["pitch"]))
        for note in page.solo
        for beat, on in ((note["beat"], True), (note["beat"] + note["duration_beats"] * 0.9, False))
        if note["kind"] == 0
    )
    begin_s = time.monotonic()
    for at_s, on, pitch in events:
        if at_s > seconds:
            break
        time.sleep(max(begin_s + at_s - time.monotonic(), 0))
        client.send_message([0x90 if on else 0x80, pitch, 80 if on else 0])
    time.sleep(0.1)
    close_client(client)
