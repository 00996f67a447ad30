"""The orchestra, and the soloist if wanted, as a Standard MIDI File.

One track to a part, in seconds: the file's tempo is 120 throughout and its ticks are a fine ruler (1/9600 s), since
the music's own tempo is the soloist's. Tick 0 is clock zero of the take, so such a file can be heard again as a
soloist, or laid beside the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from collaparte.errors import DeviceError
from collaparte.events import Click, OrchestraEvent, Pedal, SoloEvent
from collaparte.score.page import Part
from collaparte.sound.face import Sound, Sounding
from collaparte.sound.seats import CLICK_LENGTH_S, CLICK_STRONG, CLICK_WEAK, PERCUSSION_CHANNEL, Seat, allot, seat_of
from collaparte.sound.voices import CONTROL, PROGRAM, Raw, Voices

TICKS_PER_QUARTER = 4800  # at 120 quarters a minute: 9600 ticks a second


def write_midi(
    path: str | Path,
    parts: Sequence[Part],
    events: Iterable[Sounding],
    solo: Iterable[SoloEvent | Pedal] = (),
) -> Path:
    """Write orchestra, clicks and soloist to ``path``; parts marked solo lend the soloist their name and program.

    Times before zero are written at zero; a note never ended ends with the last event of all. Raises DeviceError when
    the file cannot be written.
    """
    import mido

    seats = allot(parts)
    tracks: dict[str, list[tuple[float, int, OrchestraEvent | SoloEvent | Pedal]]] = {}
    for part in parts:
        if not part.solo:
            tracks[part.name] = []
    note = 0
    for event in events:
        if isinstance(event, Click):
            note -= 1  # numbers of their own, below every note of the orchestra
            pitch = CLICK_STRONG if event.accent else CLICK_WEAK
            begin = OrchestraEvent(event.due_s, event.beat, "Clicks", True, pitch, 100, note=note)
            end = OrchestraEvent(event.due_s + CLICK_LENGTH_S, event.beat, "Clicks", False, pitch, 0, note=note)
            seats.setdefault("Clicks", Seat(PERCUSSION_CHANNEL, 0))
            tracks.setdefault("Clicks", []).extend([(begin.due_s, 1, begin), (end.due_s, 0, end)])
        else:
            tracks.setdefault(event.part, []).append((event.due_s, int(event.on), event))
    for timed in tracks.values():
        _end_after_beginning(timed)
    played: list[tuple[float, int, OrchestraEvent | SoloEvent | Pedal]] = [(value.time_s, 0, value) for value in solo]
    if played:
        soloist = next((part for part in parts if part.solo), Part("Soloist", 0, 0))
        tracks = {soloist.name: played} | tracks
        seats.setdefault(soloist.name, seat_of(soloist.name, seats))
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    head = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000, time=0)])
    file.tracks.append(head)
    end_s = max((time_s for timed in tracks.values() for time_s, _, _ in timed), default=0.0)
    for name, timed in tracks.items():
        timed.sort(key=lambda item: item[:2])  # stable; at one time, what ends goes first
        file.tracks.append(_track(name, seat_of(name, seats), timed, end_s))
    try:
        file.save(str(path))
    except OSError as error:
        raise DeviceError(f"The MIDI file {path} cannot be written: {error.strerror or error}.") from error
    return Path(path)


def _end_after_beginning(timed: list[tuple[float, int, OrchestraEvent | SoloEvent | Pedal]]) -> None:
    """Notes of no length end after they begin, though at one time ends otherwise go before beginnings."""
    begun = {
        _number(event): time_s for time_s, order, event in timed if order == 1 and isinstance(event, OrchestraEvent)
    }
    for index, (time_s, order, event) in enumerate(timed):
        if order == 0 and isinstance(event, OrchestraEvent) and begun.get(event.note) == time_s:
            timed[index] = (time_s, 2, event)


def _track(
    name: str, seat: Seat, timed: list[tuple[float, int, OrchestraEvent | SoloEvent | Pedal]], end_s: float
) -> Any:
    import mido

    latin = name.encode("latin-1", "replace").decode("latin-1")  # all that the format holds
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=latin, time=0)])
    voices = Voices()
    last_tick = 0

    def write(time_s: float, messages: Iterable[Raw]) -> None:
        nonlocal last_tick
        tick = max(round(time_s * 2 * TICKS_PER_QUARTER), last_tick)
        for message in messages:
            track.append(mido.Message.from_bytes(list(message), time=tick - last_tick))
            last_tick = tick

    write(0.0, [(PROGRAM | seat.channel, min(max(seat.program, 0), 127))])
    for time_s, _, event in timed:
        if isinstance(event, Pedal):
            write(time_s, [(CONTROL | seat.channel, event.controller, event.value)])
        elif event.on:
            write(time_s, voices.on(seat.channel, event.pitch, event.velocity, _number(event)))
        else:
            write(time_s, voices.off(seat.channel, event.pitch, _number(event)))
    write(end_s, voices.release() if voices.sounding else [])
    return track


def _number(event: OrchestraEvent | SoloEvent) -> int:
    return event.note if isinstance(event, OrchestraEvent) else 0  # a soloist's pitch sounds once at a time


class MidiFile(Sound):
    """Collects what is sent and writes it when closed. ``solo`` may be given any time before."""

    def __init__(self, path: str | Path, parts: Sequence[Part]) -> None:
        self.path = Path(path)
        self.solo: list[SoloEvent | Pedal] = []
        self._parts = list(parts)
        self._events: list[Sounding] = []
        self._closed = False

    def send(self, events: Sequence[Sounding]) -> None:
        self._events.extend(events)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            write_midi(self.path, self._parts, self._events, self.solo)
