"""What the loudspeaker is given, readable by the process that listens: a ring in a file that both map into memory.

Conventions: frames are mono float32 at SAMPLE_RATE, numbered from 0 as the device asks for them; ``zero_s`` is the
monotonic time at which frame 0 was asked for, as the output's clock filter believes now. One writer (the audio
callback: two copies and two numbers, no lock, no wait), any number of readers. A reader who comes more than KEPT_S
late, or too early, reads silence.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.sound.player import SAMPLE_RATE

KEPT_S = 4.0
FRAMES = round(KEPT_S * SAMPLE_RATE)
HEADER = 64  # bytes: frames written (int64), zero_s (float64), the rest is kept free

Array = NDArray[np.float32]


class Tap:
    """``write`` in the audio callback, ``read`` elsewhere. With no ``path`` a new one is made; ``close`` unmakes it."""

    def __init__(self, path: str | Path | None = None) -> None:
        self._own = path is None
        if path is None:
            handle, path = tempfile.mkstemp(prefix="collaparte-tap-")
            os.ftruncate(handle, HEADER + 4 * FRAMES)
        else:
            handle = os.open(path, os.O_RDWR)
        self.path = Path(path)
        self._map = mmap.mmap(handle, HEADER + 4 * FRAMES)
        os.close(handle)
        self._written = np.frombuffer(self._map, np.int64, 1, 0)
        self._zero_s = np.frombuffer(self._map, np.float64, 1, 8)
        self._ring = np.frombuffer(self._map, np.float32, FRAMES, HEADER)

    def write(self, frames: Array, zero_s: float) -> None:
        """The device was given ``frames`` (n,), n at most FRAMES."""
        first = int(self._written[0]) % FRAMES
        before = min(len(frames), FRAMES - first)
        self._ring[first : first + before] = frames[:before]
        self._ring[: len(frames) - before] = frames[before:]
        self._zero_s[0] = zero_s
        self._written[0] += len(frames)  # last: a reader never sees what is not there yet

    @property
    def written(self) -> int:
        """How many frames there have been."""
        return int(self._written[0])

    def frame_at(self, time_s: float) -> float:
        """The frame that was asked for at monotonic ``time_s``, between frames."""
        return (time_s - float(self._zero_s[0])) * SAMPLE_RATE

    def read(self, first: int, count: int) -> Array:
        """Frames ``first`` to ``first + count``; silence for those that are not there, or no longer."""
        numbers = np.arange(first, first + count)
        there = (numbers >= max(self.written - FRAMES + SAMPLE_RATE // 10, 0)) & (numbers < self.written)
        return np.where(there, self._ring[numbers % FRAMES], np.float32(0.0))

    def close(self) -> None:
        """Let the memory go; a second call does nothing."""
        if self._map.closed:
            return
        del self._written, self._zero_s, self._ring
        self._map.close()
        if self._own:
            self.path.unlink(missing_ok=True)
