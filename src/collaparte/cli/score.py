"""``collaparte score``: look a score over, or start a marks file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from collaparte.cli.door import Command
from collaparte.cli.options import piece_options
from collaparte.cli.say import json_option, print_facts, print_json, print_table
from collaparte.cli.stage import Piece, read_piece

if TYPE_CHECKING:
    from collaparte.score import Description


@click.command(
    cls=Command,
    examples=(
        "collaparte score concerto.mxl",
        "collaparte score solo.mid --accompaniment piano.mid --json",
        "collaparte score concerto.mxl --solo Violin --start-marks",
    ),
)
@piece_options
@click.option(
    "--start-marks",
    is_flag=True,
    help="Write a marks file (beside the score, or where --marks says) with an example of every mark.",
)
@json_option
def score(
    score: Path,
    accompaniment: Path | None,
    solo: tuple[str, ...],
    no_repeats: bool,
    unfolding: str | None,
    marks: Path | None,
    start_marks: bool,
    as_json: bool,
) -> None:
    """Print a score's parts, bars, repeats and what looks wrong in it.

    SCORE is MusicXML (.musicxml, .mxl), MIDI, MEI, Humdrum kern or a match file.
    """
    from collaparte.score import describe
    from collaparte.score import start_marks as write_marks

    to_start = marks or score.with_name(f"{score.stem}.marks.toml")
    asked = Piece(score, accompaniment, solo, no_repeats, unfolding, None if start_marks else marks)
    _, page = read_piece(asked, choose=False)
    if start_marks:
        written = write_marks(page, to_start)
        if as_json:
            print_json({"marks": str(written)})
        else:
            click.echo(f"Wrote {written}. Open it in an editor; every line in it is explained there.")
        return
    found = describe(page)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)


def _show(found: Description) -> None:
    seconds = round(found.duration_s)
    click.secho(found.title, bold=True)
    print_facts(
        {
            "bars": f"{found.first_bar} to {found.last_bar}, {found.bars} in all with repeats",
            "lasts": f"{found.end_beat:g} quarters, {seconds // 60}:{seconds % 60:02} as written",
            "metre": _in_bars([(bar, metre) for bar, metre in found.metres]),
            "quarters a minute": _in_bars([(bar, f"{tempo:g}") for bar, tempo in found.tempi]),
            "played again": "; ".join(f"{first} to {last} (time {number})" for first, last, number in found.repeats)
            or "nothing",
            "fermatas": "; ".join(f"bar {bar} beat {beat:g} ({release})" for bar, beat, release in found.fermatas)
            or "none",
            "solo enters": _some([f"bar {bar}" for bar in found.entries]) or "-",
            "tutti": _some([f"{first} to {last}" for first, last in found.tutti]) or "-",
        }
    )
    print_table(
        ("", "part", "plays", "notes", "grace", "from", "to", ""),
        [
            (
                part.number,
                part.name,
                "percussion" if part.percussion else f"program {part.program + 1}",
                part.notes,
                part.grace_notes or "",
                "" if part.lowest is None else pitch_name(part.lowest),
                "" if part.highest is None else pitch_name(part.highest),
                "solo" if part.solo else "",
            )
            for part in found.parts
        ],
    )
    for trouble in found.troubles:
        click.echo(f"! {trouble}")
    if not any(part.solo for part in found.parts):
        click.echo("Choose the soloist's part with --solo NAME or NUMBER.")


def _in_bars(rows: list[tuple[str, str]], most: int = 6) -> str:
    return _some([value if index == 0 else f"{value} from bar {bar}" for index, (bar, value) in enumerate(rows)], most)


def _some(items: list[str], most: int = 6) -> str:
    more = f", and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def pitch_name(pitch: int) -> str:
    """MIDI 60 as C4 (scientific pitch notation, sharps)."""
    return f"{('C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B')[pitch % 12]}{pitch // 12 - 1}"
