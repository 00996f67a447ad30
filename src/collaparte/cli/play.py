"""``collaparte play``: a concert. Everything slow is opened first; then clock zero, and the music."""

from __future__ import annotations

import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
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
from collaparte.cli.say import json_option, print_facts, print_json, warn
from collaparte.cli.stage import Piece, engine_of, make_header, memory_config, read_piece, recall_of
from collaparte.errors import CollaparteError, ScoreError

if TYPE_CHECKING:
    from collaparte.calibrate import Calibration
    from collaparte.clock import WallClock
    from collaparte.engine import Settings
    from collaparte.score import Score
    from collaparte.sound import Sound, Sounding
    from collaparte.takes import Memory

MARGIN_S = 0.010  # between what the output needs and what the conductor may still rewrite


def open_sound(
    score: Score,
    midi_out: str | None,
    silent: bool,
    soundfont: Path | None,
    say: Callable[[str], None],
    tapped: bool = False,
    backend: str | None = None,
) -> Sound:
    """The orchestra's instrument. It counts on the machine's monotonic clock; ``at_clock`` adds the take's zero.

    With ``tapped`` the synthesiser's sound can be read, to be taken out of a microphone's.
    """
    parts = [part for part in score.parts if not part.solo]
    if silent or not parts:
        from collaparte.sound import Silent

        return Silent()
    if midi_out is not None:
        from collaparte.sound.midi_port import MidiPort

        return MidiPort(score.parts, midi_out, origin_s=0.0, notice=say)
    from collaparte.sound.synth import SynthSound

    return SynthSound(score.parts, soundfont, origin_s=0.0, notice=say, tapped=tapped, backend=backend)


def at_clock(sound: Sound, clock: WallClock) -> Callable[[Sequence[Sounding]], None]:
    """Hand events over on the machine's clock, wherever the take's zero is by then."""

    def send(events: Sequence[Sounding]) -> None:
        sound.send([replace(event, due_s=event.due_s + clock.origin_s) for event in events])

    return send


def recalled(mic: str, say: Callable[[str], None]) -> Calibration | None:
    """What was measured between this input and the default output; a word when nothing was."""
    from collaparte.calibrate import Calibrations

    found = Calibrations(notice=say).recall(None if mic == "default" else mic)
    if found is None:
        say("This microphone was never calibrated: its delay counts as none. `collaparte calibrate` measures it.")
    return found


