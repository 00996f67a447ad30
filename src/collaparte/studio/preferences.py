"""What the studio remembers of its players: who they are, what they play through, how the page looks.

    data folder/studio/preferences.json    {"format": 1, "preferences": {...}, "profiles": [{"id", "name"}]}

A profile's ``id`` is the soloist's name of the command line and never changes; memory lies under it, and takes name it.
What is renamed is ``name``, which only the page shows. A file that cannot be read is passed over: preferences are
convenience, and a studio that does not open because of them is none.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from collaparte.errors import CollaparteError, TakeError
from collaparte.takes import Shelf
from collaparte.takes.shelf import plain_name

FORMAT = 1
NOBODY = "me"  # who plays before anybody has a name
LONGEST = 60  # characters of a name
MOST_PROFILES = 100
CHOICES = {"theme": ("auto", "light", "dark"), "size": ("normal", "large"), "predictor": ("", "policy", "steady")}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a rehearsal begins with unless the page says otherwise. ``input`` and ``output`` are KIND or KIND:NAME.

    ``predictor`` empty is the best there is.
    """

    profile: str = NOBODY
    input: str = ""
    output: str = ""
    predictor: str = ""
    theme: str = "auto"
    size: str = "normal"

    def changed(self, wanted: Mapping[str, Any]) -> Preferences:
        """With what is ``wanted``; unknown names are passed over. Raises CollaparteError for what cannot be."""
        known: dict[str, str] = {}
        for item in fields(self):
            if item.name not in wanted:
                continue
            value = wanted[item.name]
            if not isinstance(value, str) or len(value) > 200:
                raise CollaparteError(f"{item.name} is a short text.")
            if item.name in CHOICES and value not in CHOICES[item.name]:
                listed = ", ".join(choice or "none" for choice in CHOICES[item.name])
                raise CollaparteError(f"{item.name} is one of: {listed}.")
            known[item.name] = value
        return replace(self, **known)


@dataclass(frozen=True, slots=True)
class Profile:
    """One soloist. ``pieces`` are remembered, from ``runs`` run-throughs."""

    id: str
    name: str
    pieces: int
    runs: int


class Players:
    """Preferences and profiles, kept in the shelf's folder. Safe from any thread."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._path = shelf.folder / "studio" / "preferences.json"
        self._lock = threading.Lock()

    # -- preferences -------------------------------------------------------------------------------------------------

    def preferences(self) -> Preferences:
        """As they are now; the defaults where nothing is kept."""
        return self._read()[0]

    def prefer(self, wanted: Mapping[str, Any]) -> Preferences:
        """Change some. Raises CollaparteError for what cannot be, or cannot be kept."""
        with self._lock:
            preferences, names = self._read()
            changed = preferences.changed(wanted)
            if changed.profile != preferences.profile and changed.profile not in self._ids(names):
                raise TakeError(f"There is no profile {changed.profile!r}. Make one first.")
            self._write(changed, names)
            return changed

    # -- profiles ----------------------------------------------------------------------------------------------------

    def profiles(self) -> list[Profile]:
        """Everybody known here, by name: made in the studio, or remembered from the command line."""
        _, names = self._read()
        found = []
        for key in self._ids(names):
            counts = self._shelf.memory(key).pieces()
            found.append(Profile(key, names.get(key, key), len(counts), sum(counts.values())))
        return sorted(found, key=lambda profile: profile.name.casefold())

    def add(self, name: str) -> Profile:
        """A new profile with nothing remembered. Raises TakeError for a name that is empty or taken."""
        with self._lock:
            preferences, names = self._read()
            name = _name(name)
            key = plain_name(name)
            taken = {known.casefold() for known in self._ids(names)} | {known.casefold() for known in names.values()}
            if key.casefold() in taken or name.casefold() in taken:
                raise TakeError(f"There is a profile {name!r} already. Choose another name.")
            if len(taken) >= MOST_PROFILES:
                raise TakeError(f"There are {MOST_PROFILES} profiles; delete one first.")
            names[key] = name
            self._write(preferences, names)
            return Profile(key, name, 0, 0)

    def rename(self, key: str, name: str) -> None:
        """Show a profile under another name. Raises TakeError."""
        with self._lock:
            preferences, names = self._read()
            name = _name(name)
            others = {names.get(other, other).casefold() for other in self._ids(names) if other != key}
            if key not in self._ids(names):
                raise TakeError(f"There is no profile {key!r}.")
            if name.casefold() in others:
                raise TakeError(f"There is a profile {name!r} already. Choose another name.")
            names[key] = name
            self._write(preferences, names)

    def remove(self, key: str) -> None:
        """Forget a profile and all that is remembered of its playing; takes stay. Raises TakeError."""
        with self._lock:
            preferences, names = self._read()
            if key not in self._ids(names):
                raise TakeError(f"There is no profile {key!r}.")
            try:
                shutil.rmtree(self._shelf.memory(key).folder, ignore_errors=False)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise TakeError(f"What is remembered of {names.get(key, key)!r} cannot be deleted: {error}.") from error
            names.pop(key, None)
            left = self._ids(names)
            if preferences.profile == key:
                preferences = replace(preferences, profile=next(iter(left)))
            self._write(preferences, names)

    def _ids(self, names: Mapping[str, str]) -> list[str]:
        memory = self._shelf.folder / "memory"
        remembered = [
            path.name for path in sorted(memory.glob("*")) if path.is_dir() and plain_name(path.name) == path.name
        ]
        return list(dict.fromkeys([*names, *remembered])) or [NOBODY]

    # -- the file ----------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[Preferences, dict[str, str]]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            preferences = Preferences().changed(kept["preferences"])
            names = {
                str(row["id"]): _name(row["name"]) for row in kept["profiles"] if plain_name(row["id"]) == row["id"]
            }
        except (OSError, ValueError, KeyError, TypeError, RecursionError, CollaparteError):
            return Preferences(), {NOBODY: NOBODY}
        return preferences, names

    def _write(self, preferences: Preferences, names: Mapping[str, str]) -> None:
        kept = {
            "format": FORMAT,
            "preferences": asdict(preferences),
            "profiles": [{"id": key, "name": name} for key, name in names.items()],
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            half.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            half.replace(self._path)
        except OSError as error:
            raise TakeError(
                f"The settings cannot be kept in {self._path.parent}: {error}. Set COLLAPARTE_DATA."
            ) from error


def _name(name: object) -> str:
    if not isinstance(name, str) or not (plain := " ".join(name.split())) or len(plain) > LONGEST:
        raise TakeError(f"A profile has a name of 1 to {LONGEST} characters.")
    if not plain.isprintable():
        raise TakeError("A name is made of characters that can be printed.")
    return plain
