"""A reference whose clock drifts against the microphone's, shifted so that the room seems to stand still.

Conventions: shifts are samples at ``audio.RATE``; more is later. The reference is given out ``AHEAD`` samples late, so
that it can be shifted either way. An echo that comes ``late`` samples later than it was foretold is wrong by as much
times its own slope: so each block says how late it is, the better the less else is heard in it. A loop of the second
order follows that, as a shift and as a drift (Gardner, Phaselock Techniques, 3rd ed., 2005, critically damped).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AHEAD = 40  # samples, 2.5 ms: less than the way from any loudspeaker to any microphone
MOST = 16  # a shift of so many whole samples is handed over to the filter
TAPS = 16  # of the interpolator
FOLLOW = 0.1  # share of a block's lateness that is believed at once, ...
OTHERS = 0.1  # ... and of the power of whatever else is heard that counts against it
SURPRISE = 0.5  # samples: no block is believed to be later than this
FASTEST = 0.05  # samples a block: 300 parts in a million
TINY = 1e-12

Array = NDArray[np.float32]
NUMBERS = np.arange(1 - TAPS // 2, 1 + TAPS // 2)


class Drift:
    """``shifted`` gives the next block of the reference, ``heard`` is told what came of it."""

    def __init__(self) -> None:
        self.late_samples = self.late_per_block = 0.0
        self._before: Array = np.zeros(AHEAD + MOST + TAPS, np.float32)

    def shifted(self, reference: Array) -> Array:
        """The block (n,) that ends ``AHEAD + late_samples`` before the end of ``reference`` (n,)."""
        sound = np.concatenate([self._before, reference])
        self._before = sound[len(reference) :]
        end = len(sound) - AHEAD
        if self.late_samples == 0.0:
            return sound[end - len(reference) : end]
        whole = int(np.floor(-self.late_samples))
        between = -self.late_samples - whole  # 0..1 after the whole sample
        weights = np.sinc(NUMBERS - between) * np.cos(np.pi * (NUMBERS - between) / (TAPS + 2)) ** 2
        first = end - len(reference) + whole + NUMBERS[0]
        piece = sound[first : first + len(reference) + TAPS - 1]
        return np.correlate(piece, weights.astype(np.float32), "valid")

    def heard(self, echo: Array, error: Array) -> int:
        """How the block went: its foretold ``echo`` (n,), and what was heard beyond it; samples to hand over, or 0."""
        slope = np.empty_like(echo)  # as np.gradient has it, which takes several times as long for so few samples
        slope[1:-1] = 0.5 * (echo[2:] - echo[:-2])
        slope[0], slope[-1] = echo[1] - echo[0], echo[-1] - echo[-2]
        steep = float(slope @ slope)
        later = -float(error @ slope) / (steep + TINY)
        sure = steep / (steep + OTHERS * float(error @ error) + TINY)
        believed = FOLLOW * sure
        later = min(max(later, -SURPRISE), SURPRISE)
        self.late_per_block = min(max(self.late_per_block + 0.25 * believed**2 * later, -FASTEST), FASTEST)
        self.late_samples += believed * later + self.late_per_block
        if abs(self.late_samples) < MOST:
            return 0
        moved = MOST if self.late_samples > 0 else -MOST
        self.late_samples -= moved
        return moved
