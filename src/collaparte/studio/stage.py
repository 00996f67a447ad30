"""What the server holds: library, takes, the one rehearsal that may go on, and the pages being engraved."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from collaparte.errors import CollaparteError, ScoreError
from collaparte.events import Click, OrchestraEvent
from collaparte.sound.midi_file import write_midi
from collaparte.studio.booth import Booth
from collaparte.studio.configured import read_page, with_files
from collaparte.studio.feed import Feed
from collaparte.studio.jobs import ENGRAVING, RENDERING, run_job
from collaparte.studio.library import Entry, Library
from collaparte.studio.preferences import Players
from collaparte.studio.rehearsal import Rehearsal
from collaparte.studio.wanted import wanted_of
from collaparte.takes import Kept, Shelf, read_take, write_csv, write_take

LAYOUTS = ("wide", "tall")
VIEWS = ("solo", "cue", "full")


class Stage:
    """Safe from any thread: the server calls it from its pool."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.shelf = shelf or Shelf()
        self.library = Library(self.shelf)
        self.feed = Feed()
        self.booth = Booth()
        self.players = Players(self.shelf)
        self._rehearsal: Rehearsal | None = None
        self._lock = threading.Lock()
        self._engraving: dict[tuple[str, str, str], dict[str, Any]] = {}

    # -- rehearsal ---------------------------------------------------------------------------------------------------

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Begin a rehearsal; what went on before is ended first. Raises CollaparteError for what cannot be."""
        entry = self.library.described(str(asked.get("piece", "")))
        if not entry.solo:
            raise ScoreError("Choose the soloist's part first.")
        wanted = wanted_of(asked)
        with self._lock:
            if self._rehearsal is not None and self._rehearsal.alive:
                self._rehearsal.close()
            self._rehearsal = Rehearsal(
                entry.id,
                self.library.config(entry),
                self.library.files(entry),
                wanted,
                self.shelf,
                self.feed,
                self.booth,
            )

    def end(self) -> None:
        """End what goes on, and wait until its take is kept."""
        with self._lock:
            if self._rehearsal is not None:
                self._rehearsal.close()

    close = end

    @property
    def rehearsal(self) -> Rehearsal | None:
        """What goes on, or the last that went on."""
        return self._rehearsal

    def snapshot(self) -> dict[str, Any]:
        """The present state as a whole."""
        return self._rehearsal.snapshot() if self._rehearsal is not None else {"kind": "stand", "state": "empty"}

    # -- pages -------------------------------------------------------------------------------------------------------

    def pages(self, entry: Entry, layout: str, view: str, changed: Mapping[str, int] | None = None) -> dict[str, Any]:
        """How far the engraving is: ``pages`` ready, ``total`` when known, ``done``, then ``map``, or ``trouble``.

        ``opening``: page 0 is there where there is one, the first page of a long score before its pages are laid out.

        ``changed``: ``transpose`` (semitones) and ``tutti_bars``, where the page is not as printed.
        """
        folder = self._folder(entry, layout, view, changed or {})
        key = (entry.id, layout, folder.name)
        with self._lock:
            progress = self._engraving.get(key)
            finished = progress is not None and progress["done"] and not progress["trouble"]
            if progress is None or (finished and not (folder / "map.json").exists()):
                progress = {"pages": 0, "total": None, "opening": False, "done": False, "trouble": None}
                self._engraving[key] = progress
                if (folder / "map.json").exists():
                    total = int(json.loads((folder / "map.json").read_text(encoding="utf-8"))["pages"])
                    progress.update(pages=total, total=total, done=True)
                else:
                    work = threading.Thread(
                        target=self._engrave, args=(entry, layout, view, changed or {}, folder, progress), daemon=True,
                        name="collaparte-engraving",
                    )  # fmt: skip
                    work.start()
        answer = dict(progress)
        if answer["done"] and not answer["trouble"]:
            answer["map"] = json.loads((folder / "map.json").read_text(encoding="utf-8"))
        return answer

    def _folder(self, entry: Entry, layout: str, view: str, changed: Mapping[str, int]) -> Path:
        if layout not in LAYOUTS or view not in VIEWS:
            raise ScoreError(f"Layouts are {', '.join(LAYOUTS)}; views are {', '.join(VIEWS)}.")
        semitones, bars = int(changed.get("transpose", 0)), changed.get("tutti_bars")
        if abs(semitones) > 24 or (bars is not None and not 0 <= bars <= 16):
            raise ScoreError("There is no such page: at most 24 semitones, and 16 bars of lead-in.")
        variant = (f"{semitones:+d}" if semitones else "") + (f"t{int(bars)}" if bars is not None else "")
        return self.library.engraved(entry, layout, view, variant)

    def _engrave(
        self,
        entry: Entry,
        layout: str,
        view: str,
        changed: Mapping[str, int],
        folder: Path,
        progress: dict[str, Any],
    ) -> None:
        def tell(news: Mapping[str, Any]) -> None:
            progress.update(pages=news["page"], total=news["pages"], opening=True)

        request = {
            "piece": {**self.library.files(entry), **changed},
            "layout": layout,
            "view": view,
            "folder": str(folder),
        }
        try:
            run_job("engrave", request, ENGRAVING, tell)
        except CollaparteError as error:
            progress["trouble"] = str(error)
        progress["done"] = True

    def forget_pages(self, piece: str) -> None:
        """The soloist changes: pages are engraved again."""
        with self._lock:
            self._engraving = {key: value for key, value in self._engraving.items() if key[0] != piece}

    def page_path(
        self, entry: Entry, layout: str, view: str, number: int, changed: Mapping[str, int] | None = None
    ) -> Path:
        """Where page ``number`` (from 1) lies when it is engraved."""
        return self._folder(entry, layout, view, changed or {}) / f"{number:d}.svg"

    # -- marks -------------------------------------------------------------------------------------------------------

    def spots(self, entry: Entry, layout: str, view: str, changed: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Where every bar and note of the engraved pages is on the paper (see ``engraving``). Raises ScoreError."""
        path = self._folder(entry, layout, view, changed or {}) / "spots.json"
        if not path.exists():
            raise ScoreError("These pages are not engraved (yet).")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def mark(self, piece: str, tables: Mapping[str, Any]) -> Entry:
        """Keep ``tables`` as the piece's marks. Raises MarksError, and ScoreError while the edit lock is on."""
        now = self._rehearsal
        if now is not None and now.alive and now.locked:
            raise ScoreError("The edit lock is on: the marks stay as they are until it is off.")
        entry = self.library.mark(piece, tables)
        self.forget_pages(entry.id)
        return entry

    # -- takes and devices -------------------------------------------------------------------------------------------

    def export(self, name: str, kind: str, what: str, path: Path) -> Kept:
        """Write a take as ``kind`` (jsonl, csv, midi, wav) to ``path``. Raises TakeError."""
        kept = self.shelf.find(name)
        take = read_take(kept.path)
        if kind == "csv":
            write_csv(take, path)
        elif kind == "midi":
            parts = read_page(with_files(take.header.config), choose=True).parts
            orchestra: list[OrchestraEvent | Click] = [*take.orchestra, *take.clicks] if what != "solo" else []
            write_midi(path, parts, orchestra, [*take.solo, *take.pedals] if what != "orchestra" else [])
        elif kind == "positions":
            request = {"take": str(kept.path), "out": str(path), "piece": with_files(take.header.config)}
            run_job("positions", request, RENDERING)
        elif kind == "jsonl":
            write_take(take, path)
        else:
            request = {"take": str(kept.path), "what": what, "out": str(path), "piece": with_files(take.header.config)}
            run_job("render", request, RENDERING)
        return kept

    def voices(self, programs: Sequence[tuple[int, int]]) -> Path:
        """The presets that a page is to play, as a file of zones (``sound.zones``); made once, in another process."""
        from collaparte.sound.soundfont import soundfont

        font = soundfont()
        stat = font.stat()
        named = repr((str(font), stat.st_size, stat.st_mtime_ns, sorted(set(programs))))
        path = self.shelf.folder / "studio" / "voices" / f"{sha256(named.encode()).hexdigest()[:16]}.zones"
        if not path.exists():
            run_job("voices", {"font": str(font), "programs": sorted(set(programs)), "out": str(path)}, RENDERING)
        return path

    def review(self, name: str) -> dict[str, Any]:
        """A take looked at, in another process: it may be an hour long. Raises TakeError, ScoreError."""
        kept = self.shelf.find(name)
        return run_job("review", {"folder": str(self.shelf.folder), "take": kept.name}, RENDERING)

    def devices(self) -> dict[str, Any]:
        """Ports and loudspeakers there are now, and what is missing."""
        from collaparte.sound.devices import checks, devices
        from collaparte.sound.soundfont import find_soundfont

        found = devices()
        return {
            "midi_in": [device.name for device in found if device.kind == "MIDI in"],
            "midi_out": [device.name for device in found if device.kind == "MIDI out"],
            "audio_in": [device.name for device in found if device.kind == "audio in"],
            "soundfont": find_soundfont() is not None,
            "audio_out": [device.name for device in found if device.kind == "audio out"],
            "checks": [
                {"name": check.name, "ok": check.ok, "detail": check.detail, "mend": check.mend} for check in checks()
            ],
        }
