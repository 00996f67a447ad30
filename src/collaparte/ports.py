"""MIDI ports by name, for the room that listens and the room that sounds.

RtMidi is used directly: mido's wrapper stays unconnected over JACK. Its first system that answers is taken (CoreMIDI;
ALSA; JACK), and a machine where none does has no ports, which is no error until one is asked for.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from collaparte.errors import DeviceError, MissingExtra

Direction: TypeAlias = Literal["MidiIn", "MidiOut"]

VIRTUAL = "virtual:"  # a port of our own, which other programs connect to
JACK_SETTLES_S = 0.05  # some dozen cycles of a usual server
ATTEMPTS = 3  # at being taken by a MIDI system
OPTIONS = {"MidiIn": "--midi-in", "MidiOut": "--midi-out"}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ALSA's and JACK's own chatter off the terminal while they look for what is not there."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def open_client(direction: Direction) -> Any:
    """An rtmidi ``MidiIn`` or ``MidiOut`` on the first MIDI system of this machine that answers, or None."""
    try:
        import rtmidi
    except ImportError as error:
        raise MissingExtra("Live MIDI needs python-rtmidi: pip install python-rtmidi") from error
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(JACK_SETTLES_S)  # a busy JACK server now and then refuses a client, and takes the next one
        for system in rtmidi.get_compiled_api():
            if system == rtmidi.API_RTMIDI_DUMMY:
                continue
            with quiet():
                try:
                    return getattr(rtmidi, direction)(system)
                except Exception:  # no ALSA sequencer, no JACK server: SystemError or an RtMidi error
                    continue
    return None


def ports(direction: Direction) -> list[str]:
    """Names of the MIDI outputs (or, with ``MidiIn``, inputs) there are now; empty without a MIDI system."""
    client = open_client(direction)
    if client is None:
        return []
    try:
        return [str(name) for name in client.get_ports()]
    finally:
        client.delete()


def choose_port(wanted: str | None, names: Sequence[str], direction: Direction) -> int:
    """Index of the one port that ``wanted`` names: in full, or by a beginning no other shares; None: the only one.

    Raises DeviceError naming the ports there are.
    """
    if wanted is not None and wanted in names:
        return names.index(wanted)
    near = [at for at, name in enumerate(names) if wanted is None or name.casefold().startswith(wanted.casefold())]
    if len(near) == 1:
        return near[0]
    what = "MIDI input" if direction == "MidiIn" else "MIDI output"
    if not names:
        raise DeviceError(f"There is no {what} on this machine. Connect one; `collaparte devices` lists them.")
    trouble = f"Several {what}s are there" if wanted is None else f"No single {what} begins with {wanted!r}"
    raise DeviceError(f"{trouble}. They are: {', '.join(names)}. Choose one with {OPTIONS[direction]} NAME.")


def open_port(direction: Direction, port: str | None) -> tuple[Any, str]:
    """An open rtmidi client and the full name of its port. ``virtual:NAME`` opens a port of our own.

    Raises DeviceError where there is no such port, or it is busy.
    """
    client = open_client(direction)
    if client is None:
        raise DeviceError("This machine has no MIDI system that answers (ALSA, CoreMIDI or JACK).")
    try:
        if port is not None and port.startswith(VIRTUAL):
            name = port.removeprefix(VIRTUAL)
            client.open_virtual_port(name)
            return client, name
        names = [str(name) for name in client.get_ports()]
        index = choose_port(port, names, direction)
        client.open_port(index)
        return client, names[index]
    except DeviceError:
        client.delete()
        raise
    except Exception as error:  # rtmidi raises kinds of its own
        client.delete()
        raise DeviceError(f"The MIDI port {port!r} cannot be opened: {error}") from error


def received(client: Any) -> Iterator[list[int]]:
    """What an rtmidi ``MidiIn`` has brought since it was last asked, as raw MIDI messages, oldest first.

    Ports are asked and never call: a callback's Python runs on the MIDI system's own thread, which may be about to
    begin one when it is cancelled (rtmidi frees it then), and which JACK cancels when the client ends, wherever it is.
    Both crash the process or leave it waiting for ever. The queue between two askings holds 1024 messages.
    """
    while (found := client.get_message()) is not None:
        yield found[0]


def settle(client: Any) -> None:
    """Give the last change of a JACK server's graph, ours or another's, the time to be carried out and told."""
    import rtmidi

    if client.get_current_api() == rtmidi.API_UNIX_JACK:
        time.sleep(JACK_SETTLES_S)


def unplug(client: Any) -> None:
    """Take an rtmidi client's port away, as `open_port` gave it; ``client.open_port`` may follow.

    A JACK server tells every client of latencies after each change of its graph, and libjack then walks the client's
    list of ports without a lock (``JackClient::HandleLatencyCallback``): a port taken away in that moment crashes the
    process. So the last change is first given the time to be told.
    """
    settle(client)
    client.close_port()


def close_client(client: Any) -> None:
    """Take the port away and end the client; nothing of it is left with the MIDI system."""
    unplug(client)
    client.delete()
