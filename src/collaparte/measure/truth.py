"""Where the soloist really was: beats and times that somebody aligned by hand or by note.

``read_truth`` reads a match file by itself, in both dialects in use (1.0.0: MIDI numbers, ``scoreprop`` lines; 5.0:
spelled pitches, ``info`` lines; times in ticks, seconds = ticks x rate / 1e6 / units). Onsets count beats of the
written metre; they become quarters through the time signatures and are moved so that the earliest note is at 0.0, or,
when the score is given, so that they agree with the score's own beats (a bar or another part may begin earlier).
Format: Foscarin, Karystinaios, Peter, Cancino-Chacon, Grachten, Widmer: The match file format (2022).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import SoloistError
from collaparte.events import Position
from collaparte.measure.onsets import Onsets, group_onsets, solo_onsets
from collaparte.score import Score

Array = NDArray[np.float64]

TICKS_OF_SEMITONE = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"n": 0, "#": 1, "b": -1, "##": 2, "x": 2, "bb": -2}

_INFO = re.compile(r"info\((\w+),\s*(.*)\)\.\s*$")
_METRE = re.compile(r"scoreprop\(timeSignature,\s*\[?(\d+)/(\d+)\]?[^,]*,[^,]*,[^,]*,\s*(-?[\d.]+)\)")
_OLD_METRE = re.compile(r"(?:info|meta)\(timeSignature,\s*\[?(\d+)/(\d+)[^,)]*(?:,\s*(-?[\d.]+),\s*(-?[\d.]+))?\)")
_SNOTE = re.compile(
    r"snote\((?P<id>[^,]*),\[(?P<step>[A-Ga-g]),(?P<alter>[^\]]*)\],(?P<octave>-?\d+|-),[^,]*,[^,]*,"
    r"(?P<length>[^,]*),(?P<onset>-?[\d.]+),(?P<offset>-?[\d.]+),\[(?P<marks>[^\]]*)\]\)-(?P<rest>.*)$"
)
_NOTE = re.compile(r"note\([^,]*,(?:\[[^\]]*\],-?\d+|\d+),\s*(?P<onset>-?[\d.]+),")


@dataclass(frozen=True)
class Truth:
    """Notes that were played, as arrays (n,) in order of time: ``beat`` (quarters, as everywhere), ``time_s``.

    ``passage`` (n,) counts up where the soloist jumped (0 throughout for a performance in order). ``missing`` (k,)
    are beats of required notes that were not played at all.
    """

    beat: Array
    time_s: Array
    passage: NDArray[np.int64]
    missing: Array

    @classmethod
    def of(cls, beat: Iterable[float], time_s: Iterable[float], passage: Iterable[int] | None = None) -> Truth:
        """Truth from any two sequences, sorted by time."""
        beats, times = np.array(list(beat), dtype=np.float64), np.array(list(time_s), dtype=np.float64)
        if beats.shape != times.shape:
            raise ValueError(f"{beats.size} beats but {times.size} times")
        passages = np.zeros(beats.shape, np.int64) if passage is None else np.array(list(passage), dtype=np.int64)
        order = np.argsort(times, kind="stable")
        return cls(beats[order], times[order], passages[order], np.zeros(0))

    @property
    def onsets(self) -> Onsets:
        """The chords that were played, by passage and beat."""
        return group_onsets(self.beat, self.time_s, self.passage)


def truth_of_positions(positions: Iterable[Position]) -> Truth:
    """What the follower itself believed: for takes without a truth, and for runs in which it cannot err."""
    chords = solo_onsets(positions)
    order = np.argsort(chords.first_s, kind="stable")
    return Truth(chords.beat[order], chords.first_s[order], chords.passage[order], np.zeros(0))


@dataclass(frozen=True)
class _Row:
    id: str
    pitch: int
    beat: float  # of the written metre
    grace: bool
    tick: float | None


def read_truth(path: str | os.PathLike[str], score: Score | None = None) -> Truth:
    """The truth in a match file; with ``score``, in that score's beats.

    Grace notes (no written length, or marked so) are left out. Raises SoloistError when the file is no match file.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise SoloistError(f"The match file {path} cannot be read: {error.strerror or error}.") from error
    info = {found[1]: found[2].strip() for line in lines if (found := _INFO.match(line))}
    rows = [row for line in lines if (row := _row(line)) is not None]
    if not rows or not any(row.tick is not None for row in rows):
        raise SoloistError(f"{path} has no aligned notes: is it a match file?")
    try:
        second_of_tick = float(info.get("midiClockRate", "500000")) / 1e6 / float(info.get("midiClockUnits", "480"))
    except (ValueError, ZeroDivisionError) as error:
        raise SoloistError(f"{path}: midiClockUnits or midiClockRate is not a number above 0.") from error
    quarters = _quarters(np.array([row.beat for row in rows]), lines)
    quarters = quarters + _shift(rows, quarters, score)
    played = [(quarter, row.tick * second_of_tick) for row, quarter in zip(rows, quarters.tolist(), strict=True)
              if row.tick is not None and not row.grace]  # fmt: skip
    table = np.array(sorted(played, key=lambda pair: (pair[1], pair[0])), dtype=np.float64).reshape(-1, 2)
    silent = [
        quarter for row, quarter in zip(rows, quarters.tolist(), strict=True) if row.tick is None and not row.grace
    ]
    missing = np.setdiff1d(np.unique(np.round(silent, 6)), np.round(table[:, 0], 6))
    return Truth(table[:, 0], table[:, 1], np.zeros(len(table), np.int64), missing)


