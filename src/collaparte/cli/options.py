"""Options that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)  # whether it exists is for the room that reads it to say, in its own words
FOLDER = click.Path(path_type=Path, file_okay=False)


def piece_options(function: Function) -> Function:
    """SCORE (a file, or a shipped piece) and what belongs to reading it: the arguments of ``stage.Piece``."""
    for decorate in reversed(
        (
            click.argument("score", type=FILE),
            click.option(
                "--accompaniment",
                type=FILE,
                metavar="FILE",
                help="The orchestra, where SCORE holds the solo part alone.",
            ),
            click.option(
                "--solo",
                multiple=True,
                metavar="PART",
                help="The soloist's part: its name, the beginning of it, or its number. May be given several times.",
            ),
            click.option("--no-repeats", is_flag=True, help="Leave out every repeat."),
            click.option("--unfolding", metavar="A-A-B", help="The sections to play, in order, instead."),
            click.option(
                "--marks",
                type=FILE,
                metavar="FILE",
                help="Marks file, or the name of shipped marks (by default SCORE's own .marks.toml).",
            ),
        )
    ):
        function = decorate(function)
    return function


def room_options(function: Function) -> Function:
    """Who follows and who predicts."""
    for decorate in reversed(
        (
            click.option("--follower", metavar="NAME", help="Which follower listens (see collaparte version)."),
            click.option("--predictor", metavar="NAME", help="Which predictor plans ahead (see collaparte version)."),
        )
    ):
        function = decorate(function)
    return function


soundfont_option = click.option(
    "--soundfont", type=FILE, metavar="FILE", help="An .sf2 or .sf3 to play with (see collaparte doctor)."
)
