"""What a canceller leaves of the orchestra, and so how surely there is a soloist in a block.

Conventions: spectra are (BLOCK + 1,) of twice a block, the first half zeros, as the canceller's errors are. Powers are
sums over such a spectrum. Four things are expected to be left of the echo; what is heard beyond them is the soloist's:

- what the canceller does not know of the room yet: its uncertainty times the power that was sent (the Kalman filter's
  own expectation: Enzner & Vary 2006);
- the room's tail beyond the filter, which dies away as the end of the measured response does (Lebart, Boucher &
  Denbigh, Acta Acustica 87, 2001);
- what a loudspeaker adds of its own, a share of the echo;
- what goes on being wrong in the same way. A short filter, adapted to the error quickly, foretells the next error; the
  soloist cannot be foretold from the orchestra, a room that is no longer the one that was learnt can. ``sameness`` is
  the correlation of what is foretold and what comes (two filters, of which one forgets: Ochiai, Araseki & Ogihara, IEEE
  COM 25, 1977; foretelling the next error: Mathews & Xie, IEEE SP 41, 1993).

Somebody who has played of late is believed sooner than somebody who has not: one threshold would either take the
remains of a stroke of the orchestra for a soloist, or lose the ends of the soloist's notes. And a soloist who was heard
is believed for a moment more: between two bows a hall is louder than a violin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.audio import RATE

BLOCK = 160  # samples
BLOCK_S = BLOCK / RATE
PARTITIONS = 12  # of the filter that foretells errors
FORGETS, STEP = 0.95, 0.3  # ... from block to block; its step
SMOOTH_ALIKE = 0.95  # of the correlation, about a fifth of a second
SMOOTH = 0.75  # of powers: as long as the ear's window
ADDED = 10.0 ** (-18.0 / 10.0)  # share of the echo that a loudspeaker may add
MOVED = 2.0  # times the usual echo is left, at most, where the room has become another
USUAL_S = 5.0  # what is usual
ALONE_DB, WITH_DB = 10.0, 2.0  # over what is left: who has not played of late, and who has, begins to be believed
WIDE_DB = 2.0  # ... and is believed entirely so much higher
SURE_DB = 6.0  # over what is left, somebody plays
COMES_S, GOES_S = 0.25, 3.0  # how fast that is believed, and forgotten
HELD_S = 1.0  # half of this long, what was believed of somebody who plays is still
FLOOR_START = 1e-6 * BLOCK**2  # noise, -60 dB of full scale
FLOOR_RISES = 10.0 ** (0.03 * BLOCK_S)  # from block to block; it falls at once
OVER_FLOOR = 4.0  # nobody plays below this times the noise
ASTRAY, ASTRAY_WITH = 0.2, 0.6  # sameness from which the room is another: nobody plays, somebody plays
TINY = 1e-12

Spectrum = NDArray[np.complex64]
Array = NDArray[np.float32]


class Remains:
    """``own`` is asked once for each block; ``sameness`` 0..1 says how much the room is another than is believed."""

    def __init__(self) -> None:
        self.sameness = 0.0
        self._foretold: Spectrum = np.zeros((PARTITIONS, BLOCK + 1), np.complex64)
        self._alike = 0.0
        self._fades, self._late, self._tail = 0.0, 0.0, 0.0
        self._left = self._there = self._most = 0.0
        self._usual: Array | None = None  # (partitions,) power gains of the room, over a longer time
        self._played, self._floor = 0.0, FLOOR_START  # how surely somebody has played of late
        self._held = 0.0

    def learn(self, response: Array, blocks: int) -> Array:
        """The tail of a measured room (n,), by level and decay of its last third: its power (blocks,) in each block.

        Where the room was measured that is 0; what comes after those blocks will be expected.
        """
        count = len(response) // BLOCK
        third, tail = count // 3, np.zeros(blocks, np.float32)
        if not third:
            return tail
        power = (response[: count * BLOCK].astype(np.float64).reshape(count, BLOCK) ** 2).sum(axis=1)
        middle, self._late = float(power[third : 2 * third].mean()), float(power[-third:].mean())
        self._fades = float(np.clip((self._late / max(middle, TINY)) ** (1.0 / third), 0.5, 0.98))
        tail[count:] = self._late * self._fades ** np.arange(max(blocks - count, 0))
        self._late *= self._fades ** max(blocks - count, 0)
        return tail

    def forget(self) -> None:
        """What was wrong was a delay: nothing of it foretells what comes."""
        self._foretold[:] = 0.0
        self._alike = self.sameness = 0.0

    def own(
        self, error: Spectrum, sent: Spectrum, power: Array, gains: Array, doubted: float, echo: float,
        oldest: float, share: float = 1.0,
    ) -> float:  # fmt: skip
        """How surely 0..1 there is more in ``error`` than is left of the orchestra.

        ``sent`` (partitions, BLOCK + 1) is the orchestra's sound, the latest first, ``power`` its power, ``gains``
        (partitions,) the room's mean power gain; ``doubted`` the power that the canceller's uncertainty explains,
        ``echo`` what was taken out; ``oldest`` the power sent when the
        filter ends; ``share`` of the error's power no other delay of the echo explains.
        """
        there = float((error.real**2 + error.imag**2).sum())
        self._foretell(error, sent[:PARTITIONS], power[:PARTITIONS].sum(axis=0), there)
        there *= share
        loud = power.sum(axis=1)
        self._tail = self._fades * self._tail + self._late * oldest
        left = doubted + 0.5 * self._tail + ADDED * echo
        self._left = SMOOTH * self._left + (1.0 - SMOOTH) * left
        self._there = there if self._usual is None else SMOOTH * self._there + (1.0 - SMOOTH) * there
        self._usual = gains if self._usual is None else self._usual + BLOCK_S / USUAL_S * (gains - self._usual)
        usual = float(0.5 * loud @ self._usual)
        self._most = SMOOTH * self._most + (1.0 - SMOOTH) * MOVED * usual
        explained = self._left + min(self.sameness**2 * self._there, self._most)
        over_db = 10.0 * math.log10((self._there + TINY) / (explained + TINY))
        self._floor = min(self._floor * FLOOR_RISES, self._there + TINY)
        plays = over_db > SURE_DB and self._there > OVER_FLOOR * self._floor
        self._played += BLOCK_S * ((1.0 - self._played) / COMES_S if plays else -self._played / GOES_S)
        least_db = ALONE_DB + (WITH_DB - ALONE_DB) * self._played
        surely = max(2.0 * self._played - 1.0, 0.0)  # what is left of a stroke is not held
        fading = BLOCK_S / (HELD_S * surely + TINY)
        self._held = max(min((over_db - least_db) / WIDE_DB, 1.0), self._held - fading, 0.0)
        return min(2.0 * self._held, 1.0)

    @property
    def astray(self) -> bool:
        """The room is another than is believed. A soloist's long notes may agree with the orchestra's for a while."""
        likely = self.sameness > ASTRAY + (ASTRAY_WITH - ASTRAY) * self._played
        return likely and self._there < self._most

    def _foretell(self, error: Spectrum, sent: Spectrum, power: Array, there: float) -> None:
        taps = np.fft.irfft((sent * self._foretold[: len(sent)]).sum(axis=0))
        taps[:BLOCK] = 0.0
        likely = np.fft.rfft(taps).astype(np.complex64)
        foretold = float((likely.real**2 + likely.imag**2).sum())
        alike = float(np.vdot(likely, error).real) / (math.sqrt(foretold * there) + TINY)
        # Each block counts alike: a soloist who enters is loud, and agrees with anything for a moment.
        self._alike = SMOOTH_ALIKE * self._alike + (1.0 - SMOOTH_ALIKE) * alike
        self.sameness = max(self._alike, 0.0)
        gain = np.float32(STEP) * error / (power + np.float32(1e-6) * power.max() + np.float32(1e-9))
        self._foretold[: len(sent)] *= np.float32(FORGETS)
        self._foretold[: len(sent)] += sent.conj() * gain
