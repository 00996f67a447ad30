"""``collaparte evaluate orchestra``: the whole engine against real and simulated soloists."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import click

from collaparte.cli.door import Command
from collaparte.cli.options import FOLDER
from collaparte.cli.say import json_option, print_json, print_table, progress


@click.command(
    cls=Command,
    examples=(
        "collaparte evaluate orchestra",
        "collaparte evaluate orchestra --seeds 5 --predictor steady --json",
    ),
)
@click.option("--corpora", type=FOLDER, metavar="DIR", help="The folder of the corpora (or set COLLAPARTE_CORPORA).")
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Simulated takes a level.")
@click.option("--follower", metavar="NAME", help="As in simulate.")
@click.option("--predictor", default="steady", show_default=True, metavar="NAME", help="As in simulate.")
@json_option
def orchestra(corpora: Path | None, seeds: int, follower: str | None, predictor: str, as_json: bool) -> None:
    """Accompany the real takes of the duets and simulated soloists of the Mendelssohn; one row for each group.

    Times in milliseconds against the first note of each solo chord; "away" counts notes of the orchestra over 150 ms
    from the soloist. Deterministic: the same command gives the same table.
    """
    from collaparte.evaluate.orchestra import Row, evaluate_orchestra

    with progress() as bar:
        task = bar.add_task("accompanying", total=None)
        rows = evaluate_orchestra(
            corpora,
            seeds=seeds,
            follower=follower,
            predictor=predictor,
            tell=lambda what: bar.update(task, description=what),
        )
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    names = [field.name for field in fields(Row)]
    print_table([name.replace("_", " ") for name in names], [[getattr(row, name) for name in names] for row in rows])
