"""Pianists and guitarists whose every onset is known: performances of vienna4x22, rendered, with their pages.

Conventions: see ``listen``. The sounds lie in the cache folder, where peers can read them; the same arguments give the
same files. Nothing was tuned on these pieces.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from collaparte.evaluate.listen import Recorded
from collaparte.evaluate.piano_rendered import PROGRAMS, for_guitar, performances, render
from collaparte.listen.audio import RATE
from collaparte.score import read_score
from collaparte.sound.soundfont import find_soundfont
from collaparte.training.data.corpus import cache_folder, unpack

CORPUS = "vienna4x22"
RENDERER = 2  # counts up when ``piano_rendered`` gives other sounds


def rendered_recordings(
    corpora: Path | None = None,
    *,
    instrument: str = "piano",
    players: int | None = 3,
    seed: int = 0,
    place: str = "dry",
    font: Path | None = None,
) -> Iterator[Recorded]:
    """``players`` (None: all 22) of each of the four pieces, played by ``font`` (None: the usual one) in ``place``.

    A piano plays from the corpus's MusicXML; a guitar from the same page, its notes moved into the compass.
    """
    import soundfile  # type: ignore[import-untyped]

    folder, font = unpack(CORPUS, corpora), find_soundfont(font)
    pages = {path.stem: path for path in folder.rglob("*.musicxml")}
    for one in performances(CORPUS, corpora, players=players, seed=seed):
        page = pages[one.piece]
        if instrument == "guitar":
            one = for_guitar(one)
            score = replace(one.score, parts=tuple(replace(p, program=PROGRAMS["guitar"]) for p in one.score.parts))
        else:
            score = read_score(page, choose=False)
        told = repr((RENDERER, one.notes.tobytes(), one.pedal.tobytes(), instrument, str(font), place, seed))
        name = f"{one.name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.flac"
        sound = cache_folder() / "rendered" / name
        if not sound.is_file():
            sound.parent.mkdir(parents=True, exist_ok=True)
            half = sound.with_name(f"{os.getpid()}-{name}")
            made = render(one, font, program=PROGRAMS[instrument], room=place, seed=seed)
            soundfile.write(half, made, RATE, subtype="PCM_24")
            half.replace(sound)
        yield Recorded(one.name, sound, page, score, one.truth, False)
