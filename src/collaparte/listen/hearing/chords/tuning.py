"""How far the soloist's A lies from 440 Hz, within a semitone: by where the partials lie between the keys.

The peaks of a fine spectrum, each by a parabola through its logarithm, give deviations from the nearest key; they are
averaged around the circle of a semitone, the strong ones more (Gnann, Kitza, Becker & Spiertz, Least-squares local
tuning frequency estimation for choir music, AES 131, 2011, average likewise). A whole semitone cannot be told this
way: whether A = 415 or 440 is for the decoder to decide, by what is on the page.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.spectrum import HOP_S, SAMPLE_RATE

LOWEST_HZ, HIGHEST_HZ = 220.0, 1800.0  # below, keys are too close together; above, strings are too stiff
PEAKS = 6
EVERY = 5  # views
FORGET_S = 6.0
ENOUGH = 0.35  # length of the mean direction from which it is believed
LEAST_TIMES = 12
STEP_CENTS = 6.0  # smaller changes are not worth making

Array = NDArray[np.float32]


class Tuning:
    """Power spectra in, cents against A = 440 Hz (-50..50) out."""

    def __init__(self, cents: float = 0.0) -> None:
        self.cents = cents
        self.measured = False
        self._mean = 0.0 + 0.0j
        self._weight = 0.0
        self._times = 0

    def hear(self, power: Array) -> bool:
        """Take a fine window's power (n_bins,) in; True when ``cents`` has changed."""
        bin_hz = SAMPLE_RATE / (2 * (len(power) - 1))
        first, last = int(LOWEST_HZ / bin_hz), int(HIGHEST_HZ / bin_hz)
        here = power[first - 1 : last + 1].astype(np.float64) + 1e-20
        middle = here[1:-1]
        at = np.flatnonzero((middle > here[:-2]) & (middle >= here[2:]) & (middle > 1e-3 * middle.max())) + 1
        if not len(at):
            return False
        at = at[np.argsort(here[at])[-PEAKS:]]
        left, centre, right = (np.log(here[at + step]) for step in (-1, 0, 1))
        shift = 0.5 * (left - right) / np.minimum(left - 2.0 * centre + right, -1e-9)
        keys = 12.0 * np.log2((at + first - 1 + shift) * bin_hz / 440.0)
        weight = np.sqrt(here[at])
        direction = complex((weight * np.exp(2j * np.pi * keys)).sum() / weight.sum())
        keep = 1.0 - EVERY * HOP_S / FORGET_S
        self._mean = keep * self._mean + (1.0 - keep) * direction
        self._weight = keep * self._weight + (1.0 - keep)
        self._times += 1
        mean = self._mean / self._weight
        if self._times < LEAST_TIMES or abs(mean) < ENOUGH:
            return False
        self.measured = True
        cents = 100.0 * float(np.angle(mean)) / (2.0 * np.pi)
        away = (cents - self.cents + 50.0) % 100.0 - 50.0  # the same side of the circle
        if abs(away) < STEP_CENTS:
            return False
        self.cents += away
        return True
