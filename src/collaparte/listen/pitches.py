"""The soloist told from an orchestra of which only the notes are known: an external MIDI instrument plays them.

Conventions: a frame's ``magnitude`` is (BINS,), of a window that ends at sample ``end`` (see ``hearing.spectrum``).

The rule is that of ``remains``. What the orchestra may be at most is expected (``expected``); where nothing is heard
beyond it, nobody plays. Somebody who has just played is believed sooner than somebody who has not, and for a moment
longer: a soloist whose pitches the orchestra plays too is not beyond it for a while. What is usual of the orchestra is
taken off what the ear sees (Boll, Suppression of acoustic noise in speech using spectral subtraction, IEEE ASSP 27,
1979), so that pitches of both count by how much louder they are than the orchestra's, and by their attack.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent
from collaparte.listen.audio import RATE
from collaparte.listen.expected import Expected
from collaparte.listen.hearing.spectrum import HOP_S

SMOOTH = 0.75  # of powers, from frame to frame
ALONE, WITH = 0.35, 0.01  # share of what is heard that must be beyond the orchestra: who has not played of late, has
WIDE_DB = 2.0  # ... and is believed entirely so much higher
SOFT_DB, SOFTER_DB = -15.0, -30.0  # against the orchestra: a softer soloist is not believed
LOUD_S = 5.0  # how long a loud orchestra is remembered for that
SURE = 0.5  # with such a share beyond the orchestra, somebody plays
COMES_S, GOES_S = 0.25, 3.0  # how fast that is believed, and forgotten
HELD_S = 1.0  # half of this long, what was believed of somebody who plays is still
LEFT = 0.06  # share of the power that is left where the orchestra usually has it all
TINY = 1e-15

Array = NDArray[np.float32]


class KnownPitches:
    """Told what ``sounds``, and when it is ``tune``d; asked for a spectrum ``without`` it."""

    def __init__(self) -> None:
        self.origin_s = 0.0  # of sample 0 on the take's clock
        self._expected = Expected()
        self._beyond = self._there = self._loud = 0.0
        self._played = self._held = 0.0

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed. Safe from another thread."""
        self._expected.sounds(event)

    def tune(self, a4_hz: float) -> None:
        """The orchestra's A. Safe from another thread."""
        self._expected.a4_hz = a4_hz

    def without(self, magnitude: Array, end: int, shape: Array) -> tuple[Array, float]:
        """(magnitude, own): weakened where the orchestra sounds; how surely 0..1 somebody plays beside it.

        ``shape`` is the window that the frame was seen through.
        """
        power = magnitude * magnitude
        expected = self._expected.in_frame(power, end / RATE + self.origin_s, len(shape))
        if expected is None:
            return magnitude, 1.0
        usual, most = expected
        own = self._own(power, usual, most)
        return np.sqrt(np.maximum(power - usual, np.float32(LEFT) * power)), own

    def _own(self, power: Array, usual: Array, most: Array) -> float:
        self._beyond += (1.0 - SMOOTH) * (float(np.maximum(power - most, 0.0).sum()) - self._beyond)
        self._there += (1.0 - SMOOTH) * (float(power.sum()) - self._there)
        self._loud = max(self._loud * (1.0 - HOP_S / LOUD_S), float(usual.sum()))
        soft_db = SOFT_DB + (SOFTER_DB - SOFT_DB) * self._played
        share = self._beyond / (self._there + TINY) if self._beyond > self._loud * 10.0 ** (soft_db / 10.0) else 0.0
        self._played += HOP_S * ((1.0 - self._played) / COMES_S if share > SURE else -self._played / GOES_S)
        least = ALONE * (WITH / ALONE) ** self._played
        own = 10.0 * float(np.log10((share + TINY) / least)) / WIDE_DB
        surely = max(2.0 * self._played - 1.0, 0.0)  # what is left of a stroke is not held
        fading = HOP_S / (HELD_S * surely + TINY)
        self._held = max(min(own, 1.0), self._held - fading, 0.0)
        return min(2.0 * self._held, 1.0)
