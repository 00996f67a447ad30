"""What the server holds: library, takes, the one rehearsal that may go on, and the pages being engraved."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from collaparte.errors import CollaparteError, ScoreError
from collaparte.events import Click, OrchestraEvent
from collaparte.sound.midi_file import write_midi
from collaparte.studio.booth import Booth
from collaparte.studio.feed import Feed
from collaparte.studio.jobs import ENGRAVING, RENDERING, run_job
from collaparte.studio.library import Entry, Library, with_files
from collaparte.studio.preferences import Players
from collaparte.studio.rehearsal import Rehearsal, Wanted
from collaparte.studio.worker import read_page
from collaparte.takes import Kept, Shelf, read_take, write_csv, write_take

LAYOUTS = ("wide", "tall")
VIEWS = ("solo", "full")


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

    def pages(self, entry: Entry, layout: str, view: str) -> dict[str, Any]:
        """How far the engraving is: ``pages`` ready, ``total`` when known, ``done``, then ``map``, or ``trouble``."""
        if layout not in LAYOUTS or view not in VIEWS:
            raise ScoreError(f"Layouts are {', '.join(LAYOUTS)}; views are {', '.join(VIEWS)}.")
        folder = self.library.engraved(entry, layout, view)
        key = (entry.id, layout, view)
        with self._lock:
            progress = self._engraving.get(key)
            finished = progress is not None and progress["done"] and not progress["trouble"]
            if progress is None or (finished and not (folder / "map.json").exists()):
                progress = {"pages": 0, "total": None, "done": False, "trouble": None}
                self._engraving[key] = progress
                if (folder / "map.json").exists():
                    total = int(json.loads((folder / "map.json").read_text(encoding="utf-8"))["pages"])
                    progress.update(pages=total, total=total, done=True)
                else:
                    work = threading.Thread(
                        target=self._engrave, args=(entry, layout, view, folder, progress), daemon=True,
                        name="collaparte-engraving",
                    )  # fmt: skip
                    work.start()
        answer = dict(progress)
        if answer["done"] and not answer["trouble"]:
            answer["map"] = json.loads((folder / "map.json").read_text(encoding="utf-8"))
        return answer

    def _engrave(self, entry: Entry, layout: str, view: str, folder: Path, progress: dict[str, Any]) -> None:
        def tell(news: Mapping[str, Any]) -> None:
            progress.update(pages=news["page"], total=news["pages"])

        request = {"piece": self.library.files(entry), "layout": layout, "view": view, "folder": str(folder)}
        try:
            run_job("engrave", request, ENGRAVING, tell)
        except CollaparteError as error:
            progress["trouble"] = str(error)
        progress["done"] = True

    def forget_pages(self, piece: str) -> None:
        """The soloist changes: pages are engraved again."""
        with self._lock:
            self._engraving = {key: value for key, value in self._engraving.items() if key[0] != piece}

    def page_path(self, entry: Entry, layout: str, view: str, number: int) -> Path:
        """Where page ``number`` (from 1) lies when it is engraved."""
        if layout not in LAYOUTS or view not in VIEWS:
            raise ScoreError("There is no such layout or view.")
        return self.library.engraved(entry, layout, view) / f"{number:d}.svg"

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


def wanted_of(asked: Mapping[str, Any]) -> Wanted:
    """What a page asked for, checked: unknown fields are passed over. Raises CollaparteError."""
    known: dict[str, Any] = {}
    for item in fields(Wanted):
        if (value := asked.get(item.name)) is None:
            continue
        kind = str(item.type)
        if item.name == "loop_bars":
            if not (isinstance(value, list) and len(value) == 2 and all(isinstance(bar, str) for bar in value)):
                raise CollaparteError("A loop is two bars.")
            known["loop_bars"] = (value[0][:20], value[1][:20])
        elif item.name == "loop":
            if not (isinstance(value, list) and len(value) == 2 and all(_is_number(bound) for bound in value)):
                raise CollaparteError("A loop is two beats.")
            known["loop"] = (float(value[0]), float(value[1]))
        elif kind.startswith("str"):
            if not isinstance(value, str) or len(value) > 200:
                raise CollaparteError(f"{item.name} is a short text.")
            known[item.name] = value
        elif kind.startswith("bool"):
            known[item.name] = bool(value)
        elif _is_number(value):
            known[item.name] = int(value) if kind == "int" else float(value)
        else:
            raise CollaparteError(f"{item.name} is a number.")
    return Wanted(**known)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
