"""Note by note after the take: what was played, missed, wrong or too many, and when each note of the page sounded.

The soloist's notes are laid along the page by ``takes.align``. A note counts as missed only where the soloist played
on both sides of it close by; what was never reached, or jumped over, is no mistake. A wrong note is an extra one where
one is missing. Ornaments and grace notes are never missed, and never too many (a trill has as many as it likes).

From a microphone only missing onsets are told, not wrong pitches: what an ear takes for a wrong note is too often its
own mistake.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import TakeError
from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.score import NOTE, Score
from collaparte.takes import Take
from collaparte.takes.align import align

NEAR_ONSETS = 2  # a missing note has played ones within so many onsets on both sides
WRONG_S = 0.4  # a wrong note sounds this near to where the right one would have
SOUNDS = ("mic", "browser")  # inputs that are heard, not read
COLUMNS = ("id", "part", "solo", "bar", "pass", "beat", "written_beat", "pitch", "performed_s", "released_s", "state")


@dataclass(frozen=True, slots=True)
class Slip:
    """Not what the page says: ``kind`` is missed, wrong (``pitch`` for ``instead``) or extra; beats are quarters."""

    kind: str
    beat: float
    bar: str
    pitch: int
    instead: int | None = None


def by_sound(take: Take) -> bool:
    """Whether the soloist was heard through a microphone or from a recording."""
    studio = take.header.config.get("studio") or {}
    return studio.get("input") in SOUNDS or bool(take.header.config.get("mic")) or any(
        event.certainty < 1 for event in take.solo
    )  # fmt: skip


def strokes(take: Take) -> list[SoloEvent]:
    """The soloist's notes in order of time."""
    return sorted((event for event in take.solo if event.on), key=lambda event: (event.time_s, event.pitch))


def played_rows(take: Take, score: Score) -> tuple[dict[int, float], list[SoloEvent]]:
    """When each row of ``score.solo`` was first played, and the notes that are none of them."""
    struck = strokes(take)
    times, pitches = np.array([event.time_s for event in struck]), np.array([event.pitch for event in struck], int)
    when: dict[int, float] = {}
    extra: list[SoloEvent] = []
    for line in align(score.solo, times, pitches):
        if line.kind == "match" and line.score is not None and line.performed is not None:
            when.setdefault(line.score, struck[line.performed].time_s)
        elif line.kind == "insertion" and line.performed is not None:
            extra.append(struck[line.performed])
    return when, extra


def slips(take: Take, score: Score) -> list[Slip]:
    """What differed from the page, in its order."""
    when, extra = played_rows(take, score)
    rows, onsets = score.solo, score.solo_onsets
    number = np.searchsorted(onsets, rows["beat"] - 1e-6)
    first_s = np.full(len(onsets), np.nan)
    for row, time_s in when.items():
        at = int(number[row])
        if at < len(onsets) and abs(onsets[at] - rows["beat"][row]) < 1e-5 and not first_s[at] < time_s:
            first_s[at] = time_s
    played = np.isfinite(first_s)
    missing = [
        row
        for row in range(len(rows))
        if row not in when and rows["kind"][row] == NOTE and _between(played, int(number[row]))
    ]
    found: list[Slip] = []
    sounds = by_sound(take)
    if sounds:
        silent = {int(number[row]) for row in missing if not played[int(number[row])]}
        missing = [row for row in missing if int(number[row]) in silent]
    decorated = np.unique(rows["beat"][rows["kind"] != NOTE])
    left = list(missing)
    meant_s = {row: _time_of(float(rows["beat"][row]), onsets, first_s) for row in missing}
    for event in [] if sounds else extra:
        beat = _beat_of(event.time_s, onsets, first_s)
        if beat is None or (len(decorated) and np.abs(decorated - beat).min() < 1.0):
            continue
        near = [row for row in left if abs(meant_s[row] - event.time_s) < WRONG_S]
        if near:
            row = min(near, key=lambda one: abs(int(rows["pitch"][one]) - event.pitch))
            left.remove(row)
            place = float(rows["beat"][row])
            found.append(Slip("wrong", place, score.bar_at(place).number, event.pitch, int(rows["pitch"][row])))
        else:
            found.append(Slip("extra", beat, score.bar_at(beat).number, event.pitch))
    for row in left:
        place = float(rows["beat"][row])
        found.append(Slip("missed", place, score.bar_at(place).number, int(rows["pitch"][row])))
    return sorted(found, key=lambda slip: (slip.beat, slip.pitch))


