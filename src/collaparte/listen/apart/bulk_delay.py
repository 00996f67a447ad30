"""How much later an echo comes than was foretold, where the way there has become another all at once.

Conventions: samples at ``audio.RATE``; more is later. Two openings of the same devices differ by some buffers, and a
buffer that ran empty makes everything after it later. The foretold echo, ``most`` samples of it still to come, is
compared with what is heard at every lateness of at most ``most`` (cross-correlation of sounds whose high frequencies
are raised: Knapp & Carter, IEEE ASSP 24, 1976), at the level that fits best within ``GAINS``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 480  # samples, 30 ms, either way
JUDGED, SHORT, LONG = 320, 960, 8000  # samples: what is judged; what a new delay is found in, alone and with a soloist
GAINS = (0.5, 2.0)
WRONG = 0.5  # share of the foretold power from which on an error is looked into
EXPLAINED = 0.1  # share of the power of what is heard, and of the error, that is left at another lateness, at most
AGREEING = 3  # blocks in a row
SEEN_EVERY = 10  # blocks, of the long stretch
STANDS_OUT = 1.5  # times the next highest, in the long stretch
NEAR = 12  # samples around a peak that belong to it
EMPHASIS = np.float32(0.95)  # high frequencies tell delays apart
TINY = 1e-9

Array = NDArray[np.float32]


class BulkDelay:
    """``heard`` once for each block; ``share`` is what no other lateness explains of the last error's power, 0..1."""

    def __init__(self, most: int = MOST) -> None:
        self.share = 1.0
        self._most = most
        self._heard: Array = np.zeros(LONG, np.float32)
        self._foretold: Array = np.zeros(LONG + 2 * most, np.float32)
        self._found: list[int] = []
        self._count = 0

    def heard(self, foretold: Array, microphone: Array) -> int:
        """How much later the echo has become, or 0; ``foretold`` (n,) comes ``most`` after ``microphone`` (n,)."""
        count, most = len(microphone), self._most
        self._heard = np.concatenate([self._heard[count:], microphone])
        self._foretold = np.concatenate([self._foretold[count:], foretold])
        self._count += 1
        self.share = 1.0
        here, echo = self._heard[-JUDGED:], self._foretold[-JUDGED - 2 * most :]
        now = echo[most : most + JUDGED]
        wrong, there = float((here - now) @ (here - now)), float(now @ now)
        if wrong > WRONG * there:
            left = min(float(_left(here, echo).min()), float(here @ here))  # or nothing came at all: a block was lost
            self.share = min(left / (wrong + TINY), 1.0)
        late = self._short() if self.share < 2.0 * EXPLAINED else 0
        self._found = [*self._found[-AGREEING + 1 :], late]
        if late == 0 or len(self._found) < AGREEING or max(self._found) - min(self._found) > 1:
            late = self._long() if self._count % SEEN_EVERY == 0 else 0
        return late

    def follow(self, late: int) -> None:
        """What is foretold comes ``late`` samples later from now on; what was heard before says nothing of that."""
        self._found = []
        self._heard[:] = 0.0
        self._foretold = np.roll(self._foretold, late)
        self._foretold[slice(0, late) if late > 0 else slice(late, None)] = 0.0

    def _short(self) -> int:
        """As ``heard``, where nobody plays besides."""
        here, echo = self._heard[-SHORT:], self._foretold[-SHORT - 2 * self._most :]
        left = _left(here, echo)
        best = int(np.argmin(left))
        clear = left[best] < EXPLAINED * min(float(left[self._most]), float(here @ here))
        return self._most - best if clear else 0

    def _long(self) -> int:
        """As ``heard``, though somebody plays besides: the lateness that fits best, where it stands out."""
        here, echo = (sound[1:] - EMPHASIS * sound[:-1] for sound in (self._heard, self._foretold))
        there = float(echo @ echo)
        if there < TINY * len(echo):
            return 0
        fits = _fits(here, echo)
        best = int(np.argmax(fits))
        others = np.concatenate([fits[: max(best - NEAR, 0)], fits[best + NEAR + 1 :]])
        stands_out = fits[best] > STANDS_OUT * max(float(others.max()), float(-others.min()))
        late = self._most - best
        return late if stands_out and fits[best] > GAINS[0] * there and abs(late) > NEAR else 0


def _fits(heard: Array, foretold: Array) -> Array:
    """The correlation (m + 1,) of ``heard`` (n,) with ``foretold`` (n + m,), from each of its samples on."""
    size = 1 << int(np.ceil(np.log2(len(foretold))))
    fits = np.fft.irfft(np.fft.rfft(foretold, size) * np.conj(np.fft.rfft(heard, size)), size)
    return np.asarray(fits[: len(foretold) - len(heard) + 1], np.float32)


def _left(heard: Array, foretold: Array) -> Array:
    """The power (m + 1,) that is left of ``heard`` (n,) without ``foretold`` (n + m,), from each of its samples on."""
    fits = _fits(heard, foretold)
    power = np.concatenate([[0.0], np.cumsum(foretold.astype(np.float64) ** 2)])
    power = power[len(heard) :] - power[: len(fits)]
    gain = np.clip(fits / (power + TINY), *GAINS)
    return np.asarray(float(heard @ heard) - 2.0 * gain * fits + gain**2 * power, np.float32)
