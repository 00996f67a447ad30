"""The front door: one command to a file, imported only when it is run (see ``door``)."""

from __future__ import annotations

from collections.abc import Sequence

import click

from collaparte import __version__
from collaparte.cli.door import LazyGroup, run

COMMANDS = {
    "demo": (
        "collaparte.cli.demo:demo",
        "Hear it at once: a simulated soloist plays a shipped piece with its orchestra.",
    ),
    "simulate": (
        "collaparte.cli.simulate:simulate",
        "Play a score through with a recorded or simulated soloist, faster than real time.",
    ),
    "play": ("collaparte.cli.play:play", "Play with the orchestra, live, from a MIDI instrument or a microphone."),
    "studio": ("collaparte.cli.studio:studio", "Open the studio in a browser: library, score, rehearsal, review."),
    "measure": (
        "collaparte.cli.measure:measure",
        "Measure takes: asynchrony, prediction, following, smoothness; side by side when there are several.",
    ),
    "score": ("collaparte.cli.score:score", "Print a score's parts, bars, repeats and what looks wrong in it."),
    "takes": ("collaparte.cli.takes:takes", "List, show, export, align, replay and delete performances."),
    "memory": (
        "collaparte.cli.memory:memory",
        "Show, forget, export and import what is remembered of a soloist's run-throughs.",
    ),
    "devices": (
        "collaparte.cli.devices:devices",
        "List the MIDI ports and sound devices of this machine, or test a microphone.",
    ),
    "calibrate": (
        "collaparte.cli.calibrate:calibrate",
        "Play short sweeps, hear them, and keep how long they took there and back.",
    ),
    "doctor": (
        "collaparte.cli.doctor:doctor",
        "Say what is installed, what is missing, and how to mend it (exit 1 when something needed is missing).",
    ),
    "evaluate": (
        "collaparte.cli.evaluate:evaluate",
        "Measure this package against ground truth, and against its peers.",
    ),
    "train": ("collaparte.cli.train:train", "Train the agent: corpora in, a policy out."),
    "version": (
        "collaparte.cli.version:version",
        "Print the versions of collaparte and of what it stands on, and which followers and predictors there are.",
    ),
}
"""Every command: where it is, and its summary. The order is the order of the help."""

EXAMPLES = (
    "collaparte demo",
    "collaparte score concerto.mxl",
    "collaparte play concerto.mxl --solo Violin",
)


@click.group(cls=LazyGroup, table=COMMANDS, examples=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="collaparte")
@click.option(
    "--debug", is_flag=True, help="Print the traceback when something goes wrong (or set COLLAPARTE_DEBUG=1)."
)
def program(debug: bool) -> None:
    """An orchestra that follows you."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``collaparte`` with these arguments (by default the shell's) and return the exit code."""
    return run(program, arguments)


__all__ = ["COMMANDS", "main", "program"]
