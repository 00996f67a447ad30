"""The sheet: a score as written, before its repeats are played out, whatever file it came from.

Conventions
-----------
Places are exact fractions of quarter notes (``Fraction``), counted from the start of the file, so that two parts in
different divisions meet exactly. A tie chain is one ``Written`` for each notated note, linked by ``tied_to``.
``performed`` plays the sections of a path one after the other, as partitura's unfolding does (Cancino-Chacón et al.,
"Partitura", MEC 2022): the same ids ("n12" becomes "n12-1", "n12-2" by order of sounding), but one path for all parts,
because engravers often write a da capo or a volta into the top part alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from collaparte.score.ornaments import Sign
from collaparte.score.page import NOTE


@dataclass(slots=True)
class Written:
    """One notated note. ``tied_to`` is the index in ``Sheet.notes`` of the note it is tied to, or None."""

    start: Fraction
    length: Fraction
    pitch: int
    part: int
    id: str
    kind: int = NOTE
    velocity: int = 64
    tied_to: int | None = None
    staff: int = 0  # in its part, from 1; 0 where the file knows no staves
    signs: tuple[Sign, ...] = ()


@dataclass(slots=True)
class WrittenPart:
    """One part as the file names it; ``program`` None where the file is silent about the instrument."""

    name: str
    program: int | None = None
    percussion: bool = False


@dataclass(slots=True)
class WrittenBar:
    """One bar, with its printed number and metre."""

    start: Fraction
    end: Fraction
    number: str
    numerator: int
    denominator: int


@dataclass(slots=True)
class WrittenFermata:
    """A fermata over something that starts at ``start`` and is ``length`` long (0: over a barline, at ``start``)."""

    start: Fraction
    length: Fraction


@dataclass(slots=True)
class Section:
    """A stretch between repeat signs; ``to`` names the sections that may follow (END: nothing)."""

    name: str
    start: Fraction
    end: Fraction
    to: tuple[str, ...] = ()


@dataclass(slots=True)
class Sheet:
    """Everything read from one file (or, merged, from two)."""

    title: str
    parts: list[WrittenPart]
    notes: list[Written]
    bars: list[WrittenBar]
    tempi: list[tuple[Fraction, float]] = field(default_factory=list)  # seconds per quarter from there on
    fermatas: list[WrittenFermata] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    longest: tuple[str, ...] = ()  # section names, every repeat taken
    shortest: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    states_metre: bool = True  # False: the bars are our assumption
    states_tempo: bool = True
    ids_are_final: bool = False  # a match file's ids already carry their pass
    played_out: bool = False  # MIDI and match files: repeats are already written out

    @property
    def end(self) -> Fraction:
        """Where the last bar, or the last note of a sheet without bars, ends."""
        if self.bars:
            return max(bar.end for bar in self.bars)
        return max((note.start + note.length for note in self.notes), default=Fraction(0))


@dataclass(slots=True)
class Visit:
    """One section as it is played: written quarters ``start``..``end`` sound from ``at`` on."""

    name: str
    start: Fraction
    end: Fraction
    at: Fraction


def visits_of(sheet: Sheet, path: Sequence[str]) -> list[Visit]:
    """The sections of ``path`` laid end to end; a sheet without sections is one visit."""
    if not path:
        last = max([sheet.end, *(note.start for note in sheet.notes)], default=Fraction(0))
        first = min([Fraction(0), *(note.start for note in sheet.notes)])
        return [Visit("A", first, last + 1, first)]
    known = {section.name: section for section in sheet.sections}
    visits: list[Visit] = []
    at = known[path[0]].start
    for name in path:
        section = known[name]
        visits.append(Visit(name, section.start, section.end, at))
        at += section.end - section.start
    if visits and visits[-1].end == max(section.end for section in sheet.sections):
        # a part that runs on beyond the others' last barline is played to its end
        visits[-1].end = max([visits[-1].end, sheet.end, *(note.start for note in sheet.notes)]) + 1
    return visits


@dataclass(slots=True)
class Sounding:
    """One note as performed; ``at`` and ``written`` in quarters, ``passing`` from 1."""

    at: Fraction
    length: Fraction
    written: Fraction
    passing: int
    source: Written
    id: str
    kind: int


def lay_notes(sheet: Sheet, visits: Sequence[Visit]) -> list[Sounding]:
    """Every note of every visit, ties merged, also across a section's end where the music simply runs on."""
    tied = {note.tied_to for note in sheet.notes if note.tied_to is not None}
    order = sorted(range(len(sheet.notes)), key=lambda index: (sheet.notes[index].start, index in tied))
    starts = [sheet.notes[index].start for index in order]
    times: dict[tuple[int, str], int] = defaultdict(int)
    laid: list[Sounding] = []
    awaiting: dict[int, Sounding] = {}  # index of the note a sounding tie leads to
    for visit in visits:
        if not laid or not _runs_on(visits, visit):
            awaiting = {}
        for index in order[bisect_left(starts, visit.start) : bisect_left(starts, visit.end)]:
            note = sheet.notes[index]
            times[note.part, note.id] += 1
            passing = times[note.part, note.id]
            held = awaiting.pop(index, None)
            if held is None:
                name = note.id if sheet.ids_are_final else f"{note.id}-{passing}"
                held = Sounding(
                    visit.at + note.start - visit.start, note.length, note.start, passing, note, name, note.kind
                )
                laid.append(held)
            else:
                held.kind = min(held.kind, note.kind)  # a grace note tied to its main note is that note
                held.length = visit.at + note.start - visit.start + note.length - held.at
            if note.tied_to is not None:
                awaiting[note.tied_to] = held
    return laid


