"""From one or two sheets to the performed page: repeats played out, two files laid on one timeline."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import ScoreError, TimelineMismatch, UnreadableScore
from collaparte.score.instruments import program_of
from collaparte.score.ornaments import realise
from collaparte.score.page import (
    NOTE,
    NOTE_FIELDS,
    ORNAMENT,
    WRITTEN_FIELDS,
    Bar,
    Fermata,
    Jump,
    Ornament,
    Part,
    Score,
    TempoMark,
)
from collaparte.score.sheet import (
    Section,
    Sheet,
    Sounding,
    Visit,
    Written,
    lay_bars,
    lay_notes,
    lay_places,
    other_ways,
    required_notes,
    visits_of,
)
from collaparte.score.tempo_words import DEFAULT_PERIOD_S

_Value = TypeVar("_Value")

_Row: TypeAlias = tuple[float, float, int, int, int, int, float, int, str]  # as NOTE_FIELDS

_NEAR_START = 8  # quarters: a first tempo mark this near the beginning holds from the beginning


@dataclass(slots=True)
class _Played:
    """One sheet with its repeats played out."""

    sheet: Sheet
    visits: list[Visit]
    notes: list[Sounding]
    name: str

    @property
    def end(self) -> Fraction:
        bars = lay_bars(self.sheet, self.visits)
        if bars and self.sheet.states_metre and not self.sheet.played_out:
            return max(start + length for start, length, _, _ in bars)
        return max((note.at + note.length for note in self.notes), default=Fraction(0))


def perform(
    sheets: Sequence[tuple[Sheet, str]], *, repeats: bool = True, unfolding: str | None = None
) -> tuple[Score, NDArray[np.int16]]:
    """The page of one sheet, or of a solo sheet and its accompaniment, each given with its file's name.

    Beside it the staff (n,) of each row of the page's notes, 0 where the file knows none.

    Raises TimelineMismatch when two sheets cannot be one piece, UnreadableScore when there is not one note.
    """
    _share_repeats([sheet for sheet, _ in sheets])
    played = [_play(sheet, name, repeats, unfolding) for sheet, name in sheets]
    if len(played) == 2:
        played = _fitted(played, unfolding)
        _must_agree(*played)
    everything = [note for one in played for note in one.notes]
    if not everything:
        raise UnreadableScore(f"There is not one note in {' or '.join(name for _, name in sheets)}.")
    return _page(played, min(note.at for note in everything))


def path_of(sheet: Sheet, repeats: bool, unfolding: str | None) -> tuple[str, ...]:
    """The sections to play, in order: all repeats, none, or as ``unfolding`` spells it ("A-A-B", "AAB", "minimal").

    Raises ScoreError naming the sections there are.
    """
    if unfolding is None or unfolding.casefold() in ("maximal", "minimal"):
        longest = repeats if unfolding is None else unfolding.casefold() == "maximal"
        return sheet.longest if longest else sheet.shortest
    known = {section.name: section for section in sheet.sections} or {"A": Section("A", Fraction(0), sheet.end)}
    names = tuple(re.findall(r"[A-Za-z]", unfolding))
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        listed = "; ".join(f"{name}: {_bars_between(sheet, section)}" for name, section in known.items())
        raise ScoreError(
            f"The unfolding {unfolding!r} names {'no section' if not names else 'section ' + wrong[0]}. "
            f"The sections are {listed}. Write for instance {'-'.join(sheet.longest or ('A',))}."
        )
    return names if sheet.sections else ()


def _bars_between(sheet: Sheet, section: Section) -> str:
    inside = [bar.number for bar in sheet.bars if section.start <= bar.start < section.end]
    return f"bars {inside[0]} to {inside[-1]}" if inside else "no bars"


def _share_repeats(sheets: Sequence[Sheet]) -> None:
    """Two engraved files of one length share the fuller reading of the repeats."""
    engraved = [sheet for sheet in sheets if not sheet.played_out]
    if len(engraved) < 2 or abs(engraved[0].end - engraved[1].end) > 1:
        return
    fuller = max(engraved, key=lambda sheet: (len(sheet.sections), len(sheet.longest)))
    for sheet in engraved:
        sheet.sections, sheet.longest, sheet.shortest = fuller.sections, fuller.longest, fuller.shortest


def _play(sheet: Sheet, name: str, repeats: bool, unfolding: str | None) -> _Played:
    path = () if sheet.played_out else path_of(sheet, repeats, unfolding)
    visits = visits_of(sheet, path)
    return _Played(sheet, visits, lay_notes(sheet, visits), name)


def _fitted(played: list[_Played], unfolding: str | None) -> list[_Played]:
    """Where one file has its repeats written out and the other has signs, the signs are read to end with it."""
    out = [one for one in played if one.sheet.played_out]
    if len(out) != 1 or unfolding is not None:
        return played
    end = out[0].end

    def best(one: _Played) -> _Played:
        if one.sheet.played_out:
            return one
        choices = [one, _play(one.sheet, one.name, True, None), _play(one.sheet, one.name, False, None)]
        return min(choices, key=lambda choice: abs(choice.end - end))

    return [best(one) for one in played]


def _must_agree(first: _Played, second: _Played) -> None:
    """Raises TimelineMismatch, saying where, when lengths, metres or tempi show two different timelines."""
    both = f"{first.name} and {second.name}"
    metres = [_metres(one) for one in (first, second)]
    if first.sheet.states_metre and second.sheet.states_metre:
        for place in sorted(set(metres[0]) | set(metres[1])):
            here = [_last(one, place) for one in metres]
            if here[0] and here[1] and Fraction(*here[0]) != Fraction(*here[1]) and place < min(first.end, second.end):
                raise TimelineMismatch(
                    f"{both} do not share one timeline: at beat {float(place):g} the first is in "
                    f"{here[0][0]}/{here[0][1]}, the second in {here[1][0]}/{here[1][1]}. "
                    "Export both from the same score."
                )
    longer, shorter = max(first.end, second.end), min(first.end, second.end)
    notes_only = first.sheet.played_out or second.sheet.played_out
    # Without barlines only the last note shows the end, and a soloist may well stop some bars before the orchestra.
    allowed = max(Fraction(32), longer / 8) if notes_only else Fraction(4)
    if longer - shorter > allowed:
        raise TimelineMismatch(
            f"{both} do not share one timeline: the first ends after {float(first.end):g} quarter notes, the second "
            f"after {float(second.end):g}. Are both whole, and with the same repeats?"
        )
    if first.sheet.states_tempo and second.sheet.states_tempo and first.sheet.played_out and second.sheet.played_out:
        _tempi_must_agree(first, second, shorter, both)


def _tempi_must_agree(first: _Played, second: _Played, end: Fraction, both: str) -> None:
    tempi = [dict(one.sheet.tempi) for one in (first, second)]
    places = sorted(place for place in set(tempi[0]) | set(tempi[1]) | {Fraction(0)} if place <= end)
    apart = 0.0  # quarters over which the two tempo maps differ
    begins: Fraction | None = None
    for place, following in zip(places, [*places[1:], end], strict=True):
        periods = [_last(one, place) or 0.5 for one in tempi]
        if abs(math.log(periods[0] / periods[1])) > math.log(1.1):
            begins = place if begins is None else begins
            apart += float(following - place)
    if begins is not None and apart > max(8.0, 0.05 * float(end)):
        periods = [_last(one, begins) or 0.5 for one in tempi]
        raise TimelineMismatch(
            f"{both} do not share one timeline: from beat {float(begins):g} on the first asks for "
            f"{60 / periods[0]:.0f} quarters a minute, the second for {60 / periods[1]:.0f}."
        )


def _metres(one: _Played) -> dict[Fraction, tuple[int, int]]:
    found: dict[Fraction, tuple[int, int]] = {}
    for start, _, bar, _ in lay_bars(one.sheet, one.visits):
        metre = (bar.numerator, bar.denominator)
        if not found or found[max(found)] != metre:
            found[start] = metre
    return found


def _last(table: dict[Fraction, _Value], place: Fraction) -> _Value | None:
    before = [start for start in table if start <= place]
    return table[max(before)] if before else None


def _page(played: Sequence[_Played], origin: Fraction) -> tuple[Score, NDArray[np.int16]]:
    """Assemble the page; ``origin`` is the earliest performed quarter that sounds, beat 0.0.

    Written beats count from the earliest note on the paper, so that they are the same whatever is repeated.
    """
    timeline = _best_timeline(played)
    tempi, missing = _tempi(played, timeline, origin)
    paper = min(note.start for one in played for note in one.sheet.notes)
    ornaments: set[Ornament] = set()
    written: list[tuple[int, float, int]] = []
    warnings: list[str] = []
    parts: list[Part] = []
    staves: list[int] = []
    rows: list[_Row] = []
    for one in played:
        first = len(parts)
        parts += _parts(one.sheet, parts)
        prefix = f"{one.name}: " if len(played) > 1 else ""
        warnings += [prefix + text for text in one.sheet.warnings]
        beyond = 0
        written += [(first + note.part, float(note.start - paper), note.pitch) for note in required_notes(one.sheet)
                    if 0 <= note.pitch <= 127]  # fmt: skip
        for note in one.notes:
            source = note.source
            if not 0 <= source.pitch <= 127:
                beyond += 1
                continue
            beat, part = float(note.at - origin), first + source.part
            row = (beat, float(max(note.length, Fraction(0))), source.pitch, part, source.velocity, note.kind,
                   float(note.written - paper), note.passing, note.id[:32])  # fmt: skip
            rows.append(row)
            if source.signs and note.kind == NOTE:
                ornaments |= {Ornament(beat, part, source.pitch, sign.name) for sign in source.signs}
                rows += _little_notes(row, source, _period_at(tempi, beat))
            staves += [source.staff] * (len(rows) - len(staves))
        if beyond:
            warnings.append(f"{prefix}{beyond} notes outside MIDI's range 0..127 were left out")
    end = max(note.at + note.length for one in played for note in one.notes)
    bars = _bars(timeline, origin, end if timeline.sheet.played_out else origin)
    if missing:
        warnings.append("no tempo is given: 100 quarters a minute is assumed")
    jumps = tuple(
        Jump(float(start - origin), float(to - origin)) for start, to in other_ways(timeline.sheet, timeline.visits)
    )
    title = next((one.sheet.title for one in played if one.sheet.title), "") or played[0].name.rsplit(".", 1)[0]
    notes = np.array(rows, dtype=NOTE_FIELDS)
    order = np.lexsort((notes["part"], notes["pitch"], notes["beat"]))  # the page's own order
    fermatas = _fermatas(played, notes, origin)
    score = Score(title, notes[order], tuple(parts), bars, tempi, fermatas, (), jumps, tuple(warnings),
                  tuple(sorted(ornaments, key=astuple)), np.array(written, dtype=WRITTEN_FIELDS))  # fmt: skip
    return score, np.array(staves, dtype=np.int16)[order]


def _little_notes(main: _Row, source: Written, beat_period_s: float) -> list[_Row]:
    """The rows that the first sign over a note which asks for notes stands for."""
    beat, length, pitch, part, velocity, _, written, passing, name = main
    little = next(filter(None, (realise(sign, pitch, length, beat_period_s) for sign in source.signs)), [])
    return [
        (beat + offset, each, other, part, max(velocity - 6, 1), ORNAMENT, written + offset, passing,
         f"{name[:27]}~{number}")
        for number, (offset, each, other) in enumerate(little, 1) if 0 <= other <= 127
    ]  # fmt: skip


def _period_at(tempi: Sequence[TempoMark], beat: float) -> float:
    return tempi[max(bisect_right(tempi, beat, key=lambda mark: mark.beat) - 1, 0)].beat_period_s


def _best_timeline(played: Sequence[_Played]) -> _Played:
    """The one whose bars are printed rather than assumed; the first, where both are."""
    return max(played, key=lambda one: (one.sheet.states_metre, not one.sheet.played_out, len(one.sheet.bars) > 1))


def _parts(sheet: Sheet, before: Sequence[Part]) -> list[Part]:
    """Parts with names of their own: a second "Piano" becomes "Piano (2)"."""
    taken = {part.name for part in before}
    parts: list[Part] = []
    for written in sheet.parts:
        name, count = written.name, 1
        while name in taken:
            count += 1
            name = f"{written.name} ({count})"
        taken.add(name)
        number = len(before) + len(parts) + 1
        parts.append(Part(name, number, _program(written.name, written.program), written.percussion))
    return parts


def _program(name: str, program: int | None) -> int:
    if program is not None:
        return program
    return program_of(name) or 0


def _bars(one: _Played, origin: Fraction, end: Fraction) -> tuple[Bar, ...]:
    """Bars from beat 0.0 to at least ``end``: what lies before the first note is silence, and no part of the page."""
    bars = []
    for start, length, bar, passing in lay_bars(one.sheet, one.visits):
        begins, ends = max(start, origin), start + length
        if ends > origin:
            bars.append(Bar(float(begins - origin), float(ends - begins), bar.number, passing,
                            bar.numerator, bar.denominator))  # fmt: skip
    if not bars:
        bars.append(Bar(0.0, 4.0, "1", 1, 4, 4))
    last = bars[-1]
    full = 4.0 * last.numerator / last.denominator
    while bars[-1].beat + bars[-1].duration_beats < float(end - origin) - 1e-9:
        starts, number = bars[-1].beat + bars[-1].duration_beats, len(bars) + 1
        bars.append(Bar(starts, full, str(number), 1, last.numerator, last.denominator))
    return tuple(bars)


def _tempi(played: Sequence[_Played], timeline: _Played, origin: Fraction) -> tuple[tuple[TempoMark, ...], bool]:
    """The tempo marks as performed; every section begins again in the tempo it was written in."""
    ranked = sorted(played, key=lambda one: (one.sheet.states_tempo, bool(one.sheet.tempi), one is timeline))
    one = ranked[-1]
    written = one.sheet.tempi
    marks: dict[float, float] = {}
    for visit in one.visits:
        before = [period for place, period in written if place <= visit.start]
        if before:
            marks[max(float(visit.at - origin), 0.0)] = before[-1]
        for place, period in written:
            if visit.start < place < visit.end:
                marks[max(float(visit.at + place - visit.start - origin), 0.0)] = period
    missing = not marks
    if 0.0 not in marks:
        first = min(marks, default=math.inf)
        marks[0.0] = marks[first] if first <= _NEAR_START else DEFAULT_PERIOD_S
    tidy: list[TempoMark] = []
    for beat, period in sorted(marks.items()):
        if not tidy or abs(tidy[-1].beat_period_s - period) > 1e-9:
            tidy.append(TempoMark(beat, period))
    return tuple(tidy), missing


def _fermatas(played: Sequence[_Played], notes: NDArray[np.void], origin: Fraction) -> tuple[Fermata, ...]:
    """One fermata for each place the music rests.

    Where other voices still move under a held note, the music rests on the last of them; so one hold that is printed
    over a long note here and a short one there is one fermata. Its release is settled when the soloist is known.
    """
    onsets = np.unique(notes["beat"][notes["kind"] == NOTE]) if len(notes) else np.zeros(0)
    beats: set[float] = set()
    for one in played:
        lengths = {mark.start: mark.length for mark in sorted(one.sheet.fermatas, key=lambda mark: mark.length)}
        for at, written in lay_places(lengths, one.visits):
            start, end = float(at - origin), float(at + lengths[written] - origin)
            moving = onsets[(onsets >= start - 1e-9) & (onsets < end - 1e-9)]
            beats.add(float(moving[-1]) if len(moving) else start)
    return tuple(Fermata(beat, "note_off", printed=True) for beat in sorted(beats) if beat >= 0)
