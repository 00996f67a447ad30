"""A MIDI file as a score: its ticks are the truth, nothing is quantised.

Every track is a part; a track that plays on several channels is one part for each (a type 0 file, too). Bars come
from the time signatures, tempi from the tempo map. A note struck again before it ended is two notes, each ended by
its own note-off in order of striking; a note never ended ends where its pitch is struck next or its track ends; a
note that ends where it began is given a sixty-fourth note's length.
"""

from __future__ import annotations

import contextlib
import io
from bisect import bisect_right
from collections import defaultdict, deque
from fractions import Fraction
from typing import Any

from collaparte.errors import UnreadableScore
from collaparte.score.instruments import family_of, is_percussion
from collaparte.score.sheet import Sheet, Written, WrittenBar, WrittenPart

SHORTEST = Fraction(1, 16)  # quarters given to a note without length
MAX_QUARTERS = 200_000  # about a day of music: longer is damage
DRUM_CHANNEL = 9


def read_midi(data: bytes, name: str) -> Sheet:
    """The sheet of a standard MIDI file held in ``data``; ``name`` names it in messages.

    Raises UnreadableScore for what is not MIDI, is damaged, or counts time in SMPTE frames.
    """
    import mido

    if data[:4] == b"RIFF" and b"MThd" in data[:64]:
        data = data[data.index(b"MThd") :]
    if data[:4] != b"MThd":
        raise UnreadableScore(f"{name} is not a MIDI file: it does not begin with MThd. Is the ending right?")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    except RecursionError:
        raise
    except Exception as error:  # mido raises whatever its parser stumbled on
        raise UnreadableScore(
            f"{name} is damaged or cut short as a MIDI file ({error or 'it ends too soon'})."
        ) from None
    if midi.ticks_per_beat <= 0 or midi.ticks_per_beat >= 0x8000:
        raise UnreadableScore(
            f"{name} counts time in film frames (SMPTE), not in beats; save it with ticks per quarter."
        )
    return _sheet_of(midi, name)


def _sheet_of(midi: Any, name: str) -> Sheet:
    quarter = int(midi.ticks_per_beat)
    sheet = Sheet(title="", parts=[], notes=[], bars=[], played_out=True)
    metres: dict[int, tuple[int, int]] = {}
    tempi: dict[int, float] = {}
    last_tick = 0
    trouble: dict[str, int] = defaultdict(int)
    for number, track in enumerate(midi.tracks):
        tick = _read_track(sheet, track, number, quarter, metres, tempi, trouble)
        last_tick = max(last_tick, tick)
        if last_tick > MAX_QUARTERS * quarter:
            raise UnreadableScore(f"{name} claims to last {last_tick / quarter:.0f} quarter notes; it is damaged.")
    if midi.tracks and midi.type == 1:
        sheet.title = str(midi.tracks[0].name).strip() if not _has_notes(midi.tracks[0]) else ""
    sheet.warnings += [f"{what}: {count}" for what, count in sorted(trouble.items())]
    last_note = max((note.start + note.length for note in sheet.notes), default=Fraction(last_tick, quarter))
    sheet.states_metre, sheet.states_tempo = bool(metres), bool(tempi)
    sheet.bars = bars_of_metres({Fraction(tick, quarter): metre for tick, metre in metres.items()}, last_note)
    sheet.tempi = [(Fraction(tick, quarter), period_s) for tick, period_s in sorted(tempi.items())]
    if not metres:
        sheet.warnings.append("no time signature in the file: 4/4 is assumed")
    _number_notes(sheet)
    return sheet


def _has_notes(track: Any) -> bool:
    return any(message.type == "note_on" and message.velocity > 0 for message in track)


