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

from collaparte.listen.hearing.bands import BANDS, KEYS, PER_SEMITONE, VIEWS

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
LEVELS = 8  # the whole quick view's mean, now and before
FEATURES = PLACES.shape[1] + LEVELS


class Looking:
    """The last views, as every key sees them."""

    def __init__(self) -> None:
        self._kept = np.zeros((KEPT, VIEWS, BANDS + 1), np.float32)

    def see(self, bands: Array) -> Array:
        """(KEYS, FEATURES) now that ``bands`` (VIEWS, BANDS) is the newest view."""
        self._kept[1:] = self._kept[:-1].copy()
        self._kept[0, :, :BANDS] = bands
        seen = np.empty((KEYS, FEATURES), np.float32)
        seen[:, : PLACES.shape[1]] = self._kept.ravel()[PLACES]
        seen[:, PLACES.shape[1] :] = self._kept[:LEVELS, 0].mean(axis=1)
        return seen


class Strokes:
    """Views in, log odds out."""

    def __init__(self) -> None:
        self._looking = Looking()
        with np.load(WEIGHTS) as data:
            self._layers = [(data[f"w{n}"], data[f"b{n}"]) for n in range(len(data.files) // 2)]

    def hear(self, bands: Array) -> Array:
        """Log odds (2, KEYS): that each key was struck ``LATER`` views before this one; that it sounds."""
        return self.judge(self._looking.see(bands)).T

    def judge(self, seen: Array) -> Array:
        """(n, 2) for (n, FEATURES)."""
        values = seen
        for number, (weights, bias) in enumerate(self._layers):
            values = values @ weights + bias
            if number < len(self._layers) - 1:
                values = np.maximum(values, 0.0)
        return values
