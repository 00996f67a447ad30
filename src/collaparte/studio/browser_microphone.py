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
from numpy.typing import NDArray

from collaparte.calibrate import Calibration
from collaparte.calibrate.response import RESPONSE_LEAD_S
from collaparte.events import Command, SoloEvent
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.audio import Resampler
from collaparte.listen.microphone import LiveEar
from collaparte.listen.tuner import Tuner
from collaparte.score import Score
from collaparte.studio.booth import Booth, Chunk, Guest

CONCEALED_S = 2.0
LOOK_AGAIN_S = 0.25
GONE_S = 2.0
JUDGED_S = 5.0
OLDEST_S = 1.0  # a stamp that is older than this, or of the future, is not believed
MUCH_LOST = 0.01  # share of the sound

Array = NDArray[np.float32]


class _PagesSound:
    """What the page itself played, frame by frame beside what it heard: the reference of a canceller.

    A room that was measured is known from the first note on, else it is learnt while the music goes on. Where nobody
    plays is judged in a measured room alone: of another it is not known how loud the orchestra is in it, and a soloist
    who is much softer would be taken for what is left of it.
    """

    def __init__(self, rate: int, calibration: Calibration | None) -> None:
        self._resampler = Resampler(rate)
        self._played: Array = np.zeros(0, np.float32)
        response = calibration.load_response() if calibration is not None else None
        self.judges = response is not None
        self.canceller = EchoCanceller()
        if calibration is not None and response is not None:
            self.canceller = EchoCanceller(delay_s=max(calibration.round_trip_s - RESPONSE_LEAD_S, 0.0))
            self.canceller.learn(response)

    def push(self, sound: Array) -> None:
        """The page played ``sound`` (n,) while the next frames were heard."""
        self._played = np.concatenate([self._played, self._resampler.push(np.ascontiguousarray(sound))])

    def beside(self, count: int, time_s: float) -> Array:
        """The next ``count`` samples at RATE."""
        played, self._played = self._played[:count], self._played[count:]
        return played


class BrowserMicrophone:
    """As ``listen.microphone.Microphone``, for the page in the booth; opens nothing, so it cannot fail to open."""

    def __init__(
        self,
        score: Score,
        put: Callable[[SoloEvent | Command], None],
        now: Callable[[], float],
        booth: Booth,
        *,
        latency_s: float = 0.0,
        calibration: Calibration | None = None,
        notice: Callable[[str], None] = lambda text: None,
        from_beat: float | None = None,
        a4_hz: float | None = None,
        tunes: bool = False,
    ) -> None:
        self.heard_frames = 0
        self.lost_frames = 0
        self._score, self._put, self._now, self._notice = score, put, now, notice
        self._booth, self._latency_s, self._calibration = booth, latency_s, calibration
        self._played: _PagesSound | None = None
        self._live: LiveEar | None = None
        self._a4_hz, self._tunes = a4_hz, tunes
        self._tuner: Tuner | None = None
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
            tuned = self._tuner.command(arrived_s) if self._tuner is not None else None
            if tuned is not None:
                self._put(tuned)
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
            self._rate = rate
            self._played = played = _PagesSound(rate, self._calibration) if chunk.sound.shape[1] > 1 else None
            self._live = LiveEar(
                self._score, rate, self._latency_s, a4_hz=self._a4_hz,
                reference=played.beside if played is not None else None,
                canceller=played.canceller if played is not None else None,
                judges=played is None or played.judges,
            )  # fmt: skip
            self._tuner = Tuner(self._live.ear) if self._tunes else None
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
                silence = np.zeros((missing, chunk.sound.shape[1]), np.float32)
                found += self._hear(self._live, min(ended_s - frames / rate, arrived_s), silence, arrived_s)
            else:
                self._live.skip()
        self._next, self._ended_s = chunk.number + 1, ended_s
        self.heard_frames += frames
        return found + self._hear(self._live, ended_s, chunk.sound, arrived_s)

    def _hear(self, live: LiveEar, ended_s: float, sound: Array, arrived_s: float) -> list[SoloEvent]:
        if self._played is not None:
            self._played.push(sound[:, 1])
        return live.take(ended_s, sound[:, :1], arrived_s)

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
