"""The golden takes are still what the orchestra plays."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from collaparte.pieces import list_pieces

FOLDER = Path(__file__).parent / "golden"
sys.path.insert(0, str(FOLDER))

from write import golden  # noqa: E402 - the script that wrote them lies beside them


@pytest.mark.parametrize("piece", list_pieces())
def test_the_orchestra_plays_what_it_played(piece: str) -> None:
    kept = (FOLDER / f"{piece}.jsonl").read_text(encoding="utf-8").splitlines()
    played = list(golden(piece))
    for number, (now, before) in enumerate(zip(played, kept, strict=False), 1):
        assert now == before, f"line {number}: if this change is wanted, run python tests/golden/write.py"
    assert len(played) == len(kept)
