"""``collaparte evaluate``: the figures of the docs, each from one command."""

from __future__ import annotations

import click

from collaparte.cli.door import LazyGroup

EVALUATIONS = {
    "follow": (
        "collaparte.cli.evaluate_follow:follow",
        "Follow real performances, clean and with things gone wrong, and measure how well; "
        "the same seed, the same table.",
    ),
    "listen": (
        "collaparte.cli.evaluate_listen:listen",
        "Hear the violin recordings block by block: when each onset was placed, reached by the line, and reported.",
    ),
    "orchestra": (
        "collaparte.cli.evaluate_orchestra:orchestra",
        "Accompany the real takes of the duets and simulated soloists of the Mendelssohn; one row for each group.",
    ),
    "predict": (
        "collaparte.cli.evaluate_predict:predict",
        "Next-onset error of every tempo model, of memory alone, and of the agent; then the closed loop in the engine.",
    ),
}


@click.group(
    cls=LazyGroup,
    table=EVALUATIONS,
    examples=("collaparte evaluate orchestra --corpora ../shared/data",),
)
def evaluate() -> None:
    """Measure this package against ground truth, and against its peers."""
