"""What time it is: on the wall, or in a simulation.

Both clocks count seconds from the start of the take and share one verb: ``wait(until_s)`` returns at ``until_s`` or
when something has been heard, whichever is first, with what was heard (possibly nothing). Nothing else differs
between a concert and a simulation.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from collaparte.events import Heard


class Clock(Protocol):
    """The one face of time."""

    def now(self) -> float:
        """Seconds since the take began."""

    def wait(self, until_s: float) -> list[Heard]:
        """Wait for ``until_s`` (``inf``: for ever) or for something heard; return what was heard by then."""


class VirtualClock:
    """Time that jumps. ``heard`` are known from the start, or pushed while it runs (a soloist who listens)."""

    def __init__(self, heard: Iterable[Heard] = ()) -> None:
        self._now_s = 0.0
        self._queue: list[tuple[float, int, Heard]] = []
        self._count = 0
        for value in heard:
            self.push(value)

    def push(self, value: Heard) -> None:
        """Let ``value`` be heard at its ``heard_s`` (at once, when that is past)."""
        heapq.heappush(self._queue, (value.heard_s, self._count, value))
        self._count += 1

    def now(self) -> float:
        return self._now_s

    @property
    def exhausted(self) -> bool:
        """True when nothing more will be heard."""
        return not self._queue

    def wait(self, until_s: float) -> list[Heard]:
        if not self._queue and until_s == float("inf"):
            raise ValueError("a virtual clock was asked to wait for ever with nothing left to hear")
        reached_s = min(until_s, self._queue[0][0] if self._queue else until_s)
        self._now_s = max(self._now_s, reached_s)
        heard = []
        while self._queue and self._queue[0][0] <= self._now_s:
            heard.append(heapq.heappop(self._queue)[2])
        return heard


class WallClock:
    """Monotonic time. Devices' threads call ``put`` and return at once; one thread waits."""

    def __init__(self, source: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self.origin_s = source()  # on the source's own scale, for other processes on this machine
        self._heard: deque[Heard] = deque()
        self._wake = threading.Event()

    def now(self) -> float:
        return self._source() - self.origin_s

    def put(self, value: Heard) -> None:
        """Queue what was heard; safe from any thread."""
        self._heard.append(value)
        self._wake.set()

    def wait(self, until_s: float) -> list[Heard]:
        while not self._heard:
            left_s = until_s - self.now()
            if left_s <= 0:
                break
            self._wake.wait(min(left_s, 3600.0))
            self._wake.clear()
        heard = []
        while self._heard:
            heard.append(self._heard.popleft())
        return heard
