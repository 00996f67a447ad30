"""Parsed pages are kept, so that a score is read by partitura once.

One ``.npz`` for each page, named by a digest of the files' contents, the reader's version and the options; in the
user's cache folder, or in the one the environment variable COLLAPARTE_CACHE names ("" turns keeping off). Written
whole under another name and then renamed; a damaged or foreign file is read as if it were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import ScoreError
from collaparte.score.page import NOTE_FIELDS, WRITTEN_FIELDS, Bar, Fermata, Jump, Ornament, Part, Score, TempoMark

FORMAT = 3


def folder() -> Path | None:
    """Where parsed pages are kept; None when keeping is turned off."""
    named = os.environ.get("COLLAPARTE_CACHE")
    if named is not None:
        return Path(named) if named else None
    import platformdirs

    return Path(platformdirs.user_cache_dir("collaparte")) / "scores"


def key_of(contents: Sequence[bytes], kinds: Sequence[str], options: Mapping[str, Any]) -> str:
    """The digest that names a page: what was read and how."""
    digest = hashlib.sha256(json.dumps([FORMAT, list(kinds), dict(options)], sort_keys=True).encode())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:32]


def keep(key: str, score: Score, staves: NDArray[np.int16], first_parts: int) -> None:
    """Keep a page; silently not, where the disk is full or read-only."""
    target = folder()
    if target is None:
        return
    page = {
        "format": FORMAT, "first_parts": first_parts, "title": score.title, "warnings": list(score.warnings),
        "parts": [astuple(item) for item in score.parts], "bars": [astuple(item) for item in score.bars],
        "tempi": [astuple(item) for item in score.tempi], "fermatas": [astuple(item) for item in score.fermatas],
        "jumps": [astuple(item) for item in score.jumps], "ornaments": [astuple(item) for item in score.ornaments],
    }  # fmt: skip
    text = np.frombuffer(json.dumps(page).encode(), dtype=np.uint8)
    temporary = ""
    try:
        target.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, notes=score.notes, written=score.written, staves=staves, page=text)
        os.replace(temporary, target / f"{key}.npz")
    except OSError:
        with contextlib.suppress(OSError):
            if temporary:
                os.unlink(temporary)


def load(key: str) -> tuple[Score, NDArray[np.int16], int] | None:
    """The page kept under ``key``, its notes' staves and how many parts its first file has.

    None when there is no such page, or no whole one."""
    target = folder()
    if target is None:
        return None
    try:
        with np.load(target / f"{key}.npz", allow_pickle=False) as stored:
            page = json.loads(stored["page"].tobytes().decode())
            notes, written, staves = stored["notes"], stored["written"], stored["staves"]
        if page["format"] != FORMAT or notes.dtype != NOTE_FIELDS or staves.shape != notes.shape:
            return None
        if written.dtype != WRITTEN_FIELDS:
            return None
        score = Score(
            str(page["title"]), notes, tuple(Part(*item) for item in page["parts"]),
            tuple(Bar(*item) for item in page["bars"]), tuple(TempoMark(*item) for item in page["tempi"]),
            tuple(Fermata(*item) for item in page["fermatas"]), (), tuple(Jump(*item) for item in page["jumps"]),
            tuple(page["warnings"]), tuple(Ornament(*item) for item in page["ornaments"]), written,
        )  # fmt: skip
        return score, staves, int(page["first_parts"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, ScoreError):
        return None
