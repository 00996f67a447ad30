"""The page with the player's marks in it. (What the marks are is written in ``marks``.)"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import MarksError, PartNotFound
from collaparte.score.instruments import program_of
from collaparte.score.marks import Marks, Table, place_of
from collaparte.score.page import Bar, Fermata, Jump, Part, Passage, Score, TempoMark
from collaparte.score.tempo_words import quarters_per_minute

_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11}


def apply_marks(score: Score, marks: Marks, staves: NDArray[np.int16] | None = None) -> Score:
    """The marked page; ``staves`` (n,) names the staff of each row of ``score.notes``, 0 where unknown.

    Raises MarksError where a mark does not fit this page.
    """
    if marks.title is not None:
        score = replace(score, title=marks.title)
    score = _instruments(score, marks, staves)
    score = replace(score, fermatas=_fermatas(score, marks), tempi=_tempi(score, marks))
    score = replace(score, passages=_passages(score, marks))
    cuts = [span for index, row in _rows(marks, "cut") for span in _spans(score, marks, "cut", index, row)]
    for start, end in sorted(cuts, reverse=True):
        score = cut(score, start, end)
    return score


def _rows(marks: Marks, table: str) -> list[tuple[int, Table]]:
    return list(enumerate(marks.tables.get(table, ()), 1))


def _bars(score: Score, marks: Marks, table: str, index: int, key: str, text: str) -> list[Bar]:
    """The bars a place names, one for each pass; a bar cut in two by a repeat sign counts where it begins."""
    place = place_of(text)
    named = [bar for bar in score.bars if bar.number == place.bar]
    found: dict[int, Bar] = {}
    for bar in named:
        found.setdefault(bar.passing, bar)
    if not found:
        raise marks.error(table, index, key, f"there is no bar {place.bar!r}; the bars run from "
                          f"{score.bars[0].number} to {score.bars[-1].number}.")  # fmt: skip
    if place.passing is None:
        return list(found.values())
    if place.passing not in found:
        raise marks.error(table, index, key, f"bar {place.bar} is played {len(found)} time(s), not {place.passing}.")
    return [found[place.passing]]


def _places(
    score: Score, marks: Marks, table: str, index: int, key: str, row: Table, last: bool = False
) -> list[float]:
    """The beats a place stands for; ``last``: a bare bar means its end."""
    text = str(row[key])
    beat = place_of(text).beat
    found = []
    for bar in _bars(score, marks, table, index, key, text):
        if beat is None:
            found.append(bar.beat + (bar.duration_beats if last else 0.0))
            continue
        inside = (beat - 1) * 4.0 / bar.denominator
        if inside >= bar.duration_beats + (1e-9 if last else -1e-9):
            beats = bar.duration_beats * bar.denominator / 4
            raise marks.error(table, index, key, f"bar {bar.number} has only {beats:g} beats.")
        found.append(bar.beat + inside)
    return found


def _spans(score: Score, marks: Marks, table: str, index: int, row: Table) -> list[tuple[float, float]]:
    """(start, end) for each pass; a range that begins on every pass ends at the next place its end stands for."""
    ends = _places(score, marks, table, index, "to", row, last=True)
    spans = []
    for start in _places(score, marks, table, index, "from", row):
        later = [end for end in ends if end > start + 1e-9]
        if later:
            spans.append((start, min(later)))
    if not spans:
        raise marks.error(table, index, "to", f"{row['to']!r} does not come after {row['from']!r}.")
    return spans


def _fermatas(score: Score, marks: Marks) -> tuple[Fermata, ...]:
    by_beat = {fermata.beat: fermata for fermata in score.fermatas}
    onsets = score.solo_onsets
    for index, row in _rows(marks, "fermata"):
        length = row.get("length_beats")
        release = row.get("release", "length" if length is not None else None)
        if length is not None and not 0 < length <= 1000:
            raise marks.error("fermata", index, "length_beats", f"{length} must be above 0 and at most 1000.")
        if release == "length" and length is None:
            raise marks.error("fermata", index, "release", '"length" needs length_beats.')
        for beat in _places(score, marks, "fermata", index, "at", row):
            near = [place for place in by_beat if abs(place - beat) < 1e-6]
            if row.get("remove"):
                for place in near:
                    del by_beat[place]
                if not near:
                    raise marks.error("fermata", index, "remove", f"there is no fermata at {row['at']!r}.")
                continue
            known = by_beat.pop(near[0]) if near else Fermata(beat, "onset" if np.any(onsets > beat) else "note_off")
            by_beat[beat] = Fermata(beat, release or known.release, length, known.printed and release is None)
    return tuple(by_beat[beat] for beat in sorted(by_beat))


def _tempi(score: Score, marks: Marks) -> tuple[TempoMark, ...]:
    by_beat = {mark.beat: mark for mark in score.tempi}
    for index, row in _rows(marks, "tempo"):
        tempo = quarters_per_minute(float(row["bpm"]), row.get("unit"))
        if tempo is None:
            raise marks.error("tempo", index, "bpm", f"{row['bpm']} {row.get('unit', 'quarter')}s a minute is no tempo "
                              "between 5 and 1000 quarters; units are whole, half, quarter, eighth.")  # fmt: skip
        for beat in _places(score, marks, "tempo", index, "at", row):
            by_beat[beat] = TempoMark(beat, 60.0 / tempo)
    return tuple(by_beat[beat] for beat in sorted(by_beat))


def _passages(score: Score, marks: Marks) -> tuple[Passage, ...]:
    passages = list(score.passages)
    makers: dict[str, Callable[[float, float, Table], Passage]] = {
        "cadenza": lambda start, end, row: Passage(start, end, cadenza=True, silence="hold"),
        "lead": lambda start, end, row: Passage(start, end, leads=row["leads"]),
        "silence": lambda start, end, row: Passage(start, end, silence=row["policy"]),
        "vamp": lambda start, end, row: Passage(start, end, vamp=True),
    }
    for table, make in makers.items():
        for index, row in _rows(marks, table):
            passages += [make(start, end, row) for start, end in _spans(score, marks, table, index, row)]
    return tuple(sorted(passages, key=lambda passage: (passage.start_beat, passage.end_beat)))


def _instruments(score: Score, marks: Marks, staves: NDArray[np.int16] | None) -> Score:
    notes = score.notes.copy()
    parts = list(score.parts)
    ornaments = score.ornaments
    for index, row in _rows(marks, "instrument"):
        source = _part(score, marks, index, str(row["part"]))
        program = _program(marks, index, row)
        chosen = score.notes["part"] == source
        if "pitches" in row:
            low, high = _pitches(marks, index, row["pitches"])
            chosen &= (notes["pitch"] >= low) & (notes["pitch"] <= high)
        if "staff" in row:
            if staves is None or not np.any(staves[chosen] == row["staff"]):
                raise marks.error(
                    "instrument", index, "staff", f"part {row['part']!r} has no notes on staff {row['staff']}."
                )
            chosen &= staves == row["staff"]
        if ("from" in row) != ("to" in row):
            raise marks.error("instrument", index, "from", "from and to come together.")
        if "from" in row:
            inside = np.zeros(len(notes), dtype=bool)
            for start, end in _spans(score, marks, "instrument", index, row):
                inside |= (notes["beat"] >= start - 1e-9) & (notes["beat"] < end - 1e-9)
            chosen &= inside
        whole = not {"pitches", "staff", "from"} & set(row)
        name = str(row.get("name") or (parts[source].name if whole else f"{parts[source].name} {index}"))
        if whole:
            parts[source] = replace(
                parts[source], name=name, program=parts[source].program if program is None else program
            )
            continue
        target = next((place for place, part in enumerate(parts) if part.name == name), None)
        if target is None:
            target = len(parts)
            found = program if program is not None else program_of(name)
            parts.append(Part(name, len(parts) + 1, parts[source].program if found is None else found,
                              solo=parts[source].solo))  # fmt: skip
        elif program is not None:
            parts[target] = replace(parts[target], program=program)
        moved = {(float(note["beat"]), int(note["pitch"])) for note in notes[chosen]}
        ornaments = tuple(
            replace(item, part=target) if item.part == source and (item.beat, item.pitch) in moved else item
            for item in ornaments
        )
        notes["part"][chosen] = target
    return replace(score, notes=notes, parts=tuple(parts), ornaments=ornaments)


def _part(score: Score, marks: Marks, index: int, wanted: str) -> int:
    try:
        chosen = score.with_solo([wanted])
    except PartNotFound as error:
        raise marks.error(
            "instrument", index, "part", str(error).replace(" Choose with --solo NAME or NUMBER.", "")
        ) from None
    return next(place for place, part in enumerate(chosen.parts) if part.solo)


def _program(marks: Marks, index: int, row: Table) -> int | None:
    program = row.get("program")
    if isinstance(program, str):
        found = program_of(program)
        if found is None:
            raise marks.error("instrument", index, "program", f"{program!r} is no instrument this program knows; "
                              "write its General MIDI program, 0 to 127.")  # fmt: skip
        return found
    if program is not None and not 0 <= program <= 127:
        raise marks.error("instrument", index, "program", f"{program} is no General MIDI program (0 to 127).")
    return program


def _pitches(marks: Marks, index: int, text: str) -> tuple[int, int]:
    """ "C4-B5", "60-83", "C4-" or "-B3": lowest and highest pitch, both included."""
    low, dash, high = text.replace("–", "-").rpartition("-")
    try:
        if not dash:
            raise ValueError(text)
        return (_pitch(low) if low.strip() else 0), (_pitch(high) if high.strip() else 127)
    except ValueError:
        trouble = f'{text!r} is no register. Write for instance "C4-B5", "60-" or "-B3" (C4 is middle C).'
        raise marks.error("instrument", index, "pitches", trouble) from None


def _pitch(text: str) -> int:
    plain = text.strip().casefold()
    if plain.isdigit():
        number = int(plain)
    else:
        found = re.fullmatch(r"([a-h])(#{1,2}|b{1,2})?(\d)", plain)
        if found is None:
            raise ValueError(text)
        sign = (found[2] or "").count("#") - (found[2] or "").count("b")
        number = _STEPS[found[1]] + sign + 12 * (int(found[3]) + 1)
    if not 0 <= number <= 127:
        raise ValueError(text)
    return number


def cut(score: Score, start: float, end: float) -> Score:
    """The page without what lies between ``start`` and ``end``; later beats are re-laid, ``written_beat`` stays."""
    gone = end - start

    def moved(beat: float) -> float:
        return beat if beat <= start else max(beat - gone, start)

    notes = score.notes[(score.notes["beat"] < start - 1e-9) | (score.notes["beat"] >= end - 1e-9)].copy()
    before = notes["beat"] < start - 1e-9
    notes["duration_beats"][before] = np.minimum(notes["duration_beats"][before], start - notes["beat"][before])
    notes["beat"][~before] -= gone
    bars = []
    for bar in score.bars:
        begins, ends = moved(bar.beat), moved(bar.beat + bar.duration_beats)
        if ends > begins + 1e-9:
            bars.append(replace(bar, beat=begins, duration_beats=ends - begins))
    tempi: dict[float, TempoMark] = {}
    for mark in score.tempi:  # the last mark inside the cut is the one in force after it
        tempi[moved(mark.beat)] = TempoMark(moved(mark.beat), mark.beat_period_s)
    kept = [item for item in score.fermatas if not start - 1e-9 <= item.beat < end - 1e-9]
    fermatas = tuple(replace(item, beat=moved(item.beat)) for item in kept)
    passages = tuple(
        replace(item, start_beat=moved(item.start_beat), end_beat=moved(item.end_beat))
        for item in score.passages if moved(item.end_beat) > moved(item.start_beat) + 1e-9
    )  # fmt: skip
    jumps = tuple(
        Jump(moved(item.from_beat), moved(item.to_beat)) for item in score.jumps
        if not start < item.from_beat < end and not start < item.to_beat < end
    )  # fmt: skip
    ornaments = tuple(
        replace(item, beat=moved(item.beat)) for item in score.ornaments if not start - 1e-9 <= item.beat < end - 1e-9
    )
    if not len(notes) or not bars:
        raise MarksError(f"The cut from beat {start:g} to {end:g} leaves nothing of {score.title!r}.")
    return replace(score, notes=notes, bars=tuple(bars), tempi=tuple(tempi.values()), fermatas=fermatas,
                   passages=passages, jumps=jumps, ornaments=ornaments)  # fmt: skip
