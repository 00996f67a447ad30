"""``collaparte doctor``: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import click

from collaparte.cli.door import Command
from collaparte.cli.say import json_option, print_json, print_table, warn
from collaparte.errors import DeviceError

NEEDED = {
    "numpy": "arithmetic",
    "partitura": "reading scores",
    "onnxruntime": "the trained agent",
    "soundfile": "recordings",
    "rich": "tables and progress",
    "matplotlib": "pictures",
    "platformdirs": "where your takes are kept",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``mend`` is the command that mends it, empty where nothing is wrong."""

    name: str
    needed: bool
    well: bool
    found: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, in the order a player needs it. Devices are listed, not opened."""
    from collaparte.sound.devices import checks

    number = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info[:2] >= (3, 11)
    yield Finding("python", True, good, number, "" if good else "install Python 3.11 or later")
    for name, purpose in NEEDED.items():
        try:
            yield Finding(name, True, True, f"{version_of(name)} ({purpose})")
        except PackageNotFoundError:
            yield Finding(name, True, False, f"not installed ({purpose})", f"pip install {name}")
    yield _data_folder()
    for check in checks():
        yield Finding(check.name, False, check.ok, check.detail, check.mend)


def _data_folder() -> Finding:
    from collaparte.takes import data_folder

    folder = data_folder().absolute()
    near = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(near, os.W_OK):
        return Finding("data folder", True, False, f"{folder} cannot be written", f"sudo chown -R $USER '{near}'")
    return Finding("data folder", True, True, f"{folder} ({shutil.disk_usage(near).free / 1e9:.0f} GB free)")


def fix() -> None:
    """Fetch a soundfont where there is none; a machine on which that fails still plays, with the built-in bank."""
    from collaparte.sound.soundfont import fetch_soundfont, find_soundfont

    if find_soundfont() is not None:
        return
    try:
        click.echo(f"Soundfont: {fetch_soundfont(lambda text: click.echo(text, err=True))}", err=True)
    except DeviceError as error:
        warn(f"{error} Until then a plain built-in bank of sounds plays.")


@click.command(cls=Command, examples=("collaparte doctor", "collaparte doctor --fix", "collaparte doctor --json"))
@click.option("--fix", "mend", is_flag=True, help="First fetch what can be fetched: a soundfont, where there is none.")
@json_option
def doctor(mend: bool, as_json: bool) -> int:
    """Say what is installed, what is missing, and how to mend it (exit 1 when something needed is missing)."""
    if mend:
        fix()
    findings = list(examine())
    missing = [finding for finding in findings if finding.needed and not finding.well]
    if as_json:
        print_json({"well": not missing, "findings": [asdict(finding) for finding in findings]})
    else:
        marks = {(True, True): "yes", (False, True): "yes", (True, False): "NO", (False, False): "no"}
        rows = [(marks[item.needed, item.well], item.name, item.found, item.mend) for item in findings]
        print_table(("", "what", "found", "to mend"), rows)
        click.echo(f"{len(missing)} needed thing(s) missing." if missing else "All that is needed is here.")
    return 1 if missing else 0
