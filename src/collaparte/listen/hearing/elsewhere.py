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
    """``length_s`` (k,) is how long each place lasts as the page asks; ``gentle`` nats are said by a frame at most.

    Where nothing is known the belief is spread as ``likely`` (k,), evenly by default.
    """

    def __init__(self, length_s: Array, gentle: float = GENTLE, likely: Array | None = None) -> None:
        self._gentle = gentle
        likely = np.ones(len(length_s)) if likely is None else likely
        self._likely = likely / likely.sum()
        self._length_s = np.maximum(length_s, 0.02)
        self._belief = self._likely.copy()
        self._held_s = self._better = 0.0

    def seek(self, place: int) -> None:
        """The soloist is at ``place``."""
        self._belief[:] = 1e-9
        self._belief[max(place, 0)] = 1.0
        self._held_s = self._better = 0.0

    def step(self, similar: Array, active: float, factor: float) -> tuple[int, float]:
        """Take one frame in, compared with every place (k,); the likeliest place, and the belief in it, about."""
        going = self._belief * np.minimum(active * HOP_S / (self._length_s * factor), 0.5)
        belief = self._belief - going
        belief[1:] += going[:-1]
        belief[-1] += going[-1]
        belief *= np.exp(self._gentle * active * similar)
        belief /= belief.sum()
        self._belief = belief = (1.0 - LEAK) * belief + LEAK * self._likely
        best = int(np.argmax(belief))
        return best, float(belief[max(best - PEAK, 0) : best + PEAK + 1].sum())

    def hear(self, similar: Array, active: float, factor: float, place: int, fit: float) -> int | None:
        """Take one frame in, compared with every place (k,); the place to jump to when it is not near ``place``.

        ``fit`` is how well the decoder's place fits it.
        """
        best, surely = self.step(similar, active, factor)
        belief = self._belief
        far = abs(best - place) > NEAR and belief[max(place - NEAR, 0) : place + NEAR + 1].sum() <= GONE
        if not far or surely < SURE:
            self._held_s = self._better = 0.0
            return None
        self._held_s += HOP_S * active
        self._better += HOP_S * active * (float(similar[best]) - fit)
        return best if self._held_s >= HOLD_S and self._better >= CLEARLY * self._held_s else None
