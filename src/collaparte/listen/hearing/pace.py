"""How fast the soloist plays, and so how soon each place of the page is left.

A Kalman filter on the logarithm of (seconds played / seconds on the page), fed with the onsets that were heard; a pause
or a slip leaves it alone. The hazard of leaving a place follows from it: lengths are log-logistic around the expected
one, with a share of notes that are held, or hurried, beyond that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.spectrum import HOP_S

Array = NDArray[np.float64]

START = 0.35  # spread of the log of the beat period at the start
DRIFT = 0.06  # ... growing with every square root of a beat
NOISE_S, NOISE = 0.02, 0.08  # of one interval: in seconds, and as a share of it
SLOWEST, FASTEST = 3.0, 3.0  # bounds of the tempo against the page's
SPREAD, SPREAD_S = 0.09, 0.02  # of the log of a length when the tempo is known; and of short lengths, in seconds
HELD, HELD_SPREAD = 0.05, 0.6  # share of notes that are held, or hurried, beyond that; how far
SHORTEST_S = 0.02


class Pace:
    """``page_s`` (k,) is when each place comes if played as the page asks, ``beat`` (k,) where it is."""

    def __init__(self, page_s: Array, beat: Array) -> None:
        self._page_s, self._beat = page_s, beat
        self.factor = 1.0  # seconds played for one on the page
        self.spread = START
        self._last: tuple[int, float] | None = None

    def doubt(self) -> None:
        """The soloist jumped or begins: the next interval tells nothing, and the tempo is known less well."""
        self._last = None
        self.spread = max(self.spread, START / 2)

    def observe(self, place: int, time_s: float) -> None:
        """``place`` was struck at ``time_s``."""
        if self._last is not None and place > self._last[0]:
            page_s = float(self._page_s[place] - self._page_s[self._last[0]])
            played_s = time_s - self._last[1]
            drift = self.spread**2 + DRIFT**2 * float(self._beat[place] - self._beat[self._last[0]])
            if page_s > 0 and played_s > 0.01:
                error = float(np.log(played_s / page_s) - np.log(self.factor))
                noise = (NOISE_S / played_s) ** 2 + NOISE**2
                if abs(error) < 3.0 * np.sqrt(drift + noise) + 0.1:
                    gain = drift / (drift + noise)
                    self.factor = float(np.clip(self.factor * np.exp(gain * error), 1 / FASTEST, SLOWEST))
                    drift *= 1.0 - gain
            self.spread = min(float(np.sqrt(drift)), START)
        self._last = (place, time_s)

    def expected_s(self, place: int) -> float:
        """How long ``place`` lasts at the present tempo."""
        return float(self._page_s[place + 1] - self._page_s[place]) * self.factor

    def hazard(self, first: int, count: int, ages: int) -> Array:
        """(count, ages): the chance per view of leaving place ``first + i`` at each age; the last is not left."""
        lengths_s = np.full(count, np.inf)
        known = np.diff(self._page_s[first : first + count + 1]) * self.factor
        lengths_s[: len(known)] = np.maximum(known, SHORTEST_S)
        spread = np.sqrt(SPREAD**2 + (0.55 * self.spread) ** 2 + (SPREAD_S / lengths_s) ** 2)
        age_s: Array = np.asarray((np.arange(ages) + 0.5) * HOP_S, np.float64)
        later = np.log(age_s)[None, :] - np.log(lengths_s)[:, None]
        usual, usual_rate = _log_logistic(later, age_s, spread)
        held, held_rate = _log_logistic(later, age_s, np.maximum(spread, HELD_SPREAD))
        left = (1.0 - HELD) * usual + HELD * held
        rate = ((1.0 - HELD) * usual * usual_rate + HELD * held * held_rate) / left * HOP_S
        hazard: Array = np.clip(1.0 - np.exp(-rate), 0.0, 0.9)
        hazard[~np.isfinite(lengths_s)] = 0.0
        return hazard


def _log_logistic(later: Array, age_s: Array, spread: Array) -> tuple[Array, Array]:
    """The share of notes (places, ages) that last longer than ``age_s``, and their hazard per second.

    ``later`` is the log of age over expected length.
    """
    shape = (1.0 / np.maximum(spread, 0.02))[:, None]
    survival = 1.0 / (1.0 + np.exp(np.clip(shape * later, -60.0, 30.0)))
    rate = shape / age_s[None, :] * (1.0 - survival)
    return survival, rate
