"""What the chord ear sees every 10 ms: how much sounds in every half semitone, through three windows.

Conventions: audio is mono float32 at ``SAMPLE_RATE``. A view ends at ``time_s``; its windows reach back from there.
``bands`` is float32 (VIEWS, BANDS), log-compressed against the loudest band of the last seconds; band ``b`` lies
``b / 2`` semitones above ``LOWEST``, ``cents`` sharp of A = 440 Hz. The quick window (64 ms) tells when something
began, the middle one (128 ms) and the fine one (256 ms below 1 kHz) which pitch it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.spectrum import (
    BINS,
    FFT,
    FLOOR_RISE_DB_PER_S,
    FLOOR_START_DB,
    HOP,
    HOP_S,
    QUIETEST_DB,
    SAMPLE_RATE,
    KnownBleed,
)

LOWEST = 21  # MIDI, the lowest key of a piano
KEYS = 88
PER_SEMITONE = 2
TOP_HZ = 7700.0
BANDS = int(PER_SEMITONE * (69 + 12 * np.log2(TOP_HZ / 440.0) - LOWEST))
QUICK, MIDDLE, FINE = 1024, 2048, 4096  # samples
VIEWS = 3
FINE_BELOW = PER_SEMITONE * (84 - LOWEST)  # band: about 1 kHz
COMPRESSION = 1000.0
FORGET_S = 8.0
LEAST_LOUD = 1e-4

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """One moment of sound; ``active`` 0..1 is how surely it is more than the noise floor."""

    time_s: float
    bands: Array
    level_db: float
    active: float


def filters(window: int, cents: float, last: int = BANDS) -> Array:
    """(last, n_bins): triangles a semitone to either side (never narrower than the window sees) on power."""
    bins_hz = np.arange(window // 2 + 1) * (SAMPLE_RATE / window)
    centres = 440.0 * 2.0 ** ((LOWEST - 69 + np.arange(last) / PER_SEMITONE) / 12 + cents / 1200)
    half = np.maximum(centres * (2.0 ** (1 / 12) - 1.0), 1.5 * SAMPLE_RATE / window)[:, None]
    table = np.maximum(1.0 - np.abs(bins_hz[None, :] - centres[:, None]) / half, 0.0)
    return np.asarray(table, np.float32)


class Filters:
    """``filters`` without most of their zeros: a few bands together need a few bins only."""

    TOGETHER = 24  # bands

    def __init__(self, window: int, cents: float, last: int = BANDS) -> None:
        table = filters(window, cents, last)
        self._narrow = []
        for first in range(0, last, self.TOGETHER):
            rows = table[first : first + self.TOGETHER]
            used = np.flatnonzero(rows.any(axis=0))
            bins = slice(int(used[0]), int(used[-1]) + 1)
            self._narrow.append((slice(first, first + len(rows)), bins, np.ascontiguousarray(rows[:, bins])))

    def of(self, power: Array, into: Array) -> None:
        """Fill ``into`` (last,) with what ``power`` (n_bins,) has in each band."""
        for bands, bins, rows in self._narrow:
            np.dot(rows, power[bins], out=into[bands])


class Bands:
    """Blocks of any length in, views out."""

    def __init__(self, cents: float = 0.0) -> None:
        self._shapes = {size: _shape(size) for size in (QUICK, MIDDLE, FINE)}
        self._buffer = np.zeros(FINE, np.float32)
        self._pending = np.zeros(0, np.float32)
        self._loudest = LEAST_LOUD
        self._floor_db = FLOOR_START_DB
        self._taken = 0  # samples
        self.bleed: KnownBleed | None = None
        self.tune(cents)

    def tune(self, cents: float) -> None:
        """Look at bands ``cents`` sharp of A = 440 Hz from the next view on."""
        self.cents = cents
        self._quick = Filters(QUICK, cents)
        self._middle = Filters(MIDDLE, cents)
        self._low = Filters(FINE, cents, FINE_BELOW)

    def hear(self, block: Array) -> list[View]:
        """The views that ``block`` (n,) completes."""
        self._pending = np.concatenate([self._pending, block]) if len(self._pending) else block
        views = []
        while len(self._pending) >= HOP:
            hop, self._pending = self._pending[:HOP], self._pending[HOP:]
            views.append(self._view(hop))
        return views

    def spectrum(self) -> Array:
        """Power (FINE // 2 + 1,) through the fine window, now."""
        return self._power(FINE)

    def _power(self, size: int) -> Array:
        seen = np.fft.rfft(self._buffer[-size:] * self._shapes[size])
        power: Array = (seen.real**2 + seen.imag**2).astype(np.float32)
        power[: 1 + int(25.0 * size / SAMPLE_RATE)] = 0.0  # hum, rumble, an offset
        return power

    def _view(self, hop: Array) -> View:
        self._buffer = np.concatenate([self._buffer[HOP:], hop])
        self._taken += HOP
        quick, middle, fine = (self._power(size) for size in (QUICK, MIDDLE, FINE))
        own = 1.0
        if self.bleed is not None:
            quick, middle, fine, own = self._without(quick, middle, fine)
        bands = np.empty((VIEWS, BANDS), np.float32)
        self._quick.of(quick, bands[0])
        self._middle.of(middle, bands[1])
        self._low.of(fine, bands[2, :FINE_BELOW])
        bands[2, FINE_BELOW:] = bands[1, FINE_BELOW:]
        bands = np.sqrt(bands)
        self._loudest = max(self._loudest * (1.0 - HOP_S / FORGET_S), float(bands[1].max()), LEAST_LOUD)
        bands = np.log1p(bands * np.float32(COMPRESSION / self._loudest))
        recent = self._buffer[-2 * HOP :]
        level_db = 10.0 * float(np.log10(np.mean(recent.astype(np.float64) ** 2) + 1e-12))
        self._floor_db = min(self._floor_db + FLOOR_RISE_DB_PER_S * HOP_S, max(level_db, QUIETEST_DB))
        above = (level_db - max(self._floor_db + 6.0, QUIETEST_DB)) / 6.0
        active = min(max(above, 0.0), 1.0) * own
        return View(self._taken / SAMPLE_RATE, bands, level_db, active)

    def _without(self, quick: Array, middle: Array, fine: Array) -> tuple[Array, Array, Array, float]:
        """The soloist's share: what is known of the orchestra in the middle window is taken off all three alike."""
        assert self.bleed is not None
        magnitude = np.sqrt(middle[:BINS])
        cleaned, own = self.bleed.without(magnitude, self._taken, self._shapes[MIDDLE])
        known = (cleaned / np.maximum(magnitude, 1e-9)) ** 2
        above = np.full(MIDDLE // 2 + 1 - BINS, float(np.mean(known[-64:])))  # where nothing is known
        kept: Array = np.asarray(np.concatenate([known, above]), np.float32)
        twice: Array = np.append(np.repeat(kept[:-1], 2), kept[-1:])
        return quick * kept[::2], middle * kept, fine * twice, own


def _shape(size: int) -> Array:
    shape = np.hanning(size + 1)[:-1]
    return np.asarray(shape / shape.sum(), np.float32)


assert FFT == MIDDLE
