"""Is the soloist somewhere else? The whole page, asked once for every chord that is heard.

Strokes that come close together are one chord. Each chord moves a belief over all places of the page: on by one, or
by a few, or (a little belief always) anywhere; and is compared with what is struck there. A place that is far from
where the decoder is, believed firmly for a few chords, is where the soloist is. Repeats and skips anywhere, at the
cost of one addition for each place and chord: Nakamura, Nakamura & Sagayama (IEEE/ACM TASLP 24, 2016).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STROKE = 2.5  # nats at which a key counts as struck
QUIET_S = 0.04  # a chord is over when nothing was struck for so long ...
LONGEST_S = 0.12  # ... or has lasted so long
ABSENT, ABSENT_MOST = -1.5, -6.0  # nats for a key of the place that was not struck, and for all of them
MOST_EACH, MOST = 4.0, 12.0  # nats that one struck key, and one chord, may say
STAY, ON, SKIP, OVER = 0.12, 0.82, 0.05, 0.01  # the same place again, the next, the one after, the third
LEAK = 1e-4  # of the belief, spread anew with each chord
NEAR = 12  # places around the present one that are no jump
PEAK = 2  # places around the best one that count as it
SURE, GONE, HELD = 0.90, 0.02, 3  # belief there, belief near here, for so many chords in a row ...
FITS = 2.0  # nats that each of them must have said for its place there
BETTER, KEEP = 2.5, 0.75  # nats a chord, averaged so, by which they must fit better there than here


class Astray:
    """``struck`` (k, n) is 1 where a place strikes a key; ``page_s`` (k,) when it comes as the page asks."""

    def __init__(self, struck: NDArray[np.float32], page_s: Array) -> None:
        self._struck = struck
        self._size = struck.sum(axis=1)
        self._belief = np.full(len(struck), 1.0 / len(struck))
        self._chord = np.zeros(struck.shape[1])
        self._began_s = self._last_s = -1.0
        self._held = self._there = 0
        self._better = 0.0

    def seek(self, place: int) -> None:
        """The soloist is at ``place``."""
        self._belief[:] = 1e-9
        self._belief[max(place, 0)] = 1.0
        self._held = 0
        self._better = 0.0

    def hear(self, odds: Array, place: int, time_s: float) -> int | None:
        """Take one view's strokes in; the place to jump to, when the soloist is not near ``place``."""
        struck = odds >= STROKE
        over = self._began_s >= 0 and (time_s - self._last_s >= QUIET_S or time_s - self._began_s >= LONGEST_S)
        found = self._judge(place) if over else None
        if over:
            self._began_s = -1.0
            self._chord[:] = 0.0
        if struck.any():
            if self._began_s < 0:
                self._began_s = time_s
            self._last_s = time_s
            np.maximum(self._chord, np.where(struck, odds, 0.0), out=self._chord)
        return found

    def _judge(self, place: int) -> int | None:
        said = np.minimum(self._chord, MOST_EACH)
        heard = self._struck @ said
        matched = self._struck @ (self._chord > 0)
        fit = np.minimum(heard, MOST) + np.maximum(ABSENT * (self._size - matched), ABSENT_MOST)
        before = self._belief
        belief = STAY * before
        for steps, share in ((1, ON), (2, SKIP), (3, OVER)):
            belief[steps:] += share * before[:-steps]
        belief = (1.0 - LEAK) * belief + LEAK / len(belief)
        belief *= np.exp(fit - fit.max())
        belief /= belief.sum()
        self._belief = belief
        if place < 0:
            return None
        best = int(np.argmax(belief))
        better = float(fit[best] - fit[max(place - 1, 0) : place + 2].max())
        self._better = KEEP * self._better + (1.0 - KEEP) * better
        here = belief[max(place - NEAR, 0) : place + NEAR + 1].sum()
        there = belief[max(best - PEAK, 0) : best + PEAK + 1].sum()
        goes_on = self._held == 0 or 0 <= best - self._there <= 3
        self._there = best
        far = abs(best - place) > NEAR and here < GONE and there > SURE
        if not far or not goes_on or fit[best] < FITS or self._better < BETTER:
            self._held = 0
            return None
        self._held += 1
        return best if self._held >= HELD else None