@contextmanager
def ending_politely() -> Iterator[list[int]]:
    """While inside, "please end" is only noted (the list holds the signals); a second Ctrl-C ends at once."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def settings_of(
    score: Score,
    horizon_s: float,
    from_bar: str | None,
    tempo: float | None,
    count_in: int,
    loop: str | None,
    loop_speed: float,
    wishes: Mapping[str, Any] | None = None,
) -> Settings:
    """Bars and quarters a minute as the engine's beats and seconds, beside what is wished.

    Raises ScoreError for bars that are not there, CollaparteError for wishes that cannot be.
    """
    from collaparte.cli.keys import beat_of
    from collaparte.engine import Settings

    beats: tuple[float, float] | None = None
    if loop is not None:
        first, colon, last = loop.partition(":")
        if not colon:
            raise ScoreError(f"--loop {loop!r} is not understood. Write the first and the last bar, as 12:20.")
        end = score.bar_at(beat_of(score, last))
        beats = (beat_of(score, first), end.beat + end.duration_beats)
        if beats[1] <= beats[0]:
            raise ScoreError(f"--loop {loop!r} ends before it begins. Write the first and the last bar, as 12:20.")
    start = beat_of(score, from_bar) if from_bar is not None else beats[0] if beats is not None else None
    settings = Settings(
        horizon_s=round(horizon_s, 6),
        from_beat=start,
        beat_period_s=60 / tempo if tempo is not None else None,
        count_in_bars=count_in,
        loop=beats,
        loop_speed=loop_speed,
        **(wishes or {}),
    )
    _ = settings.wishes  # checked here, before anything opens
    return settings


def _explain_keys() -> None:
    from collaparte.cli.keys import KEYS

    names = {" ": "space"}
    print_facts({names.get(key, key): meaning for key, (_, meaning) in KEYS.items()} | {"12 Enter": "I am at bar 12"})


@click.command(
    cls=Command,
    examples=(
        "collaparte play concerto.mxl --solo Violin --midi-in Keystation",
        "collaparte play concerto.mxl --solo Violin --from-bar 47 --count-in 1 --tempo 96",
        "collaparte play song.mxl --solo Voice --loop 12:20 --loop-speed 1.03 --midi-out 'FluidSynth'",
    ),
)
@piece_options
@click.option(
    "--midi-in", metavar="PORT", help="The soloist's MIDI port (the only one by default; virtual:NAME opens one)."
)
@click.option(
    "--mic",
    metavar="NAME",
    help="Listen to this sound input instead of MIDI (default: the usual one).",
)
@hearing_option
@click.option("--backend", metavar="NAME", help="Sound in and out by this system (ALSA, PULSEAUDIO, JACK, COREAUDIO).")
@click.option("--headphones", is_flag=True, help="The orchestra is not in the microphone: nothing is taken out of it.")
@click.option("--midi-out", metavar="PORT", help="Send the orchestra to a MIDI port instead of the synthesiser.")
@click.option("--synth", is_flag=True, help="Play the orchestra with the built-in synthesiser (the default).")
@click.option("--silent", is_flag=True, help="Follow only; nothing sounds.")
@soundfont_option
@click.option("--from-bar", metavar="N", help="Begin at this printed bar (12@2: its second time).")
@click.option("--tempo", type=click.FloatRange(5, 600), metavar="BPM", help="Quarters a minute to begin with.")
@click.option(
    "--count-in", type=click.IntRange(0, 8), default=0, metavar="BARS", help="Click so many bars, then begin."
)
@click.option("--loop", metavar="A:B", help="Practise bars A to B, round and round.")
@click.option(
    "--loop-speed",
    type=click.FloatRange(0.5, 2),
    default=1.0,
    show_default=True,
    help="Each round so many times as fast.",
)
@click.option(
    "--latency-ms", type=click.FloatRange(0, 2000), default=0.0, show_default=True, help="Of the soloist's instrument."
)
@click.option(
    "--pedal", multiple=True, metavar="NUMBER=COMMAND", help="Give pedal 64, 66 or 67 a meaning, as 67=next_entry."
)
@practice_options
@room_options
@click.option("--as", "name", default="me", show_default=True, metavar="NAME", help="Who plays: each has a memory.")
@click.option("--memory", type=FOLDER, metavar="DIR", help="Another folder of remembered run-throughs.")
@click.option("--no-memory", is_flag=True, help="Neither recall nor remember.")
@click.option("--out", type=FILE, metavar="TAKE.jsonl", help="Where the take goes (by default among collaparte takes).")
@json_option
def play(
    score: Path,
    accompaniment: Path | None,
    solo: tuple[str, ...],
    no_repeats: bool,
    unfolding: str | None,
    marks: Path | None,
    midi_in: str | None,
    mic: str | None,
    hearing: str,
    backend: str | None,
    headphones: bool,
    midi_out: str | None,
    synth: bool,
    silent: bool,
    soundfont: Path | None,
    from_bar: str | None,
    tempo: float | None,
    count_in: int,
    loop: str | None,
    loop_speed: float,
    latency_ms: float,
    pedal: tuple[str, ...],
    follower: str | None,
    predictor: str | None,
    name: str,
    memory: Path | None,
    no_memory: bool,
    out: Path | None,
    as_json: bool,
    **practice: Any,
) -> int:
    """Play with the orchestra, live, from a MIDI instrument or a microphone.

    Without --count-in the orchestra waits for the soloist's first note. Keys: s start (an introduction), space hold
    and go on, t a bar line is now, n and b next and previous entry, v leave the vamp, c cut, + and - tempo, w wait for
    me (again: keep going; again: follow), m metronome, l edit lock, p panic, q stop; a bar number and Enter: I am at
    this bar. Everything is kept as a take.
    """
    from collaparte import events
    from collaparte.calibrate.beside import without_orchestra
    from collaparte.cli.keys import Hands, Keyboard, pedal_meanings
    from collaparte.cli.stand import Stand
    from collaparte.clock import WallClock
    from collaparte.engine import perform
    from collaparte.listen.microphone import Microphone
    from collaparte.listen.midi import MidiInput
    from collaparte.sound.balance import settle
    from collaparte.takes import Memory, Shelf, TakeWriter, read_take

    if sum((midi_out is not None, synth, silent)) > 1:
        raise click.UsageError("Choose one of --midi-out, --synth and --silent.")
    if midi_in is not None and mic is not None:
        raise click.UsageError("Choose one of --midi-in and --mic.")
    in_the_room = mic is not None and not headphones and not silent
    meanings = pedal_meanings(pedal)
    piece, page = read_piece(Piece(score, accompaniment, solo, no_repeats, unfolding, marks, **practised(practice)))
    wishes = wished(page, practice)
    settings_of(page, 0.0, from_bar, tempo, count_in, loop, loop_speed, wishes)  # what is wrong, before anything opens
    shelf = Shelf()
    store: Memory | None = None if no_memory else Memory(memory) if memory is not None else shelf.memory(name)
    with ExitStack() as stack:
        asked = stack.enter_context(ending_politely())
        stand = stack.enter_context(Stand(page))
        sound = stack.enter_context(open_sound(page, midi_out, silent, soundfont, stand.say, in_the_room, backend))
        settings = settings_of(
            page, sound.output_latency_s + MARGIN_S, from_bar, tempo, count_in, loop, loop_speed, wishes
        )
        settle(sound, page.parts, dict(settings.balance), settings.tuning_hz)
        calibration = recalled(mic, stand.say) if mic is not None else None
        latency_s = latency_ms / 1000 or (calibration.input_latency_s if calibration is not None else 0.0)
        more: dict[str, Any] = {} if store is None else memory_config(store, page)
        header = make_header(
            piece,
            page,
            settings,
            follower=follower,
            predictor=predictor,
            soloist=name,
            latencies={"input_s": latency_s, "output_s": sound.output_latency_s},
            live=True,
            more=more,
        )
        path = out or shelf.new_path(header)
        engine = engine_of(header, page, recall=recall_of(header, page))
        clock = WallClock()
        hands = Hands(
            clock.put,
            clock.now,
            page,
            lambda: engine.conductor.beat_period_s,
            stand.say,
            meanings,
            lambda: engine.conductor.wishes,
        )
        microphone: Microphone | None = None
        if mic is None:
            stack.enter_context(MidiInput(midi_in, hands.hear, clock.now, notice=stand.say, latency_s=latency_s))
        else:
            microphone = stack.enter_context(
                Microphone(
                    page,
                    hands.hear,
                    clock.now,
                    device=None if mic == "default" else mic,
                    backend=backend,
                    latency_s=latency_s,
                    notice=stand.say,
                    from_beat=settings.from_beat,
                    hearing=hearing,
                    **tuned(practice),
                    **(without_orchestra(sound, lambda: clock.origin_s, calibration) if in_the_room else {}),
                )
            )
            microphone.live.tune(settings.tuning_hz)
        writer = stack.enter_context(TakeWriter(path, header, lambda notice: stand.say(notice.text)))
        if not as_json:
            _explain_keys()
        stack.enter_context(Keyboard(hands.press))

        stopping = False

        def until() -> bool:
            nonlocal stopping
            if asked and not stopping:
                stopping = True
                hands.command("stop")  # as a command, so that the take replays to the same end
            return False

        sys.setswitchinterval(0.001)  # how long the engine and the ear may keep a device waiting for Python's lock
        clock.wait(0.0)  # what was heard while things were opened is not part of the take
        clock.origin_s = time.monotonic()
        for value in perform(engine, clock, at_clock(sound, clock), until=until):
            writer.write(value)
            stand.see(value)
            if microphone is not None and isinstance(value, events.OrchestraEvent):
                microphone.live.sounds(value)
            if isinstance(value, events.Command):
                settle(sound, page.parts, engine.balance, engine.tuning_hz)
                if microphone is not None:
                    microphone.live.tune(engine.tuning_hz)
    take = read_take(path)
    learnt: str | None = None
    if store is not None and take.solo:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                account = store.learn(take, page)
                learnt = (
                    f"remembered ({account.kept} of {account.attempted} intervals)"
                    if account.remembered
                    else f"not remembered: {account.reason}"
                )
            except CollaparteError as error:
                warn(str(error))
    if as_json:
        print_json(
            {
                "take": str(path),
                "duration_s": take.end_s,
                "solo_notes": sum(note.on for note in take.solo),
                "learnt": learnt,
            }
        )
    else:
        click.echo(
            f"{take.end_s:.0f} s, {sum(note.on for note in take.solo)} solo notes{f'; {learnt}' if learnt else ''}."
        )
        print_facts({"take": path})
    return 128 + asked[0] if asked else 0
