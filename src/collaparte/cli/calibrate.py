"""``collaparte calibrate``: the round trip through loudspeaker and microphone, once for each pair of devices."""

from __future__ import annotations

from dataclasses import asdict

import click

from collaparte.cli.door import Command
from collaparte.cli.say import json_option, print_facts, print_json, print_table, warn


@click.command(
    cls=Command,
    examples=("collaparte calibrate", "collaparte calibrate --input 'USB Audio'", "collaparte calibrate --list"),
)
@click.option("--input", "source", metavar="NAME", help="The microphone, by the beginning of its name.")
@click.option("--output", metavar="NAME", help="The loudspeaker, by the beginning of its name.")
@click.option("--backend", metavar="NAME", help="Ask this sound system (ALSA, PULSEAUDIO, JACK, COREAUDIO).")
@click.option("--list", "listed", is_flag=True, help="List what is known, and measure nothing.")
@json_option
def calibrate(source: str | None, output: str | None, backend: str | None, listed: bool, as_json: bool) -> None:
    """Play short sweeps, hear them, and keep how long they took there and back.

    Take the headphones off, put the microphone where it will be, and be quiet for six seconds. What is found is
    subtracted whenever these devices are used, and gives echo cancellation the room to begin with.
    """
    from collaparte.calibrate import Calibrations
    from collaparte.calibrate.live import calibration_of, round_trip

    store = Calibrations(notice=warn)
    if listed:
        known = store.all()
        if as_json:
            print_json([asdict(kept) for kept in known])
        elif not known:
            click.echo("Nothing was measured yet. `collaparte calibrate` measures.")
        else:
            rows = [(one.input, one.output, f"{1000 * one.round_trip_s:.1f}", f"{1000 * one.input_latency_s:.1f}",
                     one.when) for one in known]  # fmt: skip
            print_table(("input", "output", "round trip ms", "subtracted ms", "when"), rows)
        return
    found = round_trip(source, output, backend=backend,
                       started=lambda: click.echo("Listening; please be quiet for six seconds.", err=True))  # fmt: skip
    kept = store.keep(calibration_of(found, source, output), found)
    for complaint in found.complaints:
        warn(complaint)
    if as_json:
        print_json(asdict(kept) | {"noise_db": found.noise_db, "heard": found.heard, "played": found.played})
        return
    print_facts(
        {
            "round trip": f"{1000 * kept.round_trip_s:.1f} ms (spread {1000 * kept.spread_s:.2f} ms)",
            "subtracted from what is heard": f"{1000 * kept.input_latency_s:.1f} ms",
            "clicks heard": f"{found.heard} of {found.played}, at {found.level_db:.0f} dB over {found.noise_db:.0f} dB",
            "kept for": f"{kept.input} and {kept.output}",
        }
    )
