"""``collaparte simulate``: a recorded or simulated soloist and the orchestra, faster than real time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collaparte.cli.door import Command
from collaparte.cli.options import (
    FILE,
    FOLDER,
    hearing_option,
    piece_options,
    practice_options,
    practised,
    room_options,
    soundfont_option,
    tuned,
    wished,
)
from collaparte.cli.outputs import write_outputs
from collaparte.cli.say import json_option, print_facts, print_json, progress, warn
from collaparte.cli.stage import Piece, engine_of, make_header, memory_config, read_piece, recall_of
from collaparte.errors import TakeError

if TYPE_CHECKING:
    from collaparte.clock import VirtualClock
    from collaparte.engine import Engine, Listening
    from collaparte.engine.in_a_room import InRoom
    from collaparte.events import Pedal, SoloEvent, TakeHeader, Value
    from collaparte.listen.recording import Source
    from collaparte.measure import Report, Truth
    from collaparte.score import Score
    from collaparte.takes import Take

SIMULATED = "simulated"
SOLO_LEVEL, NOISE = 0.05, 2e-4  # of full scale, RMS: a simulated soloist at the microphone, and its noise
FEW = 0.5  # share of the page's onsets below which the soloist may be playing something else


@dataclass(frozen=True, slots=True)
class Soloist:
    """Who plays: what will be heard, or somebody who listens while playing; and the truth, where it is known."""

    heard: Sequence[SoloEvent | Pedal]
    first_onset_s: float | None
    listening: Listening | None = None
    truth: Truth | None = None
    source: Source | None = None  # the soloist as sound


def recorded(path: Path, latency_s: float, score: Score, hears: Mapping[str, Any]) -> Soloist:
    """The soloist of a MIDI file, or of a recording that is heard block by block."""
    from collaparte.events import SoloEvent
    from collaparte.listen.audio import is_recording, open_recording
    from collaparte.listen.midi import read_midi_solo
    from collaparte.listen.recording import recorded_soloist

    if is_recording(path):
        soloist, first_s = recorded_soloist(path, score, latency_s=latency_s, notice=warn, **hears)
        return Soloist((), first_s, soloist, source=open_recording(path))
    heard = read_midi_solo(path, latency_s)
    return Soloist(heard, min(value.time_s for value in heard if isinstance(value, SoloEvent) and value.on))


def simulated(score: Score, seed: int, level: str, latency_s: float, coupling: float, slower: float) -> Soloist:
    """A soloist who is not there (``listen/simulated``). The truth is known unless they give way to the orchestra."""
    import numpy as np

    from collaparte.events import SoloEvent
    from collaparte.listen.simulated import SimulatedSoloist, simulate_solo
    from collaparte.measure import Truth

    played = simulate_solo(score, seed, level.replace("-", " "), tempo_factor=slower, latency_s=latency_s)
    first_s = min(value.time_s for value in played.events if isinstance(value, SoloEvent) and value.on)
    if coupling > 0:
        return Soloist((), first_s, SimulatedSoloist(played, coupling=coupling))
    reached = np.isfinite(played.onset_s)
    return Soloist(played.events, first_s, truth=Truth.of(played.onset_beats[reached], played.onset_s[reached]))


def sounding(player: Soloist, score: Score, soundfont: Path | None, hears: Mapping[str, Any]) -> Soloist:
    """The same soloist, but heard: notes are played by the soloist's instrument over a little noise."""
    import numpy as np

    from collaparte.events import SoloEvent
    from collaparte.listen.audio import RATE
    from collaparte.listen.recording import Made, RecordedSoloist
    from collaparte.sound.render import loudness, render_solo
    from collaparte.sound.soundfont import find_soundfont

    if player.source is not None:
        return player
    if not player.heard:
        raise click.UsageError("A soloist who gives way to the orchestra (--coupling) cannot be heard as sound.")
    program = next((part.program for part in score.parts if part.solo), 0)
    rendered = render_solo(player.heard, program, find_soundfont(soundfont), sample_rate=RATE).mean(axis=1)
    sound = rendered * (SOLO_LEVEL / max(loudness(rendered[:, None], RATE), 1e-9))
    sound = (sound + NOISE * np.random.default_rng(47).standard_normal(len(sound))).astype(np.float32)
    first_s = min(note.time_s for note in player.heard if isinstance(note, SoloEvent) and note.on)
    return Soloist((), first_s, RecordedSoloist(Made(sound), score, **hears), player.truth, Made(sound))


def rehearsed(engine: Engine, soloist: Soloist, name: str) -> Iterator[Value]:
    """Every value of the performance, with a progress bar on a terminal."""
    from collaparte.clock import VirtualClock
    from collaparte.engine import rehearse

    clock: VirtualClock = VirtualClock(soloist.heard)
    end_beat = engine.score.end_beat
    with progress() as bar:
        task = bar.add_task(f"playing {name}", total=end_beat)
        for value in rehearse(engine, clock, soloist.listening):
            if value.kind == "plan":
                bar.update(task, completed=min(engine.last_plan.from_beat if engine.last_plan else 0.0, end_beat))
            yield value


