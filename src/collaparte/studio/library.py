"""The shipped pieces and the user's own.

    data folder/studio/pieces/<id>/piece.json   title, files, the chosen soloist, what was found in the score
                                    score.mxl   the file as it came, named by us: a name from outside is never a path
                                    marks/      marks files, each named by its content: a take names the one it used
                                    engraved/   pages, made again whenever they are missing

An own piece's id is the beginning of its content's SHA-256: the same file is the same piece. A shipped piece's id is
its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from collaparte.errors import ScoreError, UnreadableScore
from collaparte.pieces import list_pieces, piece_path, solo_part
from collaparte.score import read_marks
from collaparte.score.marks import check_marks, marks_text
from collaparte.studio.configured import with_files
from collaparte.studio.jobs import run_job
from collaparte.takes import Shelf

MOST_BYTES = 25_000_000
KINDS = {".musicxml": ".musicxml", ".xml": ".musicxml", ".mxl": ".mxl", ".mid": ".mid", ".midi": ".mid",
         ".mei": ".mei", ".krn": ".krn", ".kern": ".krn"}  # fmt: skip
LONGEST_NAME = 120
_ID = re.compile(r"[0-9a-f]{12}")
_SOLOISTS = re.compile(r"solo|voice|voc|sopran|mezzo|alto|tenor|barit|bass voice|gesang|sing|violin|flute|oboe", re.I)


@dataclass(frozen=True)
class Entry:
    """One piece on the shelf of scores. ``solo`` are numbers of parts, from 1; empty: not chosen yet."""

    id: str
    name: str
    shipped: bool = False
    file: str = ""
    accompaniment: str | None = None
    solo: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    digest: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    marks: str | None = None


class Library:
    """What there is to play; every change is on the disk when the call returns."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.folder = shelf.folder / "studio" / "pieces"
        self._lock = threading.RLock()

    def list(self) -> list[Entry]:
        """The shipped pieces, then the user's own, newest first."""
        own = [path for path in self.folder.glob("*/piece.json") if _ID.fullmatch(path.parent.name)]
        own.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        return [self.entry(name) for name in list_pieces()] + [self.entry(path.parent.name) for path in own]

    def entry(self, piece: str) -> Entry:
        """The piece of this id. Raises ScoreError."""
        shipped = piece in list_pieces()
        if not shipped and not _ID.fullmatch(piece):
            raise ScoreError("There is no such piece in the library.")
        try:
            data = json.loads((self.folder / piece / "piece.json").read_text(encoding="utf-8"))
            return Entry(**{**data, "solo": tuple(data["solo"]), "suggested": tuple(data["suggested"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            if shipped:
                return Entry(piece, piece.capitalize(), shipped=True, solo=(solo_part(piece),))
            raise ScoreError("There is no such piece in the library.") from error

    def config(self, entry: Entry) -> dict[str, Any]:
        """The piece as a take's header names it, so that the command line can replay what was played here."""
        folder = self.folder / entry.id
        return {
            "score": entry.id if entry.shipped else str((folder / entry.file).resolve()),
            "accompaniment": str((folder / entry.accompaniment).resolve()) if entry.accompaniment else None,
            "solo": list(entry.solo),
            "no_repeats": False,
            "unfolding": None,
            "marks": str((folder / "marks" / entry.marks).resolve()) if entry.marks else None,
        }

    def files(self, entry: Entry) -> dict[str, Any]:
        """The same with real files in place of a shipped name, for the jobs."""
        return with_files(self.config(entry))

    def look_over(self, entry: Entry) -> Entry:
        """The entry with what is found in its score (read in a worker). Raises UnreadableScore."""
        found = run_job("describe", {"piece": self.files(entry)})
        description = found["description"]
        parts = description["parts"]
        chosen = tuple(str(part["number"]) for part in parts if part["solo"])
        entry = replace(
            entry,
            name=(description["title"] or entry.name) if entry.shipped or not entry.name else entry.name,
            description=description,
            digest=found["digest"],
            solo=chosen,
            suggested=chosen or _suggest(parts),
        )
        self._keep(entry)
        return entry

    def described(self, piece: str) -> Entry:
        """The entry of this id, looked over if that was never done."""
        entry = self.entry(piece)
        return entry if entry.description else self.look_over(entry)

    def add(self, name: str, data: bytes) -> Entry:
        """Keep a score. ``name`` is what the user's file is called: it gives the kind and a name for people, no path.

        Raises UnreadableScore when it is too large, of an unknown kind, or no score; nothing is kept then.
        """
        kind = _kind(name, data)
        with self._lock:
            entry = Entry(hashlib.sha256(data).hexdigest()[:12], _plain(name), file=f"score{kind}")
            folder = self.folder / entry.id
            if (folder / "piece.json").exists():
                return self.entry(entry.id)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / entry.file).write_bytes(data)
            try:
                entry = self.look_over(entry)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            title = str(entry.description.get("title") or "").strip()
            if title and title.casefold() not in ("untitled", "score"):
                entry = replace(entry, name=title[:LONGEST_NAME])
                self._keep(entry)
            return entry

    def add_accompaniment(self, piece: str, name: str, data: bytes) -> Entry:
        """Keep the orchestra's file of a piece whose own file is the solo part alone. Raises ScoreError."""
        kind = _kind(name, data)
        with self._lock:
            entry = self.entry(piece)
            if entry.shipped:
                raise ScoreError("A shipped piece has its orchestra already.")
            file = f"accompaniment{kind}"
            (self.folder / entry.id / file).write_bytes(data)
            try:
                return self.look_over(replace(entry, accompaniment=file, solo=(), description={}))
            except BaseException:
                (self.folder / entry.id / file).unlink(missing_ok=True)
                raise

    def choose(self, piece: str, solo: Sequence[str]) -> Entry:
        """Say which parts (numbers from 1) the soloist plays. Raises PartNotFound."""
        with self._lock:
            entry = self.described(piece)
            numbers = {str(part["number"]) for part in entry.description["parts"]}
            if not solo or not set(solo) <= numbers:
                raise ScoreError(f"Choose among the parts {', '.join(sorted(numbers, key=int))}.")
            shutil.rmtree(self.folder / entry.id / "engraved", ignore_errors=True)
            return self.look_over(replace(entry, solo=tuple(solo)))

    def marks(self, entry: Entry) -> dict[str, Any]:
        """The piece's marks: table -> entries (see ``score.marks``)."""
        if entry.marks is None:
            return {}
        found = read_marks(self.folder / entry.id / "marks" / entry.marks)
        return {name: [dict(row) for row in rows] for name, rows in found.tables.items()}

    def mark(self, piece: str, tables: Mapping[str, Any]) -> Entry:
        """Keep other marks, checked against the page; a shipped piece is copied first, and the copy is marked.

        Raises MarksError naming table and key; nothing has changed then.
        """
        with self._lock:
            text = marks_text(check_marks(Path("Marks"), tables))
            entry = self.described(piece)
            if entry.shipped:
                entry = self._copy(entry)
            name = f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.marks.toml"
            folder = self.folder / entry.id / "marks"
            folder.mkdir(exist_ok=True)
            if not (folder / name).exists():
                part = folder / f".{name}.{os.getpid()}"
                part.write_text(text, encoding="utf-8")
                part.replace(folder / name)
            before = self.marks(entry)
            entry = self.look_over(replace(entry, marks=name if tables else None))
            if any(
                before.get(table) != tables.get(table) for table in ("cut", "instrument")
            ):  # beats on the pages move
                shutil.rmtree(self.folder / entry.id / "engraved", ignore_errors=True)
            return entry

    def _copy(self, entry: Entry) -> Entry:
        """A shipped piece as one of the user's own, with the soloist that was chosen."""
        path = piece_path(entry.id)
        chosen = [str(part["number"]) for part in entry.description["parts"] if part["solo"]]
        own = self.add(path.name, path.read_bytes())
        return own if own.solo else self.choose(own.id, chosen)

    def rename(self, piece: str, name: str) -> Entry:
        """Call an own piece otherwise."""
        with self._lock:
            entry = replace(self.entry(piece), name=_plain(name + ".x"))
            self._keep(entry)
            return entry

    def remove(self, piece: str) -> None:
        """Take an own piece off the shelf; its takes stay. Raises ScoreError for a shipped one."""
        entry = self.entry(piece)
        if entry.shipped:
            raise ScoreError("A shipped piece cannot be removed.")
        with self._lock:
            shutil.rmtree(self.folder / entry.id)

    def engraved(self, entry: Entry, layout: str, view: str, variant: str = "") -> Path:
        """The folder for pages of this layout and view; ``variant`` tells what is not as printed."""
        folder = self.folder / entry.id / "engraved" / f"{layout}-{view}{variant}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _keep(self, entry: Entry) -> None:
        path = self.folder / entry.id / "piece.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".piece.{os.getpid()}.{threading.get_ident()}")
        part.write_text(json.dumps(asdict(entry), ensure_ascii=False), encoding="utf-8")
        part.replace(path)


def _kind(name: str, data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise UnreadableScore(f"The file is larger than {MOST_BYTES // 1_000_000} MB: too large for a score.")
    if not data.strip():
        raise UnreadableScore("The file is empty.")
    kind = KINDS.get(Path(name.replace("\\", "/")).suffix.lower())
    if kind is None:
        raise UnreadableScore("Only scores can be added: MusicXML (.musicxml, .xml, .mxl), MIDI, MEI or kern.")
    return kind


def _plain(name: str) -> str:
    """A file's name for people: no folders, no control characters, not long."""
    stem = Path(name.replace("\\", "/")).name.rsplit(".", 1)[0]
    stem = "".join(letter if letter.isprintable() else " " for letter in stem).replace("_", " ")
    return " ".join(stem.split())[:LONGEST_NAME] or "Untitled"


def _suggest(parts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The likeliest soloist: a part with notes whose name says so, else the first with notes."""
    sounding = [part for part in parts if part["notes"] and not part["percussion"]] or list(parts)
    named = [part for part in sounding if _SOLOISTS.search(str(part["name"]))]
    return tuple(str(part["number"]) for part in (named or sounding)[:1])
