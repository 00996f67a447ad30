"""``collaparte evaluate listen``: how well soloists are heard in real recordings, beside other audio followers."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import click

from collaparte.cli.door import Command
from collaparte.cli.options import FILE, FOLDER, hearing_option, room_options, soundfont_option
from collaparte.cli.say import json_option, print_json, print_table, progress

HEADINGS = (
    "recording", "listener", "onsets", "onset ms", "signed", "<=50", "<=100", "<=250",
    "line ms", "signed", "<=50", "<=100", "<=250", "report ms", "<=50", "<=100", "lost", "x real time",
)  # fmt: skip

EVERYTHING = (
    (), ("--set", "piano"), ("--set", "guitar"), ("--set", "held-out"), ("--set", "duets"), ("--rendered",),
    ("--room",), ("--room", "--set", "piano"), ("--end-to-end",),
)  # fmt: skip
WITH_PEERS = EVERYTHING[:2]


@click.command(
    cls=Command,
    examples=(
        "collaparte evaluate listen",
        "collaparte evaluate listen --peer arzt --peers-python PYTHON",
        "collaparte evaluate listen --set piano --place small",
        "collaparte evaluate listen --room --set piano",
        "collaparte evaluate listen --recording minji-kim_bwv1003_mov3 --plot andante.png --plot-from 82",
        "collaparte evaluate listen --rendered --quick --second-soundfont TimGM6mb.sf2",
        "collaparte evaluate listen --everything --peer arzt --peers-python PYTHON --second-soundfont TimGM6mb.sf2",
    ),
)
@click.option("--corpora", type=FOLDER, metavar="DIR", help="The folder of the corpora (or set COLLAPARTE_CORPORA).")
@click.option(
    "--set",
    "kind",
    type=click.Choice(("violin", "piano", "guitar", "held-out", "duets")),
    default="violin",
    show_default=True,
    help="Real violins; or rendered: pianists (guitarists) of vienna4x22, pianists of held-out pieces or of the duets.",
)
@click.option(
    "--players", type=click.IntRange(1, 22), default=3, show_default=True, help="Of each piece, with --set piano."
)
@click.option(
    "--place",
    type=click.Choice(("dry", "small", "hall")),
    default="dry",
    show_default=True,
    help="Where the piano or guitar is.",
)
@click.option("--cents", type=float, default=0.0, show_default=True, help="How far the piano is tuned from A = 440 Hz.")
@soundfont_option
@hearing_option
@click.option("--recording", "only", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@room_options
@click.option("--peer", "peers", multiple=True, metavar="NAME", help="Also arzt, dixon, outerhmm or skf (slow).")
@click.option(
    "--peers-python", type=FILE, metavar="PYTHON", help="The Python that has them: pip install collaparte[peers]."
)
@click.option("--room", is_flag=True, help="Instead: soloists with the orchestra in their microphone, in closed loop.")
@click.option("--rendered", is_flag=True, help="Instead: notes of rendered soloists, dry, in rooms, with orchestra.")
@click.option("--quick", is_flag=True, help="With --rendered: fewer and shorter soloists.")
@click.option("--second-soundfont", type=FILE, metavar="FILE", help="With --rendered, --room: also by this.")
@click.option("--end-to-end", is_flag=True, help="Instead: the orchestra, with the same takes as MIDI and as sound.")
@click.option("--everything", is_flag=True, help="All of this, one table after the other (up to two hours).")
@click.option(
    "--plot", type=FILE, metavar="FILE", help="Draw a minute of the first recording: spectrogram, alignment, onsets."
)
@click.option(
    "--plot-from", type=click.FloatRange(0), default=60.0, show_default=True, metavar="S", help="Where it begins."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the rooms and the choice of players."
)
@json_option
def listen(
    corpora: Path | None,
    kind: str,
    players: int,
    place: str,
    cents: float,
    soundfont: Path | None,
    hearing: str,
    only: tuple[str, ...],
    follower: str | None,
    predictor: str | None,
    peers: tuple[str, ...],
    peers_python: Path | None,
    room: bool,
    rendered: bool,
    quick: bool,
    second_soundfont: Path | None,
    end_to_end: bool,
    everything: bool,
    plot: Path | None,
    plot_from: float,
    seed: int,
    as_json: bool,
) -> None:
    """Hear the violin recordings block by block: when each onset was placed, reached by the line, and reported.

    The line is the position that goes on between reports as the plan says. There are four recordings, of the corpus
    bach-violin; with another --set, real performances played by a soundfont. Milliseconds (median of the sizes, then
    signed); shares of all onsets.
    """
    import sys

    from collaparte.predict import playable

    chosen = playable(predictor, click.echo)
    if everything:
        if as_json:
            raise click.UsageError("--everything is several tables: ask for each of them with --json.")
        _everything(corpora, chosen, peers, peers_python, second_soundfont, seed)
        return
    if room:
        _in_rooms(corpora, kind, chosen, second_soundfont, seed, as_json)
        return
    if rendered:
        _notes(corpora, chosen, second_soundfont, seed, quick, as_json)
        return
    if end_to_end:
        _whole(corpora, chosen, seed, as_json)
        return
    from collaparte.evaluate.listen import evaluate_listen
    from collaparte.evaluate.listen_peers import PEERS

    for name in peers:
        if name not in PEERS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(PEERS)}.", param_hint="--peer")
    if kind in ("guitar", "held-out", "duets") and peers:
        raise click.BadParameter(f"There are no pages that peers can read with --set {kind}.", param_hint="--peer")
    recordings = None
    if kind != "violin":
        from collaparte.evaluate.listen_piano import rendered_recordings

        recordings = rendered_recordings(
            corpora, kind=kind, players=players, seed=seed, place=place, font=soundfont, cents=cents
        )
    with progress() as bar:
        task = bar.add_task("listening", total=None)
        rows = evaluate_listen(
            corpora,
            recordings=recordings,
            hearing=hearing,
            peers=peers,
            peers_python=peers_python or sys.executable,
            follower=follower,
            predictor=chosen,
            only=only,
            plot=plot,
            plot_from_s=plot_from,
            tell=lambda what: bar.update(task, description=what),
        )
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        HEADINGS,
        [
            [
                row.recording, row.listener, row.onsets, f"{row.onset_median_ms:.0f}", f"{row.onset_signed_ms:+.0f}",
                *(f"{100 * share:.0f} %" for share in row.onset_within),
                f"{row.line_median_ms:.0f}", f"{row.line_signed_ms:+.0f}",
                *(f"{100 * share:.0f} %" for share in row.line_within),
                f"{row.report_median_ms:.0f}", *(f"{100 * share:.0f} %" for share in row.report_within[:2]),
                row.lost, f"{row.real_time:.3f}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def _everything(
    corpora: Path | None,
    predictor: str,
    peers: tuple[str, ...],
    peers_python: Path | None,
    second: Path | None,
    seed: int,
) -> None:
    shared = ["--seed", str(seed), "--predictor", predictor]
    for option, value in (("--corpora", corpora), ("--second-soundfont", second), ("--peers-python", peers_python)):
        shared += [option, str(value)] if value is not None else []
    for words in EVERYTHING:
        given = [*words, *(word for peer in peers if words in WITH_PEERS for word in ("--peer", peer))]
        click.echo(f"\ncollaparte evaluate listen {' '.join(given)}".rstrip())
        listen.main([*given, *shared], standalone_mode=False)


def _in_rooms(corpora: Path | None, kind: str, predictor: str, second: Path | None, seed: int, as_json: bool) -> None:
    from collaparte.evaluate.listen_room import CORPORA, PLAYERS, PRIMOS, evaluate_listen_room

    if kind not in ("violin", "piano"):
        raise click.BadParameter("With --room, violin or piano.", param_hint="--set")

    with progress() as bar:
        task = bar.add_task("listening", total=None)
        rows = evaluate_listen_room(
            corpora,
            kind=kind,
            seed=seed,
            second=second,
            predictor=predictor,
            tell=lambda what: bar.update(task, description=what),
        )
    if as_json:
        print_json([asdict(row) | {"growth_ms": row.growth_ms} for row in rows])
        return
    print_table(
        ("room", "bleed dB", "notes", "dry median ms", "median ms", "dry mean ms", "mean ms", "growth ms",
         "dry found", "found", "extra", "echo less dB", "solo SI-SDR dB", "heard in silence"),
        [
            [
                row.condition, f"{row.db:+.0f}", row.notes, f"{row.dry_median_ms:.0f}", f"{row.median_ms:.0f}",
                f"{row.dry_mean_ms:.0f}", f"{row.mean_ms:.0f}", f"{row.growth_ms:+.0f}",
                *(f"{100 * share:.0f} %" for share in (row.dry_found, row.found, row.extra)), f"{row.echo_less_db:.1f}",
                f"{row.si_sdr_db:.1f}", row.silent_events,
            ]
            for row in rows
        ],
    )  # fmt: skip
    if kind == "piano":
        click.echo(f"Soloists: {', '.join(f'{count} of {source}' for source, count in PRIMOS.items())}.")
    else:
        click.echo(f"Soloists: {', '.join(PLAYERS)}; one of each from {' and '.join(CORPORA)}.")


def _notes(corpora: Path | None, predictor: str, second: Path | None, seed: int, quick: bool, as_json: bool) -> None:
    from collaparte.evaluate.listen_notes import evaluate_notes
    from collaparte.sound.soundfont import find_soundfont

    fonts = [find_soundfont(), *([find_soundfont(second)] if second is not None else [])]
    with progress() as bar:
        task = bar.add_task("listening", total=None)
        rows = evaluate_notes(
            corpora,
            fonts,
            seed=seed,
            quick=quick,
            predictor=predictor,
            tell=lambda what: bar.update(task, description=what),
        )
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ("soloist", "soundfont", "place", "bleed dB", "notes", "precision", "recall", "F (50 ms)", "delay ms", "p99",
         "apart ms", "mean", "growth ms"),
        [
            [
                row.soloist, row.font, row.place, "" if row.bleed_db is None else f"{row.bleed_db:+.0f}", row.notes,
                f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f_measure:.3f}",
                f"{row.delay_median_ms:.0f}", f"{row.delay_p99_ms:.0f}",
                *("" if math.isnan(ms) else f"{ms:.0f}" for ms in (row.apart_median_ms, row.apart_mean_ms)),
                "" if math.isnan(row.growth_ms) else f"{row.growth_ms:+.0f}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def _whole(corpora: Path | None, predictor: str, seed: int, as_json: bool) -> None:
    from collaparte.evaluate.listen_whole import evaluate_whole
    from collaparte.sound.soundfont import find_soundfont

    with progress() as bar:
        task = bar.add_task("playing", total=None)
        rows = evaluate_whole(
            corpora,
            find_soundfont(),
            seed=seed,
            predictor=predictor,
            tell=lambda what: bar.update(task, description=what),
        )
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ("take", "given as", "onsets", "mean ms", "median ms", "<=50", "<=100"),
        [
            [
                row.take, row.given, row.onsets, f"{row.mean_ms:.0f}", f"{row.median_ms:.0f}",
                f"{100 * row.within_50:.0f} %", f"{100 * row.within_100:.0f} %",
            ]
            for row in rows
        ],
    )  # fmt: skip