def play_through(
    engine: Engine, soloist: Soloist, header: TakeHeader, out: Path, values_of: Iterator[Value] | None = None
) -> Take:
    """Perform (or let ``values_of`` do it), writing the take as it happens; answers the whole take."""
    from collaparte.takes import TakeWriter, make_take

    may_replace(out)
    values: list[Value] = []
    with TakeWriter(out, header, lambda notice: warn(notice.text), replace=True) as writer:
        for value in values_of or rehearsed(engine, soloist, header.piece):
            writer.write(value)
            values.append(value)
    return make_take(header, values)


def may_replace(out: Path) -> None:
    """A simulation can be had again at any time and is written over; a performance cannot. Raises TakeError."""
    from collaparte.events import TakeHeader, from_line

    if not out.is_file() or out.stat().st_size == 0:
        return
    try:
        with out.open(encoding="utf-8", errors="replace") as file:
            header = from_line(file.readline())
    except ValueError:
        raise TakeError(f"{out} is there already and is not a take. Choose another name with --out.") from None
    if not isinstance(header, TakeHeader) or header.started is not None:
        raise TakeError(f"{out} holds a live performance, which is not written over. Choose another name with --out.")


def judged(take: Take, score: Score, truth: Truth | None) -> Report:
    """The report on a take; what the ruler warns about is said as a note."""
    from collaparte.measure import measure_take

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = measure_take(take, score, truth)
    for warning in caught:
        warn(str(warning.message))
    found, all_onsets = (
        len({position.beat for position in take.positions if position.state == "playing"}),
        len(score.solo_onsets),
    )
    if found < FEW * all_onsets:
        warn(f"Only {found} of the {all_onsets} onsets of {score.title} were found. Is the soloist playing this piece?")
    return report


@click.command(
    cls=Command,
    examples=(
        "collaparte simulate concerto.mxl --solo Violin --soloist simulated --out run.jsonl --mix run.wav",
        "collaparte simulate solo.mid --accompaniment piano.mid --soloist take.mid --out run.jsonl --plot run.png",
        "collaparte simulate song.mxl --solo Voice --soloist simulated --level amateur-2 --seed 3 --out run.jsonl",
    ),
)
@piece_options
@click.option(
    "--soloist",
    required=True,
    metavar="TAKE|simulated",
    help="A recorded soloist (MIDI, or sound: wav, flac, mp3, opus, ogg), or the simulated one.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the simulated soloist.")
