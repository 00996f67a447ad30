"""What followers are tried on: a score and a real performance of it, both taken from one match file.

Conventions: see ``events``. A ``Playing`` is what is heard, in order of time, and what it truly is: ``beat`` (n,) is
NaN for notes that are not on the page and for grace notes (no follower is judged by them), ``passage`` (n,) counts up
at each jump, ``jump_s`` is when the first chord after the jump sounded (None: no jump). Who goes back and plays again
has ``beat`` for the first time only; ``again`` (n,), where it is given, has the beat each time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.events import SoloEvent
from collaparte.measure.truth import Truth
from collaparte.score import GRACE, NOTE, NOTE_FIELDS, Bar, Part, Score, TempoMark
from collaparte.training.data import MATCH, Match, read_match

Array = NDArray[np.float64]

SPLIT_SEED = 7
MARGIN_BEATS = 16.0
BROKEN_BAR = 6.0  # metres


@dataclass(frozen=True)
class Playing:
    """A performance as arrays (n,) in order of time, with its truth."""

    time_s: Array
    pitch: NDArray[np.int16]
    velocity: NDArray[np.int16]
    beat: Array
    passage: NDArray[np.int64]
    jump_s: float | None = None
    again: Array | None = None

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def events(self) -> list[SoloEvent]:
        """Every note-on, heard the moment it sounds."""
        rows = zip(self.time_s.tolist(), self.pitch.tolist(), self.velocity.tolist(), strict=True)
        return [SoloEvent(time_s, time_s, True, pitch, velocity) for time_s, pitch, velocity in rows]

    @property
    def truth(self) -> Truth:
        """The notes that are on the page."""
        known = ~np.isnan(self.beat)
        return Truth.of(self.beat[known], self.time_s[known], self.passage[known])

    @property
    def whereabouts(self) -> Truth:
        """Where the player was, whether there for the first time or not."""
        if self.again is None:
            return self.truth
        known = ~np.isnan(self.again)
        beat = self.again[known]
        back = np.diff(beat, prepend=beat[:1]) < 0.0
        return Truth.of(beat, self.time_s[known], np.cumsum(back).astype(np.int64))


@dataclass(frozen=True)
class Case:
    """One performance of one piece."""

    name: str
    score: Score
    playing: Playing

    def cut(self, notes: int, start: int = 0) -> Case:
        """``notes`` heard notes from number ``start`` on, and the page from there as far as 16 quarters after them."""
        whole = self.playing
        if start == 0 and len(whole) <= notes:
            return self
        rows = slice(start, start + notes)
        since_s = float(whole.time_s[start]) - 0.5 if start else 0.0
        part = Playing(
            whole.time_s[rows] - since_s, whole.pitch[rows], whole.velocity[rows], whole.beat[rows], whole.passage[rows]
        )
        begin = float(np.nanmin(part.beat)) - 1e-6 if start else -np.inf
        end = float(np.nanmax(part.beat)) + MARGIN_BEATS
        page = self.score
        bars = tuple(bar for bar in page.bars if begin <= bar.beat <= end)
        inside = (page.notes["beat"] >= begin) & (page.notes["beat"] <= end)
        return Case(self.name, Score(page.title, page.notes[inside], page.parts, bars, page.tempi), part)


def held_out(names: Iterable[str]) -> list[str]:
    """The pieces no follower was tuned on: a fifth, dealt by a seeded shuffle of all names; the rest were for tuning.

    A piece that is also in the other four fifths under a name with or without its repeats is left out.
    """
    order = sorted(names)
    random.Random(SPLIT_SEED).shuffle(order)
    size = len(order) // 5
    tuned = {music(name) for name in order[size:]}
    return [name for name in order[:size] if music(name) not in tuned]


def music(name: str) -> str:
    """The piece, whether its repeats are played or not."""
    return name.removesuffix("_no_repeat").removesuffix("_repeat")


def nasap_cases(folder: Path, count: int, seed: int, training: bool = False) -> list[Case]:
    """One performance each of ``count`` held-out pieces, the better aligned ones only (90 % of all notes matched).

    With ``training``, of the other pieces instead.
    """
    rng = random.Random(seed)
    by_piece: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.match")):
        by_piece.setdefault(path.parent.relative_to(folder).as_posix(), []).append(path)
    pieces = held_out(by_piece)
    if training:
        pieces = sorted(set(by_piece) - set(pieces))
    rng.shuffle(pieces)
    cases: list[Case] = []
    for piece in pieces:
        if len(cases) == count:
            break
        path = rng.choice(by_piece[piece])
        match = read_match(path)
        if match.unmatched_share <= 0.10 and int(match.performed.sum()) >= 200:
            name = f"{piece}/{path.stem}"
            score = score_of_match(match, name)
            if not runs_away(score):
                cases.append(Case(name, score, playing_of_match(match)))
    return cases


def runs_away(score: Score) -> bool:
    """True where the file's beats are broken: a bar lasts several times its metre (two pieces of nasap have that)."""
    return any(bar.duration_beats > BROKEN_BAR * bar.numerator * 4.0 / bar.denominator for bar in score.bars)


def read_case(path: Path, name: str | None = None) -> Case:
    """The score and the performance in one match file."""
    match = read_match(path)
    return Case(name or path.stem, score_of_match(match, name or path.stem), playing_of_match(match))


def score_of_match(match: Match, title: str) -> Score:
    """The page a match file was aligned to: one solo part, its bars and metres, one tempo (the file knows no marks).

    The tempo is the round number nearest to a moderate 100 quarters a minute: followers are not told the real one.
    """
    rows = match.in_score
    notes = np.zeros(int(rows.sum()), dtype=NOTE_FIELDS)
    notes["beat"] = np.round(match.beat[rows], 6)
    notes["duration_beats"] = match.duration_beats[rows]
    notes["pitch"] = match.pitch[rows]
    notes["velocity"] = 64
    notes["kind"] = np.where(match.grace[rows], GRACE, NOTE)
    notes["written_beat"] = notes["beat"]
    notes["passing"] = 1
    notes["id"] = match.score_id[rows]
    starts = np.unique(np.round(match.bar_beats, 6))
    ends = np.append(starts[1:], max(float((notes["beat"] + notes["duration_beats"]).max()), float(starts[-1]) + 1.0))
    bars = []
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True), start=1):
        row = match.time_signatures[
            max(int(np.searchsorted(match.time_signatures[:, 0], start + 1e-6, "right")) - 1, 0)
        ]
        bars.append(Bar(start, end - start, str(number), 1, int(row[1]), int(row[2])))
    return Score(title, notes, (Part("Solo", 1, solo=True),), tuple(bars), (TempoMark(0.0, 0.6),))


def playing_of_match(match: Match) -> Playing:
    """What was played, first note at half a second."""
    rows = np.flatnonzero(match.performed)
    rows = rows[np.argsort(match.onset_s[rows], kind="stable")]
    known = (match.kind[rows] == MATCH) & ~match.grace[rows]
    time_s = match.onset_s[rows] - match.onset_s[rows[0]] + 0.5
    beat = np.where(known, np.round(match.beat[rows], 6), np.nan)
    return Playing(time_s, match.pitch[rows], match.velocity[rows], beat, np.zeros(len(rows), np.int64))