def _read_track(
    sheet: Sheet,
    track: Any,
    number: int,
    quarter: int,
    metres: dict[int, tuple[int, int]],
    tempi: dict[int, float],
    trouble: dict[str, int],
) -> int:
    """Append the parts and notes of one track; returns its last tick."""
    tick, track_name, instrument = 0, "", ""
    programs: dict[int, int] = {}
    sounding: dict[tuple[int, int], deque[tuple[int, int]]] = defaultdict(deque)
    found: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)  # channel: (start, end, pitch, velocity)
    onsets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for message in track:
        tick += max(int(message.time), 0)
        kind = message.type
        if kind == "note_on" and message.velocity > 0:
            key = (message.channel, message.note)
            if sounding[key]:
                trouble["notes struck again before they ended"] += 1
            sounding[key].append((tick, message.velocity))
            onsets[key].append(tick)
        elif kind in ("note_on", "note_off"):
            key = (message.channel, message.note)
            if sounding[key]:
                start, velocity = sounding[key].popleft()
                found[message.channel].append((start, tick, message.note, velocity))
        elif kind == "program_change":
            programs.setdefault(message.channel, message.program)
        elif kind == "track_name":
            track_name = track_name or str(message.name)
        elif kind == "instrument_name":
            instrument = instrument or str(message.name)
        elif kind == "time_signature":
            if 1 <= message.numerator <= 128 and 1 <= message.denominator <= 64:
                metres[tick] = (message.numerator, message.denominator)
        elif kind == "set_tempo" and 1_000 <= message.tempo <= 30_000_000:
            tempi[tick] = message.tempo / 1e6
    for (channel, pitch), waiting in sounding.items():
        for start, velocity in waiting:
            later = onsets[channel, pitch]
            following = bisect_right(later, start)
            found[channel].append((start, later[following] if following < len(later) else tick, pitch, velocity))
            trouble["notes that never end"] += 1
    for channel in sorted(found):
        _add_part(sheet, found[channel], channel, quarter, programs.get(channel), _clean(track_name or instrument),
                  len(found) > 1, number, trouble)  # fmt: skip
    return tick


def _clean(name: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())


def _add_part(
    sheet: Sheet,
    rows: list[tuple[int, int, int, int]],
    channel: int,
    quarter: int,
    program: int | None,
    name: str,
    several: bool,
    number: int,
    trouble: dict[str, int],
) -> None:
    drums = channel == DRUM_CHANNEL or (is_percussion(name) and program is None)
    if not name or several:
        kind = "Percussion" if drums else family_of(program) if program is not None else f"Channel {channel + 1}"
        name = f"{name}, {kind}" if name else kind if program is not None or drums else f"Track {number + 1}"
    part = len(sheet.parts)
    sheet.parts.append(WrittenPart(name, program, drums))
    for start, end, pitch, velocity in sorted(rows):
        length = Fraction(end - start, quarter)
        if end <= start:
            length = SHORTEST
            trouble["notes without length, given a sixty-fourth"] += 1
        sheet.notes.append(Written(Fraction(start, quarter), length, pitch, part, "", velocity=velocity))


def _number_notes(sheet: Sheet) -> None:
    sheet.notes.sort(key=lambda note: (note.start, note.pitch, note.part))
    for index, note in enumerate(sheet.notes):
        note.id = f"n{index}"


def bars_of_metres(metres: dict[Fraction, tuple[int, int]], end: Fraction) -> list[WrittenBar]:
    """Bars from 0 to ``end``, a new one at every change of metre (so a change inside a bar cuts it short)."""
    changes = sorted(metres.items())
    if not changes or changes[0][0] > 0:
        changes.insert(0, (Fraction(0), (4, 4)))
    bars: list[WrittenBar] = []
    for place, (start, (numerator, denominator)) in enumerate(changes):
        until = changes[place + 1][0] if place + 1 < len(changes) else None
        length = Fraction(4 * numerator, denominator)
        while (start < until) if until is not None else (start < end or not bars):
            stop = start + length if until is None else min(start + length, until)
            bars.append(WrittenBar(start, stop, str(len(bars) + 1), numerator, denominator))
            start = stop
            if len(bars) > MAX_QUARTERS:
                raise UnreadableScore(f"the time signature {numerator}/{denominator} makes too many bars to be true")
        if until is not None and until > end:
            break
    return bars
