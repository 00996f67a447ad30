"""Real MIDI ports (JACK's, on a dummy driver): what is sent is heard, ports come and go, nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from jack_server import jack, until  # noqa: F401 - a fixture

from collaparte.errors import DeviceError
from collaparte.events import OrchestraEvent, Pedal, SoloEvent
from collaparte.listen.midi import MidiInput, input_ports
from collaparte.ports import close_client, open_port, ports, received
from collaparte.score.page import Part
from collaparte.sound.devices import devices
from collaparte.sound.midi_port import MidiPort

pytestmark = pytest.mark.usefixtures("jack")

PARTS = [Part("Violins", 1, 48), Part("Solo", 2, 40, solo=True)]


def tune(count: int, start_s: float, step_s: float = 0.02) -> list[OrchestraEvent]:
    """``count`` notes, every pitch its own, begun ``step_s`` apart and each as long."""
    events = []
    for number in range(count):
        due_s = start_s + number * step_s
        for on, at_s in ((True, due_s), (False, due_s + step_s)):
            events.append(
                OrchestraEvent(round(at_s, 6), float(number), "Violins", on, 36 + number % 60, 80, note=number)
            )
    return events


def on_port(name: str) -> str:
    """The full name JACK gives our virtual output or input ``name``."""
    found: list[str] = []

    def there() -> bool:
        found[:] = [full for direction in ("MidiIn", "MidiOut") for full in ports(direction) if name in full]
        return bool(found)

    if until(there):
        return found[0]
    raise AssertionError(f"no port {name} among {ports('MidiIn')} and {ports('MidiOut')}")


def test_a_thousand_notes_cross_a_real_port_in_order_and_in_time() -> None:
    origin_s = time.monotonic()
    with MidiPort(PARTS, "virtual:orchestra-a", origin_s=origin_s) as sound:
        heard: list[SoloEvent | Pedal] = []
        with MidiInput(on_port("orchestra-a"), heard.append, lambda: time.monotonic() - origin_s):
            time.sleep(0.3)
            events = tune(500, time.monotonic() - origin_s + 0.2, 0.004)
            sound.send(events)
            assert until(lambda: len(heard) >= 1000, 10)
    notes = [event for event in heard if isinstance(event, SoloEvent)][:1000]
    in_order = sorted(events, key=lambda event: (event.due_s, event.on))
    assert [(event.on, event.pitch) for event in notes] == [(event.on, event.pitch) for event in in_order]
    late_ms = [(got.time_s - sent.due_s) * 1000 for got, sent in zip(notes, in_order, strict=True)]
    assert min(late_ms) > -0.5  # never early; how late is for benchmarks/lateness.py


def test_a_lost_output_is_told_and_found_again() -> None:
    origin_s = time.monotonic()
    news: list[str] = []
    got: list[list[int]] = []

    def arrived() -> list[list[int]]:
        got.extend(received(keyboard))
        return got

    keyboard, _ = open_port("MidiIn", "virtual:keyboard-b")
    with MidiPort(PARTS, on_port("keyboard-b"), origin_s=origin_s, notice=news.append) as sound:
        assert until(lambda: [0xC0, 48] in arrived())  # the program, on opening
        close_client(keyboard)
        assert until(lambda: bool(news))
        assert "is gone" in news[0]
        assert "plays on" in news[0]
        sound.send(tune(5, time.monotonic() - origin_s))  # the orchestra plays on
        got.clear()
        keyboard, _ = open_port("MidiIn", "virtual:keyboard-b")
        try:
            assert until(lambda: len(news) == 2)
            assert "is back" in news[1]
            sound.send(tune(5, time.monotonic() - origin_s + 0.1))
            assert until(lambda: sum(message[0] == 0x90 for message in arrived()) >= 5)
            assert [0xC0, 48] in got
        finally:
            close_client(keyboard)


def test_a_lost_input_releases_its_keys_and_is_found_again() -> None:
    start_s = time.monotonic()
    news: list[str] = []
    heard: list[SoloEvent | Pedal] = []
    client, _ = open_port("MidiOut", "virtual:piano-c")
    with MidiInput(on_port("piano-c"), heard.append, lambda: time.monotonic() - start_s, notice=news.append):
        client.send_message([0x90, 60, 70])
        client.send_message([0xB0, 64, 127])
        assert until(lambda: len(heard) == 2)
        close_client(client)
        assert until(lambda: bool(news))
        assert "is gone" in news[0]
        held = [event for event in heard if isinstance(event, SoloEvent)]
        assert [(event.on, event.pitch) for event in held] == [(True, 60), (False, 60)]
        client, _ = open_port("MidiOut", "virtual:piano-c")
        assert until(lambda: len(news) == 2)
        client.send_message([0x90, 72, 70])
        assert until(lambda: isinstance(heard[-1], SoloEvent) and heard[-1].pitch == 72)
    close_client(client)


def test_ports_are_chosen_by_unique_beginning_and_refused_by_name() -> None:
    clients = [open_port("MidiOut", f"virtual:oboe-{letter}")[0] for letter in "xy"]
    try:
        full = on_port("oboe-x")
        assert full in input_ports()
        assert full in [device.name for device in devices() if device.kind == "MIDI in"]
        with MidiInput(full[:-1] if full[:-1].endswith("oboe-x") else full, print, time.monotonic) as chosen:
            assert chosen.name == full
        with pytest.raises(DeviceError, match="oboe-y"):
            MidiInput("kazoo", print, time.monotonic)
        with pytest.raises(DeviceError, match="Several MIDI inputs"):
            MidiInput(None, print, time.monotonic)
    finally:
        for client in clients:
            close_client(client)


def test_fifty_times_open_and_closed_leave_nothing_behind() -> None:
    threads, listed = set(threading.enumerate()), (ports("MidiIn"), ports("MidiOut"))
    handles = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else None
    for _ in range(50):
        MidiInput("virtual:here-today", print, time.monotonic).close()
    assert set(threading.enumerate()) == threads
    assert (ports("MidiIn"), ports("MidiOut")) == listed
    if handles is not None:
        assert len(list(Path("/proc/self/fd").iterdir())) <= handles


def test_an_input_may_be_opened_and_closed_while_its_keys_are_played() -> None:
    client, _ = open_port("MidiOut", "virtual:piano-s")
    end = threading.Event()

    def play() -> None:
        while not end.wait(0.0005):
            client.send_message([0x90, 60, 80])
            client.send_message([0x80, 60, 0])

    player = threading.Thread(target=play)
    player.start()
    try:
        full = on_port("piano-s")
        for _ in range(20):
            heard: list[SoloEvent | Pedal] = []
            with MidiInput(full, heard.append, time.monotonic):
                assert until(lambda heard=heard: len(heard) >= 20)
            struck = [event.on for event in heard if isinstance(event, SoloEvent)]
            assert struck.count(True) == struck.count(False)  # none left hanging
            count = len(heard)
            time.sleep(0.01)
            assert len(heard) == count  # closed is closed
    finally:
        end.set()
        player.join()
        close_client(client)


def test_a_killed_engine_leaves_the_instrument_silent() -> None:
    """SIGKILL to the engine; the note-offs arrive at a real instrument within a second."""
    held: set[int] = set()
    client, _ = open_port("MidiIn", "virtual:keyboard-k")

    def sounding() -> set[int]:
        for message in received(client):
            if message[0] & 0xF0 == 0x90:
                held.add(message[1])
            elif message[0] & 0xF0 == 0x80:
                held.discard(message[1])
        return held

    engine = subprocess.Popen([sys.executable, "-c", ENGINE, on_port("keyboard-k")])
    try:
        assert until(lambda: sounding() == {60, 64, 67}, 20)
        engine.kill()
        killed_s = time.monotonic()
        assert until(lambda: not sounding())
        assert time.monotonic() - killed_s < 1.0
    finally:
        engine.kill()
        engine.wait()
        close_client(client)


ENGINE = """
import sys, time
from collaparte.events import OrchestraEvent
from collaparte.score.page import Part
from collaparte.sound.midi_port import MidiPort
sound = MidiPort([Part("Violins", 1, 48)], sys.argv[1], origin_s=time.monotonic())
sound.send([OrchestraEvent(0.0, 0.0, "Violins", True, pitch, 80, note=pitch) for pitch in (60, 64, 67)])
time.sleep(60)
"""
