"""The browser's microphone as the soloist: chunks from the booth, in order and in our time, to the ear.

A chunk is stamped by the page when its last sample was in; ``two_clocks`` makes that ours, so that the way over the
network counts in ``heard_s`` alone. Chunks that never came are heard as silence of their length, and counted; after
more than ``CONCEALED_S`` sample time begins anew. A page that was reloaded goes on where the last one broke off.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType

import numpy as np

from collaparte.events import SoloEvent
from collaparte.listen.microphone import LiveEar
from collaparte.score import Score
from collaparte.studio.booth import Booth, Chunk, Guest

CONCEALED_S = 2.0
LOOK_AGAIN_S = 0.25
GONE_S = 2.0
JUDGED_S = 5.0
OLDEST_S = 1.0  # a stamp that is older than this, or of the future, is not believed
MUCH_LOST = 0.01  # share of the sound


class BrowserMicrophone:
    """As ``listen.microphone.Microphone``, for the page in the booth; opens nothing, so it cannot fail to open."""

    def __init__(
        self,
        score: Score,
        put: Callable[[SoloEvent], None],
        now: Callable[[], float],
        booth: Booth,
        *,
        latency_s: float = 0.0,
        notice: Callable[[str], None] = lambda text: None,
        from_beat: float | None = None,
    ) -> None:
        self.heard_frames = 0
        self.lost_frames = 0
        self._score, self._put, self._now, self._notice = score, put, now, notice
        self._booth, self._latency_s = booth, latency_s
        self._live: LiveEar | None = None
        self._relocated = from_beat
        self._rate = 0
        self._guest: Guest | None = None
        self._next = 0  # the number awaited
        self._ended_s = 0.0  # when the last sample heard was in, on the take's clock
        self._chunks: queue.SimpleQueue[tuple[float, Guest, Chunk]] = queue.SimpleQueue()
        self._places: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="collaparte-browser-ear", daemon=True)
        booth.on_sound(self._arrived)
        self._listener.start()

    def relocate(self, beat: float) -> None:
        """The next note is the first at or after ``beat``."""
        self._places.put(beat)

    def _arrived(self, guest: Guest, chunk: Chunk) -> None:
        """In the server's thread: stamp, queue, return."""
        self._chunks.put((self._now(), guest, chunk))

    def _listen(self) -> None:
        away_s, there, judged, warned = 0.0, True, False, False
        while not self._closing.is_set():
            try:
                arrived_s, guest, chunk = self._chunks.get(timeout=LOOK_AGAIN_S)
            except queue.Empty:
                away_s += LOOK_AGAIN_S
                if away_s >= GONE_S and there:
                    there = False
                    self._notice("The browser's microphone is gone. The orchestra plays on; open the page again.")
                continue
            if not there:
                self._notice("The browser's microphone is back.")
            away_s, there = 0.0, True
            for event in self.take(arrived_s, guest, chunk):
                self._put(event)
            if self._live is None:
                continue
            if not judged and self.heard_frames >= JUDGED_S * self._rate:
                judged = True
                for complaint in self._live.health.complaints():
                    self._notice(f"The browser's microphone: {complaint}")
            if not warned and self.lost_frames > MUCH_LOST * self.heard_frames and self.heard_frames > 5 * self._rate:
                warned = True
                self._notice("A hundredth of the browser's sound is lost on its way. Is the network busy?")

    def take(self, arrived_s: float, guest: Guest, chunk: Chunk) -> list[SoloEvent]:
        """Hear ``chunk``, which arrived at ``arrived_s`` on the take's clock."""
        rate, frames = guest.hello.rate, len(chunk.sound)
        if self._live is None or rate != self._rate:
            self._live, self._rate = LiveEar(self._score, rate, self._latency_s), rate
            if self._relocated is not None:
                self._live.relocate(self._relocated)
        while not self._places.empty():
            self._relocated = self._places.get()
            self._live.relocate(self._relocated)
        ended_s = self._in_our_time(guest, chunk, arrived_s)
        found: list[SoloEvent] = []
        if guest is not self._guest:
            missing = round((ended_s - self._ended_s) * rate) - frames if self._guest is not None else 0
            self._guest, self._next = guest, chunk.number
            missing = max(missing, 0)
        else:
            missing = (chunk.number - self._next) * frames
        if missing < 0:
            return []  # twice, or out of order: it has been concealed already
        if missing:
            self.lost_frames += missing
            if missing <= CONCEALED_S * rate:
                silence = np.zeros((missing, 1), np.float32)
                found += self._live.take(min(ended_s - frames / rate, arrived_s), silence, arrived_s)
            else:
                self._live.skip()
        self._next, self._ended_s = chunk.number + 1, ended_s
        self.heard_frames += frames
        return found + self._live.take(ended_s, chunk.sound[:, :1], arrived_s)

    def _in_our_time(self, guest: Guest, chunk: Chunk, arrived_s: float) -> float:
        monotonic_s = guest.clocks.ours(chunk.ended_ms / 1000)
        if monotonic_s is None:
            return arrived_s
        ago_s = time.monotonic() - self._now()  # the take's zero, on the monotonic clock
        ended_s = monotonic_s - ago_s
        return ended_s if arrived_s - OLDEST_S <= ended_s <= arrived_s else arrived_s

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._booth.on_sound(None)
        self._listener.join()

    def __enter__(self) -> BrowserMicrophone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
