"""MIDI outputs: what there is, opening one, and a written log in place of one.

RtMidi is used directly: mido's wrapper opens a client for every listing and stays unconnected over JACK.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collaparte.errors import DeviceError, MissingExtra
from collaparte.sound.voices import Raw

VIRTUAL = "virtual:"  # a port of our own, which other programs connect to
LOG = "log:"  # a file instead of a port: one line a message, "monotonic_seconds hex"


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


def open_client(direction: str) -> Any:
    """An rtmidi ``MidiIn`` or ``MidiOut`` on the first MIDI system of this machine that answers, or None."""
    try:
        import rtmidi
    except ImportError as error:
        raise MissingExtra("Live MIDI needs python-rtmidi: pip install python-rtmidi") from error
    for system in rtmidi.get_compiled_api():
        if system == rtmidi.API_RTMIDI_DUMMY:
            continue
        with quiet():
            try:
                return getattr(rtmidi, direction)(system)
            except Exception:  # no ALSA sequencer, no JACK server: SystemError or an RtMidi error
                continue
    return None


def ports(direction: str = "MidiOut") -> list[str]:
    """Names of the MIDI outputs (or, with ``MidiIn``, inputs) there are now; empty without a MIDI system."""
    client = open_client(direction)
    if client is None:
        return []
    try:
        return [str(name) for name in client.get_ports()]
    finally:
        client.delete()


def choose_port(wanted: str | None, names: Sequence[str]) -> int:
    """Index of the one port that ``wanted`` names: in full, or by a beginning no other shares; None: the only one.

    Raises DeviceError naming the ports there are.
    """
    if wanted is not None and wanted in names:
        return names.index(wanted)
    near = [at for at, name in enumerate(names) if wanted is None or name.casefold().startswith(wanted.casefold())]
    if len(near) == 1:
        return near[0]
    if not names:
        raise DeviceError(
            "There is no MIDI output on this machine. Connect one (`collaparte devices` lists them), "
            "or let the synthesiser play: --synth."
        )
    trouble = "Several MIDI outputs are there" if wanted is None else f"No single MIDI output begins with {wanted!r}"
    raise DeviceError(f"{trouble}. They are: {', '.join(names)}. Choose one with --midi-out NAME.")


class PortOutput:
    """One open MIDI port. What is written while it is unplugged is lost, and that is all that is lost."""

    ahead_s = 0.0

    def __init__(self, port: str | None, programs: Sequence[Raw]) -> None:
        self._programs = list(programs)
        self._there = True
        self._virtual = port is not None and port.startswith(VIRTUAL)
        self._client = open_client("MidiOut")
        if self._client is None:
            raise DeviceError("This machine has no MIDI system that answers (ALSA, CoreMIDI or JACK). Try --synth.")
        try:
            if port is not None and self._virtual:
                self.name = port.removeprefix(VIRTUAL)
                self._client.open_virtual_port(self.name)
            else:
                names = [str(name) for name in self._client.get_ports()]
                index = choose_port(port, names)
                self.name = names[index]
                self._client.open_port(index)
        except DeviceError:
            self._client.delete()
            raise
        except Exception as error:
            self._client.delete()
            raise DeviceError(f"The MIDI output {port!r} cannot be opened: {error}") from error
        self.write(self._programs, 0.0)

    def write(self, messages: Sequence[Raw], _at_s: float) -> None:
        """Hand ``messages`` to the port now."""
        if self._there:
            for message in messages:
                self._client.send_message(list(message))

    def look(self) -> str | None:
        """Is the port still there? Reopens it when it is back. News in plain words, or None."""
        if self._virtual:
            return None
        try:
            names = [str(name) for name in self._client.get_ports()]
        except Exception:  # the MIDI system itself is gone
            names = []
        if self._there and self.name not in names:
            self._there = False
            return f"The MIDI output {self.name} is gone. The orchestra plays on unheard; plug it in again."
        if not self._there and self.name in names:
            try:
                self._client.close_port()
                self._client.open_port(names.index(self.name))
            except Exception:
                return None  # half there; look again
            self._there = True
            self.write(self._programs, 0.0)
            return f"The MIDI output {self.name} is back."
        return None

    def close(self) -> None:
        """Give the port back; a JACK cycle is left for what was just written."""
        time.sleep(0.03)
        self._client.close_port()
        self._client.delete()


class LogOutput:
    """Writes every message to a file as it would have been sent: to rehearse, and to watch the sender from outside."""

    ahead_s = 0.0

    def __init__(self, path: str, programs: Sequence[Raw]) -> None:
        self.name = path
        try:
            self._file = Path(path).open("a", encoding="ascii", buffering=1)  # noqa: SIM115 - open as long as the concert
        except OSError as error:
            raise DeviceError(f"The MIDI log {path} cannot be written: {error.strerror}.") from error
        self.write(programs, 0.0)

    def write(self, messages: Sequence[Raw], _at_s: float) -> None:
        """One line for each message, with the time it is written."""
        for message in messages:
            self._file.write(f"{time.monotonic():.6f} {bytes(message).hex()}\n")

    def look(self) -> str | None:
        """A file is always there."""
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
