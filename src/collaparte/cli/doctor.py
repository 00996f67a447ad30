"""``collaparte doctor``: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Literal, TypeAlias

import click

from collaparte.cli.door import Command
from collaparte.cli.say import json_option, print_json, print_table

State: TypeAlias = Literal["ok", "missing", "optional"]

NEEDED = {
    "numpy": "arithmetic",
    "partitura": "reading scores",
    "mido": "MIDI files and messages",
    "python-rtmidi": "MIDI ports",
    "rich": "tables and progress",
    "matplotlib": "pictures",
    "platformdirs": "where your takes are kept",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what it is for, how it stands, and the command that mends it (empty when it is well)."""

    name: str
    state: State
    found: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, in the order a player needs it. Opens no device for longer than it takes to list it."""
    found = ".".join(str(number) for number in sys.version_info[:3])
    good = sys.version_info[:2] >= (3, 11)
    yield Finding("python", "ok" if good else "missing", found, "" if good else "install Python 3.11 or later")
    for name, purpose in NEEDED.items():
        yield _package(name, purpose)
    yield _data_folder()
    yield _midi_ports()


def _package(name: str, purpose: str, extra: str | None = None) -> Finding:
    try:
        return Finding(name, "ok", f"{version_of(name)} ({purpose})")
    except PackageNotFoundError:
        target = f"'collaparte[{extra}]'" if extra else name
        return Finding(name, "optional" if extra else "missing", f"not installed ({purpose})", f"pip install {target}")


def _data_folder() -> Finding:
    from platformdirs import user_data_path

    folder = user_data_path("collaparte")
    near = next(parent for parent in (folder, *folder.parents) if parent.exists())
    import os

    if os.access(near, os.W_OK):
        free_gb = shutil.disk_usage(near).free / 1e9
        return Finding("data folder", "ok", f"{folder} ({free_gb:.0f} GB free)")
    return Finding("data folder", "missing", f"{folder} cannot be written", f"sudo chown -R $USER {_shown(near)}")


def _shown(path: Path) -> str:
    return f"'{path}'" if " " in str(path) else str(path)


def _midi_ports() -> Finding:
    import rtmidi

    try:
        inputs, outputs = rtmidi.MidiIn().get_ports(), rtmidi.MidiOut().get_ports()
    except Exception as error:  # rtmidi raises its own kinds where the system has no MIDI at all, as in a container
        return Finding("MIDI ports", "optional", f"this system offers none ({error})", "sudo modprobe snd-seq")
    return Finding("MIDI ports", "ok", f"{len(inputs)} in, {len(outputs)} out (see collaparte devices)")


@click.command(cls=Command, examples=("collaparte doctor", "collaparte doctor --json"))
@json_option
def doctor(as_json: bool) -> int:
    """Say what is installed, what is missing, and how to mend it."""
    findings = list(examine())
    missing = [finding for finding in findings if finding.state == "missing"]
    if as_json:
        print_json({"well": not missing, "findings": [asdict(finding) for finding in findings]})
    else:
        marks = {"ok": "yes", "missing": "NO", "optional": "no"}
        print_table(
            ("", "what", "found", "to mend"),
            [(marks[item.state], item.name, item.found, item.mend) for item in findings],
        )
        click.echo("All that is needed is here." if not missing else f"{len(missing)} needed thing(s) missing.")
    return 1 if missing else 0
