"""A take for other programs: MIDI of soloist and orchestra, and a table of everything as CSV.

(The WAV mix is made by ``sound`` and the match file by ``takes.align``.)
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from collaparte.errors import TakeError
from collaparte.events import Command, Notice
from collaparte.takes.read import Take

TICKS_PER_BEAT = 960
TEMPO_US = 500_000  # one tick is 0.52 ms: the performance is in the times, not in a tempo map
DRUMS = 9


def write_midi(
    take: Take,
    path: str | os.PathLike[str],
    *,
    solo: bool = True,
    orchestra: bool = True,
    programs: Mapping[str, int] | None = None,
) -> None:
    """The performance as a MIDI file: one track for the soloist (channel 1), one for each part of the orchestra.

    Tick 0 is the take's clock zero. ``programs`` gives a General MIDI program 0..127 for a part's name ("Solo" for
    the soloist). A note that was never ended ends with the take.
    """
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    head = mido.MidiTrack()
    head.append(mido.MetaMessage("track_name", name=_latin(take.header.piece), time=0))
    head.append(mido.MetaMessage("set_tempo", tempo=TEMPO_US, time=0))
    file.tracks.append(head)
    tracks: dict[str, list[tuple[float, bool, int, int, int]]] = {}  # time, on, number of the note, pitch, velocity
    if solo:
        tracks["Solo"] = _solo_rows(take)
    if orchestra:
        for event in take.orchestra:
            tracks.setdefault(event.part, []).append((event.due_s, event.on, event.note, event.pitch, event.velocity))
    channels = [channel for channel in range(16) if channel != DRUMS]
    for number, (part, rows) in enumerate(tracks.items()):
        channel = channels[number % len(channels)] if part != "Solo" or not solo else 0
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("track_name", name=_latin(part), time=0))
        if programs and part in programs:
            track.append(mido.Message("program_change", channel=channel, program=programs[part], time=0))
        messages = _messages(rows, take.end_s)
        if solo and part == "Solo":
            messages += [
                (_tick(pedal.time_s), 1, ("control_change", pedal.controller, pedal.value)) for pedal in take.pedals
            ]
        last = 0
        for tick, _, (kind, first, second) in sorted(messages, key=lambda message: message[:2]):
            names = ("control", "value") if kind == "control_change" else ("note", "velocity")
            content = {names[0]: first, names[1]: second}
            track.append(mido.Message(kind, channel=channel, time=tick - last, **content))
            last = tick
        file.tracks.append(track)
    try:
        file.save(str(path))
    except OSError as error:
        raise TakeError(f"The MIDI file {path} cannot be written: {error.strerror or error}.") from error


def _solo_rows(take: Take) -> list[tuple[float, bool, int, int, int]]:
    """The soloist's events with each note numbered, so that an end finds its own beginning (the oldest one open)."""
    rows = []
    open_notes: dict[int, list[int]] = {}
    for number, event in enumerate(sorted(take.solo, key=lambda event: (event.time_s, event.on))):
        if event.on:
            open_notes.setdefault(event.pitch, []).append(number)
            rows.append((event.time_s, True, number, event.pitch, event.velocity))
        elif open_notes.get(event.pitch):
            rows.append((event.time_s, False, open_notes[event.pitch].pop(0), event.pitch, 0))
    return rows


def _messages(
    rows: Iterable[tuple[float, bool, int, int, int]], end_s: float
) -> list[tuple[int, int, tuple[str, int, int]]]:
    """(tick, rank, message) with every beginning ended; at one tick ends come first, then pedals, then beginnings."""
    began: dict[tuple[int, int], tuple[int, int]] = {}
    ended: dict[tuple[int, int], int] = {}
    for time_s, on, number, pitch, velocity in rows:
        if on:
            began[number, pitch] = (_tick(time_s), velocity)
        else:
            ended[number, pitch] = _tick(time_s)
    messages: list[tuple[int, int, tuple[str, int, int]]] = []
    for (number, pitch), (tick, velocity) in began.items():
        until = max(ended.get((number, pitch), _tick(end_s)), tick + 1)
        messages.append((tick, 2, ("note_on", pitch, max(velocity, 1))))
        messages.append((until, 0, ("note_off", pitch, 0)))
    return messages


def _tick(time_s: float) -> int:
    return max(round(time_s * 1e6 / TEMPO_US * TICKS_PER_BEAT), 0)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")


def write_csv(take: Take, path: str | os.PathLike[str]) -> None:
    """Every value as one row: the kind, then a column for each field any kind has (empty where it has none)."""
    columns: list[str] = []
    for value in take.values:
        columns += [item.name for item in fields(value) if item.name not in columns]
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["kind", *columns])
            for value in take.values:
                writer.writerow([value.kind, *(_cell(value, name) for name in columns)])
    except OSError as error:
        raise TakeError(f"The table {path} cannot be written: {error.strerror or error}.") from error


def _cell(value: Any, name: str) -> object:
    content = getattr(value, name, None)
    if content is None:
        return ""
    if isinstance(content, str) and isinstance(value, (Command, Notice)) and content[:1] in "=+-@":
        return "'" + content  # a spreadsheet must not take it for a formula
    return round(content, 6) if isinstance(content, float) else content
