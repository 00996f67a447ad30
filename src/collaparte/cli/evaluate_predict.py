"""``collaparte evaluate predict``: every predictor on real takes, cold and with remembered ones, one table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from collaparte.cli.door import Command
from collaparte.cli.options import FOLDER
from collaparte.cli.say import json_option, print_json, print_table, progress
from collaparte.errors import MissingExtra


@click.command(
    cls=Command,
    examples=(
        "collaparte evaluate predict --corpora ../shared/data",
        "collaparte evaluate predict --clone practice/clone.onnx --plots docs/images",
    ),
)
@click.option("--corpora", type=FOLDER, metavar="DIR", help="The folder of the corpora (or set COLLAPARTE_CORPORA).")
@click.option("--cache", type=click.Path(path_type=Path), metavar="DIR", help="Where tables are kept.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the split, the draws and the bootstrap.")
@click.option("--policy", type=click.Path(path_type=Path), metavar="ONNX", help="Instead of the shipped policy.")
@click.option("--clone", type=click.Path(path_type=Path), metavar="ONNX", help="Also judge this one, as its clone.")
@click.option("--plots", type=click.Path(path_type=Path), metavar="DIR", help="Draw the pictures of the docs there.")
@json_option
def predict(
    corpora: Path | None, cache: Path | None, seed: int, policy: Path | None, clone: Path | None, plots: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Next-onset error of every tempo model, of memory alone, and of the agent; then the closed loop in the engine.

    Figures are means over performances, after the first ten onsets: mean absolute ms / median ms / share within 30 ms,
    each with its 95 % bootstrap interval over pieces. Deterministic for a seed.
    """
    try:
        from collaparte.evaluate.predict_suite import TARGETS, evaluate_predict
    except ImportError as error:
        raise MissingExtra(
            f"The ghost orchestra needs {error.name}. Install it: pip install 'collaparte[train]'"
        ) from error

    with progress() as bar:
        task = bar.add_task("foreseeing", total=None)
        rows, loops = evaluate_predict(
            corpora, cache, seed, policy, clone, plots, lambda what: bar.update(task, description=what)
        )
    if as_json:
        print_json({"next_onset": [asdict(row) for row in rows], "closed_loop": [asdict(loop) for loop in loops]})
        return
    shown = []
    for row in rows:
        must = TARGETS.get((row.set_name, row.takes))
        reached = "" if must is None else "/".join("yes" if one else "no" for one in row.reaches(*must[0]))
        aimed = "" if must is None else "/".join("yes" if one else "no" for one in row.reaches(*must[1]))
        shown.append(
            (
                row.set_name, row.takes, row.predictor, f"{row.mean_ms:.1f} ({_span(row.mean_interval, 1)})",
                f"{row.median_ms:.1f} ({_span(row.median_interval, 1)})",
                f"{row.within_30:.3f} ({_span(row.within_interval, 3)})", row.performances, row.onsets, reached, aimed,
            )
        )  # fmt: skip
    columns = ("set", "k", "predictor", "mean ms", "median ms", "within 30 ms", "takes", "onsets", "must", "aim")
    print_table(columns, shown, title="Next-onset error")
    names = ("set", "noise ms", "k", "predictor", "asynchrony ms", "within 30", "foreseen 30", "roughness", "soloist's")
    print_table(
        names,
        [
            (
                loop.set_name, loop.noise_ms, loop.takes, loop.predictor, round(loop.asynchrony_ms, 1),
                round(loop.within_30, 3), round(loop.foreseen_30, 3), f"{loop.roughness:.4f}", f"{loop.soloist:.4f}",
            )
            for loop in loops
        ],
        title="Closed loop in the engine, a ghost orchestra on every onset",
    )  # fmt: skip


def _span(interval: tuple[float, float], digits: int) -> str:
    return f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"
