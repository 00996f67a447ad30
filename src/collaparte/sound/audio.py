"""The synthesiser on the loudspeaker, inside the sending process: notes fall on frames of the audio clock.

The audio device pulls blocks from a thread of its own. Each call tells us what the monotonic clock says when frame n
is asked for; a slow filter over these calls (they jitter by milliseconds, the crystal drifts by parts in a million)
gives the line that turns a deadline into a frame. Everything is loaded before the first block is pulled.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import DeviceError, MissingExtra
from collaparte.score.page import Part
from collaparte.sound.player import BLOCK_FRAMES, SAMPLE_RATE, Player
from collaparte.sound.tap import Tap
from collaparte.sound.voices import Raw

PERIOD_MS = 10
PERIODS = 2
DEVICE_LATENCY_S = PERIODS * PERIOD_MS / 1000.0  # from a block being pulled to its first frame being heard
AHEAD_S = 0.030  # a message reaches the audio thread this long before its block is pulled: three periods
FOLLOW = 0.01  # how much of each call's deviation the clock filter takes over
JUMP_S = 0.1  # beyond this the device stalled, and the line starts anew


class AudioClock:
    """Turns monotonic seconds into frames of the device, from what each callback saw."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._zero_s: float | None = None  # monotonic time at which frame 0 was, or would have been, asked for

    def saw(self, frame: int, now_s: float) -> None:
        """The device asks for ``frame`` at ``now_s``."""
        zero_s = now_s - frame / self._rate
        if self._zero_s is None or abs(zero_s - self._zero_s) > JUMP_S:
            self._zero_s = zero_s
        else:
            self._zero_s += FOLLOW * (zero_s - self._zero_s)

    @property
    def zero_s(self) -> float:
        """When frame 0 was asked for, as believed now."""
        return self._zero_s or 0.0

    def frame_at(self, time_s: float) -> int:
        """The frame asked for at ``time_s``."""
        return 0 if self._zero_s is None else round((time_s - self._zero_s) * self._rate)


class Stage:
    """A Player pulled by any number of frames at a time, with the messages that wait for theirs."""

    def __init__(self, player: Player, device_latency_s: float, tap: Tap | None = None) -> None:
        self._player, self._latency_s, self._tap = player, device_latency_s, tap
        self.clock = AudioClock(player.sample_rate)
        self._waiting: deque[tuple[float, int, Raw]] = deque()
        self._rest: NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self._pulled = 0

    def put(self, at_s: float, player: int, message: Raw) -> None:
        """``message`` sounds at ``at_s``; called in order of time."""
        self._waiting.append((at_s, player, message))

    def pull(self, frames: int, now_s: float) -> NDArray[np.float32]:
        """The next ``frames`` of sound, (frames, 2), asked for at ``now_s``."""
        self.clock.saw(self._pulled, now_s)
        blocks = [self._rest]
        ready = len(self._rest)
        while ready < frames:
            horizon = self._player.frame + BLOCK_FRAMES
            while self._waiting:
                at_s, player, message = self._waiting[0]
                frame = self.clock.frame_at(at_s - self._latency_s)
                if frame >= horizon:
                    break
                self._waiting.popleft()
                self._player.push(player, message, frame)
            blocks.append(self._player.block())
            ready += BLOCK_FRAMES
        audio = np.concatenate(blocks)
        self._rest = audio[frames:]
        self._pulled += frames
        sound: NDArray[np.float32] = np.clip(audio[:frames], -1.0, 1.0)
        if self._tap is not None:  # who listens must know it all: one sound, from both loudspeakers
            mono = np.asarray(sound.mean(axis=1), np.float32)
            self._tap.write(mono, self.clock.zero_s)
            sound[:] = mono[:, None]
        return sound


def playback_device(device: str | None, backend: str | None) -> Any:
    """The output, stereo at SAMPLE_RATE, open but not started. Raises DeviceError where there is none."""
    try:
        import miniaudio
    except ImportError as error:
        raise MissingExtra("Live sound needs miniaudio: pip install miniaudio") from error
    backends = [getattr(miniaudio.Backend, backend)] if backend else []
    try:
        opened: Any = miniaudio.PlaybackDevice(
            output_format=miniaudio.SampleFormat.FLOAT32,
            nchannels=2,
            sample_rate=SAMPLE_RATE,
            buffersize_msec=PERIOD_MS,
            callback_periods=PERIODS,
            backends=backends,
            app_name="collaparte",
            **_device_id(miniaudio, device, backends),
        )
    except miniaudio.MiniaudioError as error:
        raise DeviceError(
            f"No sound device can be opened ({error}). Connect one, or play through a MIDI port: --midi-out NAME."
        ) from error
    if backend is None and str(opened.backend).lower() == "null":
        opened.close()
        raise DeviceError(
            "This machine has no sound device. Play through a MIDI port (--midi-out NAME), "
            "or simulate and listen to the recording (--mix FILE.wav)."
        )
    return opened


def open_playback(pull: Generator[bytes, int, None], device: str | None = None, backend: str | None = None) -> Any:
    """A started output that pulls its sound from ``pull``. Raises DeviceError where there is none."""
    opened = playback_device(device, backend)
    next(pull)
    opened.start(pull)
    return opened


class SynthOutput:
    """Opens the sound device and plays.

    ``spec``: parts as [name, program, percussion], font, backend, device; tap: the path of a ``Tap`` to write to.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        parts = [Part(name, 0, program, percussion) for name, program, percussion in spec["parts"]]
        font = Path(spec["font"]) if spec.get("font") else None
        backend: str | None = spec.get("backend")
        self._player = Player(parts, font)
        self.ahead_s = AHEAD_S + DEVICE_LATENCY_S
        self._stopped = threading.Event()
        try:
            self._device: Any = playback_device(spec.get("device"), backend)
        except DeviceError:
            self._player.close()
            raise
        self.name = f"{self._device.backend} {spec.get('device') or 'default device'}"
        self._tap = Tap(spec["tap"]) if spec.get("tap") else None
        self._stage = Stage(self._player, DEVICE_LATENCY_S, self._tap)
        for _ in range(8):
            self._player.block()  # settle program changes and warm caches
        self._player.restart()
        callback = self._pull()
        next(callback)
        self._device.start(callback)

    def _pull(self) -> Generator[bytes, int, None]:
        frames = yield b""
        while not self._stopped.is_set():
            frames = yield self._stage.pull(frames, time.monotonic()).tobytes()

    def write(self, messages: Sequence[Raw], at_s: float) -> None:
        """Let ``messages`` sound at ``at_s``. An element after the three bytes is the player's number."""
        for message in messages:
            player = message[3] if len(message) > 3 else 0
            self._stage.put(at_s, player, message[:3])

    def look(self) -> str | None:
        """Has the device stopped pulling?"""
        return None

    def close(self) -> None:
        """Let the releases be heard for a moment, then give the device back."""
        time.sleep(0.15)
        self._stopped.set()
        self._device.close()
        self._player.close()
        if self._tap is not None:
            self._tap.close()


def _device_id(miniaudio: Any, wanted: str | None, backends: Sequence[Any]) -> dict[str, Any]:
    if wanted is None:
        return {}
    devices = miniaudio.Devices(backends).get_playbacks()
    near = [device for device in devices if str(device["name"]).casefold().startswith(wanted.casefold())]
    if len(near) != 1:
        names = ", ".join(str(device["name"]) for device in devices) or "none"
        raise DeviceError(f"No single sound device begins with {wanted!r}. They are: {names}.")
    return {"device_id": near[0]["id"]}
