"""``collaparte version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import click

from collaparte import __version__
from collaparte.cli.door import Command
from collaparte.cli.say import json_option, print_facts, print_json

STANDS_ON = ("numpy", "partitura", "mido", "python-rtmidi", "libsonare", "miniaudio", "onnxruntime", "torch")


def versions() -> dict[str, str | None]:
    """Name -> version of what is installed, None for what is not. Imports none of them."""
    found: dict[str, str | None] = {
        "collaparte": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    for name in STANDS_ON:
        try:
            found[name] = version_of(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@click.command(cls=Command, examples=("collaparte version", "collaparte version --json"))
@json_option
def version(as_json: bool) -> None:
    """Print the versions of collaparte and of what it stands on, and which followers and predictors there are."""
    from collaparte.follow import FOLLOWERS
    from collaparte.predict import PREDICTORS

    found = versions()
    if as_json:
        print_json({**found, "followers": sorted(FOLLOWERS), "predictors": sorted(PREDICTORS)})
        return
    print_facts({name: number or "not installed" for name, number in found.items()})
    print_facts({"followers": ", ".join(sorted(FOLLOWERS)), "predictors": ", ".join(sorted(PREDICTORS))})
