"""``collaparte evaluate``: the figures of the docs, each from one command."""

from __future__ import annotations

import click

from collaparte.cli.door import LazyGroup

EVALUATIONS = {
    "follow": (
        "collaparte.cli.evaluate_follow:follow",
        "How well followers follow real performances, beside their peers.",
    ),
    "orchestra": (
        "collaparte.cli.evaluate_orchestra:orchestra",
        "How close the orchestra is to real and simulated soloists.",
    ),
}


@click.group(
    cls=LazyGroup,
    table=EVALUATIONS,
    examples=("collaparte evaluate orchestra --corpora ../shared/data",),
)
def evaluate() -> None:
    """Measure this package against ground truth, and against its peers."""
