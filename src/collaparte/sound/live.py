"""The engine's end of the pipe to the process that sounds (``sound.sender``).

Nothing here waits: records go into a pipe that never blocks, a heartbeat says that the engine lives, and a reader
collects what the sender reports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collaparte.errors import DeviceError, MissingExtra
from collaparte.events import Click
from collaparte.sound.balance import USUAL_A_HZ, tuning_messages, volume_of
from collaparte.sound.face import Sound, Sounding
from collaparte.sound.seats import CLICK_LENGTH_S, CLICK_STRONG, CLICK_WEAK, PERCUSSION_CHANNEL, Seat
from collaparte.sound.sender import BEAT, BEND, CLOSE, CONTROL, OFF, ON, PANIC, RECORD
from collaparte.sound.voices import CONTROL as CONTROL_CHANGE
from collaparte.sound.voices import VOLUME

HEARTBEAT_S = 0.2
OPENS_WITHIN_S = 60.0  # a big soundfont on a slow disk
CLOSES_WITHIN_S = 3.0
REPORTS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one end of a note: on the take's clock, when it was to leave and when it did."""

    note: int
    on: bool
    due_s: float
    sent_s: float


class LiveSound(Sound):
    """A sound in another process. ``notice`` is told in plain words what the player should know, from a thread."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        seats: Mapping[str, tuple[int, Seat]],
        *,
        origin_s: float,
        latency_s: float = 0.0,
        leads_s: Mapping[str, Sequence[float]] | None = None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._seats = dict(seats)
        self._leads_s = dict(leads_s or {})
        self._origin_s, self._latency_s, self._notice = origin_s, latency_s, notice
        self._reports: deque[Sent] = deque(maxlen=REPORTS_KEPT)
        self._clicks = 0
        self._levels: dict[str, float] = {}
        self._tuning_hz = USUAL_A_HZ
        self._out = b""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "collaparte.sound.sender", json.dumps(dict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for the engine
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        opened = threading.Event()
        self._hello: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._listen, args=(opened,), name="collaparte-reports", daemon=True)
        self._heart = threading.Thread(target=self._beat, name="collaparte-heartbeat", daemon=True)
        self._reader.start()
        self._heart.start()  # at once: opening may take longer than the sender's patience
        ready = opened.wait(OPENS_WITHIN_S)
        if "ready" not in self._hello:
            self.close()
            if self._hello.get("kind") == "MissingExtra":
                raise MissingExtra(str(self._hello["error"]))
            waited = "did not open" if ready else f"did not answer within {OPENS_WITHIN_S:.0f} s"
            raise DeviceError(str(self._hello.get("error", f"The output {waited}. Run `collaparte doctor`.")))
        self.name = str(self._hello["ready"])
        self.realtime = bool(self._hello["realtime"])
        self.output_latency_s = (
            latency_s
            + float(self._hello["ahead_s"])
            + max((max(leads) for leads in self._leads_s.values()), default=0.0)
        )

    @property
    def process_id(self) -> int:
        """The sender's process."""
        return self._process.pid

    def send(self, events: Sequence[Sounding]) -> None:
        records = []
        for event in events:
            at_s = self._origin_s + event.due_s - self._latency_s
            if isinstance(event, Click):
                self._clicks -= 1
                pitch = CLICK_STRONG if event.accent else CLICK_WEAK
                for kind, when_s in ((ON, at_s), (OFF, at_s + CLICK_LENGTH_S)):
                    records.append(RECORD.pack(kind, when_s, self._clicks, 0, PERCUSSION_CHANNEL, pitch, 100))
                continue
            player, seat = self._seats.get(event.part) or next(iter(self._seats.values()), (0, Seat(0, 48)))
            if event.on and event.part in self._leads_s and 0 <= event.pitch <= 127:
                at_s -= self._leads_s[event.part][event.pitch]
            kind = ON if event.on else OFF
            records.append(RECORD.pack(kind, at_s, event.note, player, seat.channel, event.pitch, event.velocity))
        self._write(b"".join(records))

    def all_notes_off(self) -> None:
        self._write(RECORD.pack(PANIC, 0.0, 0, 0, 0, 0, 0))

    def set_level(self, part: str, level: float) -> None:
        if part not in self._seats or self._levels.get(part, 1.0) == level:
            return
        self._levels[part] = level
        player, seat = self._seats[part]
        self._write(RECORD.pack(CONTROL, 0.0, 0, player, seat.channel, VOLUME, volume_of(level)))

    def tune(self, tuning_hz: float) -> None:
        if tuning_hz == self._tuning_hz:
            return
        self._tuning_hz = tuning_hz
        records = []
        for player, channel in sorted({(player, seat.channel) for player, seat in self._seats.values()}):
            for status, first, second in tuning_messages(channel, tuning_hz):
                kind = CONTROL if status & 0xF0 == CONTROL_CHANGE else BEND
                records.append(RECORD.pack(kind, 0.0, 0, player, channel, first, second))
        self._write(b"".join(records))

    def reports(self) -> list[Sent]:
        """What was sent since last asked."""
        found = []
        while self._reports:
            found.append(self._reports.popleft())
        return found

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._out += data
            pipe = self._process.stdin
            if pipe is None or pipe.closed:
                return
            try:
                while self._out:
                    self._out = self._out[os.write(pipe.fileno(), self._out) :]
            except BlockingIOError:
                pass  # the pipe is full; the next heartbeat tries again
            except OSError:
                self._out = b""  # the sender is gone; the reader says so

    def _beat(self) -> None:
        while not self._closed.wait(HEARTBEAT_S):
            self._write(RECORD.pack(BEAT, 0.0, 0, 0, 0, 0, 0))

    def _listen(self, opened: threading.Event) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            value = json.loads(line)
            if isinstance(value, list):
                note, on, at_s, sent_s = value
                shift_s = self._latency_s - self._origin_s
                self._reports.append(Sent(int(note), bool(on), at_s + shift_s, sent_s + shift_s))
            elif "notice" in value:
                self._notice(str(value["notice"]))
            else:
                self._hello = value
                opened.set()
        opened.set()
        if "ready" in self._hello and not self._closed.is_set():
            self._notice("The process that sounds has died; the orchestra is unheard. Stop and start again.")

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._heart.join()
        self._write(RECORD.pack(CLOSE, 0.0, 0, 0, 0, 0, 0))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        for harder in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(CLOSES_WITHIN_S)
                break
            except subprocess.TimeoutExpired:
                harder()
        self._process.wait()
        self._reader.join(CLOSES_WITHIN_S)
        self._process.stdout.close()