def _between(played: NDArray[np.bool_], at: int) -> bool:
    before, after = played[max(at - NEAR_ONSETS, 0) : at], played[at + 1 : at + 1 + NEAR_ONSETS]
    here = at < len(played) and bool(played[at])
    return here or (bool(before.any()) and bool(after.any()))


def _beat_of(time_s: float, onsets: NDArray[np.float64], first_s: NDArray[np.float64]) -> float | None:
    """Where on the page the soloist was at ``time_s``: the last onset begun; None before the first."""
    begun = np.flatnonzero(np.isfinite(first_s) & (first_s <= time_s + 0.05))
    return float(onsets[begun[np.argmax(first_s[begun])]]) if begun.size else None


def _time_of(beat: float, onsets: NDArray[np.float64], first_s: NDArray[np.float64]) -> float:
    there = np.isfinite(first_s)
    return float(np.interp(beat, onsets[there], first_s[there]))


def write_positions(take: Take, score: Score, path: str | os.PathLike[str]) -> None:
    """Every note of the performed page with the second it sounded, as CSV.

    ``id`` is the note's name in the score file (MusicXML and MEI keep theirs; elsewhere it is made from the part);
    ``performed_s`` and ``released_s`` are seconds on the take's clock, empty for what did not sound; ``state`` is
    played or silent. A note played more than once gives its first time.
    """
    when, _ = played_rows(take, score)
    ends = _releases(strokes(take), take.solo)
    solo_rows = iter(range(len(score.solo)))
    orchestra = _orchestra(take.orchestra, score)
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for note in score.notes:
                part = score.parts[int(note["part"])]
                bar = score.bar_at(float(note["beat"]))
                if part.solo:
                    begun_s = when.get(next(solo_rows))
                    ended_s = ends.get((begun_s, int(note["pitch"]))) if begun_s is not None else None
                else:
                    begun_s, ended_s = orchestra.get(_key(part.name, note), (None, None))
                writer.writerow([
                    str(note["id"]), _plain(part.name), int(part.solo), bar.number, bar.passing,
                    round(float(note["beat"]), 6), round(float(note["written_beat"]), 6), int(note["pitch"]),
                    _seconds(begun_s), _seconds(ended_s), "silent" if begun_s is None else "played",
                ])  # fmt: skip
    except OSError as error:
        raise TakeError(f"The table {path} cannot be written: {error.strerror or error}.") from error


def _releases(struck: Sequence[SoloEvent], events: Sequence[SoloEvent]) -> dict[tuple[float, int], float]:
    offs: dict[int, list[float]] = {}
    for event in events:
        if not event.on:
            offs.setdefault(event.pitch, []).append(event.time_s)
    found = {}
    for event in struck:
        after = [time_s for time_s in offs.get(event.pitch, []) if time_s > event.time_s]
        if after:
            found[event.time_s, event.pitch] = min(after)
    return found


def _orchestra(
    events: Sequence[OrchestraEvent], score: Score
) -> dict[tuple[str, float, int], tuple[float, float | None]]:
    """First sounding and its end, by part, beat and pitch."""
    found: dict[tuple[str, float, int], tuple[float, float | None]] = {}
    begun: dict[int, tuple[str, float, int]] = {}
    for event in events:
        if event.on:
            key = (event.part, round(event.beat, 3), event.pitch)
            if key not in found:
                found[key] = (event.due_s, None)
                begun[event.note] = key
        elif (key_ := begun.pop(event.note, None)) is not None:
            found[key_] = (found[key_][0], event.due_s)
    return found


def _key(part: str, note: Any) -> tuple[str, float, int]:
    return part, round(float(note["beat"]), 3), int(note["pitch"])


def _seconds(value: float | None) -> object:
    return "" if value is None else round(value, 6)


def _plain(text: str) -> str:
    return "'" + text if text[:1] in "=+-@" else text  # a spreadsheet must not take it for a formula
