"""The table of rooms: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import collaparte

PACKAGE = Path(collaparte.__file__).parent
VALUES = {"errors", "clock", "events"}
FIRST = VALUES | {"score"}
ROOMS_OF_THE_ENGINE = FIRST | {"listen", "follow", "predict", "conduct", "sound", "takes", "measure"}

MAY_IMPORT: dict[str, set[str]] = {
    "__init__": {"*"},
    "errors": set(),
    "events": set(),
    "clock": {"events"},
    "score": {"errors"},
    "ports": {"errors"},
    "listen": FIRST | {"ports"},
    "follow": FIRST,
    "predict": FIRST,
    "conduct": FIRST,
    "sound": FIRST | {"ports"},
    "takes": FIRST,
    "measure": {"events", "score", "errors"},
    "plots": {"events", "score", "errors", "takes", "measure"},
    "pieces": {"errors"},
    "calibrate": {"errors", "clock", "ports", "listen", "sound", "takes"},
    "engine": ROOMS_OF_THE_ENGINE,
    "studio": ROOMS_OF_THE_ENGINE | {"engine", "plots", "pieces", "calibrate", "ports"},
    "cli": {"*"},
    "evaluate": {"*"},
    "training": {"*"},
}
NOT_IMPORTED = {"training", "evaluate"}  # by anything but the command line (and each other)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("collaparte"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("collaparte.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    room = room_of(path)
    assert room in MAY_IMPORT, f"{room} is not a room of the house"
    allowed = MAY_IMPORT[room] | {room}
    imported = imports_of(path)
    if "*" not in allowed:
        assert imported <= allowed
    if room not in {"cli", "training", "evaluate"}:
        assert not imported & NOT_IMPORTED


def test_no_room_is_called_utils() -> None:
    names = {path.stem for path in PACKAGE.rglob("*.py")} | {path.name for path in PACKAGE.rglob("*") if path.is_dir()}
    assert not names & {"utils", "common", "helpers", "base", "core"}
