"""Pianists and guitarists whose every onset is known: real performances, rendered, with their pages.

Conventions: see ``listen``. The sounds lie in the cache folder, where peers can read them; the same arguments give the
same files. Nothing was tuned on these pieces: vienna4x22, pieces held out of nasap, the primos of the duets.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from collaparte.evaluate.follow_cases import runs_away
from collaparte.evaluate.listen import Recorded
from collaparte.evaluate.listen_rendered import in_room
from collaparte.evaluate.piano_rendered import PROGRAMS, Performance, for_guitar, performance_of, performances, render
from collaparte.listen.audio import RATE
from collaparte.score import read_score
from collaparte.sound.soundfont import find_soundfont
from collaparte.training.data.corpus import cache_folder, unpack

CORPUS = "vienna4x22"
RENDERER = 3  # counts up when ``piano_rendered`` gives other sounds
PIECES, SECONDS = 10, 60.0  # of those held out, dealt by the seed; of each of them, and of the duets
PAGELESS = ("held-out", "duets")  # their pages are those of the match files: no peer can read them


def rendered_recordings(
    corpora: Path | None = None,
    *,
    kind: str = "piano",
    players: int | None = 3,
    seed: int = 0,
    place: str = "dry",
    font: Path | None = None,
    cents: float = 0.0,
) -> Iterator[Recorded]:
    """``players`` (None: all 22) of each of the four pieces, played by ``font`` (None: the usual one) in ``place``.

    ``kind`` is piano (from the corpus's MusicXML), guitar (the same page, its notes moved into the compass), or the
    beginnings of pieces "held-out" of nasap and of the primos of the "duets" on the piano.
    """
    font = find_soundfont(font)
    if kind in PAGELESS:
        for one in _held_out(corpora, seed) if kind == "held-out" else _primos(corpora):
            one = one.cut(SECONDS)
            yield Recorded(
                one.name, _sounding(one, "piano", font, place, seed, cents), Path(), one.score, one.truth, False
            )
        return
    pages = {path.stem: path for path in unpack(CORPUS, corpora).rglob("*.musicxml")}
    for one in performances(CORPUS, corpora, players=players, seed=seed):
        page = pages[one.piece]
        if kind == "guitar":
            one = for_guitar(one)
            score = replace(one.score, parts=tuple(replace(p, program=PROGRAMS["guitar"]) for p in one.score.parts))
        else:
            score = read_score(page, choose=False)
        yield Recorded(one.name, _sounding(one, kind, font, place, seed, cents), page, score, one.truth, False)


def _sounding(one: Performance, instrument: str, font: Path | None, place: str, seed: int, cents: float) -> Path:
    """The sound of it, made where it is not there yet."""
    import soundfile  # type: ignore[import-untyped]

    told = repr((RENDERER, one.notes.tobytes(), one.pedal.tobytes(), instrument, str(font), place, seed, cents))
    name = f"{Path(one.name).name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.flac"
    sound = cache_folder() / "rendered" / name
    if not sound.is_file():
        sound.parent.mkdir(parents=True, exist_ok=True)
        half = sound.with_name(f"{os.getpid()}-{name}")
        if place == "dry":
            made = render(one, font, program=PROGRAMS[instrument], seed=seed, cents=cents)
        else:
            dry, _ = soundfile.read(_sounding(one, instrument, font, "dry", seed, cents), dtype="float32")
            made = in_room(dry, place, seed)
        soundfile.write(half, made, RATE, subtype="PCM_24")
        half.replace(sound)
    return sound


def _held_out(corpora: Path | None, seed: int) -> list[Performance]:
    """One performance each of ``PIECES``; a page whose beats are broken (a bar of several times its metre) is none."""
    found = [one for one in performances("nasap", corpora, players=1, seed=seed) if not runs_away(one.score)]
    return random.Random(seed).sample(found, PIECES)


def _primos(corpora: Path | None) -> Iterator[Performance]:
    root = unpack("duets", corpora)
    for group in ("grieg_ases_tod", "schubert"):
        for path in sorted((root / group / "match" / "cc_solo").glob("*.match"))[:2]:
            found = performance_of(path, path.stem, group)
            if found is not None:
                yield found
