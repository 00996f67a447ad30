"""One rehearsal: the engine in a thread of its own, from what was asked for to the finished take.

Nothing the page does runs in this thread: commands and Web MIDI are queued like anything heard, and what happens is
left in a ``Feed``. A take is kept of every rehearsal, so that the command line can show, measure and replay it.
"""

from __future__ import annotations

import threading
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from collaparte import __version__
from collaparte.calibrate.beside import without_orchestra
from collaparte.engine import Engine, Settings, perform
from collaparte.engine.pedals import Pedals, pedal_meanings
from collaparte.errors import CollaparteError, DeviceError
from collaparte.events import Command, Heard, Notice, OrchestraEvent, Position, SoloEvent, TakeHeader, TempoPlan, Value
from collaparte.follow import DEFAULT_FOLLOWER, make_follower
from collaparte.listen.midi import Keys, played_by
from collaparte.predict import PREDICTORS, make_predictor, playable
from collaparte.score import Score, sections
from collaparte.sound import Silent, Sound, Sounding
from collaparte.sound.balance import settle
from collaparte.studio.booth import Booth
from collaparte.studio.configured import read_page
from collaparte.studio.ears import Told, calibration_of, open_ear
from collaparte.studio.feed import Feed
from collaparte.studio.practice import PracticeClock, from_beat
from collaparte.studio.wanted import Wanted, in_beats
from collaparte.takes import Recollection, Shelf, TakeWriter, read_take

MARGIN_S = 0.010  # between what the output needs and what the conductor may still rewrite
STALE_S = 0.5  # a web page's key that took longer than this to arrive is not believed about its time
PLAYER = {"start", "stop", "panic", "hold", "release", "tap", "next_entry", "previous_entry", "relocate", "vamp", "cut",
          "tempo", "lock", "mode", "slowest", "fastest", "tuttis", "metronome", "balance", "tuning"}  # fmt: skip
SEEN = {"mode", "slowest", "fastest", "tuttis", "metronome", "balance", "tuning"}  # every page shows these


