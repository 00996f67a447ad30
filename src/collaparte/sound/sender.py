"""The process that sounds: notes leave it on absolute deadlines, and fall silent when the engine dies.

Started by ``sound.live`` as ``python -m collaparte.sound.sender SPEC`` in a session of its own, so that Ctrl-C in the
terminal does not reach it before the engine has turned the notes off. It reads fixed-size records from standard input
and writes one JSON value a line to standard output. Deadlines are ``time.monotonic()``, one clock for every process
of the machine.

It turns every note off, on every channel it used, when: asked to; standard input ends (the engine was killed, by
SIGKILL too); nothing, not even a heartbeat, was read for FROZEN_AFTER_S (the engine hangs); SIGTERM arrives.
"""

from __future__ import annotations

import contextlib
import gc
import heapq
import json
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from collaparte.errors import CollaparteError
from collaparte.sound.voices import BEND as PITCH_BEND
from collaparte.sound.voices import CONTROL as CONTROL_CHANGE
from collaparte.sound.voices import PROGRAM, Raw, Voices

RECORD = struct.Struct("<Bdqiiii")  # kind, at_s, note, player, channel, pitch, velocity
ON, OFF, PANIC, BEAT, CLOSE, CONTROL, BEND = range(7)  # of the last two: pitch, velocity are the message's bytes
FROZEN_AFTER_S = 0.8  # with the heartbeat of 0.2 s: silence within a second of the engine's last sign of life
LOOK_EVERY_S = 0.5  # how often to ask whether the port is there,
LOOK_GAP_S = 0.02  # but only when nothing is due for this long
SHORTEST_S = 0.001  # a note of no length


class Output(Protocol):
    """Where messages go; ``ahead_s`` is how long before their time it wants them."""

    name: str
    ahead_s: float

    def write(self, messages: Sequence[Raw], at_s: float) -> None: ...

    def look(self) -> str | None: ...

    def close(self) -> None: ...


