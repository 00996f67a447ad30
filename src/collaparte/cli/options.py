"""Options that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collaparte.score import Score

Function = TypeVar("Function", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)  # whether it exists is for the room that reads it to say, in its own words
FOLDER = click.Path(path_type=Path, file_okay=False)
AUTO = "auto"


class Tuning(click.FloatRange):
    """An A in Hz (415 to 466), or ``auto``."""

    def __init__(self) -> None:
        super().__init__(415, 466.2)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return AUTO if value == AUTO else super().convert(value, param, ctx)


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


def practice_options(function: Function) -> Function:
    """How the page is practised and what the player wishes: gathered by ``practised`` and ``wished``."""
    for decorate in reversed(
        (
            click.option(
                "--transpose",
                type=click.IntRange(-24, 24),
                default=0,
                metavar="SEMITONES",
                help="The whole piece higher or lower.",
            ),
            click.option(
                "--solo-sounds",
                type=click.IntRange(-24, 24),
                default=0,
                metavar="SEMITONES",
                help="The solo part is written for a transposing instrument and SCORE does not say so: it sounds so "
                "far from what is written (clarinet in B flat: -2, in A: -3, horn in F: -7).",
            ),
            click.option(
                "--hand",
                type=click.Choice(["both", "right", "left"]),
                default="both",
                show_default=True,
                help="Play one hand of a solo part on two staves; the orchestra plays the other.",
            ),
            click.option(
                "--tutti-bars",
                type=click.IntRange(0, 16),
                metavar="BARS",
                help="Shorten every long tutti to so many bars before the soloist's entry.",
            ),
            click.option(
                "--mode",
                type=click.Choice(["follow", "wait", "keep-going"]),
                default="follow",
                show_default=True,
                help="When the soloist does not come: wait a little and go on to the next resting point; never pass "
                "the soloist's next note; or go on in tempo.",
            ),
            click.option(
                "--slowest",
                type=click.FloatRange(0.2, 4),
                metavar="RATIO",
                help="The orchestra is never slower than so many times the written tempo.",
            ),
            click.option(
                "--fastest",
                type=click.FloatRange(0.2, 4),
                metavar="RATIO",
                help="The orchestra is never faster than so many times the written tempo.",
            ),
            click.option(
                "--mute-tuttis",
                type=click.IntRange(0, 16),
                metavar="BARS",
                help="Long tuttis are silent but for so many bars before the soloist's entry.",
            ),
            click.option(
                "--metronome",
                type=click.Choice(["off", "rests", "always"]),
                default="off",
                show_default=True,
                help="Click the beat: in the soloist's long rests, or always.",
            ),
            click.option(
                "--balance",
                multiple=True,
                metavar="NAME=LEVEL",
                help="A section (strings, winds, brass, ...) or part so many times as loud, 0 to 1.5. Several times.",
            ),
            click.option(
                "--tuning",
                type=Tuning(),
                metavar="auto|HZ",
                help="The A of orchestra and soloist (415 to 466; the orchestra's is 440 by default, and the soloist's "
                "is found); auto: the orchestra tunes to the soloist's sound.",
            ),
        )
    ):
        function = decorate(function)
    return function


def wished(score: Score, practice: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``practice_options`` as fields of the engine's settings. Raises CollaparteError."""
    from collaparte.sound.balance import balance_of

    muted = practice["mute_tuttis"]
    return {
        "mode": practice["mode"].replace("-", " "),
        "slowest": practice["slowest"],
        "fastest": practice["fastest"],
        "tuttis": "play" if muted is None else "mute",
        "lead_in_bars": 1 if muted is None else muted,
        "metronome": practice["metronome"],
        "balance": tuple(balance_of(practice["balance"], score.parts).items()),
        "tuning_hz": practice["tuning"] if isinstance(practice["tuning"], float) else 440.0,
    }


def tuned(practice: Mapping[str, Any]) -> dict[str, Any]:
    """What ``--tuning`` says to the ear: the soloist's A where it is known, or that the orchestra follows it."""
    asked = practice["tuning"]
    return {"a4_hz": asked if isinstance(asked, float) else None, "tunes": asked == AUTO}


def practised(practice: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``practice_options`` that belong to the piece (``stage.Piece``)."""
    return {name: practice[name] for name in ("transpose", "solo_sounds", "tutti_bars", "hand")}


def room_options(function: Function) -> Function:
    """Who follows and who predicts."""
    for decorate in reversed(
        (
            click.option("--follower", metavar="NAME", help="Which follower listens (see collaparte version)."),
            click.option(
                "--predictor", metavar="NAME", help="Which predictor plans ahead (see collaparte version), or an .onnx."
            ),
        )
    ):
        function = decorate(function)
    return function


hearing_option = click.option(
    "--hearing",
    type=click.Choice(("auto", "melody", "chords")),
    default="auto",
    show_default=True,
    help="Listen for a line or for chords; auto: chords for a piano, a guitar or a harp.",
)

soundfont_option = click.option(
    "--soundfont", type=FILE, metavar="FILE", help="An .sf2 or .sf3 to play with (see collaparte doctor)."
)