class Rehearsal:
    """Begins at once; ``state`` goes from opening to ready, playing, held, and at last over or failed."""

    def __init__(
        self,
        piece: str,
        config: Mapping[str, Any],
        files: Mapping[str, Any],
        wanted: Wanted,
        shelf: Shelf,
        feed: Feed,
        booth: Booth | None = None,
    ) -> None:
        self.piece, self.wanted = piece, wanted
        self.state = "opening"
        self.trouble: str | None = None
        self.take: str | None = None
        self.playing_take: str | None = None
        self.learnt: str | None = None
        self.worst_late_s = 0.0
        self.locked = False
        self._config, self._files = {**config, **wanted.practised}, {**files, **wanted.practised}
        self._shelf, self._feed = shelf, feed
        self._engine: Engine | None = None
        self._pedals = Pedals(pedal_meanings(wanted.pedals), self._step_on)
        self._booth = booth or Booth()
        self._input_latency_s = 0.0
        self._ear = Told()
        self._clock: PracticeClock | None = None
        self._sound: Sound | None = None
        self._keys = Keys()
        self._header: TakeHeader | None = None
        self._position: Position | None = None
        self._plan: TempoPlan | None = None
        self._held_beat: float | None = None
        self._heard: dict[float, None] = {}
        self._outline: dict[str, Any] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collaparte-stage", daemon=True)
        self._thread.start()

    # -- what the page asks, from any thread -------------------------------------------------------------------------

    def command(self, name: str, value: float | None = None, about: str | None = None) -> None:
        """Queue a command. Panic also silences the output itself, whatever the engine does."""
        if name not in PLAYER:
            raise CollaparteError(f"There is no command {name!r}. Commands are: {', '.join(sorted(PLAYER))}.")
        if name == "panic" and self._sound is not None:
            self._sound.all_notes_off()
        if name == "stop":
            self._ending.set()
        clock = self._clock
        if clock is not None:
            now_s = clock.now()
            clock.put(Command(now_s, now_s, name, value, about))

    def _step_on(self, name: str) -> None:
        """A pedal that is a command; "big" is what the big control would do."""
        if name == "big":
            big = {"ready": "start", "playing": "hold", "held": "release"}.get(self.state)
            if big is not None:
                self.command(big)
        else:
            self.command("release" if name == "hold" and self.state == "held" else name)

    def play(self, message: Sequence[int], ago_s: float = 0.0) -> None:
        """A raw MIDI message from the page, ``ago_s`` old when it was sent."""
        clock = self._clock
        if clock is None or self.wanted.input != "web":
            return
        now_s = clock.now()
        ago_s = ago_s if 0 <= ago_s <= STALE_S else 0.0
        for value in played_by(message, self._keys, max(now_s - ago_s, 0.0), now_s):
            self._pedals.hear(value, clock.put)

    def release_keys(self) -> None:
        """The page that played has gone: what it held ends."""
        clock = self._clock
        if clock is not None:
            for pitch in self._keys.lift_all():
                clock.put(SoloEvent(clock.now(), clock.now(), False, pitch, 0))

    def close(self, wait_s: float = 10.0) -> None:
        """End the rehearsal and wait for its take."""
        self.command("stop")
        self._thread.join(wait_s)

    @property
    def alive(self) -> bool:
        """Whether it still goes on."""
        return self._thread.is_alive()

    def snapshot(self) -> dict[str, Any]:
        """Everything a page needs that has missed everything."""
        clock, engine = self._clock, self._engine
        return {
            "kind": "stand",
            "state": self.state,
            "piece": self.piece,
            "trouble": self.trouble,
            "take": self.take,
            "playing_take": self.playing_take,
            "learnt": self.learnt,
            "locked": self.locked,
            "now_s": round(clock.now(), 6) if clock is not None else 0.0,
            "speed": self.wanted.speed,
            "wanted": asdict(self.wanted),
            "wishes": asdict(engine.conductor.wishes if engine is not None else self.wanted.wishes),
            "balance": dict(engine.balance if engine is not None else self.wanted.balance),
            "tuning_hz": engine.tuning_hz if engine is not None else self.wanted.tuning_hz,
            "position": asdict(self._position) if self._position is not None else None,
            "plan": asdict(self._plan) if self._plan is not None else None,
            "held_beat": self._held_beat if self.state == "held" else None,
            "heard": list(self._heard),
            "outline": self._outline,
            "worst_late_ms": round(self.worst_late_s * 1000, 1),
        }

    # -- the music's thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._play()
            self._enter("over")
        except CollaparteError as error:
            self._fail(str(error))
        except Exception as error:  # a fault of ours must be seen on the stand, not only in a log
            traceback.print_exc()
            self._fail(f"A fault in collaparte: {type(error).__name__}: {error}. Please report it.")
        finally:
            self._clock = self._sound = None

    def _fail(self, text: str) -> None:
        self.trouble = text
        self._enter("failed")

    def _enter(self, state: str) -> None:
        self.state = state
        self._feed.put("stand")  # every page asks for a snapshot

    def _say(self, text: str) -> None:
        self._feed.put(Notice(self._clock.now() if self._clock is not None else 0.0, text))

    def _play(self) -> None:
        page = read_page(self._files, choose=True)
        wanted = self.wanted = in_beats(self.wanted, page)
        self._outline = outline(page)
        memory = self._shelf.memory(wanted.soloist)
        recollection: Recollection | None = memory.recall(page) if wanted.memory else None
        with ExitStack() as stack:
            sound = stack.enter_context(open_sound(page, wanted, self._say, self._booth, self._ending.is_set))
            soloist, first_s = from_beat(page, wanted.from_beat, wanted.seed, wanted.level) if (
                wanted.input == "simulated") else (None, None)  # fmt: skip
            settings = Settings(
                horizon_s=round(sound.output_latency_s + MARGIN_S, 6),
                first_onset_s=first_s if wanted.from_beat is None and not wanted.count_in else None,
                from_beat=wanted.from_beat if wanted.from_beat is not None else wanted.loop[0] if wanted.loop else None,
                beat_period_s=60 / wanted.tempo if wanted.tempo else None,
                count_in_bars=wanted.count_in if wanted.input != "simulated" else 0,
                loop=wanted.loop,
                loop_speed=wanted.loop_speed,
                mode=wanted.mode,
                slowest=wanted.slowest,
                fastest=wanted.fastest,
                tuttis=wanted.tuttis,
                lead_in_bars=wanted.lead_in_bars,
                metronome=wanted.metronome,
                balance=wanted.balance,
                tuning_hz=wanted.tuning_hz,
            )
            calibration = calibration_of(wanted, self._shelf)
            self._input_latency_s = calibration.input_latency_s if calibration is not None else 0.0
            settle(sound, page.parts, dict(wanted.balance), wanted.tuning_hz)
            header = self._make_header(page, settings, sound, recollection, memory.folder.resolve().as_posix())
            remembers = recollection is not None and recollection.runs > 0
            engine = Engine(
                page,
                make_follower(str(header.config["follower"]), page),
                make_predictor(str(header.config["predictor"]), page),
                settings,
                recollection.recalled if remembers and recollection is not None else None,
            )
            self._engine = engine
            clock = PracticeClock(wanted.speed, soloist)

            def hear(value: Heard) -> None:
                self._pedals.hear(value, clock.put)

            loud = wanted.input == "mic" and wanted.output != "silent" and not wanted.headphones
            beside = without_orchestra(sound, lambda: clock.origin_s, calibration) if loud else None
            self._ear = open_ear(stack, wanted, page, hear, clock.now, self._booth, self._say, calibration, beside)
            path = self._shelf.new_path(header)
            writer = stack.enter_context(TakeWriter(path, header, self._feed.put))
            self.playing_take = path.stem
            self._header, self._sound = header, sound
            clock.begin()
            self._clock = clock
            self._enter("ready")
            if not self._ending.is_set():
                self._perform(engine, clock, sound, writer, page)
        self.take, self.playing_take = path.stem, None
        self._learn(path, page)

    def _perform(self, engine: Engine, clock: PracticeClock, sound: Sound, writer: TakeWriter, page: Score) -> None:
        def send(events: Sequence[Sounding]) -> None:
            sound.send([replace(event, due_s=event.due_s + clock.origin_s) for event in events])

        def until() -> bool:
            return clock.exhausted and engine.next_s() == float("inf") and not clock.paused

        for value in perform(engine, clock, send, until=until):
            writer.write(value)
            self._see(value, engine, clock, page)
            if isinstance(value, Command) and value.name in SEEN:
                settle(sound, page.parts, engine.balance, engine.tuning_hz)
                self._ear.tune(engine.tuning_hz)
                self._enter(self.state)

    def _see(self, value: Value, engine: Engine, clock: PracticeClock, page: Score) -> None:
        if isinstance(value, OrchestraEvent):
            clock.listen(value)
            self._ear.sounds(value)
            if value.sent_s is not None:
                late_s = value.sent_s - (value.due_s - engine.settings.horizon_s)
                self.worst_late_s = max(self.worst_late_s, late_s / self.wanted.speed)
            return  # many, and the page shows none of them
        if isinstance(value, Position):
            if self._position is not None and value.beat < self._position.beat - 1e-6:
                self._heard = {beat: None for beat in self._heard if beat < value.beat}
            self._position = value
            if value.state in ("playing", "finished"):
                self._heard[value.beat] = None
        elif isinstance(value, TempoPlan):
            self._plan = value
            if self.state == "ready":
                self._enter("playing")
        elif isinstance(value, Command):
            self._obeyed(value, engine, clock, page)
        self._feed.put(value)

    def _obeyed(self, command: Command, engine: Engine, clock: PracticeClock, page: Score) -> None:
        if command.name in ("hold", "panic"):
            clock.pause()
            self._held_beat = engine.conductor.beat_at(command.heard_s)
            self._enter("held")
        elif command.name in ("release", "start", "tap", "relocate") and self.state in ("held", "ready"):
            clock.go_on()
            self._enter("playing")
        if command.name == "relocate" and command.value is not None and not self.locked:
            self._ear.relocate(command.value)
        if command.name == "relocate" and command.value is not None and clock.simulated and not self.locked:
            soloist, _ = from_beat(page, command.value, self.wanted.seed, self.wanted.level)
            clock.replace_soloist(soloist)
        if command.name == "lock":
            self.locked = bool(command.value) if command.value is not None else not self.locked
            self._enter(self.state)

    def _make_header(
        self, page: Score, settings: Settings, sound: Sound, recollection: Recollection | None, folder: str
    ) -> TakeHeader:
        wanted = self.wanted.predictor
        predictor = playable(wanted if wanted in PREDICTORS else None, self._say)
        config: dict[str, Any] = {
            **self._config, "follower": DEFAULT_FOLLOWER, "predictor": predictor, "settings": asdict(settings),
            "studio": asdict(self.wanted),
        }  # fmt: skip
        if recollection is not None:
            runs = self._shelf.memory(self.wanted.soloist).runs(page.digest)
            config["memory"] = {"folder": folder, "takes": [run.take for run in runs]}
        return TakeHeader(
            piece=page.title,
            digest=page.digest,
            soloist=self.wanted.soloist if self.wanted.input != "simulated" else f"{self.wanted.soloist} (simulated)",
            config=config,
            latencies={"output_s": sound.output_latency_s, "input_s": self._input_latency_s},
            versions={"collaparte": __version__},
            started=datetime.now().astimezone().isoformat(timespec="seconds"),
        )

    def _learn(self, path: Any, page: Score) -> None:
        """Remember the run-through, unless it was not asked for or nobody real played it."""
        take = read_take(path)
        if not self.wanted.memory or self.wanted.input == "simulated" or not take.solo:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            account = self._shelf.memory(self.wanted.soloist).learn(take, page)
        self.learnt = (
            f"remembered {account.kept} of {account.attempted} intervals"
            if account.remembered
            else f"not remembered: {account.reason}"
        )


