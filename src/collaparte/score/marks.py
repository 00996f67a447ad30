"""Marks: what a player pencils into the page, in a file beside the score (PIECE.marks.toml).

Conventions
-----------
Places are printed bars: "12" is the start of bar 12, "12.3" its third beat (counted in the metre's own beats from the
start of the bar, halves as "12.2.5"), "12@2" the second time it is played; without "@" a mark holds each time. In a
range, ``from`` is where it begins; a bare bar as ``to`` is the last bar included, a beat as ``to`` is where it stops.

| table | keys | what it does |
|---|---|---|
| (top) | title | the piece's name |
| [[fermata]] | at, release, length_beats, remove | adds a fermata, settles how it is released, or takes one away |
| [[cadenza]] | from, to | the soloist is free; the orchestra re-enters after it |
| [[lead]] | from, to, leads | who leads: follow, lead or orchestra |
| [[silence]] | from, to, policy | what the orchestra does when the soloist stops: hold or go on |
| [[vamp]] | from, to | repeated until the soloist moves on |
| [[cut]] | from, to | these bars are left out |
| [[tempo]] | at, bpm, unit | quarters (or another unit) a minute from there on |
| [[instrument]] | part, name, program, pitches, staff, from, to | who plays a part, or its register, staff or bars |
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collaparte.errors import MarksError

Table = Mapping[str, Any]

# table -> key -> (types, whether it must be there)
_RULES: dict[str, dict[str, tuple[tuple[type, ...], bool]]] = {
    "fermata": {"at": ((str,), True), "release": ((str,), False), "length_beats": ((int, float), False),
                "remove": ((bool,), False)},
    "cadenza": {"from": ((str,), True), "to": ((str,), True)},
    "lead": {"from": ((str,), True), "to": ((str,), True), "leads": ((str,), True)},
    "silence": {"from": ((str,), True), "to": ((str,), True), "policy": ((str,), True)},
    "vamp": {"from": ((str,), True), "to": ((str,), True)},
    "cut": {"from": ((str,), True), "to": ((str,), True)},
    "tempo": {"at": ((str,), True), "bpm": ((int, float), True), "unit": ((str,), False)},
    "instrument": {"part": ((str, int), True), "name": ((str,), False), "program": ((int, str), False),
                   "pitches": ((str,), False), "staff": ((int,), False), "from": ((str,), False),
                   "to": ((str,), False)},
}  # fmt: skip
_CHOICES = {
    ("fermata", "release"): ("onset", "note_off", "pedal", "length"),
    ("lead", "leads"): ("follow", "lead", "orchestra"),
    ("silence", "policy"): ("hold", "go on"),
}
_NAMES = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
_PLACE = re.compile(r"\s*(?P<bar>[^.@\s]+)(\.(?P<beat>\d+(\.\d+)?))?(@(?P<passing>\d+))?\s*")


@dataclass(frozen=True, slots=True)
class Place:
    """A bar, perhaps a beat in it (from 1), perhaps one pass."""

    bar: str
    beat: float | None = None
    passing: int | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """One marks file, checked: ``tables`` maps a table's name to its entries in the file's order."""

    path: Path
    title: str | None
    tables: Mapping[str, tuple[Table, ...]]

    def error(self, table: str, index: int, key: str, trouble: str) -> MarksError:
        """The error to raise for one key; ``index`` counts the table's entries from 1."""
        return MarksError(f"{self.path.name}: [[{table}]] number {index}, {key}: {trouble}")


def find_marks(score_file: Path) -> Path | None:
    """The marks file beside a score, when there is one: FILE.marks.toml, or STEM.marks.toml."""
    for name in (f"{score_file.name}.marks.toml", f"{score_file.stem}.marks.toml"):
        candidate = score_file.with_name(name)
        if candidate.is_file():
            return candidate
    return None


def read_marks(path: str | Path) -> Marks:
    """Read and check a marks file. Raises MarksError naming file, table and key."""
    file = Path(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise MarksError(f"{file} cannot be read: {error}.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MarksError(f"{file.name} is not TOML: {error}.") from None
    return check_marks(file, content)


def check_marks(file: Path, content: Mapping[str, Any]) -> Marks:
    """The tables of a marks file, checked; ``file`` is only named. Raises MarksError naming table and key."""
    content = dict(content)
    title = content.pop("title", None)
    if title is not None and not isinstance(title, str):
        raise MarksError(f"{file.name}: title must be text in quotes.")
    tables: dict[str, tuple[Table, ...]] = {}
    for name, entries in content.items():
        if name not in _RULES:
            raise MarksError(f"{file.name}: there is no table {name!r}. Allowed are title, {', '.join(_RULES)}.")
        rows = entries if isinstance(entries, (list, tuple)) else [entries]
        for index, row in enumerate(rows, 1):
            _check(file, name, index, row)
        tables[name] = tuple(rows)
    return Marks(file, title, tables)


def _check(file: Path, table: str, index: int, row: object) -> None:
    where = f"{file.name}: [[{table}]] number {index}"
    rules = _RULES[table]
    if not isinstance(row, dict):
        raise MarksError(f"{where} is not a table. Write [[{table}]] and its keys below it: {', '.join(rules)}.")
    for key, value in row.items():
        if key not in rules:
            raise MarksError(f"{where}: there is no key {key!r}. Allowed are {', '.join(rules)}.")
        kinds = rules[key][0]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise MarksError(f"{where}, {key}: {value!r} must be {' or '.join(_NAMES[kind] for kind in kinds)}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise MarksError(f"{where}, {key}: {value!r} is no number to play.")
        choices = _CHOICES.get((table, key))
        if choices is not None and value not in choices:
            raise MarksError(f"{where}, {key}: {value!r} is not one of {', '.join(map(repr, choices))}.")
        if key in ("at", "from", "to"):
            try:
                place_of(str(value))
            except ValueError:
                raise MarksError(
                    f"{where}, {key}: {value!r} is no place. "
                    'Write a bar ("12"), a beat in it ("12.3") or a pass ("12@2").'
                ) from None
    missing = [key for key, (_, needed) in rules.items() if needed and key not in row]
    if missing:
        raise MarksError(f"{where} lacks {missing[0]!r}. Its keys are {', '.join(rules)}.")


def place_of(text: str) -> Place:
    """ "12.3@2" as a Place. Raises ValueError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    beat = float(found["beat"]) if found["beat"] else None
    passing = int(found["passing"]) if found["passing"] else None
    if (beat is not None and beat < 1) or passing == 0:
        raise ValueError(text)
    return Place(found["bar"], beat, passing)


def marks_text(marks: Marks) -> str:
    """``marks`` as the text of a marks file, which reads back as the same marks."""
    lines = [f"title = {_toml(marks.title)}"] if marks.title is not None else []
    for table, rows in marks.tables.items():
        for row in rows:
            lines += ["", f"[[{table}]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines).strip() + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # a basic string is JSON's, but for what JSON leaves as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
