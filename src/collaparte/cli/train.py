"""``collaparte train``: the practice room. Needs the extra ``train``; everything heavy is imported when it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from collaparte.cli.door import Group
from collaparte.cli.options import FOLDER
from collaparte.cli.say import json_option, out, print_json, print_table, progress
from collaparte.errors import MissingExtra, TakeError

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


def _wants_torch() -> None:
    try:
        import collaparte.training.pipeline  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"Training needs {error.name}. Install it: pip install 'collaparte[train]'") from error


def _ground(folder: Path, corpus: str, corpora: Path | None, cache: Path | None, seed: int) -> Ground:
    _wants_torch()
    from collaparte.training.pipeline import prepare

    return prepare(folder, corpus, corpora, cache, seed)


def _say(text: str) -> None:
    out().print(text, markup=False, soft_wrap=True)


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """A bar for the stage that runs; on a terminal only."""
    with progress() as shown:
        task = shown.add_task("preparing", total=1.0)
        yield lambda what, share: shown.update(task, description=what, completed=share)


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
@click.option("--start", type=click.Path(path_type=Path, exists=True), metavar="FILE", help="Go on from these weights.")
def clone(
    corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int, minutes: float, rounds: int,
    start: Path | None,
) -> None:  # fmt: skip
    """The warm start: learn from what would have been right."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.clone import CloneSettings
    from collaparte.training.pipeline import run_clone

    with _bar() as bar:
        run_clone(ground, CloneSettings(seed=seed, minutes=minutes, rounds=rounds), _say, start, bar)


@train.command(examples=("collaparte train polish",))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--rounds", type=click.IntRange(1), help="In all.")
@click.option("--start", type=click.Path(path_type=Path, exists=True), metavar="PT", help="Instead of the clone.")
def polish(
    corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int, rounds: int | None,
    start: Path | None,
) -> None:  # fmt: skip
    """The clone learns the pay of the practice room by the pay's own slope."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.pipeline import run_polish
    from collaparte.training.polish import PolishSettings

    with _bar() as bar:
        run_polish(ground, PolishSettings(seed=seed, rounds=rounds or PolishSettings.rounds), _say, start, bar)


@train.command(examples=("collaparte train ppo --minutes 30",))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--minutes", type=float, default=40.0, show_default=True, help="At most.")
@click.option("--steps", type=int, help="In all.")
@click.option(
    "--start", type=click.Path(path_type=Path, exists=True), metavar="PT", help="Instead of the polished one."
)
def ppo(
    corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int, minutes: float, steps: int | None,
    start: Path | None,
) -> None:  # fmt: skip
    """Practice: recurrent PPO, from the polished clone on."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.pipeline import run_practice
    from collaparte.training.ppo import PpoSettings

    with _bar() as bar:
        run_practice(
            ground, PpoSettings(seed=seed, minutes=minutes, steps=steps or PpoSettings.steps), _say, start, bar
        )


@train.command(examples=("collaparte train export practice/agent.pt policy.onnx",))
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option(
    "--algorithm", default="clone, polished, then recurrent PPO", show_default=True, help="What the passport says."
)
def export(
    weights: Path, target: Path, corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int,
    algorithm: str,
) -> None:  # fmt: skip
    """Make a policy (.onnx and its passport) of some weights."""
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.pipeline import run_export

    run_export(ground, weights, target, algorithm, _say)


@train.command(examples=("collaparte train ablate practice/clone-best.pt --run ablation",))
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@corpus_option
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--steps", type=int, default=65_536, show_default=True, help="Of practice, for each variant.")
@click.option("--rounds", type=click.IntRange(1), default=4, show_default=True, help="Of polishing.")
@click.option("--no-networks", is_flag=True, help="Leave out the networks, which are cloned anew.")
def ablate(
    weights: Path, corpus: str, corpora: Path | None, cache: Path | None, folder: Path, seed: int, steps: int,
    rounds: int, no_networks: bool,
) -> None:  # fmt: skip
    """What each choice of polishing and practice is worth: one changed at a time, from the clone in WEIGHTS on.

    Mean ms / median ms / share within 30 ms, and roughness, on the tuning pieces: cold, and with three takes.
    """
    ground = _ground(folder, corpus, corpora, cache, seed)
    from collaparte.training.ablate import ablate as run_ablation

    run_ablation(ground, weights, folder, steps, rounds, seed, not no_networks, _say)