def required_notes(sheet: Sheet) -> list[Written]:
    """The notes on the paper that somebody must play: a tie chain once, whatever the repeats do with it."""
    tied = {note.tied_to for note in sheet.notes if note.tied_to is not None}
    found = []
    for index, head in enumerate(sheet.notes):
        if index in tied:
            continue
        note, kind = head, head.kind
        while note.tied_to is not None:  # ties lead forward, but for damaged files
            follower = sheet.notes[note.tied_to]
            if follower.start <= note.start and note is not head:
                break
            note, kind = follower, min(kind, follower.kind)
        if kind == NOTE:
            found.append(head)
    return found


def _runs_on(visits: Sequence[Visit], visit: Visit) -> bool:
    place = next(index for index, other in enumerate(visits) if other is visit)
    return place > 0 and visits[place - 1].end == visit.start


def lay_bars(sheet: Sheet, visits: Sequence[Visit]) -> list[tuple[Fraction, Fraction, WrittenBar, int]]:
    """(start, length, bar, pass) as performed; a bar cut by a repeat sign comes in two pieces, as it is played."""
    laid: list[tuple[Fraction, Fraction, WrittenBar, int]] = []
    seen: dict[int, int] = defaultdict(int)
    for visit in visits:
        for bar in sheet.bars:
            start, end = max(bar.start, visit.start), min(bar.end, visit.end)
            if end > start:
                if start == bar.start:
                    seen[id(bar)] += 1
                laid.append((visit.at + start - visit.start, end - start, bar, max(seen[id(bar)], 1)))
    return laid


def lay_places(places: Iterable[Fraction], visits: Sequence[Visit]) -> list[tuple[Fraction, Fraction]]:
    """(performed, written) for each written place on each visit, in order of performance."""
    found = [
        (visit.at + place - visit.start, place)
        for place in places
        for visit in visits
        if visit.start <= place < visit.end
    ]
    return sorted(found)


def other_ways(sheet: Sheet, visits: Sequence[Visit]) -> list[tuple[Fraction, Fraction]]:
    """(from, to) as performed: the ways another reading of the repeats allows at each section's end.

    Of several performances of the destination the next one is meant when it lies ahead (leave a repeat out), and the
    last one when it lies behind (take a repeat again).
    """
    known = {section.name: section for section in sheet.sections}
    ways: set[tuple[Fraction, Fraction]] = set()
    for place, visit in enumerate(visits):
        if visit.name not in known:
            continue
        leaves = visits[place + 1].at if place + 1 < len(visits) else visit.at + known[visit.name].end - visit.start
        for name in known[visit.name].to:
            ahead = [other.at for other in visits[place + 1 :] if other.name == name]
            behind = [other.at for other in visits[: place + 1] if other.name == name]
            ways |= {(leaves, at) for at in (ahead[:1] + behind[-1:]) if at != leaves}
    return sorted(ways)
