"""The page: what a score says, as the other rooms read it.

Conventions
-----------
A beat is a quarter note of the performed (unfolded) score minus its earliest quarter: the first note or bar of any
part is at beat 0.0, a pick-up is never negative. Pitches sound (transposing instruments are already moved). Tied
notes are one note. Grace notes have ``kind`` GRACE, zero or tiny duration, and the beat of the note they decorate;
realised ornaments (the little notes a trill or turn stands for, within the length of their main note, whose id they
carry with "~1", "~2" ... behind it) ORNAMENT; cue notes (small print of another part, or another reading) CUE. Only
notes of ``kind`` NOTE are required of the soloist. Rows are sorted by (beat, pitch, part). Arrays are read-only.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import PartNotFound, ScoreError

NOTE, GRACE, ORNAMENT, CUE = 0, 1, 2, 3

LONG_REST_BEATS = 4.0  # quarters: from here on a rest of the soloist is the orchestra's

NOTE_FIELDS = np.dtype(
    [
        ("beat", "f8"),  # onset, performed quarters
        ("duration_beats", "f8"),  # sounding length, quarters; 0 for most grace notes
        ("pitch", "i2"),  # MIDI number, sounding
        ("part", "i2"),  # index into Score.parts
        ("velocity", "u1"),  # from dynamics, hairpins and accents; 64 where the page says nothing
        ("kind", "u1"),  # NOTE, GRACE, ORNAMENT or CUE
        ("written_beat", "f8"),  # the same place in the written (folded) score: equal on every pass of a repeat
        ("passing", "i2"),  # which pass through that place this is, from 1
        ("id", "U32"),  # the note's id in the file, with the pass appended as partitura does ("n12-1")
    ]
)

WRITTEN_FIELDS = np.dtype(
    [
        ("part", "i2"),  # index into Score.parts
        ("beat", "f8"),  # written quarters, as ``written_beat`` above
        ("pitch", "i2"),
    ]
)

Release: TypeAlias = Literal["onset", "note_off", "pedal", "length"]
Lead: TypeAlias = Literal["follow", "lead", "orchestra"]
Silence: TypeAlias = Literal["hold", "go on"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the score. ``program`` is a General MIDI program 0..127; ``percussion`` notes go to channel 10.

    ``short_name`` is how error messages and tables call it; ``number`` is its place in the file, from 1.
    """

    name: str
    number: int
    program: int = 0
    percussion: bool = False
    solo: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the performed score; ``number`` as printed, ``passing`` from 1; metre as a time signature."""

    beat: float
    duration_beats: float
    number: str
    passing: int
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class TempoMark:
    """From ``beat`` on, until the next mark, the page asks for ``beat_period_s`` seconds per quarter."""

    beat: float
    beat_period_s: float


@dataclass(frozen=True, slots=True)
class Fermata:
    """The music rests on ``beat`` (the onset of the held note or rest); nothing later sounds until it is released.

    ``release``: by the next solo onset, the soloist's note-off, the pedal, or after ``length_beats``. ``printed``: the
    release is nobody's choice but follows from the notes, and is worked out again when another part is the soloist's.
    """

    beat: float
    release: Release = "onset"
    length_beats: float | None = None
    printed: bool = False


@dataclass(frozen=True, slots=True)
class Ornament:
    """A sign over the note of ``part`` (index into Score.parts) at ``beat`` with ``pitch``.

    ``sign`` is MusicXML's name: trill-mark, mordent, inverted-mordent, turn, inverted-turn, delayed-turn,
    delayed-inverted-turn, tremolo, arpeggiate. The note itself is an ordinary row, required as ever. What the sign
    adds stands among the rows as ORNAMENT: a follower that expects those pitches from ``beat`` until the note ends
    and requires none of them has all it needs, for the player's own trill is faster or slower than ours. Without
    rows are arpeggiate (the chord's notes come one after the other, usually from below) and a tremolo that is
    unmeasured or between two notes (the note itself comes again and again).
    """

    beat: float
    part: int
    pitch: int
    sign: str


@dataclass(frozen=True, slots=True)
class Passage:
    """From ``start_beat`` until ``end_beat``: who leads, and what the orchestra does when the soloist falls silent.

    ``cadenza``: the soloist plays freely, whatever is or is not written; the orchestra re-enters at ``end_beat``.
    ``vamp``: the orchestra repeats the passage until the soloist or a command moves on. A cut needs no passage here:
    its bars are already gone from the page.
    """

    start_beat: float
    end_beat: float
    leads: Lead = "follow"
    silence: Silence = "go on"
    cadenza: bool = False
    vamp: bool = False


@dataclass(frozen=True, slots=True)
class Jump:
    """A way from ``from_beat`` to ``to_beat`` that another reading of the repeats allows (skip one, take it again)."""

    from_beat: float
    to_beat: float


@dataclass(frozen=True, eq=False)
class Score:
    """One performed score, never changed. Build it with ``read_score`` or, in tests, ``Score.from_notes``.

    ``written`` (m,) of WRITTEN_FIELDS is every required note on the paper, played or not (a first ending, when the
    repeat is left out; what a mark cuts); left out, it is what ``notes`` say of it. Two scores are equal only when
    they are one object; compare ``digest`` for the solo part, ``np.array_equal`` for notes.
    """

    title: str
    notes: NDArray[np.void]  # (n,) of NOTE_FIELDS
    parts: tuple[Part, ...]
    bars: tuple[Bar, ...]
    tempi: tuple[TempoMark, ...] = (TempoMark(0.0, 0.6),)
    fermatas: tuple[Fermata, ...] = ()
    passages: tuple[Passage, ...] = ()
    jumps: tuple[Jump, ...] = ()
    warnings: tuple[str, ...] = ()
    ornaments: tuple[Ornament, ...] = ()
    written: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, WRITTEN_FIELDS))

    def __post_init__(self) -> None:
        notes = np.array(self.notes, dtype=NOTE_FIELDS)
        notes = notes[np.lexsort((notes["part"], notes["pitch"], notes["beat"]))]
        notes.setflags(write=False)
        object.__setattr__(self, "notes", notes)
        written = np.array(self.written, dtype=WRITTEN_FIELDS) if len(self.written) else _written_of(notes)
        written.setflags(write=False)
        object.__setattr__(self, "written", written)
        if len(notes) and notes["part"].max(initial=0) >= len(self.parts):
            raise ScoreError(f"a note names part {notes['part'].max()}, but there are {len(self.parts)} parts")

    @classmethod
    def from_notes(
        cls,
        solo: Sequence[tuple[float, float, int]],
        orchestra: Sequence[tuple[float, float, int]] = (),
        *,
        beats_per_bar: int = 4,
        beat_period_s: float = 0.5,
        title: str = "untitled",
        fermatas: tuple[Fermata, ...] = (),
        passages: tuple[Passage, ...] = (),
    ) -> Score:
        """A plain score from (beat, duration_beats, pitch) rows, the soloist's and the orchestra's."""
        rows = [
            (beat, length, pitch, part, 64, NOTE, beat, 1, f"{'so'[part]}{index}")
            for part, voice in enumerate((solo, orchestra))
            for index, (beat, length, pitch) in enumerate(voice)
        ]
        notes = np.array(rows, dtype=NOTE_FIELDS)
        end = max((beat + length for voice in (solo, orchestra) for beat, length, _ in voice), default=0.0)
        bars = tuple(
            Bar(float(start), float(beats_per_bar), str(index + 1), 1, beats_per_bar, 4)
            for index, start in enumerate(range(0, max(int(np.ceil(end)), 1), beats_per_bar))
        )
        parts = (Part("Solo", 1, 40, solo=True), Part("Orchestra", 2, 48))
        return cls(title, notes, parts, bars, (TempoMark(0.0, beat_period_s),), fermatas, passages)

    @cached_property
    def solo(self) -> NDArray[np.void]:
        """The soloist's notes, grace notes and ornaments among them; cue notes, which may be played, as ornaments."""
        rows: NDArray[np.void] = self._rows([index for index, part in enumerate(self.parts) if part.solo])
        if np.any(rows["kind"] == CUE):
            rows = rows.copy()
            rows["kind"][rows["kind"] == CUE] = ORNAMENT
            rows.setflags(write=False)
        return rows

    @cached_property
    def orchestra(self) -> NDArray[np.void]:
        """Everybody else's notes; cue notes are for reading and are not among them."""
        everybody = self._rows([index for index, part in enumerate(self.parts) if not part.solo])
        rows: NDArray[np.void] = everybody[everybody["kind"] != CUE]
        rows.setflags(write=False)
        return rows

    def _rows(self, indices: list[int]) -> NDArray[np.void]:
        rows = self.notes[np.isin(self.notes["part"], indices)]
        rows.setflags(write=False)
        return rows

    @cached_property
    def solo_onsets(self) -> NDArray[np.float64]:
        """Beats (k,) at which the soloist is required, ascending, each once."""
        rows = self.solo
        beats: NDArray[np.float64] = np.unique(rows["beat"][rows["kind"] == NOTE])
        beats.setflags(write=False)
        return beats

    @cached_property
    def solo_rests(self) -> tuple[tuple[float, float], ...]:
        """(start, end) of the soloist's rests of at least LONG_REST_BEATS, at the ends of the score too.

        Nobody's part is solo: one rest, the whole score.
        """
        rows = self.solo[self.solo["kind"] == NOTE]
        if not len(rows):
            return ((0.0, self.end_beat),) if self.end_beat >= LONG_REST_BEATS else ()
        ends = np.maximum.accumulate(rows["beat"] + rows["duration_beats"])
        starts = np.concatenate([[0.0], ends])
        stops = np.concatenate([rows["beat"], [self.end_beat]])
        long = stops - starts >= LONG_REST_BEATS - 1e-9
        return tuple((float(start), float(stop)) for start, stop in zip(starts[long], stops[long], strict=True))

    @cached_property
    def solo_entries(self) -> NDArray[np.float64]:
        """Beats (k,) where the soloist begins, or begins again after a rest of at least LONG_REST_BEATS, ascending."""
        onsets = self.solo_onsets
        after = {stop for _, stop in self.solo_rests}
        entries = np.array([beat for place, beat in enumerate(onsets) if place == 0 or float(beat) in after])
        entries.setflags(write=False)
        return entries

    @cached_property
    def tutti(self) -> tuple[tuple[float, float], ...]:
        """(start, end) of the soloist's long rests in which the orchestra begins a note."""
        beats = self.orchestra["beat"]
        return tuple((start, stop) for start, stop in self.solo_rests if np.any((beats >= start) & (beats < stop)))

    @cached_property
    def end_beat(self) -> float:
        """Where the last note or bar ends."""
        last_note = float((self.notes["beat"] + self.notes["duration_beats"]).max(initial=0.0))
        return max([last_note, *(bar.beat + bar.duration_beats for bar in self.bars)])

    @cached_property
    def digest(self) -> str:
        """Names the solo part as written (place and pitch of its notes): memory is keyed by it.

        The same whatever repeats are taken, bars cut and instruments renamed by marks.
        """
        solo = [index for index, part in enumerate(self.parts) if part.solo]
        made = [index for index in solo if index not in self.written["part"]]  # a part that marks have made
        rows = np.concatenate([self.written[np.isin(self.written["part"], solo)], _written_of(self._rows(made))])
        keys = np.unique(
            np.stack([np.round(rows["beat"] * 960).astype(np.int64), rows["pitch"].astype(np.int64)], axis=1),
            axis=0,
        )
        return hashlib.sha256(keys.tobytes()).hexdigest()[:16]

    @cached_property
    def _tempo_table(self) -> tuple[list[float], list[float], list[float]]:
        """Beats, seconds per quarter and seconds of the tempo marks; lists: one look-up costs less than in NumPy."""
        beats = [mark.beat for mark in self.tempi]
        periods = [mark.beat_period_s for mark in self.tempi]
        seconds = [0.0]
        for mark, following in pairwise(self.tempi):
            seconds.append(seconds[-1] + (following.beat - mark.beat) * mark.beat_period_s)
        return beats, periods, seconds

    def seconds_at(self, beat: float) -> float:
        """Seconds from the first tempo mark to ``beat``, played as the page asks, without rubato or fermatas."""
        beats, periods, seconds = self._tempo_table
        index = max(bisect_right(beats, beat) - 1, 0)
        return seconds[index] + (beat - beats[index]) * periods[index]

    def beat_at_seconds(self, page_s: float) -> float:
        """The inverse of ``seconds_at``."""
        beats, periods, seconds = self._tempo_table
        index = max(bisect_right(seconds, page_s) - 1, 0)
        return beats[index] + (page_s - seconds[index]) / periods[index]

    def beat_period_at(self, beat: float) -> float:
        """Seconds per quarter that the page asks for at ``beat``."""
        beats, periods, _ = self._tempo_table
        return periods[max(bisect_right(beats, beat) - 1, 0)]

    def bar_at(self, beat: float) -> Bar:
        """The bar that ``beat`` falls in (the first or last one outside the score)."""
        starts = [bar.beat for bar in self.bars]
        return self.bars[max(int(np.searchsorted(starts, beat + 1e-6, side="right")) - 1, 0)]

    def beat_of_bar(self, number: str, passing: int = 1) -> float:
        """Where the bar printed as ``number`` begins on its given pass.

        Raises ScoreError naming the first and last bar when there is no such bar.
        """
        for bar in self.bars:
            if bar.number == number and bar.passing == passing:
                return bar.beat
        raise ScoreError(
            f"There is no bar {number} (pass {passing}) in {self.title!r}. "
            f"Its bars run from {self.bars[0].number} to {self.bars[-1].number}."
        )

    def with_solo(self, choice: Sequence[str]) -> Score:
        """The same page with other parts as soloist, by name or number from 1.

        Of a name, in any case, a unique beginning or a word that only one of them has will do.

        Raises PartNotFound, naming the parts there are.
        """
        chosen = {self._part_index(wanted) for wanted in choice}
        parts = tuple(
            Part(part.name, part.number, part.program, part.percussion, index in chosen)
            for index, part in enumerate(self.parts)
        )
        page = replace(self, parts=parts)
        return replace(page, fermatas=tuple(page._released(fermata) for fermata in self.fermatas))

    def _released(self, fermata: Fermata) -> Fermata:
        """Printed: released by the soloist's onset where that is among the next to sound, else by note-off."""
        if not fermata.printed:
            return fermata
        onsets = np.unique(self.notes["beat"][self.notes["kind"] == NOTE])
        following = onsets[onsets > fermata.beat + 1e-9]
        among = len(following) > 0 and bool(np.any(np.abs(self.solo_onsets - following[0]) < 1e-9))
        return replace(fermata, release="onset" if among else "note_off")

    def _part_index(self, wanted: str) -> int:
        for index, part in enumerate(self.parts):
            if wanted in (part.name, str(part.number)):
                return index
        text, names = wanted.casefold(), [part.name.casefold() for part in self.parts]
        near = [index for index, name in enumerate(names) if name == text]
        near = near or [index for index, name in enumerate(names) if name.startswith(text)]
        near = near or [index for index, name in enumerate(names) if text in name.split()]  # "voice": Singstimme Voice
        if len(near) == 1:
            return near[0]
        listed = ", ".join(f"{part.number} {part.name}" for part in self.parts)
        trouble = "is not in this score" if not near else "could be several"
        raise PartNotFound(f"Part {wanted!r} {trouble}. Its parts are: {listed}. Choose with --solo NAME or NUMBER.")


def _written_of(notes: NDArray[np.void]) -> NDArray[np.void]:
    """The required ones of performed ``notes`` as rows of WRITTEN_FIELDS."""
    required = notes[notes["kind"] == NOTE]
    rows = np.zeros(len(required), dtype=WRITTEN_FIELDS)
    rows["part"], rows["beat"], rows["pitch"] = required["part"], required["written_beat"], required["pitch"]
    return rows
