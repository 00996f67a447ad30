"""Where a sender's messages go: a MIDI port, or a written log in place of one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from collaparte.errors import DeviceError
from collaparte.ports import VIRTUAL, close_client, open_port, settle, unplug
from collaparte.sound.voices import Raw

LOG = "log:"  # a file instead of a port: one line a message, "monotonic_seconds hex"


class PortOutput:
    """One open MIDI port. What is written while it is unplugged is lost, and that is all that is lost."""

    ahead_s = 0.0

    def __init__(self, port: str | None, programs: Sequence[Raw]) -> None:
        self._programs = list(programs)
        self._there = True
        self._virtual = port is not None and port.startswith(VIRTUAL)
        self._client, self.name = open_port("MidiOut", port)
        self._say_programs()

    def _say_programs(self) -> None:
        settle(self._client)  # what is written in the cycle in which JACK connects the port goes nowhere
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
                unplug(self._client)
                self._client.open_port(names.index(self.name))
            except Exception:
                return None  # half there; look again
            self._there = True
            self._say_programs()
            return f"The MIDI output {self.name} is back."
        return None

    def close(self) -> None:
        """Give the port back; a JACK cycle is left for what was just written."""
        time.sleep(0.03)
        close_client(self._client)


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