@click.option(
    "--level",
    "--rubato",
    default="middle",
    show_default=True,
    metavar="LEVEL",
    help="How the simulated soloist plays: metronome, low, middle, high; amateur-1, amateur-2, amateur-3.",
)
@click.option(
    "--coupling",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How far the simulated soloist gives way to the orchestra.",
)
@click.option(
    "--slower",
    type=click.FloatRange(0.2, 5),
    default=1.0,
    show_default=True,
    help="Stretch the simulated soloist's time.",
)
@click.option(
    "--latency-ms",
    type=click.FloatRange(0, 2000),
    default=0.0,
    show_default=True,
    help="How late the orchestra hears the soloist.",
)
@click.option("--as-sound", is_flag=True, help="The simulated (or MIDI) soloist is heard as sound, not as notes.")
@click.option(
    "--bleed-db",
    type=click.FloatRange(-60, 20),
    metavar="DB",
    help="The orchestra is in the soloist's microphone too, so loud against the soloist (RMS while both sound).",
)
@click.option(
    "--room",
    type=click.Choice(("dry", "small", "hall")),
    default="small",
    show_default=True,
    help="In which room, with --bleed-db.",
)
@click.option(
    "--told-apart",
    type=click.Choice(("echo", "pitches", "nothing")),
    default="echo",
    show_default=True,
    help="By the orchestra's sound (echo cancellation), by its pitches alone (an external synthesiser), or not at all.",
)
@hearing_option
@click.option("--uncalibrated", is_flag=True, help="With --bleed-db: the room was not measured with clicks before.")
@practice_options
@room_options
@click.option("--memory", type=FOLDER, metavar="DIR", help="The folder of one soloist's remembered run-throughs.")
@click.option("--learn", is_flag=True, help="Remember this run-through afterwards, in the folder given by --memory.")
@click.option("--out", type=FILE, required=True, metavar="RUN.jsonl", help="The take: one line of JSON for each value.")
@click.option("--mix", type=FILE, metavar="MIX.wav", help="Soloist and orchestra as a recording.")
@click.option("--midi", type=FILE, metavar="ORCH.mid", help="Soloist and orchestra as a MIDI file.")
@click.option("--plot", type=FILE, metavar="PLOT.png", help="A picture: tempo curves and asynchrony.")
@soundfont_option
@json_option
def simulate(
    score: Path,
    accompaniment: Path | None,
    solo: tuple[str, ...],
    no_repeats: bool,
    unfolding: str | None,
    marks: Path | None,
    soloist: str,
    seed: int,
    level: str,
    coupling: float,
    slower: float,
    latency_ms: float,
    as_sound: bool,
    bleed_db: float | None,
    room: str,
    told_apart: str,
    hearing: str,
    uncalibrated: bool,
    follower: str | None,
    predictor: str | None,
    memory: Path | None,
    learn: bool,
    out: Path,
    mix: Path | None,
    midi: Path | None,
    plot: Path | None,
    soundfont: Path | None,
    as_json: bool,
    **practice: Any,
) -> None:
    """Play a score through with a recorded or simulated soloist, faster than real time.

    The same engine plays as in a concert; only the clock differs. Clock zero is the first tick of the soloist's
    file; an orchestral introduction is timed back from the soloist's first note. A run in which the soloist was lost
    exits 0 all the same: see collaparte measure.
    """
    from collaparte.engine import Settings
    from collaparte.takes import Memory

    if learn and memory is None:
        raise click.UsageError("--learn needs --memory DIR, the folder to remember in.")
    store = None if memory is None else Memory(memory)
    piece, page = read_piece(Piece(score, accompaniment, solo, no_repeats, unfolding, marks, **practised(practice)))
    latency_s = latency_ms / 1000
    is_simulated = soloist == SIMULATED
    player = (
        simulated(page, seed, level, latency_s, coupling, slower)
        if is_simulated
        else recorded(Path(soloist), latency_s, page, {"hearing": hearing, **tuned(practice)})
    )
    heard_as_sound = as_sound or bleed_db is not None
    if heard_as_sound:
        player = sounding(player, page, soundfont, {"hearing": hearing, **tuned(practice)})
    more: dict[str, Any] = {"level": level, "coupling": coupling, "slower": slower} if is_simulated else {}
    if heard_as_sound:
        more |= {"as_sound": True}
    if bleed_db is not None:
        more |= {"bleed_db": bleed_db, "room": room, "told_apart": told_apart, "calibrated": not uncalibrated}
    if store is not None:
        more |= memory_config(store, page)
    header = make_header(
        piece,
        page,
        Settings(first_onset_s=player.first_onset_s, **wished(page, practice)),
        follower=follower,
        predictor=predictor,
        soloist=SIMULATED if is_simulated else Path(soloist).name,
        seed=seed if is_simulated else None,
        latencies={"input_s": latency_s},
        more=more,
    )
    engine = engine_of(header, page, recall=recall_of(header, page))
    began_s = time.perf_counter()
    bleeding: InRoom | None = None
    values: Iterator[Value] | None = None
    if bleed_db is not None and player.source is not None:
        from collaparte.calibrate.virtual import measured_response
        from collaparte.engine.in_a_room import InRoom, played_in_a_room
        from collaparte.listen.simulated.room import ROOMS
        from collaparte.sound.soundfont import find_soundfont

        bleeding = InRoom(ROOMS[room], bleed_db, seed, told_apart, None if uncalibrated else measured_response)
        values = played_in_a_room(
            bleeding,
            player.source,
            page,
            lambda: engine_of(header, page, recall=recall_of(header, page)),
            find_soundfont(soundfont),
            latency_s=latency_s,
            hearing=hearing,
        )
    take = play_through(engine, player, header, out, values)
    took_s = max(time.perf_counter() - began_s, 1e-6)
    write_outputs(take, page, mix=mix, midi=midi, plot=plot, soundfont=soundfont, truth=player.truth)
    report = judged(take, page, player.truth)
    learnt = store.learn(take, page) if store is not None and learn else None
    written = {"take": out, "mix": mix, "midi": midi, "plot": plot}
    if as_json:
        files = {name: str(path) for name, path in written.items() if path is not None}
        print_json(
            {
                "files": files,
                "times_real_time": take.end_s / took_s,
                "report": report.as_dict(),
                "bleed_db": None if bleeding is None else bleeding.came_to_db,
                "learnt": None
                if learnt is None
                else {"kept": learnt.kept, "attempted": learnt.attempted, "reason": learnt.reason},
            }
        )
        return
    click.secho(f"{page.title}", bold=True)
    print_facts(dict(report.rows()))
    click.echo(f"Played {take.end_s:.0f} s of music in {took_s:.1f} s ({take.end_s / took_s:.0f} times real time).")
    if bleeding is not None:
        click.echo(f"The orchestra came to {bleeding.came_to_db:+.1f} dB against the soloist at the microphone.")
    if learnt is not None:
        what = f"{learnt.kept} of {learnt.attempted} intervals"
        click.echo(f"Remembered {what}." if learnt.remembered else f"Not remembered: {learnt.reason}.")
    print_facts({name: path for name, path in written.items() if path is not None})
