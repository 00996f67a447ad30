"""Write the shipped pieces: ``python tools/engrave.py`` makes src/collaparte/pieces/*.musicxml anew."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
PIECES = HERE.parent / "src" / "collaparte" / "pieces"
NAMES = ("greensleeves", "washerwoman")


def engraved(name: str) -> bytes:
    """One piece as MusicXML."""
    sys.path.insert(0, str(HERE / "engraving"))
    try:
        notation, module = importlib.import_module("notation"), importlib.import_module(name)
        document: bytes = notation.musicxml(module.piece())
    finally:
        sys.path.pop(0)
    return document


if __name__ == "__main__":
    for name in NAMES:
        (PIECES / f"{name}.musicxml").write_bytes(engraved(name))
        print(PIECES / f"{name}.musicxml")
