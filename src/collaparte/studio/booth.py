"""The browser as microphone and loudspeaker: one page at a time, over one web socket.

    page -> server   {"do": "hello", "page", "rate", "channels", "latency_s"}    first of all
                     {"do": "pong", "id", "now_ms"}                               at once, to every ping
                     {"do": "ready", "latency_s"} or {"do": "ready", "trouble"}   once the seats are taken
                     binary: a chunk of sound (``Chunk``)
    server -> page   {"kind": "ping", "id"}
                     {"kind": "seats", "seats": [[bank, program, pan], ...]}  whom the page will play
                     {"kind": "notes", "notes": [[on, note, seat, pitch, velocity, at_ms], ...]}
                     {"kind": "panic"}                                        all of it silent, at once
                     {"kind": "gone"}                                         another page has taken the booth

``now_ms``, ``at_ms`` and a chunk's time are milliseconds of the page's own clock (performance.now); ``two_clocks``
turns them into ours and back. A new page takes the booth from the one before.
"""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import CollaparteError
from collaparte.studio.two_clocks import TwoClocks

HEADER = struct.Struct("<dIHH")  # ms of the page's clock at the end of the chunk, number, frames, channels
MOST_FRAMES = 2048
RATES = (8000, 192_000)
MOST_LATENCY_S = 1.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some sound: 16 bytes of ``HEADER``, then int16 samples, the microphone's first, then what the page itself played.

    ``sound`` is float32 (frames, channels), 1 or 2 channels; ``number`` counts from 0 and skips what was never sent.
    """

    number: int
    ended_ms: float
    sound: NDArray[np.float32]


def read_chunk(data: bytes) -> Chunk:
    """Raises CollaparteError for what is no chunk."""
    if len(data) < HEADER.size:
        raise CollaparteError("A chunk of sound is shorter than its header.")
    ended_ms, number, frames, channels = HEADER.unpack_from(data)
    if not (0 < frames <= MOST_FRAMES and channels in (1, 2) and math.isfinite(ended_ms)):
        raise CollaparteError("A chunk of sound has an impossible header.")
    if len(data) != HEADER.size + 2 * frames * channels:
        raise CollaparteError("A chunk of sound is not as long as it says.")
    samples = np.frombuffer(data, "<i2", offset=HEADER.size).reshape(channels, frames)
    return Chunk(number, ended_ms, (samples.T / np.float32(32768)).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Hello:
    """Who came: the page's own key, its sample rate, how many channels it sends (0: no microphone), its latency."""

    page: str
    rate: int
    channels: int
    latency_s: float


def read_hello(said: Mapping[str, Any]) -> Hello:
    """Raises CollaparteError for a hello that makes no sense."""
    page, rate, channels, latency_s = (said.get(name) for name in ("page", "rate", "channels", "latency_s"))
    if not isinstance(page, str) or not 0 < len(page) <= 64:
        raise CollaparteError("The page does not say who it is.")
    if not isinstance(rate, (int, float)) or not RATES[0] <= rate <= RATES[1]:
        raise CollaparteError(f"The browser's sample rate lies between {RATES[0]} and {RATES[1]} Hz.")
    if channels not in (0, 1, 2):
        raise CollaparteError("The browser sends one or two channels.")
    if not isinstance(latency_s, (int, float)) or not 0 <= latency_s <= MOST_LATENCY_S:
        raise CollaparteError(f"The browser's latency lies between 0 and {MOST_LATENCY_S:g} s.")
    return Hello(page, round(rate), int(channels), float(latency_s))


class Guest:
    """The page in the booth. ``send`` is safe from any thread and never blocks; false once the page has gone."""

    def __init__(self, hello: Hello, send: Callable[[Mapping[str, Any]], None]) -> None:
        self.hello = hello
        self.clocks = TwoClocks()
        self.gone = threading.Event()
        self.ready = threading.Event()  # it can play
        self.latency_s = hello.latency_s
        self.trouble: str | None = None
        self._send = send
        self._asked: dict[int, float] = {}
        self._count = 0

    def send(self, message: Mapping[str, Any]) -> bool:
        """Say something to the page."""
        if self.gone.is_set():
            return False
        self._send(message)
        return True

    def dismiss(self) -> None:
        """Another page has taken the booth: say so, and say no more."""
        self.send({"kind": "gone"})
        self.gone.set()

    def play(self, latency_s: object, trouble: object) -> None:
        """The page says that it can play, so many seconds before it is heard; or why it cannot."""
        if isinstance(trouble, str):
            self.trouble = f"The browser: {trouble[:200]}"
            self.gone.set()
        elif isinstance(latency_s, (int, float)) and 0 <= latency_s <= MOST_LATENCY_S:
            self.latency_s = float(latency_s)
            self.ready.set()

    def ping(self) -> None:
        """Ask the page for its time."""
        self._count += 1
        self._asked = {number: at for number, at in self._asked.items() if number > self._count - 8}
        self._asked[self._count] = time.monotonic()
        self.send({"kind": "ping", "id": self._count})

    def pong(self, number: object, now_ms: object) -> None:
        """The page's answer; one that was not asked for counts nothing."""
        answered_s = time.monotonic()
        sent_s = self._asked.pop(number, None) if isinstance(number, int) else None
        if sent_s is not None and isinstance(now_ms, (int, float)) and math.isfinite(now_ms):
            self.clocks.exchange(sent_s, now_ms / 1000, answered_s)


class Booth:
    """Where the rehearsal and the page with microphone and loudspeaker meet; safe from any thread."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self.guest: Guest | None = None
        self._came: Callable[[Guest], None] = lambda guest: None
        self._heard: Callable[[Guest, Chunk], None] = lambda guest, chunk: None

    def enter(self, guest: Guest) -> None:
        """A page comes; the one before has to go."""
        with self._change:
            former, self.guest = self.guest, guest
            self._change.notify_all()
        if former is not None:
            former.dismiss()
        self._came(guest)

    def leave(self, guest: Guest) -> None:
        """A page has gone."""
        guest.gone.set()
        with self._change:
            if self.guest is guest:
                self.guest = None

    def hear(self, guest: Guest, chunk: Chunk) -> None:
        """Sound from the page; returns at once."""
        if self.guest is guest:
            self._heard(guest, chunk)

    def wait_for(self, page: str | None, within_s: float, ended: Callable[[], bool]) -> Guest | None:
        """The page of this key (any, where None), once its clock is known; None when it does not come in time."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s and not ended():
            with self._change:
                guest = self.guest
                if guest is not None and page in (None, guest.hello.page) and guest.clocks.uncertainty_s is not None:
                    return guest
                self._change.wait(0.05)
        return None

    def on_sound(self, heard: Callable[[Guest, Chunk], None] | None) -> None:
        """Whom to give the sound to; None: nobody."""
        self._heard = heard or (lambda guest, chunk: None)

    def on_guest(self, came: Callable[[Guest], None] | None) -> None:
        """Whom to tell that a page has come (again)."""
        self._came = came or (lambda guest: None)
