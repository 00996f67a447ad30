"""The page that a piece's ``config`` speaks of: what a rehearsal, a take's header and a job know it by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collaparte.pieces import list_pieces, piece_path, solo_part
from collaparte.score import Score, read_score


def with_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """A header's piece with real files in place of a shipped name, and the soloist of a shipped piece."""
    name = str(config["score"])
    if name not in list_pieces():
        return dict(config)
    return {**config, "score": str(piece_path(name)), "solo": list(config.get("solo") or [solo_part(name)])}


def read_page(piece: Mapping[str, Any], *, choose: bool) -> Score:
    """Read it; ``piece`` names real files. Errors: ``read_score``'s."""
    return read_score(
        piece["score"], piece.get("accompaniment"), piece.get("solo") or None,
        repeats=not piece.get("no_repeats", False), unfolding=piece.get("unfolding"), marks=piece.get("marks"),
        choose=choose, transpose=int(piece.get("transpose") or 0),
        solo_sounds=int(piece.get("solo_sounds") or 0), tutti_bars=piece.get("tutti_bars"),
        hand=piece.get("hand") or "both",
    )  # fmt: skip
