"""Another machine's clock in terms of ours, from questions and answers that take time to travel.

We ask at ``sent_s``, they answer with their own time, the answer is here at ``answered_s``. If both ways took as long,
their time was that of our middle; the error is at most half of what the exchange took longer than the quickest
(Cristian 1989; NTP keeps the quickest likewise). Exchanges are weighted by that excess, and a straight line through
them gives offset and drift: two quartz clocks part by tens of microseconds a second.

All times are seconds, ours on ``time.monotonic()``.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

KEPT = 120
SURE_S = 0.0005  # no exchange is trusted better than this
DRIFT_AFTER_S = 10.0  # a line through less time than this would only follow the noise
MOST_DRIFT = 500e-6
JUMP_S = 0.05  # beyond what the exchange itself can explain: their clock was set, or slept


class TwoClocks:
    """``exchange`` as often as you like; ``ours`` and ``theirs`` convert, and are None before the first exchange.

    Safe from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exchanges: deque[tuple[float, float, float]] = deque(maxlen=KEPT)  # theirs, ours - theirs, took
        self._line: tuple[float, float, float] | None = None  # theirs at the middle, offset there, drift
        self.jumps = 0

    def exchange(self, sent_s: float, theirs_s: float, answered_s: float) -> None:
        """One question and answer. One that took negative time is passed over."""
        took_s = answered_s - sent_s
        if took_s < 0:
            return
        offset_s = (sent_s + answered_s) / 2 - theirs_s
        with self._lock:
            expected_s = self._offset_at(theirs_s)
            if expected_s is not None and abs(offset_s - expected_s) > JUMP_S + took_s / 2:
                self._exchanges.clear()
                self.jumps += 1
            self._exchanges.append((theirs_s, offset_s, took_s))
            self._line = self._fitted()

    def _fitted(self) -> tuple[float, float, float]:
        theirs, offset, took = np.array(self._exchanges).T
        weight = 1.0 / (SURE_S + took - took.min()) ** 2
        weight /= weight.sum()
        middle, level = float(weight @ theirs), float(weight @ offset)
        drift = 0.0
        if np.ptp(theirs) >= DRIFT_AFTER_S:
            apart = theirs - middle
            drift = float((weight * apart) @ (offset - level) / max(weight @ apart**2, 1e-9))
        return middle, level, min(max(drift, -MOST_DRIFT), MOST_DRIFT)

    def _offset_at(self, theirs_s: float) -> float | None:
        if self._line is None:
            return None
        middle, level, drift = self._line
        return level + drift * (theirs_s - middle)

    @property
    def drift(self) -> float:
        """Seconds by which our clock gains on theirs, in a second of theirs."""
        with self._lock:
            return self._line[2] if self._line is not None else 0.0

    @property
    def uncertainty_s(self) -> float | None:
        """Half of what the quickest exchange took: the most that the offset can be wrong, were the clocks steady."""
        with self._lock:
            return min(took for _, _, took in self._exchanges) / 2 if self._exchanges else None

    def ours(self, theirs_s: float) -> float | None:
        """Our time at their ``theirs_s``."""
        with self._lock:
            offset_s = self._offset_at(theirs_s)
        return None if offset_s is None else theirs_s + offset_s

    def theirs(self, ours_s: float) -> float | None:
        """Their time at our ``ours_s``."""
        with self._lock:
            if self._line is None:
                return None
            middle, level, drift = self._line
        return middle + (ours_s - level - middle) / (1.0 + drift)
