"""What partitura leaves out of Humdrum kern: repeat signs, the names of parts, bars without a number.

A barline is a record that begins with "="; ":" before its bars ends a repeat, ":" after them begins one ("=:|!|:" does
both), and a number, where there is one, names the bar it opens. Sources: the Humdrum user guide's kern reference.
"""

from __future__ import annotations

import re
from typing import Any

_BARLINE = re.compile(r"=+\d*[a-z]?(?P<close>:)?[|!'`]*(?P<open>:)?")
# Humdrum's instrument codes that are not words
_CODES = {
    "violn": "Violin", "cbass": "Contrabass", "flt": "Flute", "picco": "Piccolo", "clars": "Clarinet",
    "fagot": "Bassoon", "cor": "Horn", "tromp": "Trumpet", "tromb": "Trombone", "timpa": "Timpani",
    "cemba": "Harpsichord", "soprn": "Soprano", "vox": "Voice",
}  # fmt: skip


def complete(ps: Any, parts: Any, text: str) -> None:
    """Add to partitura's ``parts`` what ``text``, the file they come from, says of repeats, names and bars."""
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("!")]
    spines = [place for place, kind in enumerate(lines[0]) if kind.startswith(("**kern", "**notes"))] if lines else []
    names = [_name([line[place] for line in lines if len(line) == len(lines[0])]) for place in spines]
    barlines = [line[spines[0]] for line in lines if line[0].startswith("=")] if spines else []
    for part in parts:
        found = re.match(r"P(\d+)", str(part.id))
        if found and int(found[1]) < len(names) and names[int(found[1])]:
            part.part_name = names[int(found[1])]
        bars = sorted(part.iter_all(ps.Measure), key=lambda bar: (bar.start.t, bar.number))
        places = [bar.start.t for bar in bars[len(bars) - len(barlines) :]]
        if len(places) == len(barlines):
            _repeat(ps, part, barlines, places)
        for place, bar in enumerate(bars):
            if bar.name is None:  # a pick-up, or the rest of a bar that a repeat sign cuts in two
                bar.name = bars[place - 1].name if place else "0"


def _repeat(ps: Any, part: Any, barlines: list[str], places: list[int]) -> None:
    begins = int(part.first_point.t)
    for barline, place in zip(barlines, places, strict=True):
        found = _BARLINE.match(barline)
        if found is None:
            continue
        if found["close"] and place > begins:
            part.add(ps.Repeat(), begins, place)
        if found["close"] or found["open"]:
            begins = place


def _name(column: list[str]) -> str:
    """A spine's printed name (*I"Violin I), else the instrument its code stands for (*Ivioln)."""
    printed = next((cell[3:] for cell in column if cell.startswith('*I"')), "")
    code = next((cell[2:] for cell in column if re.match(r"\*I[a-z]", cell)), "")
    return " ".join(printed.split()) or _CODES.get(code, code.capitalize())
