"""What the engine made, for pages that may be slow, asleep or many.

The music's thread only appends to a bounded queue of each page and goes on. A queue that is full drops its oldest
values and says so; the page is then told the present state as a whole, as after a reload.
"""

from __future__ import annotations

import threading
from collections import deque

from collaparte.events import Value

KEPT = 512


class Listener:
    """One page. ``take()`` from the server's thread only."""

    def __init__(self, kept: int = KEPT) -> None:
        self._queue: deque[Value | str] = deque(maxlen=kept)
        self._missed = True  # a new page has missed everything

    def put(self, value: Value | str) -> None:
        """Leave a value, or a line already written; never waits."""
        if len(self._queue) == self._queue.maxlen:
            self._missed = True
        self._queue.append(value)

    def take(self) -> tuple[bool, list[Value | str]]:
        """Whether anything was missed since last asked, and what has come."""
        missed, self._missed = self._missed, False
        found: list[Value | str] = []
        while self._queue:
            found.append(self._queue.popleft())
        return missed, found


class Feed:
    """Everybody who watches."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()

    def join(self) -> Listener:
        """A new page."""
        listener = Listener()
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """A page has gone."""
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

    def put(self, value: Value | str) -> None:
        """Show ``value`` to every page; never waits, from any thread."""
        for listener in self._listeners:
            listener.put(value)

    def __len__(self) -> int:
        return len(self._listeners)
