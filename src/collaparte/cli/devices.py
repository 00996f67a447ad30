"""``collaparte devices``: what this machine can listen and play through."""

from __future__ import annotations

from dataclasses import asdict

import click

from collaparte.cli.door import Command
from collaparte.cli.say import json_option, print_json, print_table


@click.command(cls=Command, examples=("collaparte devices", "collaparte devices --json"))
@json_option
def devices(as_json: bool) -> None:
    """List the MIDI ports and sound devices of this machine."""
    from collaparte.sound.devices import devices as list_devices

    found = list_devices()
    if as_json:
        print_json([asdict(device) for device in found])
    elif not found:
        click.echo("No MIDI port and no sound device is here. `collaparte doctor` says what to do.")
    else:
        rows = [(device.kind, device.name, "default" if device.default else "") for device in found]
        print_table(("what", "name", ""), rows)
