"""Match files: a performance aligned to its score note by note, read fast, in both dialects in use.

Conventions
-----------
Beats are quarter notes of the performed score minus its earliest quarter, like everywhere in the house: the written
beats of the file (which count the denominator of the metre and go negative in a pick-up) are converted through its
time signatures. Seconds are performed ticks x rate / 1e6 / units, as they stand in the file (not shifted to zero).
A note that was not performed has NaN seconds and velocity 0; a note that is not in the score has NaN beats.

Dialect 5.0 spells the performed pitch (``note(n1,[G,n],3,804,2032,2032,56)``), dialect 1.0.0 numbers it
(``note(n1,55,804,2032,56,0,0)``). Format: Gerhard Widmer's group at JKU Linz; see Foscarin, Karystinaios, Peter,
Cancino-Chacon, Grachten & Widmer, "The match file format" (MEC 2022).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import UnreadableScore

Floats: TypeAlias = NDArray[np.float64]

MATCH, DELETION, INSERTION = 0, 1, 2

_SNOTE = re.compile(
    r"^snote\(([^,]*),\[([A-Ga-g]),([^\],]*)\],(-?\d+),(-?\d+):(-?\d+),([^,]*),([^,]*),([-\d.eE+]+),([-\d.eE+]+),"
    r"\[([^\]]*)\]\)-(?:deletion|note\(([^)]*)\))\.",
    re.MULTILINE,
)
_INSERTION = re.compile(r"^insertion-note\(([^)]*)\)\.", re.MULTILINE)
_CLOCK = re.compile(r"^info\((midiClockUnits|midiClockRate|matchFileVersion),([\d.]+)\)\.", re.MULTILINE)
_METRE = re.compile(r"^(?:scoreprop|meta)\(timeSignature,(\d+)/(\d+),.*?,(-?[\d.]+)\)\.", re.MULTILINE)
_FIRST_METRE = re.compile(r"^info\(timeSignature,\[?(\d+)/(\d+)\]?\)\.", re.MULTILINE)
_SPELLED = re.compile(r"\[([A-Ga-g]),([^\],]*)\],(-?\d+)")

_STEP = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ALTER = {"n": 0, "#": 1, "##": 2, "x": 2, "b": -1, "bb": -2, "": 0}


@dataclass(frozen=True)
class Match:
    """One aligned performance; arrays of n notes in the order of score beat, then pitch (insertions by time, last).

    ``kind`` is MATCH, DELETION (in the score, not played) or INSERTION (played, not in the score).
    ``time_signatures`` has rows (beat, numerator, denominator); ``bar_beats`` where bars begin.
    """

    path: Path
    kind: NDArray[np.int8]
    beat: Floats
    duration_beats: Floats
    pitch: NDArray[np.int16]
    voice: NDArray[np.int16]
    staff: NDArray[np.int16]
    grace: NDArray[np.bool_]
    fermata: NDArray[np.bool_]
    onset_s: Floats
    offset_s: Floats
    velocity: NDArray[np.int16]
    score_id: NDArray[np.str_]
    time_signatures: Floats
    bar_beats: Floats
    version: str

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def in_score(self) -> NDArray[np.bool_]:
        """Notes of the page, played or not."""
        return np.asarray(self.kind != INSERTION)

    @property
    def performed(self) -> NDArray[np.bool_]:
        """Notes that sounded, on the page or not."""
        return np.asarray(self.kind != DELETION)

    @property
    def unmatched_share(self) -> float:
        """The larger of: the page's notes not played, the played notes not on the page; each as a share, 0..1."""
        matched = float((self.kind == MATCH).sum())
        return 1.0 - matched / max(float(self.in_score.sum()), float(self.performed.sum()), 1.0)


