"""``collaparte train``: the practice room. Needs the extra ``train``; everything heavy is imported when it is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collaparte.cli.door import Group
from collaparte.cli.options import FOLDER
from collaparte.cli.say import json_option, out, print_json, print_table
from collaparte.errors import MissingExtra

if TYPE_CHECKING:
    from collaparte.training.pipeline import Ground

corpora_option = click.option(
    "--corpora", type=FOLDER, metavar="DIR", help="The folder of the corpora (or set COLLAPARTE_CORPORA)."
)
cache_option = click.option(
    "--cache", type=click.Path(path_type=Path), metavar="DIR", help="Where tables are kept (or set COLLAPARTE_CACHE)."
)
run_option = click.option(
    "--run", "folder", type=click.Path(path_type=Path), default=Path("practice"), show_default=True, metavar="DIR",
    help="Where this training's results lie; an unfinished one is gone on with.",
)  # fmt: skip
seed_option = click.option("--seed", type=int, default=1, show_default=True, help="Of the split and of the training.")
corpus_option = click.option(
    "--corpus", default="nasap", show_default=True, metavar="NAME",
    help="nasap, or a folder of match files: a genre, a piece, one soloist's exported takes.",
)  # fmt: skip


@click.group(cls=Group, examples=("collaparte train data", "collaparte train all --run practice"))
def train() -> None:
    """Train the agent: corpora in, a policy out."""


def _ground(folder: Path, corpus: str, corpora: Path | None, cache: Path | None, seed: int) -> Ground:
    try:
        import torch  # noqa: F401

        from collaparte.training.pipeline import prepare
    except ImportError as error:
        raise MissingExtra(f"Training needs {error.name}. Install it: pip install 'collaparte[train]'") from error
    return prepare(folder, corpus, corpora, cache, seed)


def _say(text: str) -> None:
    out().print(text, markup=False)


@train.command(examples=("collaparte train data", "collaparte train data vienna4x22 --plot spread.png"))
@click.argument("corpus", default="nasap")
@corpora_option
@cache_option
@click.option("--plot", type=click.Path(path_type=Path), metavar="PNG", help="Plot the tempo spread by piece.")
@json_option
def data(corpus: str, corpora: Path | None, cache: Path | None, plot: Path | None, as_json: bool) -> None:
    """Read a corpus and show what is there: pieces, performances, onsets, freedom of tempo, and what was dropped."""
    import numpy as np

    from collaparte.training.data.corpus import load

    found = load(corpus, corpora, cache)
    rows = []
    for piece, items in found.voice("all").by_piece.items():
        spread = float(np.nanmedian([item.log_period_spread for item in items]))
        rows.append((piece, len(items), int(sum(len(item.played) for item in items)), spread))
    if as_json:
        keys = ("piece", "performances", "onsets", "tempo_spread")
        told: dict[str, Any] = {"pieces": [dict(zip(keys, row, strict=True)) for row in rows]}
        print_json({**told, "dropped": [{"performance": name, "why": why} for name, why in found.dropped]})
    else:
        print_table(("piece", "performances", "onsets", "tempo spread"), rows)
        for name, why in found.dropped:
            _say(f"dropped: {name}: {why}")
        _say(f"{len(rows)} pieces, {sum(row[1] for row in rows)} performances, {sum(row[2] for row in rows)} onsets")
    if plot is not None:
        from collaparte.training.data.plot import plot_spread

        plot_spread(found, plot)
        _say(f"{plot}")


@train.command(examples=("collaparte train clone --minutes 30",))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--minutes", type=float, default=45.0, show_default=True, help="At most.")
@click.option("--rounds", type=int, default=36, show_default=True)
@click.option("--start", type=click.Path(path_type=Path, exists=True), metavar="PT", help="Fine-tune these weights.")
def clone(
    corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int, minutes: float, rounds: int,
    start: Path | None,
) -> None:  # fmt: skip
    """The warm start: learn from what would have been right."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.clone import CloneSettings
    from collaparte.training.pipeline import quick, run_clone

    settings = CloneSettings(seed=seed, minutes=minutes, rounds=rounds)
    run_clone(ground, quick(settings, rounds) if start is not None else settings, _say, start)


@train.command(examples=("collaparte train ppo --minutes 30",))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--minutes", type=float, default=40.0, show_default=True, help="At most.")
@click.option("--steps", type=int, default=1_000_000, show_default=True)
@click.option("--start", type=click.Path(path_type=Path, exists=True), metavar="PT", help="Instead of the clone.")
def ppo(
    corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int, minutes: float, steps: int,
    start: Path | None,
) -> None:  # fmt: skip
    """Practice: recurrent PPO, from the clone on."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.pipeline import run_practice
    from collaparte.training.ppo import PpoSettings

    run_practice(ground, PpoSettings(seed=seed, minutes=minutes, steps=steps), _say, start)


@train.command(examples=("collaparte train export practice/agent.pt policy.onnx",))
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--algorithm", default="clone, then recurrent PPO", show_default=True, help="What the passport says.")
def export(
    weights: Path, target: Path, corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int,
    algorithm: str,
) -> None:  # fmt: skip
    """Make a policy (.onnx and its passport) of some weights."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.pipeline import run_export

    run_export(ground, weights, target, algorithm, _say)


@train.command("all", examples=("collaparte train all --run practice",))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--clone-minutes", type=float, default=45.0, show_default=True, help="At most.")
@click.option("--ppo-minutes", type=float, default=45.0, show_default=True, help="At most.")
def everything(
    corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int, clone_minutes: float,
    ppo_minutes: float,
) -> None:  # fmt: skip
    """From nothing to a policy: data, clone, practice, export."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.clone import CloneSettings
    from collaparte.training.pipeline import run_all
    from collaparte.training.ppo import PpoSettings

    cloning = CloneSettings(seed=seed, minutes=clone_minutes)
    practice = PpoSettings(seed=seed, minutes=ppo_minutes, steps=1_000_000)
    _say(f"{run_all(ground, cloning, practice, _say)}")
