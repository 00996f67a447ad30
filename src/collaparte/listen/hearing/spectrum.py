"""What the ear passes on, every 10 ms: which partials sound, which of them have just begun, and how loud it is.

Conventions: audio is mono float32 at ``SAMPLE_RATE``. A frame ends at ``time_s``; its window reaches back from there.
``partials`` (n_bins,) is the log-compressed magnitude spectrum above its own running mean along frequency: timbre,
room and level are flattened out, partials remain as ridges. ``rising`` (n_bins,) is what grew against the loudest
neighbour bin a moment ago, so that vibrato does not look like attacks (SuperFlux: Böck & Widmer, DAFx 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
HOP = 160  # samples between frames, 10 ms
HOP_S = HOP / SAMPLE_RATE
FFT = 2048
TOP_HZ = 4500.0
BINS = int(TOP_HZ * FFT / SAMPLE_RATE)
BIN_HZ = SAMPLE_RATE / FFT
COMPRESSION = 300.0  # the loudest recent bin is log1p(this)
SMOOTH_BINS = 33  # width of the running mean along frequency, about 260 Hz
NEIGHBOURS = 2  # bins on either side among which "the loudest neighbour" is sought
LOOK_BACK = 3  # frames between the two spectra of ``rising``
EDGE = np.zeros(NEIGHBOURS, np.float32)
FORGET_S = 8.0  # the memory of how loud is loud
FLOOR_START_DB = -60.0
QUIETEST_DB = -75.0  # RMS below this is silence whatever came before
FLOOR_RISE_DB_PER_S = 0.3  # the noise floor creeps up this fast while no tone sounds, and falls at once
RISES_EVERY = 5  # frames
TONAL = 1.0  # nats between the mean power around a bin and its own, averaged; 0.6 in noise of any colour

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of sound; ``active`` 0..1 is how surely it is more than the noise floor.

    ``magnitude`` (n_bins,) is the spectrum itself.
    """

    time_s: float
    partials: Array
    rising: Array
    level_db: float
    active: float
    magnitude: Array


class KnownBleed(Protocol):
    """Knows what the orchestra leaves in a frame (see ``listen.apart``)."""

    def without(self, magnitude: Array, end: int, shape: Array) -> tuple[Array, float]:
        """(magnitude, own): the soloist's share, and how surely 0..1 there is any."""

    def plays(self, pitches: Sequence[int], began_s: float) -> bool:
        """Whether it was the soloist who struck ``pitches``, ``began_s`` into the sound. Asked once for each note."""


class Spectra:
    """Blocks of any length in, frames out. ``window`` samples: 1024 for violins, 2048 for low instruments."""

    def __init__(self, window: int = 1024) -> None:
        self.window = window
        self._shape = np.hanning(window + 1)[:-1].astype(np.float32)
        self._shape /= self._shape.sum()
        self._buffer = np.zeros(window, np.float32)
        self._pending = np.zeros(0, np.float32)
        self._past = [np.zeros(BINS + 2 * NEIGHBOURS, np.float32)] * LOOK_BACK
        self._wide = np.zeros(BINS + SMOOTH_BINS, np.float32)  # a spectrum with half a running mean on either side
        self._loudest = 1e-4
        self._floor_db = FLOOR_START_DB
        self._taken = 0  # samples
        self.bleed: KnownBleed | None = None

    def hear(self, block: Array) -> list[Frame]:
        """The frames that ``block`` (n,) completes."""
        self._pending = np.concatenate([self._pending, block]) if len(self._pending) else block
        frames = []
        while len(self._pending) >= HOP:
            hop, self._pending = self._pending[:HOP], self._pending[HOP:]
            frames.append(self._frame(hop))
        return frames

    def _frame(self, hop: Array) -> Frame:
        self._buffer = np.concatenate([self._buffer[HOP:], hop])
        self._taken += HOP
        magnitude = np.abs(np.fft.rfft(self._buffer * self._shape, FFT)[:BINS]).astype(np.float32)
        magnitude[:8] = 0.0  # below 60 Hz: hum, rumble, an offset
        own = 1.0
        if self.bleed is not None:
            magnitude, own = self.bleed.without(magnitude, self._taken, self._shape)
        peak = float(magnitude.max())
        self._loudest = max(self._loudest * (1.0 - HOP_S / FORGET_S), peak, 1e-4)
        compressed = np.log1p(magnitude * (COMPRESSION / self._loudest))
        self._wide[SMOOTH_BINS // 2 + 1 : SMOOTH_BINS // 2 + 1 + BINS] = compressed
        total = np.cumsum(self._wide, dtype=np.float32)
        partials = np.maximum(compressed - (total[SMOOTH_BINS:] - total[:-SMOOTH_BINS]) / SMOOTH_BINS, 0.0)
        wide = self._past.pop(0)
        widest = wide[:BINS].copy()
        for shift in range(1, 2 * NEIGHBOURS + 1):
            np.maximum(widest, wide[shift : shift + BINS], out=widest)
        rising = np.maximum(compressed - widest, 0.0)
        self._past.append(np.concatenate([EDGE, compressed, EDGE]))
        recent = self._buffer[-2 * HOP :]
        level_db = 10.0 * math.log10(float(recent @ recent) / len(recent) + 1e-12)
        # Tones do not raise it: where the music has no rests, its softest notes would become "silence".
        if self._taken // HOP % RISES_EVERY == 0 and _ridged(magnitude) < TONAL:
            self._floor_db += FLOOR_RISE_DB_PER_S * HOP_S * RISES_EVERY
        self._floor_db = min(self._floor_db, max(level_db, QUIETEST_DB))
        above = (level_db - max(self._floor_db + 8.0, QUIETEST_DB)) / 6.0
        present = (20.0 * math.log10((peak + 1e-9) / (self._loudest + 1e-9)) + 42.0) / 6.0
        active = min(max(min(above, present), 0.0), 1.0) * own
        if self._taken <= self.window:  # the window is not full yet: whatever sounds seems to begin
            active, rising = 0.0, np.zeros(BINS, np.float32)
        return Frame(self._taken / SAMPLE_RATE, partials, rising, level_db, active, magnitude)


def _ridged(magnitude: Array) -> float:
    """How unlike noise (n_bins,) is: the logarithm of mean over geometric mean power, in every neighbourhood."""
    power = magnitude[8:].astype(np.float64) ** 2 + 1e-18
    total = np.concatenate([[0.0], np.cumsum(power)])
    around = (total[SMOOTH_BINS:] - total[:-SMOOTH_BINS]) / SMOOTH_BINS
    return float(np.log(around).mean() - np.log(power).mean())
