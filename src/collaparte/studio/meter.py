"""Live meters: how loud the machine's microphone is now, and how many messages each MIDI input has brought.

The device's thread only squares and compares; nothing is kept of the sound.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Generator
from typing import Any, Literal

import numpy as np

from collaparte.errors import CollaparteError, DeviceError, MissingExtra
from collaparte.ports import close_client, open_port, ports, received

RATE = 16000
BUFFER_MS = 20
FLOOR_DB = -90.0


class Meter:
    """Opens the MIDI inputs there are at once, and a microphone when told; ``close`` gives everything back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._power, self._peak, self._count = 0.0, 0.0, 0
        self._trouble: str | None = None
        self._device: Any = None
        self._messages: dict[str, int] = {}
        self._clients: dict[str, Any] = {}
        with contextlib.suppress(CollaparteError):
            for name in ports("MidiIn"):
                self._messages[name] = 0
                with contextlib.suppress(DeviceError):  # busy: another program plays on it
                    self._clients[name], _ = open_port("MidiIn", name)

    def listen(self, device: str | Literal[False] | None) -> None:
        """Measure this microphone (None: the default one) or, with False, none. Trouble is told by ``read``."""
        self._stop()
        if device is False:
            return
        try:
            self._device = self._open(device)
        except CollaparteError as error:
            self._trouble = str(error)

    def _open(self, wanted: str | None) -> Any:
        try:
            import miniaudio
        except ImportError as error:
            raise MissingExtra("A microphone needs miniaudio: pip install miniaudio") from error
        try:
            found = miniaudio.Devices().get_captures()
            chosen = [one["id"] for one in found if str(one["name"]) == wanted]
            if wanted is not None and not chosen:
                raise DeviceError(f"There is no input {wanted!r} now. Connect it again.")
            device = miniaudio.CaptureDevice(
                input_format=miniaudio.SampleFormat.FLOAT32, nchannels=1, sample_rate=RATE, buffersize_msec=BUFFER_MS,
                device_id=chosen[0] if chosen else None, app_name="collaparte",
            )  # fmt: skip
            arrived = self._arrived()
            next(arrived)
            device.start(arrived)
        except miniaudio.MiniaudioError as error:
            raise DeviceError(f"The microphone cannot be opened ({error}). Connect one and allow its use.") from error
        return device

    def _arrived(self) -> Generator[None, bytes, None]:
        while True:
            block = np.frombuffer((yield), np.float32)
            if len(block):
                with self._lock:
                    self._power += float(block @ block)
                    self._peak = max(self._peak, float(np.abs(block).max()))
                    self._count += len(block)

    def read(self) -> dict[str, Any]:
        """``level_db`` and ``peak_db`` since last read, None where nothing came; ``midi`` by port; ``trouble``."""
        with self._lock:
            count, power, peak = self._count, self._power, self._peak
            self._power, self._peak, self._count = 0.0, 0.0, 0
        for name, client in self._clients.items():
            self._messages[name] += sum(1 for _ in received(client))
        return {
            "level_db": round(_db(math.sqrt(power / count)), 1) if count else None,
            "peak_db": round(_db(peak), 1) if count else None,
            "midi": dict(self._messages),
            "trouble": self._trouble,
        }

    def _stop(self) -> None:
        device, self._device, self._trouble = self._device, None, None
        if device is not None:
            device.close()

    def close(self) -> None:
        """Give the microphone and the ports back."""
        self._stop()
        clients, self._clients = self._clients, {}
        for client in clients.values():
            close_client(client)


def _db(size: float) -> float:
    return max(20.0 * math.log10(size), FLOOR_DB) if size > 0 and math.isfinite(size) else FLOOR_DB
