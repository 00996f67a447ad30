"""``collaparte evaluate follow``: the followers, and their peers, on real performances."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from collaparte.cli.door import Command
from collaparte.cli.options import FILE, FOLDER
from collaparte.cli.say import json_option, print_json, print_table, progress

COLUMNS = {
    "set": "set", "variant": "variant", "follower": "follower", "cases": "cases", "onsets": "onsets",
    "mean_ms": "mean ms", "within_25": "<=25", "within_50": "<=50", "within_100": "<=100",
    "mean_chord_ms": "mean ms (chord)", "chord_within_25": "<=25", "chord_within_50": "<=50",
    "chord_within_100": "<=100", "near_half_beat": "<=.5 beat", "lost": "lost", "cpu_us": "us", "cpu_p99_us": "us p99",
}  # fmt: skip
JUMP_COLUMNS = {
    "set": "set", "variant": "variant", "follower": "follower", "cases": "cases", "found": "found",
    "median_s": "median s", "p90_s": "p90 s", "half_beat_after": "then <=.5 beat", "cpu_us": "us",
}  # fmt: skip


@click.command(
    cls=Command,
    examples=(
        "collaparte evaluate follow --quick",
        "collaparte evaluate follow --peers --peers-python .venv-peers/bin/python --plot docs/images/reliability.svg",
    ),
)
@click.option("--corpora", type=FOLDER, metavar="DIR", help="The folder of the corpora (or set COLLAPARTE_CORPORA).")
@click.option("--pieces", type=click.IntRange(1, 100), default=20, show_default=True, help="Held-out pieces of nasap.")
@click.option("--quick", is_flag=True, help="Six pieces.")
@click.option("--follower", "followers", multiple=True, metavar="NAME", help="Instead of all of ours; may be repeated.")
@click.option("--predictor", metavar="NAME", help="Hand its plans to the follower, as the engine does.")
@click.option("--peers", is_flag=True, help="Also other people's followers, on the beginnings of pieces (slow).")
@click.option("--peer", "some", multiple=True, metavar="NAME", help="Of the peers only this one; may be repeated.")
@click.option(
    "--peer-notes", type=click.IntRange(0), default=300, show_default=True, help="Notes they are given; 0: all."
)
@click.option("--variant", "variants", multiple=True, metavar="NAME", help="Only this variant; may be repeated.")
@click.option(
    "--peers-python", type=FILE, metavar="PYTHON", help="The Python that has them: pip install collaparte[peers]."
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="Each variant so many times.")
@click.option("--plot", type=FILE, metavar="FILE", help="Write the reliability plot here (svg or png).")
@json_option
def follow(
    corpora: Path | None,
    pieces: int,
    quick: bool,
    followers: tuple[str, ...],
    predictor: str | None,
    peers: bool,
    some: tuple[str, ...],
    peer_notes: int,
    variants: tuple[str, ...],
    peers_python: Path | None,
    seed: int,
    seeds: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Follow real performances, clean and with things gone wrong, and measure how well; the same seed, the same table.

    Milliseconds against each chord's first note, then against its mean; shares in per cent of all onsets.
    """
    import sys
    from importlib.util import find_spec

    from collaparte.errors import CollaparteError
    from collaparte.evaluate.follow import evaluate_follow
    from collaparte.evaluate.follow_align import evaluate_alignment
    from collaparte.evaluate.follow_peers import PEERS
    from collaparte.evaluate.follow_plot import plot_reliability
    from collaparte.evaluate.follow_variants import VARIANTS
    from collaparte.follow import FOLLOWERS

    for asked, there in ((variants, tuple(VARIANTS)), (some, PEERS)):
        unknown = [name for name in asked if name not in there]
        if unknown:
            raise CollaparteError(f"There is nothing called {unknown[0]!r} here. There are: {', '.join(there)}.")
    with progress() as bar:
        task = bar.add_task("following", total=None)

        def tell(what: str) -> None:
            bar.update(task, description=what)

        report = evaluate_follow(
            corpora,
            pieces=6 if quick else pieces,
            followers=followers or tuple(sorted(FOLLOWERS, reverse=True)),
            predictor=predictor,
            variants=variants or tuple(VARIANTS),
            peers=some or (PEERS if peers else ()),
            peers_python=peers_python or sys.executable,
            peer_notes=peer_notes,
            seed=seed,
            seeds=seeds,
            tell=tell,
        )
        beside = (
            bool(peers or some) and find_spec("parangonar") is not None
        )  # the aligner runs here, not in the peers' own Python
        report.alignment.extend(evaluate_alignment(corpora, 4 if quick else 8, seed, beside, tell))
    if plot is not None:
        plot_reliability(report.reliability, plot)
    if as_json:
        curves = {name: {key: np.asarray(item).tolist() for key, item in asdict(curve).items()}
                  for name, curve in report.reliability.items()}  # fmt: skip
        print_json({**asdict(report), "reliability": curves})
        return
    print_table(list(COLUMNS.values()), [[_short(getattr(row, name)) for name in COLUMNS] for row in report.in_order])
    print_table(
        list(JUMP_COLUMNS.values()), [[_short(getattr(row, name)) for name in JUMP_COLUMNS] for row in report.jumps]
    )
    for name, curve in report.reliability.items():
        print_table(
            [f"{name}: certainty said", "share right", "positions"],
            [
                [f"{said:.3f}", f"{right:.3f}", int(count)]
                for said, right, count in zip(curve.certainty, curve.right, curve.count, strict=True)
            ],
        )
    if report.alignment:
        print_table(list(report.alignment[0]), [[_short(item) for item in row.values()] for row in report.alignment])


def _short(value: object) -> object:
    return f"{value:.2f}" if isinstance(value, float) else value
