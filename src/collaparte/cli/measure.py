"""``collaparte measure``: the ruler laid to takes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collaparte.cli.door import Command
from collaparte.cli.options import FILE
from collaparte.cli.say import json_option, print_facts, print_json, print_table, warn
from collaparte.cli.stage import Piece, read_piece, score_of
from collaparte.errors import CollaparteError, TakeError

if TYPE_CHECKING:
    from collaparte.measure import Report
    from collaparte.score import Score
    from collaparte.takes import Take


def page_of(take: Take, score: Path | None) -> Score | None:
    """The page to measure against: the one named, else the take's own where it is still to be found."""
    if score is not None:
        config = {**take.header.config, "score": str(score)}
        return read_piece(Piece.from_config(config))[1]
    try:
        return score_of(take.header)
    except CollaparteError as error:
        warn(f"{error} Measured without it: ornaments count as notes of the soloist.")
        return None


@click.command(
    cls=Command,
    examples=(
        "collaparte measure run.jsonl",
        "collaparte measure run.jsonl --truth performance.match --json",
        "collaparte measure steady.jsonl policy.jsonl",
    ),
)
@click.argument("runs", type=FILE, nargs=-1, required=True, metavar="RUN.jsonl...")
@click.option("--truth", type=FILE, metavar="MATCH", help="A match file that says what the soloist really played.")
@click.option("--score", type=FILE, metavar="FILE", help="The score, where the take's own has moved.")
@json_option
def measure(runs: tuple[Path, ...], truth: Path | None, score: Path | None, as_json: bool) -> None:
    """Measure takes: asynchrony, prediction, following, smoothness; side by side when there are several.

    Positive times are late. Without --truth the follower's own matched onsets stand for the soloist's.
    """
    from collaparte.measure import compare, measure_take, read_truth
    from collaparte.takes import read_take

    if truth is not None and len(runs) > 1:
        raise TakeError("One truth belongs to one take: give a single RUN.jsonl with --truth.")
    reports: dict[str, Report] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for run in runs:
            take = read_take(run)
            page = page_of(take, score)
            known = None if truth is None else read_truth(truth, page)
            reports[str(run)] = measure_take(take, page, known)
    for warning in caught:
        warn(str(warning.message))
    if as_json:
        plain = {name: report.as_dict() for name, report in reports.items()}
        print_json(plain if len(plain) > 1 else next(iter(plain.values())))
    elif len(reports) == 1:
        print_facts(dict(next(iter(reports.values())).rows()))
    else:
        head, *rows = compare(reports)
        print_table(head, rows)
