"""Corpora found, unpacked, read once and kept: every performance of a corpus as one memory-mapped table.

The folder of corpora is the one the caller names, else ``COLLAPARTE_CORPORA``, else ``../shared/data`` where that
exists. What is made from it lies in the cache folder the caller names, else the user's cache folder. A table is named
by the digest of the match files it came from, names and contents, and of this reader.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from rich.progress import track

from collaparte.errors import UnreadableScore
from collaparte.predict.features import ONSET_FIELDS, Page
from collaparte.training.data.matchfile import read_match
from collaparte.training.data.onsets import Performance, Voice, performance_of

READER = 1
MOST_UNMATCHED = 0.30
FEWEST_ONSETS = 40
ROW = np.dtype([*((name, ONSET_FIELDS[name]) for name in ONSET_FIELDS.names or ()), ("time_s", "f8")])
CORPORA = {"nasap": "nasap-train", "vienna4x22": "vienna4x22", "duets": "duets"}


@dataclass(frozen=True)
class Corpus:
    """Performances kept, and (name, why) of those that were not."""

    name: str
    performances: tuple[Performance, ...]
    dropped: tuple[tuple[str, str], ...]

    def voice(self, voice: Voice) -> Corpus:
        """The performances of one voice."""
        return Corpus(self.name, tuple(item for item in self.performances if item.voice == voice), self.dropped)

    def pieces(self, beginning: str) -> Corpus:
        """The performances of the pieces whose names begin so."""
        kept = tuple(item for item in self.performances if item.piece.startswith(beginning))
        return Corpus(self.name, kept, self.dropped)

    @property
    def by_piece(self) -> dict[str, list[Performance]]:
        """Performances by piece, pieces in the order of their names."""
        found: dict[str, list[Performance]] = defaultdict(list)
        for item in sorted(self.performances, key=lambda one: (one.piece, one.player)):
            found[item.piece].append(item)
        return dict(found)


def corpora_folder(folder: Path | str | None = None) -> Path:
    """Where the corpora lie; raises UnreadableScore, saying what to set, when they are nowhere."""
    for place in (folder, os.environ.get("COLLAPARTE_CORPORA"), Path("../shared/data")):
        if place is not None and Path(place).is_dir():
            return Path(place)
    raise UnreadableScore("The corpora are not here. Name their folder with --corpora or COLLAPARTE_CORPORA.")


def cache_folder(folder: Path | str | None = None) -> Path:
    """Where tables and unpacked archives are kept; made when missing."""
    place = Path(folder or os.environ.get("COLLAPARTE_CACHE") or platformdirs.user_cache_path("collaparte"))
    place.mkdir(parents=True, exist_ok=True)
    return place


def unpack(name: str, corpora: Path | str | None = None, cache: Path | str | None = None) -> Path:
    """The unpacked folder of one archive (``nasap``, ``vienna4x22``, ``duets``, or an archive's own name)."""
    source = corpora_folder(corpora)
    stem = CORPORA.get(name, name)
    if (source / stem).is_dir():
        return _inside(source / stem)
    archive = source / f"{stem}.tar.xz"
    if not archive.is_file():
        raise UnreadableScore(f"There is no {stem}.tar.xz in {source}. Name the folder of the corpora with --corpora.")
    target = cache_folder(cache) / f"{stem}-{_file_digest(archive)}"
    if not target.is_dir():
        partial = target.with_name(f"{target.name}.{os.getpid()}.part")
        with tarfile.open(archive) as packed:
            packed.extractall(partial, filter="data")
        try:
            partial.rename(target)
        except OSError:  # somebody else was first
            if not target.is_dir():
                raise
    return _inside(target)


def _inside(folder: Path) -> Path:
    """The one folder within, where there is nothing else: pieces are called alike, packed or not."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def load(
    name: str,
    corpora: Path | str | None = None,
    cache: Path | str | None = None,
    progress: bool = True,
) -> Corpus:
    """The onset tables of a corpus, whole texture and melody; read from the match files once, memory-mapped later.

    ``name`` is a corpus (``nasap``, ``vienna4x22``, ``duets``) or the path of a folder of match files.
    """
    folder = Path(name) if Path(name).is_dir() else unpack(name, corpora, cache)
    paths = sorted(path for path in folder.rglob("*.match") if "basismixer" not in path.parts)
    if not paths:
        raise UnreadableScore(f"There are no match files (*.match) in {folder}.")
    digest = hashlib.sha256(f"{READER} {ROW} {MOST_UNMATCHED} {FEWEST_ONSETS}".encode())
    for path in paths:
        digest.update(f"{path.relative_to(folder)} {_file_digest(path)}".encode())
    stem = cache_folder(cache) / f"onsets-{Path(name).name}-{digest.hexdigest()[:16]}"
    if not stem.with_suffix(".json").exists():
        _build(name, folder, paths, stem, progress)
    index = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    table = np.load(stem.with_suffix(".npy"), mmap_mode="r")
    pages: dict[bytes, Page] = {}
    performances = []
    for item in index["performances"]:
        rows = table[item["start"] : item["stop"]]
        onsets = np.empty(len(rows), dtype=ONSET_FIELDS)
        for field in ONSET_FIELDS.names or ():
            onsets[field] = rows[field]
        page = pages.setdefault(onsets.tobytes(), Page(onsets))
        performances.append(
            Performance(item["piece"], item["player"], item["voice"], page, np.array(rows["time_s"], dtype=np.float64))
        )
    return Corpus(index["name"], tuple(performances), tuple((name, why) for name, why in index["dropped"]))


def _build(name: str, folder: Path, paths: list[Path], stem: Path, progress: bool) -> None:
    rows, entries, dropped, total = [], [], [], 0
    piece_of = _naming(name, folder)
    steps = track(paths, description=f"Reading {Path(name).name}") if progress else paths
    for path in steps:
        piece, player = piece_of(path)
        try:
            match = read_match(path)
        except UnreadableScore as error:
            dropped.append((f"{piece}/{player}", str(error)))
            continue
        if match.unmatched_share > MOST_UNMATCHED:
            dropped.append((f"{piece}/{player}", f"{match.unmatched_share:.0%} of the notes are unmatched"))
            continue
        voices: tuple[Voice, Voice] = ("all", "melody")
        for voice in voices:
            item = performance_of(match, piece, player, voice)
            if len(item.played) < FEWEST_ONSETS:
                dropped.append((f"{item.name} ({voice})", f"only {len(item.played)} onsets were played"))
                continue
            table = np.empty(len(item.page), dtype=ROW)
            for field in ONSET_FIELDS.names or ():
                table[field] = item.page.onsets[field]
            table["time_s"] = item.time_s
            rows.append(table)
            start, total = total, total + len(table)
            entries.append({"piece": piece, "player": player, "voice": voice, "start": start, "stop": total})
    partial = stem.with_suffix(f".{os.getpid()}.npy")
    np.save(partial, np.concatenate(rows) if rows else np.zeros(0, dtype=ROW))
    partial.rename(stem.with_suffix(".npy"))
    text = json.dumps({"name": Path(name).name, "performances": entries, "dropped": dropped}, indent=1)
    stem.with_suffix(".json").write_text(text, encoding="utf-8")


def _naming(name: str, folder: Path) -> Callable[[Path], tuple[str, str]]:
    """How a corpus tells piece and player: by folder and file, or, in vienna4x22, within the file's name."""

    def by_folder(path: Path) -> tuple[str, str]:
        place = path.parent.relative_to(folder)
        return (str(place) if str(place) != "." else Path(name).name), path.stem

    def by_name(path: Path) -> tuple[str, str]:
        piece, _, player = path.stem.rpartition("_")
        return piece, player

    def duet(path: Path) -> tuple[str, str]:
        place = path.parent.relative_to(folder)
        part = "primo" if "solo" in place.parts[-1] else "secondo"
        return f"{place.parts[0]}/{part}", f"{place.parts[-1]}/{path.stem}"

    return {"vienna4x22": by_name, "duets": duet}.get(CORPORA.get(name, name), by_folder)


def _file_digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:12]
