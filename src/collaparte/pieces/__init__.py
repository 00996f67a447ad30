"""The pieces that come with the package: engraved by us from public-domain music, for the demo and the tests."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from collaparte.errors import UnreadableScore

SOLO = {"greensleeves": "Solo Violin", "washerwoman": "Solo Violin"}


def list_pieces() -> list[str]:
    """Names of the shipped pieces, the slow one first."""
    return list(SOLO)


def piece_path(name: str) -> Path:
    """Where a shipped piece lies, as MusicXML. Raises UnreadableScore, naming the pieces there are."""
    if name not in SOLO:
        raise UnreadableScore(f"There is no shipped piece {name!r}. There are: {', '.join(SOLO)}.")
    return Path(str(files(__package__) / f"{name}.musicxml"))


def marks_path(name: str) -> Path:
    """Marks for a score that does not come with the package (``mendelssohn_op64``): for ``--marks``.

    Raises UnreadableScore, naming the marks there are.
    """
    folder = Path(str(files(__package__) / "marks"))
    file = folder / f"{name}.marks.toml"
    if not file.is_file():
        there = ", ".join(sorted(path.name.removesuffix(".marks.toml") for path in folder.glob("*.marks.toml")))
        raise UnreadableScore(f"There are no shipped marks for {name!r}. There are: {there}.")
    return file


def solo_part(name: str) -> str:
    """The soloist's part of a shipped piece. Raises UnreadableScore like ``piece_path``."""
    piece_path(name)
    return SOLO[name]


__all__ = ["list_pieces", "marks_path", "piece_path", "solo_part"]
