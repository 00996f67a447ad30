"""Clicks through this machine's own loudspeaker and microphone; and a short recording, to hear how an input sounds.

Conventions: as in a concert, the output is opened as ``sound.audio`` opens it and the input as ``listen.microphone``
does, so that what is measured is what will be. A frame's time is when the device asked for it (output), a sample's when
its block arrived less what came after it (input), both monotonic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.clicks import Measured, clicks, measure
from collaparte.calibrate.store import DEFAULT, Calibration
from collaparte.errors import DeviceError
from collaparte.listen.audio import Mixdown
from collaparte.listen.microphone import CHANNELS, RATE, open_capture
from collaparte.sound.audio import DEVICE_LATENCY_S, AudioClock, open_playback

STARTS_S = 0.6  # of silence first: devices settle
MOST_S = 5.0  # without a block, after which the input has failed

Array = NDArray[np.float32]


class _Recorder:
    """Collects what arrives, and when sample 0 was."""

    def __init__(self) -> None:
        self._blocks: list[Array] = []
        self._count = 0
        self.zero_s = np.inf

    def arrived(self) -> Generator[None, bytes, None]:
        """In the device's thread."""
        while True:
            data = yield
            block = np.frombuffer(bytes(data), np.float32).reshape(-1, CHANNELS)
            self._blocks.append(block)
            self._count += len(block)
            self.zero_s = min(self.zero_s, time.monotonic() - self._count / RATE)

    def wait(self, until: Callable[[], bool]) -> None:
        """Until it is so. Raises DeviceError when the input stops giving sound."""
        had, since_s = -1, time.monotonic()
        while not until():
            if self._count != had:
                had, since_s = self._count, time.monotonic()
            elif time.monotonic() - since_s > MOST_S:
                raise DeviceError("The microphone is open but gives no sound. Unplug it and plug it in again.")
            time.sleep(0.02)

    @property
    def seconds(self) -> float:
        return self._count / RATE

    def sound(self) -> Array:
        """All of it (n, CHANNELS)."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros((0, CHANNELS), np.float32)


def record(seconds: float, input: str | None = None, backend: str | None = None) -> Array:
    """What an input gives, (n, CHANNELS) at RATE. Raises DeviceError when there is none, or it gives nothing."""
    recorder = _Recorder()
    device = open_capture(input, backend, recorder.arrived())
    try:
        recorder.wait(lambda: recorder.seconds >= seconds)
    finally:
        device.close()
    return recorder.sound()[: round(seconds * RATE)]


class _Player:
    """Plays ``sound`` once, and knows when each frame was asked for."""

    def __init__(self, sound: Array) -> None:
        self._sound = np.repeat(sound[:, None], 2, axis=1)
        self._clock, self._at = AudioClock(RATE), 0

    def pull(self) -> Generator[bytes, int, None]:
        frames = yield b""
        while True:
            self._clock.saw(self._at, time.monotonic())
            block = self._sound[self._at : self._at + frames]
            self._at += frames
            frames = yield np.pad(block, ((0, frames - len(block)), (0, 0))).tobytes()

    @property
    def over(self) -> bool:
        return self._at >= len(self._sound)

    @property
    def zero_s(self) -> float:
        return self._clock.zero_s


def round_trip(
    input: str | None = None,
    output: str | None = None,
    *,
    backend: str | None = None,
    started: Callable[[], None] = lambda: None,
    inserted_s: float = 0.0,
) -> Measured:
    """Play the clicks and hear them. ``started`` is called when both devices run; ``inserted_s`` of silence is put
    before them without telling the measurement, so that it must come out again.

    Raises DeviceError for devices that do not open, and for what ``measure`` cannot measure.
    """
    signal = clicks(RATE)
    quiet = np.zeros(round(STARTS_S * RATE), np.float32)
    held_back = np.zeros(round(inserted_s * RATE), np.float32)
    player, recorder = _Player(np.concatenate([quiet, held_back, signal])), _Recorder()
    devices: list[Any] = [open_capture(input, backend, recorder.arrived())]
    try:
        devices.append(open_playback(player.pull(), output, backend))
        started()
        recorder.wait(lambda: player.over)
    finally:
        for device in reversed(devices):
            device.close()
    # Sample k of what was recorded was at zero_s + k / RATE; frame 0 of the signal was asked for after the quiet.
    begin = round((player.zero_s + STARTS_S - recorder.zero_s) * RATE)
    heard = Mixdown(RATE).mix(recorder.sound())
    heard = heard[begin:] if begin >= 0 else np.concatenate([np.zeros(-begin, np.float32), heard])
    return measure(heard, signal, RATE)


def calibration_of(found: Measured, input: str | None, output: str | None) -> Calibration:
    """What is kept of ``found`` for these devices, by the names that were asked for."""
    return Calibration.of(found, input or DEFAULT, output or DEFAULT, DEVICE_LATENCY_S)
