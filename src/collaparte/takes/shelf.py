"""Where takes are kept, and the index by which they are found again.

    data folder/
      takes/<digest of the piece>/<take>.jsonl    the takes themselves: they alone are the truth
      memory/<soloist>/                           what is remembered (``memory.py``)
      index.sqlite                                pieces, soloists, takes; rebuilt from the files whenever in doubt

The data folder is the environment's COLLAPARTE_DATA or the user's own (platformdirs).
"""

from __future__ import annotations

import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from collaparte.errors import TakeError
from collaparte.events import TakeHeader
from collaparte.takes.memory import Memory
from collaparte.takes.read import Take, TakeWarning, read_take

VERSION = 1
_TABLES = f"""
CREATE TABLE pieces (digest TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE soloists (name TEXT PRIMARY KEY);
CREATE TABLE takes (
    name TEXT PRIMARY KEY, path TEXT NOT NULL, identity TEXT NOT NULL, digest TEXT NOT NULL REFERENCES pieces,
    soloist TEXT NOT NULL REFERENCES soloists, started TEXT, duration_s REAL NOT NULL, solo_notes INTEGER NOT NULL,
    orchestra_notes INTEGER NOT NULL, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL
);
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True)
class Kept:
    """One row of the index. ``name`` is how the take is called on the command line."""

    name: str
    path: Path
    identity: str
    digest: str
    piece: str
    soloist: str
    started: str | None
    duration_s: float
    solo_notes: int
    orchestra_notes: int


def data_folder() -> Path:
    """COLLAPARTE_DATA, or the user's data folder for collaparte. Not made here."""
    if named := os.environ.get("COLLAPARTE_DATA"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("collaparte", appauthor=False))


def plain_name(text: str) -> str:
    """``text`` as a file name: letters, digits, hyphen and underscore; never empty, never a path."""
    return re.sub(r"[^\w-]+", "-", text, flags=re.UNICODE).strip("-")[:60] or "nobody"