def read_match(path: Path | str) -> Match:
    """Read one match file (either dialect); raises UnreadableScore when it is not one."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnreadableScore(f"The match file {path} cannot be read: {error.strerror}. Check the path.") from error
    clock = dict(_CLOCK.findall(text))
    if "matchFileVersion" not in clock:
        raise UnreadableScore(f"{path} is not a match file: it has no line info(matchFileVersion,...). Check the file.")
    tick_s = float(clock.get("midiClockRate", 500000)) / 1e6 / float(clock.get("midiClockUnits", 480))

    rows = _SNOTE.findall(text)
    if not rows:
        raise UnreadableScore(f"{path} is empty: no line of it aligns a note of a score (snote...). Check the file.")
    metre = _metre(text, path)
    written = np.array([float(row[8]) for row in rows])
    written_end = np.array([float(row[9]) for row in rows])
    quarter = _to_quarters(written, metre)
    duration = np.maximum(_to_quarters(written_end, metre) - quarter, 0.0)
    zero = float(quarter.min())
    attributes = [row[10] for row in rows]
    played = [_performed(row[11]) if row[11] else None for row in rows]
    extra = [_performed(body) for body in _INSERTION.findall(text)]

    beat = quarter - zero
    pitch = np.array([12 * (int(row[3]) + 1) + _STEP[row[1].upper()] + _ALTER.get(row[2], 0) for row in rows])
    order = np.lexsort((pitch, np.round(beat, 6)))
    sound = np.array([item if item is not None else (0, np.nan, np.nan, 0) for item in played])[order]
    inserted = np.array(extra if extra else np.zeros((0, 4))).reshape(-1, 4)
    inserted = inserted[np.lexsort((inserted[:, 0], inserted[:, 1]))]
    blank = np.full(len(inserted), np.nan)
    nothing = np.zeros(len(inserted), int)

    def column(values: list[int] | NDArray[np.int64], tail: NDArray[np.int64] = nothing) -> NDArray[np.int16]:
        return np.concatenate([np.asarray(values)[order], tail]).astype(np.int16)

    kinds = np.concatenate([np.where(np.isnan(sound[:, 1]), DELETION, MATCH), np.full(len(inserted), INSERTION)])
    grace = duration < 1e-6
    grace |= np.array(["grace" in item or "appoggiatura" in item for item in attributes])
    signatures = metre.copy()
    signatures[:, 0] = np.maximum(_to_quarters(metre[:, 0], metre) - zero, 0.0)
    return Match(
        path=path,
        kind=kinds.astype(np.int8),
        beat=np.concatenate([beat[order], blank]),
        duration_beats=np.concatenate([duration[order], blank]),
        pitch=column(pitch, inserted[:, 0].astype(int)),
        voice=column([_numbered(item, "v") for item in attributes]),
        staff=column([_numbered(item, "staff") for item in attributes]),
        grace=np.concatenate([grace[order], nothing.astype(bool)]),
        fermata=np.concatenate([np.array(["fermata" in item for item in attributes])[order], nothing.astype(bool)]),
        onset_s=np.concatenate([sound[:, 1], inserted[:, 1]]) * tick_s,
        offset_s=np.concatenate([sound[:, 2], inserted[:, 2]]) * tick_s,
        velocity=np.concatenate([sound[:, 3], inserted[:, 3]]).astype(np.int16),
        score_id=np.concatenate(
            [np.array([row[0] for row in rows])[order], np.array([""] * len(inserted), dtype="U1")]
        ),
        time_signatures=signatures,
        bar_beats=_bars(np.array([int(row[4]) for row in rows]), beat, signatures),
        version=clock["matchFileVersion"],
    )


def _performed(body: str) -> tuple[float, float, float, float]:
    """(pitch, onset ticks, offset ticks, velocity) of the inside of a ``note(...)``."""
    spelled = _SPELLED.search(body)
    if spelled:
        step, alter, octave = spelled.groups()
        numbers = body[spelled.end() + 1 :].split(",")
        pitch = 12 * (int(octave) + 1) + _STEP[step.upper()] + _ALTER.get(alter, 0)
        return float(pitch), float(numbers[0]), float(numbers[1]), float(numbers[3])
    fields = body.split(",")
    return float(fields[1]), float(fields[2]), float(fields[3]), float(fields[4])


def _metre(text: str, path: Path) -> Floats:
    """Rows (written beat, numerator, denominator), ascending; the first one reaches back to the pick-up."""
    rows = {float(beat): (float(beat), float(top), float(bottom)) for top, bottom, beat in _METRE.findall(text)}
    if not rows:
        first = _FIRST_METRE.search(text)
        if first is None:
            raise UnreadableScore(f"{path} names no time signature, so its beats cannot be turned into quarters.")
        rows = {0.0: (0.0, float(first[1]), float(first[2]))}
    table = np.array(sorted(rows.values()))
    if (table[:, 1:] <= 0).any():
        raise UnreadableScore(f"{path} has a time signature with a zero in it.")
    return table


def _to_quarters(written: Floats, metre: Floats) -> Floats:
    """Written beats to quarters (from the first time signature's place), piecewise through the time signatures."""
    length = 4.0 / metre[:, 2]
    start = np.concatenate([[0.0], np.cumsum(np.diff(metre[:, 0]) * length[:-1])])
    index = np.maximum(np.searchsorted(metre[:, 0], written + 1e-6, side="right") - 1, 0)
    quarters: Floats = start[index] + (written - metre[index, 0]) * length[index]
    return quarters


def _numbered(attributes: str, name: str) -> int:
    found = re.search(rf"(?:^|,){name}(\d+)(?:,|$)", attributes)
    return int(found[1]) if found else 0


def _bars(number: NDArray[np.int64], beat: Floats, signatures: Floats) -> Floats:
    """Where bars begin (ascending): the first onset of each run of a bar number, set right by the metre's grid.

    A bar whose first note is not on its first beat begins where the bar before it ends.
    """
    order = np.argsort(beat, kind="stable")
    number, beat = number[order], beat[order]
    change = np.flatnonzero(np.diff(number, prepend=number[0] - 1) != 0)
    starts: list[float] = []
    for first in beat[change].tolist():
        if starts and first <= starts[-1] + 1e-6:
            continue
        before = starts[-1] if starts else first
        row = signatures[max(int(np.searchsorted(signatures[:, 0], before + 1e-6, side="right")) - 1, 0)]
        length = row[1] * 4.0 / row[2]
        expected = before + length
        late = first - expected
        starts.append(expected if len(starts) > 1 and 1e-6 < late < length - 1e-6 else first)
    return np.array(starts)
