"""Is the soloist somewhere else? A plain hidden Markov model of the whole score beside the decoder's narrow span.

It knows nothing of attacks and ages: each place is left at a constant rate, and every frame is compared with every
place, gently, since neighbouring frames say the same. A little belief (``LEAK``) is always spread over the whole
score, so that a jump is found wherever it lands; it is believed after the evidence has held for ``HOLD_S``, and only
where the sound meanwhile fit clearly better than where the decoder has the soloist.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.spectrum import HOP_S

Array = NDArray[np.float64]

GENTLE = 0.5  # nats for a frame that fits perfectly against one that does not fit at all
LEAK = 1e-5  # of the belief, spread anew each frame
NEAR = 6  # places around the present one that are no jump
PEAK = 3  # places around the best one that count as it
SURE, GONE = 0.95, 0.005  # belief there, and left here, ...
HOLD_S = 0.8  # ... for this long
CLEARLY = 0.06  # similarity by which it must fit better there


class Elsewhere:
    """``page_s`` (k,) is when each place comes as the page asks; ``gentle`` nats are said by a frame at most.

    Where nothing is known the belief is spread as ``likely`` (k,), evenly by default. ``hear`` every frame, then ask
    whether the soloist is somewhere else ``instead``.
    """

    def __init__(
        self, page_s: Array, gentle: float = GENTLE, likely: Array | None = None, hold_s: float = HOLD_S
    ) -> None:
        self._gentle, self._hold_s = gentle, hold_s
        length_s: Array = np.diff(np.append(page_s, page_s[-1] + 1.0))
        likely = np.ones(len(page_s)) if likely is None else likely
        self._likely = likely / likely.sum()
        self._length_s = np.maximum(length_s, 0.02)
        self._belief = self._likely.copy()
        self._held_s = self._better = 0.0
        self.best = 0  # the likeliest place ...
        self.surely = 0.0  # ... and the belief in it, about

    def seek(self, place: int) -> None:
        """The soloist is at ``place``."""
        self._belief[:] = 1e-9
        self._belief[max(place, 0)] = 1.0
        self._held_s = self._better = 0.0

    def hear(self, similar: Array, active: float, factor: float = 1.0) -> None:
        """Take one frame in, compared with every place (k,); ``factor`` is seconds played for one on the page."""
        going = self._belief * np.minimum(active * HOP_S / (self._length_s * factor), 0.5)
        belief = self._belief - going
        belief[1:] += going[:-1]
        belief[-1] += going[-1]
        belief *= np.exp(self._gentle * active * similar)
        belief /= belief.sum()
        self._belief = belief = (1.0 - LEAK) * belief + LEAK * self._likely
        self.best = int(np.argmax(belief))
        self.surely = float(belief[max(self.best - PEAK, 0) : self.best + PEAK + 1].sum())

    def instead(self, similar: Array, active: float, place: int, fit: float) -> int | None:
        """The place to jump to after this frame when it is not near ``place``, which fits it so well (``fit``)."""
        near = self._belief[max(place - NEAR, 0) : place + NEAR + 1]
        if abs(self.best - place) <= NEAR or near.sum() > GONE or self.surely < SURE:
            self._held_s = self._better = 0.0
            return None
        self._held_s += HOP_S * active
        self._better += HOP_S * active * (float(similar[self.best]) - fit)
        return self.best if self._held_s >= self._hold_s and self._better >= CLEARLY * self._held_s else None
