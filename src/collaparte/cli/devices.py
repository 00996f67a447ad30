"""``collaparte devices``: what this machine can listen and play through."""

from __future__ import annotations

from dataclasses import asdict

import click

from collaparte.cli.door import Command
from collaparte.cli.say import json_option, print_facts, print_json, print_table

TEST_S = 2.0


@click.command(
    cls=Command,
    examples=("collaparte devices", "collaparte devices --test", "collaparte devices --test --input 'USB Audio'"),
)
@click.option("--test", is_flag=True, help="Record two seconds from a microphone and say how they sound.")
@click.option("--input", "source", metavar="NAME", help="Which microphone, by the beginning of its name.")
@click.option("--backend", metavar="NAME", help="Ask this sound system (ALSA, PULSEAUDIO, JACK, COREAUDIO).")
@json_option
def devices(test: bool, source: str | None, backend: str | None, as_json: bool) -> None:
    """List the MIDI ports and sound devices of this machine, or test a microphone."""
    if test:
        _test(source, backend, as_json)
        return
    from collaparte.sound.devices import devices as list_devices

    found = list_devices()
    if as_json:
        print_json([asdict(device) for device in found])
    elif not found:
        click.echo("No MIDI port and no sound device is here. `collaparte doctor` says what to do.")
    else:
        rows = [(device.kind, device.name, "default" if device.default else "") for device in found]
        print_table(("what", "name", ""), rows)


def _test(source: str | None, backend: str | None, as_json: bool) -> None:
    from collaparte.calibrate.live import record
    from collaparte.listen.microphone import RATE
    from collaparte.listen.sounding import sounding

    if not as_json:
        click.echo("Recording two seconds; play or speak as loud as you will.", err=True)
    found = sounding(record(TEST_S, source, backend), RATE)
    if as_json:
        print_json(asdict(found) | {"well": found.well})
        return
    meter = "#" * max(round((found.level_db + 60) / 3), 0)
    print_facts(
        {
            "level": f"{found.level_db:.0f} dB  [{meter:<20}]",
            "peak": f"{found.peak_db:.0f} dB",
            "noise floor": f"{found.noise_db:.0f} dB",
            "hum": "none" if found.hum_hz is None else f"{found.hum_hz:.0f} Hz, {found.hum_db:.0f} dB",
        }
    )
    for words in found.words or ("It sounds well.",):
        click.echo(words)