def outline(page: Score) -> dict[str, Any]:
    """What the stand needs to name places: bars [beat, number, pass, quarters in a counted beat], solo onsets."""
    return {
        "title": page.title,
        "bars": [[bar.beat, bar.number, bar.passing, 4 / bar.denominator] for bar in page.bars],
        "onsets": page.solo_onsets.tolist(),
        "end_beat": page.end_beat,
        "sections": sections(page.parts),
        "tuttis": [[start, stop] for start, stop in page.tutti],
        "tempi": [[mark.beat, round(60 / mark.beat_period_s, 2)] for mark in page.tempi],
    }


def open_sound(
    page: Score, wanted: Wanted, say: Callable[[str], None], booth: Booth, ended: Callable[[], bool]
) -> Sound:
    """The orchestra's instrument, on the machine's own clock. Raises DeviceError."""
    if wanted.output == "silent" or all(part.solo for part in page.parts):
        return Silent()
    if wanted.output == "midi":
        if not wanted.midi_out:
            raise DeviceError("Choose the MIDI port that the orchestra plays to.")
        from collaparte.sound.midi_port import MidiPort

        return MidiPort(page.parts, wanted.midi_out, origin_s=0.0, notice=say)
    if wanted.output == "browser":
        from collaparte.studio.browser_sound import BrowserSound

        return BrowserSound(page.parts, booth, wanted.page, notice=say, ended=ended)
    from collaparte.sound.synth import SynthSound

    return SynthSound(
        page.parts, None, origin_s=0.0, notice=say, tapped=wanted.input == "mic" and not wanted.headphones
    )
