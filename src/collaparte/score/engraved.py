"""Engraved scores (MusicXML, MXL, MEI, Humdrum kern, match) through partitura, into a ``Sheet``.

partitura is imported here and nowhere else, inside ``_partitura``: it takes seconds, and where pyfluidsynth is
installed it would fetch a soundfont at import, so that module is hidden from it for a moment. What it warns or
prints becomes the sheet's warnings. What it leaves out of MusicXML (metronome marks, octave transposition,
instruments, unpitched notes, cues, ornament signs) is read by ``musicxml``, out of kern (repeats, names) by ``kern``.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
import threading
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from collaparte.errors import UnreadableScore
from collaparte.score import kern, mei, musicxml, tempo_words
from collaparte.score.instruments import is_percussion, program_of
from collaparte.score.loudness import Loudness
from collaparte.score.page import CUE, GRACE, NOTE
from collaparte.score.sheet import Section, Sheet, Written, WrittenBar, WrittenFermata, WrittenPart

_RECURSION = 50_000
_STACK_BYTES = 256 * 1024 * 1024
# partitura's word on engraving that is no business of ours, or that ``musicxml`` reads itself
_OF_NO_MATTER = (
    "error parsing", "unhandled:", "ignoring direction type", "ignoring tag", "not adding duplicate", "Dropping slur",
    "Calculated `", "Quarter duration", "Did not find a", "Dashes end", "pedal types", "ignoring empty",
    "The key signature is not encoded", "A default key signature", "WARNING : unmatched repetitions",
)  # fmt: skip


def _partitura() -> Any:
    """partitura, imported without its soundfont."""
    hidden = "fluidsynth"
    absent = hidden not in sys.modules
    if absent:
        sys.modules[hidden] = None  # type: ignore[assignment]  # makes `import fluidsynth` fail inside partitura
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import partitura  # type: ignore[import-untyped]
            import partitura.score  # type: ignore[import-untyped]
    finally:
        if absent:
            del sys.modules[hidden]
    return partitura


@contextlib.contextmanager
def _deep() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def read_engraved(path: Path, kind: str, xml: bytes | None, name: str) -> Sheet:
    """The sheet of an engraved score at ``path``; ``kind`` is musicxml, mei, kern or match; ``xml`` its MusicXML text.

    Runs in a thread with a deep stack, because partitura walks long tie chains and repeats by recursion.
    """
    result: list[Sheet] = []
    trouble: list[BaseException] = []

    def work() -> None:
        try:
            with _deep():
                result.append(_read(path, kind, xml, name))
        except BaseException as error:  # carried to the caller's thread
            trouble.append(error)

    before = threading.stack_size(_STACK_BYTES)
    try:
        thread = threading.Thread(target=work, name="score reader", daemon=True)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    if trouble:
        error = trouble[0]
        if isinstance(error, UnreadableScore) or not isinstance(error, Exception):
            raise error
        shown = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadableScore(f"{name} cannot be read as {kind}: {shown}. Open it in a notation program and export "
                              "it again as MusicXML.") from None  # fmt: skip
    return result[0]


def _read(path: Path, kind: str, xml: bytes | None, name: str) -> Sheet:
    partitura = _partitura()
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        if kind == "musicxml":
            assert xml is not None
            score = partitura.load_musicxml(io.BytesIO(xml), force_note_ids="keep")
        elif kind == "mei":
            score = mei.load(partitura, path)
        elif kind == "kern":
            score = partitura.load_kern(str(path), force_note_ids="keep")
            kern.complete(partitura.score, score.parts, path.read_text(encoding="utf-8", errors="replace"))
        else:
            score = partitura.load_match(str(path), create_score=True)[2]
        sheet = _sheet_of(partitura.score, score, kind, xml)
    said = Counter(" ".join(str(item.message).split()) for item in caught)
    said.update(line.strip() for line in printed.getvalue().splitlines() if line.strip())
    for text in [text for text in said if text.startswith(_OF_NO_MATTER)]:
        del said[text]
    sheet.warnings += [text if count == 1 else f"{text} ({count} times)" for text, count in said.items()]
    return sheet


class _Quarters:
    """Divisions of one part to exact quarters from its first point."""

    def __init__(self, part: Any) -> None:
        table = [(int(t), int(q)) for t, q in part.quarter_durations()]
        self._times = [t for t, _ in table]
        self._divisions = [max(q, 1) for _, q in table]
        self._quarters = [Fraction(self._times[0], self._divisions[0])]
        for (t0, q0), (t1, _) in itertools.pairwise(table):
            self._quarters.append(self._quarters[-1] + Fraction(t1 - t0, max(q0, 1)))

    def __call__(self, t: int) -> Fraction:
        index = max(bisect_right(self._times, int(t)) - 1, 0)
        return self._quarters[index] + Fraction(int(t) - self._times[index], self._divisions[index])


class _Places:
    """Places of one part on the timeline all parts share.

    In most scores every part's bars are equally long and this changes nothing. Where one part's bar lacks its hidden
    rests, or is printed in a metre of its own (9/8 over 3/4), partitura lets the parts drift apart for the rest of
    the piece; here every bar begins together: the short bar waits, the bar complete in another metre is stretched.
    """

    def __init__(self, ps: Any, part: Any) -> None:
        self.quarter = _Quarters(part)
        self.bars = [(self.quarter(bar.start.t), self.quarter(bar.end.t)) for bar in part.iter_all(ps.Measure)
                     if bar.end is not None]  # fmt: skip
        self._metres = [(self.quarter(sign.start.t), Fraction(4 * int(sign.beats), int(sign.beat_type)))
                        for sign in part.iter_all(ps.TimeSignature)]  # fmt: skip
        self._starts: list[Fraction] = []
        self._moved: list[tuple[Fraction, Fraction]] = []  # (new start, stretch) of each bar

    def full_bar(self, index: int) -> Fraction | None:
        """The length the metre asks of a bar."""
        before = [length for start, length in self._metres if start <= self.bars[index][0]]
        return before[-1] if before else None

    def move(self, lengths: list[Fraction]) -> None:
        """Let the bars be as long as ``lengths`` says."""
        self._starts = [start for start, _ in self.bars]
        at = self._starts[0]
        for index, ((start, end), length) in enumerate(zip(self.bars, lengths, strict=True)):
            whole = end - start == self.full_bar(index) and end > start
            self._moved.append((at, length / (end - start) if whole else Fraction(1)))
            at += length

    def _bar(self, place: Fraction) -> int:
        return max(bisect_right(self._starts, place) - 1, 0)

    def __call__(self, t: int) -> Fraction:
        place = self.quarter(t)
        if not self._moved:
            return place
        index = self._bar(place)
        at, stretch = self._moved[index]
        return at + (place - self._starts[index]) * stretch

    def length(self, start: int, end: int) -> Fraction:
        """How long something from ``start`` to ``end`` (divisions) is."""
        plain = self.quarter(end) - self.quarter(start)
        return plain * self._moved[self._bar(self.quarter(start))][1] if self._moved else plain


def _aligned(ps: Any, sheet: Sheet, parts: Any) -> list[_Places]:
    """The places of every part, with their bars brought together where they disagree."""
    places = [_Places(ps, part) for part in parts]
    counts = {len(one.bars) for one in places}
    if len(places) < 2 or len(counts) != 1 or counts == {0}:
        return places
    lengths = [max(one.bars[index][1] - one.bars[index][0] for one in places) for index in range(counts.pop())]
    odd = [index for index, length in enumerate(lengths[:-1])
           if any(one.bars[index][1] - one.bars[index][0] != length for one in places)]  # fmt: skip
    if odd and len({one.bars[0][0] for one in places}) == 1:
        for one in places:
            one.move(lengths)
        named = [str(bar.name or bar.number) for bar in parts[0].iter_all(ps.Measure)]
        shown = ", ".join(named[index] for index in odd[:8]) + (", ..." if len(odd) > 8 else "")
        sheet.warnings.append(
            f"the parts disagree about the length of bars {shown}; their barlines were brought together"
        )
    return places


def _sheet_of(ps: Any, score: Any, kind: str, xml: bytes | None) -> Sheet:
    named = [str(text) for text in (score.work_title, score.movement_title) if text]
    title = ": ".join(dict.fromkeys(named)) or str(score.title or "")
    if title.strip().casefold() in ("untitled score", "untitled", "title"):  # what notation programs fill in
        title = ""
    sheet = Sheet(title=" ".join(title.split()), parts=[], notes=[], bars=[])
    sheet.played_out = sheet.ids_are_final = kind == "match"
    extras = musicxml.extras_of(xml) if xml is not None else []
    quarters = _aligned(ps, sheet, score.parts)
    for index, part in enumerate(score.parts):
        extra = extras[index] if index < len(extras) else musicxml.Extra()
        _add_part(ps, sheet, part, index, quarters[index], extra, len(score.parts) > 1)
    if score.parts:
        sheet.bars = _bars(ps, sheet, score.parts, quarters)
        sheet.tempi, sheet.states_tempo = _tempi(ps, score.parts, quarters, extras)
        if kind != "match":
            _find_sections(ps, sheet, score.parts, quarters)
    return sheet


def _add_part(
    ps: Any, sheet: Sheet, part: Any, index: int, quarter: _Places, extra: musicxml.Extra, several: bool
) -> None:
    name = " ".join(str(part.part_name or "").split()) or f"Part {index + 1}"
    program = extra.program if extra.program is not None else program_of(name)
    if extra.program is None and extra.sound:
        program = program_of(extra.sound) if program is None else program
    drums = extra.percussion or (extra.program is None and is_percussion(name))
    sheet.parts.append(WrittenPart(name, program, drums))
    loudness = Loudness.of_part(ps, part, quarter)
    first = len(sheet.notes)
    place: dict[int, int] = {}
    notes = list(part.iter_all(ps.Note, include_subclasses=True))
    full_size = {note.start.t for note in notes if getattr(note, "doc_order", None) not in extra.cues}
    for note in notes:
        start = quarter(note.start.t)
        length = quarter.length(note.start.t, note.end.t if note.end is not None else note.start.t)
        order = getattr(note, "doc_order", None)
        # Small print is a real note in a cadenza of the only part, or where a whole part is small; elsewhere it is
        # another part's, or another reading.
        kind = GRACE if isinstance(note, ps.GraceNote) else NOTE
        if kind == NOTE and order in extra.cues and full_size and (several or note.start.t in full_size):
            kind = CUE
        pitch = int(note.midi_pitch) + extra.transposition(note.start.t, note.staff or 1)
        velocity = loudness.velocity(start, note.staff, note.articulations or ())
        place[id(note)] = len(sheet.notes)
        sheet.notes.append(
            Written(
                start,
                length,
                pitch,
                index,
                str(note.id),
                kind,
                velocity,
                staff=int(note.staff or 0),
                signs=extra.signs.get(order, ()) if kind == NOTE else (),
            )
        )
    for note in notes:
        if note.tie_next is not None and id(note) in place and id(note.tie_next) in place:
            tied = place[id(note.tie_next)]
            if tied != place[id(note)] and sheet.notes[tied].start >= sheet.notes[place[id(note)]].start:
                sheet.notes[place[id(note)]].tied_to = tied
    for number, note in enumerate(part.iter_all(ps.UnpitchedNote)):
        start = quarter(note.start.t)
        length = quarter.length(note.start.t, note.end.t if note.end is not None else note.start.t)
        order = getattr(note, "doc_order", None)
        pitch = extra.unpitched.get(order, extra.drum if extra.drum is not None else 38)
        sheet.notes.append(Written(start, length, pitch, index, str(note.id or f"u{number}"), NOTE,
                                   loudness.velocity(start, note.staff, note.articulations or ())))  # fmt: skip
        sheet.parts[index].percussion = True
    _add_fermatas(ps, sheet, part, quarter, first)


def _add_fermatas(ps: Any, sheet: Sheet, part: Any, quarter: _Places, first: int) -> None:
    for fermata in part.iter_all(ps.Fermata):
        start = quarter(fermata.start.t)
        held = fermata.ref
        if isinstance(held, ps.GenericNote) and held.end is not None:
            length = quarter.length(fermata.start.t, held.end.t)
            if isinstance(held, ps.GraceNote):
                continue
            sheet.fermatas.append(WrittenFermata(start, length))
        else:  # over a barline: what began last before it is held
            before = [note.start for note in sheet.notes[first:] if note.start < start]
            if before:
                sheet.fermatas.append(WrittenFermata(max(before), start - max(before)))


def _bars(ps: Any, sheet: Sheet, parts: Any, quarters: list[_Places]) -> list[WrittenBar]:
    """The bars of the part that has most of them; parts whose bars end elsewhere are warned of."""
    measures = [list(part.iter_all(ps.Measure)) for part in parts]
    leading = max(range(len(parts)), key=lambda index: len(measures[index]))
    quarter = quarters[leading]
    metres = [(quarter(sign.start.t), int(sign.beats), int(sign.beat_type))
              for sign in parts[leading].iter_all(ps.TimeSignature)]  # fmt: skip
    if not metres:
        metres = sorted({(quarters[index](sign.start.t), int(sign.beats), int(sign.beat_type))
                         for index, part in enumerate(parts) for sign in part.iter_all(ps.TimeSignature)})  # fmt: skip
    sheet.states_metre = bool(metres)
    if not metres:
        sheet.warnings.append("no time signature in the score: 4/4 is assumed")
    bars = []
    for place, measure in enumerate(measures[leading]):
        start = quarter(measure.start.t)
        end = start + (quarter.length(measure.start.t, measure.end.t) if measure.end is not None else 0)
        if place + 1 < len(measures[leading]):
            end = max(end, quarter(measures[leading][place + 1].start.t))
        current = [metre for metre in metres if metre[0] <= start] or metres[:1] or [(start, 4, 4)]
        number = str(measure.name) if measure.name else str(measure.number or place + 1)
        if end > start:
            bars.append(WrittenBar(start, end, number, current[-1][1], current[-1][2]))
    ends = [max((quarters[index](bar.end.t) for bar in measures[index] if bar.end is not None), default=None)
            for index in range(len(parts))]  # fmt: skip
    for index, last in enumerate(ends):
        if last is not None and bars and last != bars[-1].end:
            sheet.warnings.append(
                f"part {sheet.parts[index].name!r} is {float(last):g} quarters long, "
                f"{sheet.parts[leading].name!r} {float(bars[-1].end):g}: a bar in one of them does not add up"
            )
    return bars


def _tempi(
    ps: Any, parts: Any, quarters: list[_Places], extras: list[musicxml.Extra]
) -> tuple[list[tuple[Fraction, float]], bool]:
    """Tempo marks of all parts, the most reliable kind at each place, and whether any was stated as a number."""
    found: dict[Fraction, float] = {}
    words: list[tuple[Fraction, str]] = []
    for index, part in enumerate(parts):
        for mark in part.iter_all(ps.Tempo):
            bpm = tempo_words.quarters_per_minute(float(mark.bpm), mark.unit)
            if bpm is not None:
                found.setdefault(quarters[index](mark.start.t), 60.0 / bpm)
        if not extras:
            for text in part.iter_all(ps.TempoDirection, include_subclasses=True):
                words.append((quarters[index](text.start.t), str(text.raw_text or text.text or "")))
    for extra, place_of in zip(extras, quarters, strict=False):
        for t, period_s in extra.metronomes:
            found.setdefault(place_of(t), period_s)
        words += [(place_of(t), text) for t, text in extra.words]
    stated = bool(found)
    return tempo_words.with_words(found, words), stated


def _find_sections(ps: Any, sheet: Sheet, parts: Any, quarters: list[_Places]) -> None:
    """The sections between repeat signs, from the part that has most of them, and the longest and shortest path."""
    readings = []
    for index, part in enumerate(parts):
        try:
            longest = ps.get_paths(part, no_repeats=False, all_repeats=True, ignore_leap_info=True)[0]
            sections = [
                Section(segment.id, quarters[index](segment.start.t), quarters[index](segment.end.t),
                        tuple(dict.fromkeys([*segment.to, *segment.await_to])))
                for segment in longest.segments.values()
            ]  # fmt: skip
            names = tuple(longest.path)
            ps.add_segments(part, force_new=True)  # a leap changes the segments it has passed
            shortest = tuple(ps.get_paths(part, no_repeats=True)[0].path)
        except (KeyError, ValueError, IndexError, AttributeError, RecursionError, TypeError):
            sheet.warnings.append(
                f"the repeats of part {sheet.parts[index].name!r} make no sense and are played straight through"
            )
            continue
        if len(names) > 100_000:
            continue
        readings.append((len(sections), len(names), -index, sections, names, shortest))
    if not readings:
        return
    if len({reading[4] for reading in readings}) > 1:
        sheet.warnings.append("the parts disagree about repeats: the fullest reading is taken for all of them")
    best = max(readings, key=lambda reading: reading[:3])
    sheet.sections, sheet.longest, sheet.shortest = best[3], best[4], best[5]
