"""When a note that was just recognised began: where its own partials rose.

The decoder knows within some 50 ms where a note began, from when its sound began to fit, and most of its growth. A slow
bow fits late and grows long. A listener hears a note begin where its envelope has risen to within some 6 to 15 dB of
its maximum (Vos & Rasch, Perception & Psychophysics 29, 1981). Here: where the magnitude of the partials which the note
before does not have has risen by ``RISEN`` of what it has risen by now. The moment it is recognised half of the window
is still to come, so ``EARLY_S`` is added. The less clearly they rise, the more the decoder is believed.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.spectrum import HOP_S, SAMPLE_RATE, Frame

RISEN = 0.5  # of the rise, in amplitude
EARLY_S = 0.010  # how early that is with a sharp attack; measured on rendered solos
LOOK_BACK_S = 0.1  # from where the decoder placed the note
CLEAR, UNCLEAR = 0.3, 0.9  # what its partials had before, of what they have now: all is told by it, or nothing
LOOKED_AT = 20  # frames before a note is recognised, and half a window: what is looked at
KEPT = 600  # frames: as long as a beginning may be in doubt

Array = NDArray[np.float32]


class Attack:
    """``listen`` to every frame; ``began_s`` when a note was recognised. ``window`` (samples) is that of the frames."""

    def __init__(self, window: int) -> None:
        self._half_s = 0.5 * window / SAMPLE_RATE
        self._frames: deque[tuple[float, Array]] = deque(maxlen=KEPT)

    def listen(self, frame: Frame) -> None:
        """Take one frame in."""
        self._frames.append((frame.time_s - self._half_s, frame.magnitude))

    def began_s(self, ridges: NDArray[np.bool_], placed_s: float, known_s: float = np.inf) -> float:
        """When the note with partials at ``ridges`` (n_bins,), placed by the decoder at ``placed_s``, began.

        ``known_s`` is when it was recognised: what was heard later is not looked at.
        """
        known = [one for one in self._frames if one[0] <= known_s - self._half_s + 0.5 * HOP_S]
        known = known[-LOOKED_AT - round(self._half_s / HOP_S) :]
        seen = [(time_s, magnitude[ridges]) for time_s, magnitude in known if time_s >= placed_s - LOOK_BACK_S]
        if not ridges.any() or len(seen) < 3:
            return placed_s
        height = np.sqrt(np.array([np.dot(magnitude, magnitude) for _, magnitude in seen], np.float64))
        top = int(np.argmax(height))
        low = int(np.argmin(height[: top + 1]))
        told = (UNCLEAR - height[low] / max(height[top], 1e-12)) / (UNCLEAR - CLEAR)
        if low == top or told <= 0.0:
            return placed_s
        wanted = height[low] + RISEN * (height[top] - height[low])
        at = low + 1 + int(np.flatnonzero(height[low:top] < wanted)[-1])  # the last time: rooms flicker
        rose_s = seen[at][0] - HOP_S * float((height[at] - wanted) / (height[at] - height[at - 1])) + EARLY_S
        return placed_s + min(float(told), 1.0) * (rose_s - placed_s)
