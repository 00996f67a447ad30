"""``collaparte takes``: the performances that were kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collaparte.cli.door import Group
from collaparte.cli.options import FILE, soundfont_option
from collaparte.cli.say import json_option, print_facts, print_json, print_table, warn
from collaparte.cli.stage import engine_of, recall_of, score_of
from collaparte.errors import TakeError

if TYPE_CHECKING:
    from collaparte.events import Value
    from collaparte.score import Score
    from collaparte.takes import Kept, Take

TAKE = click.argument("take", metavar="TAKE")


def find_take(name: str) -> Take:
    """A take by its file, or by the (beginning of the) name or identity under which it is kept."""
    from collaparte.takes import Shelf, read_take

    path = Path(name)
    return read_take(path) if path.suffix == ".jsonl" or path.is_file() else Shelf().read(name)


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=("collaparte takes", "collaparte takes show air", "collaparte takes export air --wav air.wav"),
)
@click.pass_context
def takes(ctx: click.Context) -> None:
    """List, show, export, align, replay and delete performances.

    TAKE is a take's name as listed, or the beginning of it, or a file.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_takes)


@takes.command("list", examples=("collaparte takes list", "collaparte takes list --piece air --as anna --json"))
@click.option("--piece", metavar="TEXT", help="Only pieces whose name holds this.")
@click.option("--as", "soloist", metavar="NAME", help="Only takes by this soloist.")
@json_option
def list_takes(piece: str | None = None, soloist: str | None = None, as_json: bool = False) -> None:
    """List the takes that are kept, oldest first."""
    from collaparte.takes import Shelf

    shelf = Shelf()
    kept = shelf.list(piece, soloist)
    if as_json:
        print_json([_plain(take) for take in kept])
    elif not kept:
        click.echo(f"No takes yet in {shelf.takes}. collaparte play makes them.")
    else:
        rows = [
            (take.name, take.piece, take.soloist, take.started or "", f"{take.duration_s:.0f} s", take.solo_notes)
            for take in kept
        ]
        print_table(("take", "piece", "by", "when", "lasts", "solo notes"), rows)


def _plain(take: Kept) -> dict[str, object]:
    return {
        "name": take.name,
        "path": str(take.path),
        "identity": take.identity,
        "digest": take.digest,
        "piece": take.piece,
        "soloist": take.soloist,
        "started": take.started,
        "duration_s": take.duration_s,
        "solo_notes": take.solo_notes,
        "orchestra_notes": take.orchestra_notes,
    }


@takes.command(examples=("collaparte takes show air", "collaparte takes show run.jsonl --json"))
@TAKE
@json_option
def show(take: str, as_json: bool) -> None:
    """Show one take: what was played, when, how, and what happened."""
    found = find_take(take)
    header = found.header
    facts: dict[str, object] = {
        "piece": header.piece,
        "soloist": header.soloist,
        "started": header.started or "a simulation",
        "lasts": f"{found.end_s:.1f} s",
        "solo notes": sum(event.on for event in found.solo),
        "orchestra notes": sum(event.on for event in found.orchestra),
        "follower": header.config.get("follower"),
        "predictor": header.config.get("predictor"),
        "score": header.config.get("score"),
        "identity": found.identity,
    }
    events = [(value.time_s, value.name) for value in found.commands]
    events = sorted(events + [(value.time_s, value.text) for value in found.notices])
    if as_json:
        print_json({**facts, "digest": header.digest, "file": found.path, "happened": events})
        return
    print_facts({**facts, "file": found.path})
    for time_s, text in events:
        click.echo(f"{time_s:9.2f} s  {text}")


@takes.command(
    examples=(
        "collaparte takes export air --midi air.mid --wav air.wav",
        "collaparte takes export run.jsonl --csv run.csv --match run.match",
    )
)
@TAKE
@click.option("--midi", type=FILE, metavar="FILE", help="Soloist and orchestra as a MIDI file.")
@click.option("--wav", type=FILE, metavar="FILE", help="Soloist and orchestra as a recording.")
@click.option("--csv", type=FILE, metavar="FILE", help="Every value as a row of a table.")
@click.option("--match", type=FILE, metavar="FILE", help="Which note of the page each solo note was, as a match file.")
@click.option("--png", type=FILE, metavar="FILE", help="A picture: tempo curves and asynchrony.")
@click.option("--jsonl", type=FILE, metavar="FILE", help="The take itself.")
@soundfont_option
@json_option
def export(
    take: str,
    midi: Path | None,
    wav: Path | None,
    csv: Path | None,
    match: Path | None,
    png: Path | None,
    jsonl: Path | None,
    soundfont: Path | None,
    as_json: bool,
) -> None:
    """Export a take for other programs."""
    from collaparte.cli.outputs import write_outputs
    from collaparte.takes import write_csv, write_take

    wanted = {"midi": midi, "wav": wav, "csv": csv, "match": match, "png": png, "jsonl": jsonl}
    if not any(wanted.values()):
        raise click.UsageError(f"Say what to export: {', '.join('--' + name for name in wanted)}.")
    found = find_take(take)
    if csv is not None:
        write_csv(found, csv)
    if jsonl is not None:
        write_take(found, jsonl)
    if match is not None:
        write_alignment(found, score_of(found.header), match)
    if any((midi, wav, png)):
        write_outputs(found, score_of(found.header), mix=wav, midi=midi, plot=png, soundfont=soundfont)
    written = {name: str(path) for name, path in wanted.items() if path is not None}
    print_json(written) if as_json else print_facts(written)