class Shelf:
    """The kept takes. Every look first brings the index in line with the files that are really there."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder) if folder is not None else data_folder()
        self.takes = self.folder / "takes"
        self._index = self.folder / "index.sqlite"

    def memory(self, soloist: str) -> Memory:
        """The memory of one soloist."""
        return Memory(self.folder / "memory" / plain_name(soloist))

    def new_path(self, header: TakeHeader) -> Path:
        """A free path for a take that is about to be played."""
        when = plain_name((header.started or "simulated").split(".")[0].replace(":", "").replace("T", "-"))
        stem = f"{plain_name(header.piece).lower()[:24]}-{when}"
        folder = self.takes / plain_name(header.digest)
        number = 1
        while (path := folder / f"{stem}{'' if number == 1 else f'-{number}'}.jsonl").exists():
            number += 1
        return path

    def list(self, piece: str | None = None, soloist: str | None = None) -> list[Kept]:
        """The takes, oldest first; ``piece`` is part of a name or a digest, ``soloist`` a name (any case)."""
        with self._open() as index:
            rows = index.execute(
                "SELECT takes.name, path, identity, takes.digest, pieces.name, soloist, started, duration_s,"
                " solo_notes, orchestra_notes FROM takes JOIN pieces USING (digest)"
                " ORDER BY started IS NOT NULL, started, changed_ns"
            ).fetchall()
        kept = [Kept(row[0], self.folder / row[1], *row[2:]) for row in rows]
        return [
            take
            for take in kept
            if (piece is None or piece.casefold() in take.piece.casefold() or take.digest == piece)
            and (soloist is None or soloist.casefold() == take.soloist.casefold())
        ]

    def find(self, name: str) -> Kept:
        """The take of this name, or of a unique beginning of its name or identity. Raises TakeError."""
        takes = self.list()
        exact = [take for take in takes if name in (take.name, take.identity)]
        near = exact or [take for take in takes if take.name.startswith(name) or take.identity.startswith(name)]
        if len(near) == 1 and name:
            return near[0]
        listed = ", ".join(take.name for take in (near or takes)[-8:]) or "none yet"
        trouble = "could be several takes" if near else "is not a take kept here"
        raise TakeError(f"{name!r} {trouble}. There are: {listed}. 'collaparte takes' lists them.")

    def read(self, name: str) -> Take:
        """The take itself."""
        return read_take(self.find(name).path)

    def delete(self, name: str) -> Kept:
        """Delete a take and forget it: its file, its row, and what any memory here holds of it."""
        take = self.find(name)
        try:
            take.path.unlink(missing_ok=True)
        except OSError as error:
            raise TakeError(f"The take {take.path} cannot be deleted: {error.strerror or error}.") from error
        for folder in (self.folder / "memory").glob("*"):
            Memory(folder).forget(take.identity)
        with self._open():
            pass  # brings the index in line
        with suppress(OSError):
            take.path.parent.rmdir()
        return take

    def rebuild(self) -> int:
        """Throw the index away and read every take again; how many there are."""
        self._discard()
        return len(self.list())

    def _discard(self) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            self._index.with_name(self._index.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The index, in line with the files; a missing, older or corrupt one is made anew."""
        try:
            self.takes.mkdir(parents=True, exist_ok=True)
            try:
                index = self._connect()
                self._update(index)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                    raise
                self._discard()
                index = self._connect()
                self._update(index)
        except (OSError, sqlite3.Error) as error:
            raise TakeError(f"The takes in {self.folder} cannot be listed: {error}. Set COLLAPARTE_DATA.") from error
        try:
            yield index
        finally:
            index.close()

    def _connect(self) -> sqlite3.Connection:
        index = sqlite3.connect(self._index, timeout=10.0)
        try:
            version = index.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"index of version {version}")
            if version == 0:
                index.executescript("BEGIN IMMEDIATE;" + _TABLES + "COMMIT;")
            index.execute("SELECT name, changed_ns FROM takes LIMIT 1")
        except sqlite3.Error:
            index.close()
            raise
        return index

    def _update(self, index: sqlite3.Connection) -> None:
        """Rows for new or changed files, none for files that are gone."""
        try:
            known = {row[0]: row[1:] for row in index.execute("SELECT path, size, changed_ns FROM takes")}
            there = {}
            for path in self.takes.glob("*/*.jsonl"):
                with suppress(OSError):
                    status = path.stat()
                    there[path.relative_to(self.folder).as_posix()] = (status.st_size, status.st_mtime_ns)
            with index:
                for gone in known.keys() - there.keys():
                    index.execute("DELETE FROM takes WHERE path = ?", (gone,))
                for place in sorted(name for name, state in there.items() if known.get(name) != state):
                    index.execute("DELETE FROM takes WHERE path = ?", (place,))
                    self._add(index, place, *there[place])
                index.execute("DELETE FROM pieces WHERE digest NOT IN (SELECT digest FROM takes)")
                index.execute("DELETE FROM soloists WHERE name NOT IN (SELECT soloist FROM takes)")
        except sqlite3.Error:
            index.close()
            raise

    def _add(self, index: sqlite3.Connection, place: str, size: int, changed_ns: int) -> None:
        path = self.folder / place
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TakeWarning)  # a take still being played has a torn end
                take = read_take(path)
        except TakeError as error:
            warnings.warn(f"Not listed: {error}", TakeWarning, stacklevel=6)
            return
        header = take.header
        index.execute("INSERT OR REPLACE INTO pieces VALUES (?, ?)", (header.digest, header.piece))
        index.execute("INSERT OR IGNORE INTO soloists VALUES (?)", (header.soloist,))
        name = path.stem
        if index.execute("SELECT 1 FROM takes WHERE name = ?", (name,)).fetchone():
            name = f"{path.stem}-{take.identity[:4]}"
        index.execute(
            "INSERT OR REPLACE INTO takes VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (name, place, take.identity, header.digest, header.soloist, header.started, take.end_s,
             sum(event.on for event in take.solo), sum(event.on for event in take.orchestra), size, changed_ns),
        )  # fmt: skip
