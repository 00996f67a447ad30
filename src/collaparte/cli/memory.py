"""``collaparte memory``: what is remembered of each piece, and forgetting it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from collaparte.cli.door import Group
from collaparte.cli.options import FILE, FOLDER, piece_options
from collaparte.cli.say import asks, json_option, print_facts, print_json, print_table
from collaparte.cli.stage import Piece, read_piece
from collaparte.errors import TakeError

if TYPE_CHECKING:
    from collaparte.score import Score
    from collaparte.takes import Memory


@click.group(
    cls=Group,
    examples=("collaparte memory show", "collaparte memory --as anna export anna.json"),
)
@click.option("--as", "soloist", default="me", show_default=True, metavar="NAME", help="Whose memory.")
@click.option("--memory", "folder", type=FOLDER, metavar="DIR", help="The folder itself, instead.")
@click.pass_context
def memory(ctx: click.Context, soloist: str, folder: Path | None) -> None:
    """Show, forget, export and import what is remembered of a soloist's run-throughs."""
    from collaparte.takes import Memory, Shelf

    ctx.obj = Memory(folder) if folder is not None else Shelf().memory(soloist)


@memory.command(examples=("collaparte memory show", "collaparte memory --as anna show --json"))
@json_option
@click.pass_obj
def show(store: Memory, as_json: bool) -> None:
    """Show which pieces are remembered, and from which takes."""
    from collaparte.takes import Shelf

    names = {take.digest: take.piece for take in Shelf().list()}
    rows = [
        (names.get(digest, digest), digest, run.order, run.take, len(run.keys), round(sum(run.interval_s), 1))
        for digest in store.pieces()
        for run in store.runs(digest)
    ]
    if as_json:
        labels = ("piece", "digest", "order", "take", "intervals", "seconds")
        print_json({"folder": str(store.folder), "run_throughs": [dict(zip(labels, row, strict=True)) for row in rows]})
    elif not rows:
        click.echo(f"Nothing is remembered in {store.folder} yet.")
    else:
        shown = [(piece, order, take, intervals, seconds) for piece, _, order, take, intervals, seconds in rows]
        print_table(("piece", "no.", "take", "intervals", "seconds"), shown, title=str(store.folder))


@memory.command(
    examples=(
        "collaparte memory piece concerto.mxl --solo Violin",
        "collaparte memory piece concerto.mxl --solo 1 --json",
        "collaparte memory --as anna piece air --take air-2026 --plot remembered.png",
    )
)
@piece_options
@click.option("--plot", type=FILE, metavar="PNG", help="Draw a take against what was remembered, with its spread.")
@click.option(
    "--take", "take_name", metavar="TAKE", help="Which take to draw (a kept one, or a file); else the latest."
)
@json_option
@click.pass_obj
def piece(
    store: Memory,
    score: Path,
    accompaniment: Path | None,
    solo: tuple[str, ...],
    no_repeats: bool,
    unfolding: str | None,
    marks: Path | None,
    plot: Path | None,
    take_name: str | None,
    as_json: bool,
) -> None:
    """Show what is remembered of one piece, bar by bar: the tempo, and how sure it is.

    With --plot, also a picture: one take's tempo against what the others told before it, with their spread.
    """
    import numpy as np

    if take_name is not None and plot is None:
        raise click.UsageError("--take says which take to draw; name the picture with --plot.")
    _, page = read_piece(Piece(score, accompaniment, solo, no_repeats, unfolding, marks))
    recollection = store.recall(page)
    rows = []
    for bar in page.bars if recollection.runs else ():
        inside = (recollection.beat >= bar.beat - 1e-6) & (recollection.beat < bar.beat + bar.duration_beats - 1e-6)
        known = inside & (recollection.curve_weight > 0)
        if known.any():
            period_s = float(np.exp(recollection.curve_log_period[known].mean()))
            spread = float(recollection.curve_spread[known].mean())
            rows.append(
                (bar.number, bar.passing, 60 / period_s, spread * 100, float(recollection.curve_weight[known].mean()))
            )
    if plot is not None:
        _draw(store, page, take_name, plot)
    if as_json:
        labels = ("bar", "pass", "quarters_a_minute", "spread_percent", "weight")
        print_json({"runs": recollection.runs, "bars": [dict(zip(labels, row, strict=True)) for row in rows]})
    elif not rows:
        click.echo(f"Nothing is remembered of {page.title} in {store.folder} yet.")
    else:
        shown = [
            (bar, number, f"{tempo:.0f}", f"{spread:.0f} %", f"{weight:.1f}")
            for bar, number, tempo, spread, weight in rows
        ]
        print_table(
            ("bar", "time", "quarters a minute", "spread", "evidence"),
            shown,
            title=f"{page.title}: {recollection.runs} run-throughs",
        )


def _draw(store: Memory, page: Score, name: str | None, path: Path) -> None:
    """A take against what is remembered from all the other ones."""
    from collaparte.cli.takes import find_take
    from collaparte.plots import plot_memory
    from collaparte.takes import Shelf, recollect

    if name is None:
        kept = {take.identity: take.name for take in Shelf().list() if take.digest == page.digest}
        runs = [run.take for run in store.runs(page.digest) if run.take in kept]
        if not runs:
            raise TakeError(f"No kept take of {page.title} is remembered in {store.folder}. Name one with --take.")
        name = kept[runs[-1]]
    take = find_take(name)
    others = [run for run in store.runs(page.digest) if run.take != take.identity]
    plot_memory(take, page, recollect(page, others), path)


@memory.command(
    examples=("collaparte memory forget 3f09ab12cd34", "collaparte memory forget --piece 5b1c0f22aa10 --yes")
)
@click.argument("take", required=False)
@click.option(
    "--piece", "digest", metavar="DIGEST", help="Forget everything about one piece (digest as shown with --json)."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def forget(store: Memory, take: str | None, digest: str | None, yes: bool) -> None:
    """Forget one take (by its identity), or all of a piece. The take itself stays."""
    if (take is None) == (digest is None):
        raise click.UsageError("Name one take, or one piece with --piece.")
    if not yes:
        if not asks():
            raise TakeError("Forgetting cannot be undone. Say --yes to do it without being asked.")
        click.confirm(f"Forget {take or digest}?", abort=True, err=True)
    forgotten = store.forget_piece(digest) if digest is not None else int(store.forget(str(take)))
    if not forgotten:
        raise TakeError(f"Nothing called {take or digest} is remembered in {store.folder}. See collaparte memory show.")
    click.echo(f"Forgot {forgotten} run-through{'s' if forgotten > 1 else ''}.")


@memory.command("export", examples=("collaparte memory export mine.json",))
@click.argument("file", type=FILE)
@click.pass_obj
def export(store: Memory, file: Path) -> None:
    """Write everything remembered into one file."""
    print_facts({"run-throughs": store.export(file), "file": file})


@memory.command("import", examples=("collaparte memory --as anna import mine.json",))
@click.argument("file", type=FILE)
@click.pass_obj
def bring_in(store: Memory, file: Path) -> None:
    """Add what another memory exported."""
    print_facts({"new run-throughs": store.bring_in(file), "memory": store.folder})