def write_alignment(take: Take, page: Score, out: Path | None) -> dict[str, int]:
    """Align a take's solo notes with the page, write the match file where asked; how many lines of each kind."""
    import numpy as np

    from collaparte.takes.align import align as align_notes
    from collaparte.takes.match_file import write_match

    rows: list[tuple[float, float, int, int]] = []  # begins, ends, pitch, velocity
    sounding: dict[int, int] = {}
    for event in sorted(take.solo, key=lambda event: event.time_s):
        if event.pitch in sounding:  # ends, or is struck again
            row = sounding.pop(event.pitch)
            rows[row] = (rows[row][0], event.time_s, *rows[row][2:])
        if event.on:
            sounding[event.pitch] = len(rows)
            rows.append((event.time_s, take.end_s, event.pitch, event.velocity))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    pitch = table[:, 2].astype(np.int64)
    lines = align_notes(page.solo, table[:, 0], pitch)
    if out is not None:
        try:
            write_match(out, page, lines, table[:, 0], table[:, 1], pitch, table[:, 3].astype(np.int64))
        except OSError as error:
            raise TakeError(f"The match file {out} cannot be written: {error.strerror or error}.") from error
    return {kind: sum(line.kind == kind for line in lines) for kind in ("match", "insertion", "deletion")}


@takes.command(examples=("collaparte takes align air", "collaparte takes align run.jsonl --out run.match --json"))
@TAKE
@click.option("--out", type=FILE, metavar="FILE", help="Write the alignment as a match file.")
@json_option
def align(take: str, out: Path | None, as_json: bool) -> None:
    """Say which note of the page each solo note was: matched, extra, left out."""
    found = find_take(take)
    counts = write_alignment(found, score_of(found.header), out)
    if as_json:
        print_json({**counts, "file": out})
        return
    names = {"match": "as written", "insertion": "extra or wrong", "deletion": "left out"}
    print_facts({names[kind]: count for kind, count in counts.items()} | ({} if out is None else {"file": out}))


@takes.command(examples=("collaparte takes delete air-2026", "collaparte takes delete air-2026 --yes"))
@TAKE
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(take: str, yes: bool) -> None:
    """Delete a take, and forget what was learnt from it."""
    from collaparte.cli.say import asks
    from collaparte.takes import Shelf

    shelf = Shelf()
    kept = shelf.find(take)
    if not yes:
        if not asks():
            raise TakeError(f"Deleting {kept.name} cannot be undone. Say --yes to do it without being asked.")
        click.confirm(f"Delete {kept.name} ({kept.piece}, {kept.duration_s:.0f} s) for good?", abort=True, err=True)
    shelf.delete(kept.name)
    click.echo(f"Deleted {kept.name}.")


@takes.command(examples=("collaparte takes replay air", "collaparte takes replay run.jsonl --out again.jsonl"))
@TAKE
@click.option("--out", type=FILE, metavar="FILE", help="Write the replayed take here.")
@json_option
def replay(take: str, out: Path | None, as_json: bool) -> int:
    """Play a take's soloist through the engine again, and say whether the same comes out (exit 6 where it does not)."""
    from collaparte.engine import replay as play_again
    from collaparte.takes import make_take, write_take

    found = find_take(take)
    page = score_of(found.header)
    engine = engine_of(found.header, page, recall=recall_of(found.header, page))
    again = make_take(found.header, play_again(engine, found.values))
    if out is not None:
        write_take(again, out)
    differs = first_difference(found.values, again.values)
    if as_json:
        print_json({"identical": differs is None, "values": len(again.values), "first_difference": differs})
    elif differs is None:
        click.echo(f"Identical: {len(again.values)} values.")
    else:
        warn(f"Not identical, from line {differs + 2} on. Take: {len(found.values)} values, now {len(again.values)}.")
    return 0 if differs is None else TakeError.exit_code


def first_difference(old: tuple[Value, ...], new: tuple[Value, ...]) -> int | None:
    """Index of the first value that is not the same, apart from when it was sent; None when all are."""
    from collaparte.events import Notice, OrchestraEvent, from_line, to_line

    def plain(values: tuple[Value, ...]) -> list[Value]:
        read = [from_line(to_line(value)) for value in values if not isinstance(value, Notice)]
        return [replace(value, sent_s=None) if isinstance(value, OrchestraEvent) else value for value in read]

    before, after = plain(old), plain(new)
    for index, (one, other) in enumerate(zip(before, after, strict=False)):
        if one != other:
            return index
    return None if len(before) == len(after) else min(len(before), len(after))