def _row(line: str) -> _Row | None:
    found = _SNOTE.match(line)
    if found is None or found["octave"] == "-":
        return None
    played = _NOTE.match(found["rest"])
    alter = ACCIDENTALS.get(found["alter"], 0)
    pitch = 12 * (int(found["octave"]) + 1) + TICKS_OF_SEMITONE[found["step"].upper()] + alter
    grace = found["length"].strip() in ("0", "0/1") or "grace" in found["marks"] or found["onset"] == found["offset"]
    return _Row(found["id"], pitch, float(found["onset"]), grace, float(played["onset"]) if played else None)


def _quarters(beats: Array, lines: list[str]) -> Array:
    """Beats (n,) of the written metre as quarters, with beat 0 at quarter 0."""
    marks: dict[float, int] = {}
    for line in lines:
        if found := _METRE.match(line):
            marks.setdefault(float(found[3]), int(found[2]))
        elif found := _OLD_METRE.match(line):
            marks.setdefault(float(found[4]) if found[4] else -1e9, int(found[2]))
    if not marks:
        return beats.copy()
    starts = np.array(sorted(marks))
    quarter_of_beat = np.array([4.0 / marks[start] for start in starts])
    starts[0] = min(starts[0], float(beats.min()), 0.0) if starts[0] > -1e8 else min(float(beats.min()), 0.0)
    at_start = np.concatenate([[0.0], np.cumsum(np.diff(starts) * quarter_of_beat[:-1])])
    index = np.maximum(np.searchsorted(starts, beats + 1e-6, side="right") - 1, 0)
    return np.asarray(at_start[index] + (beats - starts[index]) * quarter_of_beat[index])


def _shift(rows: list[_Row], quarters: Array, score: Score | None) -> float:
    """What must be added to ``quarters``: to begin at 0.0, or to agree with the score by note ids or by pitches."""
    if score is None or len(score.notes) == 0:
        return -float(quarters.min())
    by_id = {str(note["id"]): float(note["beat"]) for note in score.notes}
    votes = Counter(
        round(by_id[row.id] - quarter, 4)
        for row, quarter in zip(rows, quarters.tolist(), strict=True)
        if row.id in by_id
    )
    if votes.total() < 0.5 * len(rows) or votes.most_common(1)[0][1] < 0.5 * votes.total():
        solo = score.solo if len(score.solo) else score.notes
        by_pitch: dict[int, list[float]] = {}
        for note in solo:
            by_pitch.setdefault(int(note["pitch"]), []).append(float(note["beat"]))
        votes = Counter(
            round(beat - quarter, 4)
            for row, quarter in list(zip(rows, quarters.tolist(), strict=True))[:200]
            for beat in by_pitch.get(row.pitch, [])
        )
    return votes.most_common(1)[0][0] if votes else -float(quarters.min())
