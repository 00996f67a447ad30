"""A take for other programs: a table of everything as CSV.

(MIDI of soloist and orchestra and the WAV mix are made by ``sound``, the match file by ``takes.align``.)
"""

from __future__ import annotations

import csv
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from collaparte.errors import TakeError
from collaparte.events import Command, Notice
from collaparte.takes.read import Take


def write_csv(take: Take, path: str | os.PathLike[str]) -> None:
    """Every value as one row: the kind, then a column for each field any kind has (empty where it has none)."""
    columns: list[str] = []
    for value in take.values:
        columns += [item.name for item in fields(value) if item.name not in columns]
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["kind", *columns])
            for value in take.values:
                writer.writerow([value.kind, *(_cell(value, name) for name in columns)])
    except OSError as error:
        raise TakeError(f"The table {path} cannot be written: {error.strerror or error}.") from error


def _cell(value: Any, name: str) -> object:
    content = getattr(value, name, None)
    if content is None:
        return ""
    if isinstance(content, str) and isinstance(value, (Command, Notice)) and content[:1] in "=+-@":
        return "'" + content  # a spreadsheet must not take it for a formula
    return round(content, 6) if isinstance(content, float) else content
