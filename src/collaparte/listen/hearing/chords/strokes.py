"""Which keys have just been struck: for every key and moment the log odds that its note began then.

A small network looks at one key at a time, the same for all 88: how the first eight partials of that key, and the keys
it is easily mistaken for, grew in the last tenth of a second, through three windows. It was trained on rendered piano
performances (``training/strokes.py``), and its weights lie beside this file. What it answers is freed of the rarity of
strokes: log p(seen | struck) - log p(seen | not struck), natural logarithms, so that a decoder may add it up.
Attacks from spectral growth: Bello et al., A tutorial on onset detection in music signals (IEEE TSAP 13, 2005). One
small network shared by all keys, looking at stacked harmonics: Bittner et al., A lightweight instrument-agnostic model
for polyphonic note transcription (ICASSP 2022).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from collaparte.listen.hearing.chords.bands import BANDS, KEYS, PER_SEMITONE, VIEWS

LATER = 4  # views after a stroke at which it is judged: its note must fill some of the window
KEPT = 12  # views looked back on
WEIGHTS = Path(__file__).with_name("strokes.npz")

Array = NDArray[np.float32]

_PARTIALS = tuple(round(12 * PER_SEMITONE * np.log2(h)) for h in range(1, 9))
_MISTAKEN = tuple(PER_SEMITONE * step for step in (-24, -19, -12, -7, -5, -2, -1, 1, 2, 5, 7, 12))
# (view, how long ago, which bands)
_SEEN = (
    *((0, lag, _PARTIALS) for lag in range(9)),
    *((1, lag, _PARTIALS) for lag in (0, 2, 4, 6, 8, 11)),
    *((2, lag, _PARTIALS[:6]) for lag in (0, 3, 7, 11)),
    *((0, lag, _MISTAKEN) for lag in (0, 2, 4, 7)),
    *((1, lag, _MISTAKEN) for lag in (0, 4, 9)),
    *((view, lag, (-3, -1, 1, 3)) for view, lag in ((0, 0), (0, 7), (1, 0), (1, 9))),
)


def _places() -> NDArray[np.intp]:
    """(KEYS, n): where in the kept views (KEPT, VIEWS, BANDS + 1) each key looks; the last band is always empty."""
    rows = []
    for view, lag, steps in _SEEN:
        for step in steps:
            band = np.arange(KEYS) * PER_SEMITONE + step
            band = np.where((band >= 0) & (band < BANDS), band, BANDS)
            rows.append((lag * VIEWS + view) * (BANDS + 1) + band)
    return np.stack(rows, axis=1)


PLACES = _places()
ALL_KEYS = np.arange(KEYS)
LEVELS = 8  # the whole quick view's mean, now and before
FEATURES = PLACES.shape[1] + LEVELS


class Looking:
    """The last views, as ``keys`` (n,), counted from the piano's lowest, see them."""

    def __init__(self, keys: NDArray[np.intp] = ALL_KEYS) -> None:
        self._kept = np.zeros((KEPT, VIEWS, BANDS + 1), np.float32)
        self._levels = np.zeros(LEVELS, np.float32)
        self.look_at(keys)

    def look_at(self, keys: NDArray[np.intp]) -> None:
        """From the next view on at these keys."""
        self._places = PLACES[keys]

    def see(self, bands: Array) -> tuple[Array, Array]:
        """What each key sees (n, FEATURES - LEVELS) and what all see alike (LEVELS,), ``bands`` the newest view."""
        self._kept[1:] = self._kept[:-1].copy()
        self._kept[0, :, :BANDS] = bands
        self._levels[1:] = self._levels[:-1].copy()
        self._levels[0] = self._kept[0, 0].mean()
        return np.take(self._kept, self._places), self._levels.copy()


class Strokes:
    """Views in, log odds out.

    From the first one on, this process multiplies matrices on one thread. The products are small and a hundred times a
    second; where another program has a core, the threads of a BLAS wait for one another, and a view takes ten times as
    long.
    """

    def __init__(self, keys: NDArray[np.intp] = ALL_KEYS) -> None:
        threadpool_limits(limits=1, user_api="blas")
        self._looking = Looking(keys)
        self.look_at = self._looking.look_at
        with np.load(WEIGHTS) as data:
            layers = [(data[f"w{n}"], data[f"b{n}"]) for n in range(len(data.files) // 2)]
        first, self._bias = layers[0]
        self._more: list[tuple[Array, Array]] = layers[1:]
        self._own, self._common = first[:-LEVELS], first[-LEVELS:]
        weights, bias = self._more[-1]
        self._more[-1] = weights[:, 0], bias[0]  # whether a key sounds was only asked while learning

    def hear(self, bands: Array) -> Array:
        """Log odds (n,) that each key was struck ``LATER`` views before this one."""
        own, common = self._looking.see(bands)
        values: Array = own @ self._own + (common @ self._common + self._bias)
        for weights, bias in self._more:
            values = np.maximum(values, 0.0) @ weights + bias
        return values
