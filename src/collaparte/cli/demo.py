"""``collaparte demo``: nothing to configure, something to hear."""

from __future__ import annotations

from pathlib import Path

import click

from collaparte.cli.door import Command
from collaparte.cli.options import FOLDER, soundfont_option
from collaparte.cli.say import json_option, print_facts, print_json
from collaparte.cli.stage import Piece, engine_of, make_header, read_piece

FOLDER_NAME = "collaparte-demo"


@click.command(
    cls=Command, examples=("collaparte demo", "collaparte demo washerwoman --seed 7", "collaparte demo --level high")
)
@click.argument("piece", default="greensleeves", metavar="[greensleeves|washerwoman]")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Another seed is another performance."
)
@click.option(
    "--level", default="middle", show_default=True, metavar="LEVEL", help="How the soloist plays, as in simulate."
)
@click.option("--folder", type=FOLDER, default=Path(FOLDER_NAME), show_default=True, help="Where the files go.")
@soundfont_option
@json_option
def demo(piece: str, seed: int, level: str, folder: Path, soundfont: Path | None, as_json: bool) -> None:
    """Hear it at once: a simulated soloist plays a shipped piece with its orchestra.

    Writes a recording, a MIDI file, the take and a picture of tempo and asynchrony, and prints where they are.
    """
    from collaparte.cli.outputs import write_outputs
    from collaparte.cli.simulate import SIMULATED, judged, play_through, simulated
    from collaparte.engine import Settings
    from collaparte.pieces import piece_path

    piece_path(piece)  # says which pieces there are
    _, page = read_piece(Piece(Path(piece)))
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{piece}.{ending}" for name, ending in _FILES.items()}
    soloist = simulated(page, seed, level, latency_s=0.0, coupling=0.0, slower=1.0)
    header = make_header(
        Piece(Path(piece)),
        page,
        Settings(first_onset_s=soloist.first_onset_s),
        follower=None,
        predictor=None,
        soloist=SIMULATED,
        seed=seed,
        more={"level": level},
    )
    take = play_through(engine_of(header, page), soloist, header, files["take"])
    write_outputs(
        take,
        page,
        mix=files["recording"],
        midi=files["MIDI"],
        plot=files["picture"],
        soundfont=soundfont,
        truth=soloist.truth,
    )
    report = judged(take, page, soloist.truth)
    if as_json:
        print_json({"files": {name: str(path) for name, path in files.items()}, "report": report.as_dict()})
        return
    together = report.asynchrony
    click.secho(page.title, bold=True)
    click.echo(
        f"A simulated violinist (seed {seed}, {level}) and {sum(not part.solo for part in page.parts)} parts of "
        f"orchestra, {take.end_s:.0f} s.\nThe orchestra's notes came {together.mean_abs_s * 1000:.0f} ms from the "
        f"soloist's on average, {together.share[30]:.0%} within 30 ms ({together.count} shared onsets)."
    )
    print_facts(files)


_FILES = {"recording": "wav", "MIDI": "mid", "take": "jsonl", "picture": "png"}