@train.command("all", examples=("collaparte train all --run practice", "collaparte train all --engine ray --seeds 3"))
@click.option(
    "--corpus",
    "corpus",
    multiple=True,
    default=("nasap",),
    show_default=True,
    metavar="NAME",
    help="nasap, or a folder of match files; with --engine ray it may be given several times.",
)
@corpora_option
@cache_option
@run_option
@seed_option
@click.option("--clone-minutes", type=float, default=45.0, show_default=True, help="At most.")
@click.option("--ppo-minutes", type=float, default=45.0, show_default=True, help="At most.")
@click.option("--engine", type=click.Choice(["here", "ray"]), default="here", show_default=True, help="Who runs it.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="With ray: so many, from --seed on."
)
@click.option("--population", type=click.IntRange(1), default=1, show_default=True, help="With ray: rivals a seed.")
@click.option("--address", metavar="ADDRESS", help="With ray: a running cluster's, or auto; else one is started here.")
def everything(
    corpus: tuple[str, ...], corpora: Path | None, cache: Path | None, folder: Path, seed: int, clone_minutes: float,
    ppo_minutes: float, engine: str, seeds: int, population: int, address: str | None,
) -> None:  # fmt: skip
    """From nothing to a policy: data, clone, polish, practice, export. Under half an hour on one core, whole corpus.

    With --engine ray, many such trainings at once, judged alike on their tuning pieces; the best one's policy is
    exported. In a population the worst take over the weights of the best as they practise.
    """
    if engine == "here" and (len(corpus) > 1 or seeds > 1 or population > 1):
        raise click.UsageError("Several corpora, seeds or rivals at once need --engine ray.")
    _wants_torch()
    from collaparte.training.clone import CloneSettings
    from collaparte.training.polish import PolishSettings
    from collaparte.training.ppo import PpoSettings

    cloning, practice = CloneSettings(seed=seed, minutes=clone_minutes), PpoSettings(seed=seed, minutes=ppo_minutes)
    if engine == "ray":
        from collaparte.training.cluster import Trials, run_many

        trials = Trials(corpus, tuple(range(seed, seed + seeds)), population)
        run_many(trials, folder, cloning, practice, corpora=corpora, cache=cache, address=address, say=_say)
        return
    ground = _ground(folder, corpus[0], corpora, cache, seed)
    from collaparte.training.pipeline import run_all

    with _bar() as bar:
        path = run_all(ground, cloning, practice, _say, bar, PolishSettings(seed=seed))
    _say(f"{path}")


@train.command(
    examples=(
        "collaparte train tune --as anna --run anna",
        "collaparte train tune --corpus nasap --only Chopin/Etudes --run etudes",
    )
)
@click.option("--as", "soloist", metavar="NAME", help="Learn from this soloist's kept takes.")
@click.option("--corpus", metavar="NAME", help="Or from a corpus, or a folder of match files.")
@click.option("--only", metavar="PIECE", help="Only pieces whose name begins so: a composer, a genre, one piece.")
@corpora_option
@cache_option
@run_option
@seed_option
@click.option(
    "--start", default="shipped", show_default=True, metavar="FILE", help="Weights (.pt) or a policy (.onnx)."
)
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True)
@click.option("--minutes", type=float, default=15.0, show_default=True, help="At most.")
def tune(
    soloist: str | None, corpus: str | None, only: str | None, corpora: Path | None, cache: Path | None, folder: Path,
    seed: int, start: str, rounds: int, minutes: float,
) -> None:  # fmt: skip
    """Fine-tune a policy, the shipped one unless told otherwise, to a genre, a piece, or one soloist's takes.

    Every fifth take is kept aside to judge by. Play with the result: collaparte play --predictor DIR/policy.onnx
    """
    if (soloist is None) == (corpus is None):
        raise click.UsageError("Name a soloist with --as, or a corpus with --corpus.")
    _wants_torch()
    from dataclasses import replace

    from collaparte.predict.policy import SHIPPED
    from collaparte.training.data.corpus import load
    from collaparte.training.pipeline import TUNING, run_tune

    with TemporaryDirectory() as scratch, _bar() as bar:
        found = load(str(_own_takes(soloist, only, Path(scratch))) if soloist else str(corpus), corpora, cache)
        if only is not None and corpus is not None:
            found = found.pieces(only)
        settings = replace(TUNING, seed=seed, rounds=rounds, minutes=minutes)
        done = run_tune(found, folder, settings, SHIPPED if start == "shipped" else Path(start), _say, bar)
    label = "on the takes kept aside" if done.learnt_from > 1 else "on the only take itself"
    for when, row in (("before", done.before), ("tuned", done.after)):
        _say(f"{when:7} {label}: {row[0]:.1f} / {row[1]:.1f} ms / {row[2]:.3f} within 30 ms")
    _say(f"{done.policy}: learnt from {done.learnt_from} takes, judged on {done.judged_on}")


def _own_takes(soloist: str, only: str | None, folder: Path) -> Path:
    """A soloist's kept takes as a folder of match files, one folder for each piece."""
    from collaparte.cli.stage import score_of
    from collaparte.cli.takes import write_alignment
    from collaparte.takes import Shelf, read_take

    for kept in Shelf().list(soloist=soloist):
        if kept.piece.startswith(only or ""):
            take = read_take(kept.path)
            place = folder / kept.digest
            place.mkdir(exist_ok=True)
            write_alignment(take, score_of(take.header), place / f"{kept.identity}.match")
    if not any(folder.iterdir()):
        of = f" of a piece called {only}" if only else ""
        raise TakeError(
            f"No take of {soloist}{of} is kept. See collaparte takes: whatever is played with collaparte play "
            "or in the studio is kept."
        )
    return folder