class Sender:
    """Scheduled notes in a heap, sounding notes in Voices, one output."""

    def __init__(self, output: Output, source: int, sink: int) -> None:
        self._output, self._source, self._sink = output, source, sink
        self._heap: list[tuple[float, int, int, int, int, int, int, int]] = []
        self._begin_s: dict[int, float] = {}
        self._voices: dict[int, Voices] = {}
        self._count = 0
        self._buffer = b""
        self._heard_s = time.monotonic()
        self._looked_s = self._heard_s
        self._frozen = False
        self.stopping = False

    def say(self, value: object) -> None:
        """One line to the engine; dropped when it does not read, so that it can never hold up the music."""
        with contextlib.suppress(OSError):
            os.write(self._sink, json.dumps(value).encode() + b"\n")

    def run(self) -> None:
        """Until asked to close, or the engine is gone."""
        while not self.stopping:
            now_s = time.monotonic()
            due_s = self._heap[0][0] - self._output.ahead_s if self._heap else now_s + LOOK_EVERY_S
            if due_s > now_s:
                self._look(now_s, due_s)
                wait_s = max(min(due_s - time.monotonic(), FROZEN_AFTER_S / 4), 0.0)
                readable, _, _ = select.select([self._source], [], [], wait_s)
                if readable and not self._read():
                    break
                if not self._frozen and time.monotonic() - self._heard_s > FROZEN_AFTER_S:
                    self._frozen = True
                    self.silence()
                continue
            self._sound(now_s)
            readable, _, _ = select.select([self._source], [], [], 0.0)
            if readable and not self._read():
                break
        self.silence()

    def _look(self, now_s: float, due_s: float) -> None:
        if now_s - self._looked_s < LOOK_EVERY_S or due_s - now_s < LOOK_GAP_S:
            return
        self._looked_s = now_s
        news = self._output.look()
        if news is not None:
            for voices in self._voices.values():  # what a lost port held is over; a port that is back starts clean
                self._output.write(voices.release(), now_s)
            self.say({"notice": news})

    def _read(self) -> bool:
        data = os.read(self._source, 65536)
        if not data:
            return False
        self._heard_s = time.monotonic()
        self._frozen = False
        self._buffer += data
        whole = len(self._buffer) // RECORD.size * RECORD.size
        for kind, at_s, note, player, channel, pitch, velocity in RECORD.iter_unpack(self._buffer[:whole]):
            if kind == ON:
                self._begin_s[note] = at_s
                self._push(at_s, 1, kind, note, player, channel, pitch, velocity)
            elif kind == OFF:
                begin_s = self._begin_s.get(note)
                if begin_s is not None and at_s <= begin_s:
                    at_s = begin_s + SHORTEST_S
                self._push(at_s, 0, kind, note, player, channel, pitch, velocity)
            elif kind in (CONTROL, BEND):  # at once: a balance or a tuning belongs to no note
                message: Raw = ((CONTROL_CHANGE if kind == CONTROL else PITCH_BEND) | channel, pitch, velocity)
                self._output.write([(*message, player) if player else message], time.monotonic())
            elif kind == PANIC:
                self.silence()
            elif kind == CLOSE:
                self.stopping = True
        self._buffer = self._buffer[whole:]
        return True

    def _push(
        self, at_s: float, order: int, kind: int, note: int, player: int, channel: int, pitch: int, velocity: int
    ) -> None:
        # At one time ends go first, then beginnings; within these, in the order they came.
        self._count += 1
        key = self._count * 2 + (kind == ON)
        heapq.heappush(self._heap, (at_s, order, key, note, player, channel, pitch, velocity))

    def _sound(self, now_s: float) -> None:
        while self._heap and self._heap[0][0] - self._output.ahead_s <= now_s:
            at_s, _, key, note, player, channel, pitch, velocity = heapq.heappop(self._heap)
            on = key % 2 == 1
            voices = self._voices.setdefault(player, Voices())
            if on:
                messages = voices.on(channel, pitch, velocity, note)
            else:
                self._begin_s.pop(note, None)
                messages = voices.off(channel, pitch, note)
            self._output.write([(*message, player) if player else message for message in messages], at_s)
            sent_s = time.monotonic()
            self.say([note, int(on), at_s, sent_s])

    def silence(self) -> None:
        """Drop what is scheduled and end what sounds."""
        self._heap.clear()
        self._begin_s.clear()
        now_s = time.monotonic()
        for player, voices in self._voices.items():
            messages = voices.release()
            self._output.write([(*message, player) if player else message for message in messages], now_s)


def hurry() -> bool:
    """Ask for real-time priority; True when it was granted."""
    gc.collect()
    gc.freeze()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    except (AttributeError, OSError):
        with contextlib.suppress(OSError):
            os.nice(-10)
        return False
    return True


def open_output(spec: dict[str, Any]) -> Output:
    """The output a specification asks for."""
    programs: list[Raw] = [(PROGRAM | channel, program) for channel, program in spec.get("programs", [])]
    if spec["output"] == "synth":
        from collaparte.sound.audio import SynthOutput

        return SynthOutput(spec)
    from collaparte.sound.port import LOG, LogOutput, PortOutput

    port: str | None = spec.get("port")
    if port is not None and port.startswith(LOG):
        return LogOutput(port.removeprefix(LOG), programs)
    return PortOutput(port, programs)


def main() -> int:
    """The process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.fileno(), os.dup(sys.stdout.fileno())
    os.dup2(2, 1)  # what libraries print must not mix with our lines
    try:
        output = open_output(json.loads(sys.argv[1]))
    except CollaparteError as error:
        os.write(sink, json.dumps({"error": str(error), "kind": type(error).__name__}).encode() + b"\n")
        return error.exit_code
    sender = Sender(output, source, sink)

    def stop(_signal: int, _frame: object) -> None:
        sender.stopping = True

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    urgent = hurry()
    sender.say({"ready": output.name, "ahead_s": output.ahead_s, "realtime": urgent})
    os.set_blocking(sink, False)
    try:
        sender.run()
    finally:
        sender.silence()
        output.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
