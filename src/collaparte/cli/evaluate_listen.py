"""``collaparte evaluate listen``: how well soloists are heard in real recordings, beside other audio followers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from collaparte.cli.door import Command
from collaparte.cli.options import FILE, FOLDER
from collaparte.cli.say import json_option, print_json, print_table, progress

HEADINGS = (
    "recording", "listener", "onsets", "onset ms", "signed", "<=50", "<=100", "<=250",
    "report ms", "signed", "<=50", "<=100", "<=250", "lost", "x real time",
)  # fmt: skip


@click.command(
    cls=Command,
    examples=("collaparte evaluate listen", "collaparte evaluate listen --peer arzt --peers-python PYTHON"),
)
@click.option("--corpora", type=FOLDER, metavar="DIR", help="The folder of the corpora (or set COLLAPARTE_CORPORA).")
@click.option("--recording", "only", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("--follower", metavar="NAME", help="What follows the notes that were heard.")
@click.option("--peer", "peers", multiple=True, metavar="NAME", help="Also arzt, dixon, outerhmm or skf (slow).")
@click.option(
    "--peers-python", type=FILE, metavar="PYTHON", help="The Python that has them: pip install collaparte[peers]."
)
@json_option
def listen(
    corpora: Path | None,
    only: tuple[str, ...],
    follower: str | None,
    peers: tuple[str, ...],
    peers_python: Path | None,
    as_json: bool,
) -> None:
    """Hear the violin recordings block by block and measure when each onset was placed, and when reported.

    There are four, of the corpus bach-violin. Milliseconds (median of the sizes, then signed); shares of all onsets.
    """
    import sys

    from collaparte.evaluate.listen import evaluate_listen
    from collaparte.evaluate.listen_peers import PEERS

    for name in peers:
        if name not in PEERS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(PEERS)}.", param_hint="--peer")
    with progress() as bar:
        task = bar.add_task("listening", total=None)
        rows = evaluate_listen(
            corpora,
            peers=peers,
            peers_python=peers_python or sys.executable,
            follower=follower,
            only=only,
            tell=lambda what: bar.update(task, description=what),
        )
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        HEADINGS,
        [
            [
                row.recording, row.listener, row.onsets, f"{row.onset_median_ms:.0f}", f"{row.onset_signed_ms:+.0f}",
                *(f"{100 * share:.0f} %" for share in row.onset_within),
                f"{row.report_median_ms:.0f}", f"{row.report_signed_ms:+.0f}",
                *(f"{100 * share:.0f} %" for share in row.report_within),
                row.lost, f"{row.real_time:.3f}",
            ]
            for row in rows
        ],
    )  # fmt: skip
