"""A MIDI file or a MIDI port as the soloist.

Conventions
-----------
Clock zero of a file is its tick 0, whatever stands before the first note; its tempo map turns ticks into seconds.
All tracks and channels count as one player. Times are seconds. Pedals are controllers 64, 66 and 67.
From a port, ``time_s`` and ``heard_s`` are both the moment the message was found on the given clock, a thousandth of a
second or so after it arrived; a known latency of the instrument is subtracted from ``time_s`` alone.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from collaparte.errors import SoloistError
from collaparte.events import Pedal, SoloEvent
from collaparte.ports import VIRTUAL, close_client, open_port, ports, received, unplug

Played: TypeAlias = SoloEvent | Pedal

PEDALS = (64, 66, 67)
POLL_S = 0.001  # between two looks at what has arrived: the time one message takes on a MIDI cable, or two
LOOK_AGAIN_S = 0.5  # how often a watcher asks whether the port is still there

NOTE_OFF, NOTE_ON, CONTROL = 0x80, 0x90, 0xB0


class Keys:
    """Which pitches the soloist holds, so that every note that starts, stops exactly once.

    The same pitch struck again while it sounds (an overlap, or two channels in unison) ends first; the surplus
    note-offs that follow are passed over.
    """

    def __init__(self) -> None:
        self._held: Counter[int] = Counter()

    def strike(self, pitch: int) -> bool:
        """A key goes down; True when its pitch sounds already and must end first."""
        self._held[pitch] += 1
        return self._held[pitch] > 1

    def lift(self, pitch: int) -> bool:
        """A key comes up; True when its pitch now falls silent."""
        if self._held[pitch] == 0:
            return False
        self._held[pitch] -= 1
        return self._held[pitch] == 0

    def lift_all(self) -> list[int]:
        """Every pitch still sounding, now released."""
        sounding = sorted(+self._held)
        self._held.clear()
        return sounding


def played_by(message: Sequence[int], keys: Keys, time_s: float, heard_s: float) -> Iterator[Played]:
    """The values one raw MIDI message stands for; none for what is neither a note nor a pedal."""
    if len(message) < 3:
        return
    status, number, value = message[0] & 0xF0, message[1], message[2]
    if status == NOTE_ON and value > 0:
        if keys.strike(number):
            yield SoloEvent(time_s, heard_s, False, number, 0)
        yield SoloEvent(time_s, heard_s, True, number, value)
    elif status in (NOTE_OFF, NOTE_ON):
        if keys.lift(number):
            yield SoloEvent(time_s, heard_s, False, number, value if status == NOTE_OFF else 0)
    elif status == CONTROL and number in PEDALS:
        yield Pedal(time_s, heard_s, number, value)


def read_midi_solo(path: str | Path, latency_s: float = 0.0) -> list[Played]:
    """What a recorded soloist played, in order of ``heard_s``, which is ``time_s + latency_s``.

    Notes without an end are ended with the file; notes of no length begin and end at one time. Raises SoloistError
    for a file that is missing, empty, cut short, not MIDI, or without notes.
    """
    path = Path(path)
    keys = Keys()
    played: list[Played] = []
    end_s = 0.0
    for end_s, message in _timed_messages(path):
        played.extend(played_by(message, keys, end_s, end_s + latency_s))
    if not any(isinstance(value, SoloEvent) for value in played):
        raise SoloistError(f"{path} holds no notes, so there is no soloist to follow. Choose another with --soloist.")
    played.extend(SoloEvent(end_s, end_s + latency_s, False, pitch, 0) for pitch in keys.lift_all())
    return played


def _timed_messages(path: Path) -> Iterator[tuple[float, Sequence[int]]]:
    """(seconds from tick 0, raw bytes) of every channel message and of the last event, all tracks merged."""
    midi = _open(path)
    # A negative division is SMPTE: frames per second in the high byte, ticks per frame in the low one.
    division = int(midi.ticks_per_beat)
    if division < 0:
        frames_per_s, ticks_per_frame = -(division >> 8), max(division & 0xFF, 1)
        smpte_tick_s: float | None = 1.0 / (frames_per_s * ticks_per_frame)
    else:
        smpte_tick_s = None
    events: list[tuple[int, int, Any]] = []
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += int(message.time)
            # A tempo rules from its tick on, also for notes that another track has at the same tick.
            events.append((tick, 0 if message.type == "set_tempo" else 1, message))
    events.sort(key=lambda event: event[:2])  # stable: within a tick, the order of the file
    seconds, last_tick, tick_s = 0.0, 0, smpte_tick_s or 0.5 / max(division, 1)
    for tick, _, message in events:
        seconds += (tick - last_tick) * tick_s
        last_tick = tick
        if message.type == "set_tempo" and smpte_tick_s is None:
            tick_s = message.tempo * 1e-6 / max(division, 1)
        yield seconds, () if message.is_meta else message.bytes()


def _open(path: Path) -> Any:
    import mido

    if not path.is_file():
        raise SoloistError(f"There is no file {path}. Give a MIDI file (.mid) as the soloist.")
    if path.stat().st_size == 0:
        raise SoloistError(f"{path} is empty. Export the performance again as a MIDI file.")
    with path.open("rb") as file:
        if file.read(4) != b"MThd":
            raise SoloistError(f"{path} is not a MIDI file (it does not begin with MThd). Export it as .mid.")
    try:
        midi = mido.MidiFile(str(path), clip=True)
    except EOFError as error:
        raise SoloistError(f"{path} is cut short: the file ends inside a track. Copy or export it again.") from error
    except Exception as error:  # mido raises OSError, ValueError, KeyError, IndexError ... for damaged bytes
        raise SoloistError(f"{path} is damaged and cannot be read as MIDI ({error}). Export it again.") from error
    if midi.type == 2:
        raise SoloistError(
            f"{path} is a MIDI file of type 2, whose tracks are not simultaneous. Save it as type 0 or 1."
        )
    return midi


def input_ports() -> list[str]:
    """Names of the MIDI inputs there are now; empty on a machine without a MIDI system."""
    return ports("MidiIn")


class MidiInput:
    """A soloist on a MIDI port. A thread of its own takes what has arrived, stamps it and hands it on.

    ``put`` receives every SoloEvent and Pedal, ``now`` tells the time in seconds (``WallClock.put`` and ``.now``).
    ``notice`` is told in plain words when the port is lost and when it is back; lost keys are released.
    ``port`` is a name, its unique beginning, None for the only one, or ``virtual:NAME`` to open a port of our own.
    """

    def __init__(
        self,
        port: str | None,
        put: Callable[[Played], None],
        now: Callable[[], float],
        *,
        notice: Callable[[str], None] = lambda text: None,
        latency_s: float = 0.0,
    ) -> None:
        self._put, self._now, self._notice = put, now, notice
        self._latency_s = latency_s
        self._keys = Keys()
        self._lock = threading.Lock()  # between the reader and the watcher that releases lost keys
        self._closing = threading.Event()
        self._client, self.name = open_port("MidiIn", port)
        duties = [self._read] if port is not None and port.startswith(VIRTUAL) else [self._read, self._watch]
        self._threads = [threading.Thread(target=duty, name="collaparte-midi-in", daemon=True) for duty in duties]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        while not self._closing.is_set():
            time.sleep(POLL_S)  # half the work of waiting for the event
            for message in received(self._client):
                heard_s = self._now()
                with self._lock:
                    for value in played_by(message, self._keys, heard_s - self._latency_s, heard_s):
                        self._put(value)

    def _release_all(self) -> None:
        heard_s = self._now()
        with self._lock:
            for pitch in self._keys.lift_all():
                self._put(SoloEvent(heard_s, heard_s, False, pitch, 0))

    def _watch(self) -> None:
        there = True
        while not self._closing.wait(LOOK_AGAIN_S):
            try:
                names = self._client.get_ports()
            except Exception:
                names = []
            if there and self.name not in names:
                there = False
                self._release_all()
                self._notice(f"The MIDI input {self.name} is gone. The orchestra plays on; plug it in again.")
            elif not there and self.name in names:
                try:
                    unplug(self._client)
                    self._client.open_port(names.index(self.name))
                except Exception:
                    continue
                there = True
                self._notice(f"The MIDI input {self.name} is back.")

    def close(self) -> None:
        """Close the port, release what is held, end the threads; a second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        for thread in self._threads:
            thread.join()
        close_client(self._client)
        self._release_all()

    def __enter__(self) -> MidiInput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
