"""What a rehearsal was asked to be: from a page's wishes, checked, to beats of the page that is played."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from collaparte.conduct import Metronome, Mode, Tuttis, Wishes
from collaparte.engine.pedals import pedal_meanings
from collaparte.errors import CollaparteError
from collaparte.score import HANDS, Hand, Score
from collaparte.sound.balance import HIGHEST_A_HZ, LOUDEST, LOWEST_A_HZ, USUAL_A_HZ

INPUTS = ("simulated", "midi", "web", "mic", "browser")
OUTPUTS = ("synth", "midi", "browser", "silent")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. ``speed`` above 1 is for practising the program: simulated soloist, silent, faster."""

    soloist: str = "me"
    input: str = "simulated"  # simulated, midi, web (MIDI of the browser), mic, browser (its microphone)
    midi_in: str | None = None
    mic: str | None = None
    headphones: bool = False  # the orchestra is not in the machine's microphone: nothing is taken out of it
    predictor: str | None = None  # the best there is
    page: str | None = None  # the key of the page whose microphone and loudspeaker are meant
    level: str = "middle"
    seed: int = 1
    output: str = "silent"  # synth, midi, browser, silent
    midi_out: str | None = None
    from_beat: float | None = None
    from_bar: str | None = None  # as printed; 12@2 is its second time
    tempo: float | None = None  # quarters a minute
    count_in: int = 0
    loop: tuple[float, float] | None = None
    loop_bars: tuple[str, str] | None = None
    loop_speed: float = 1.0
    memory: bool = True
    speed: float = 1.0
    transpose: int = 0
    solo_sounds: int = 0  # semitones, where the part of a transposing instrument does not say so
    tutti_bars: int | None = None  # long tuttis shortened to so many bars
    hand: Hand = "both"
    mode: Mode = "follow"
    slowest: float | None = None
    fastest: float | None = None
    tuttis: Tuttis = "play"
    lead_in_bars: int = 1
    metronome: Metronome = "off"
    balance: tuple[tuple[str, float], ...] = ()
    tuning_hz: float = USUAL_A_HZ
    tunes: bool = False  # the orchestra tunes to the soloist, as the ear hears them
    pedals: tuple[tuple[int, str], ...] = ()  # MIDI pedals that are commands

    def __post_init__(self) -> None:
        bounds: list[tuple[str, float | None, float, float]] = [
            ("tempo", self.tempo, 5, 600), ("count_in", self.count_in, 0, 8), ("loop_speed", self.loop_speed, 0.5, 2),
            ("speed", self.speed, 0.25, 50), ("seed", self.seed, 0, 2**31),
            ("transpose", self.transpose, -24, 24), ("solo_sounds", self.solo_sounds, -24, 24),
            ("tutti_bars", self.tutti_bars, 0, 16),
            ("tuning_hz", self.tuning_hz, LOWEST_A_HZ, HIGHEST_A_HZ),
        ]  # fmt: skip
        for name, value, low, high in bounds:
            if value is not None and not low <= value <= high:
                raise CollaparteError(f"{name} is {value:g}; it lies between {low:g} and {high:g}.")
        if self.input not in INPUTS or self.output not in OUTPUTS:
            raise CollaparteError(f"Choose an input ({', '.join(INPUTS)}) and an output ({', '.join(OUTPUTS)}).")
        if self.tunes and self.input not in ("mic", "browser"):
            raise CollaparteError("The orchestra can tune to a soloist it hears: by a microphone.")
        if self.speed != 1 and (self.input != "simulated" or self.output != "silent"):
            raise CollaparteError("Only a simulated soloist with a silent orchestra can play at another speed.")
        if self.loop is not None and not self.loop[0] < self.loop[1]:
            raise CollaparteError("The loop ends before it begins.")
        if self.hand not in HANDS:
            raise CollaparteError(f"A hand is one of {', '.join(HANDS)}.")
        if any(not 0 <= level <= LOUDEST for _, level in self.balance):
            raise CollaparteError(f"A level lies between 0 and {LOUDEST:g}.")
        pedal_meanings(self.pedals)
        _ = self.wishes

    @property
    def wishes(self) -> Wishes:
        """Mode, limits, tuttis and metronome. Raises CollaparteError for what cannot be."""
        return Wishes(self.mode, self.slowest, self.fastest, self.tuttis, self.lead_in_bars, self.metronome)

    @property
    def practised(self) -> dict[str, Any]:
        """What of the piece is not as printed, as a take's header names it."""
        usual = {"transpose": 0, "solo_sounds": 0, "tutti_bars": None, "hand": "both"}
        return {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}


def in_beats(wanted: Wanted, page: Score) -> Wanted:
    """Bars as beats of this page. Raises ScoreError for a bar that is not there."""

    def beat_of(bar: str) -> float:
        number, _, passing = bar.partition("@")
        return page.beat_of_bar(number, int(passing) if passing.isdigit() else 1)

    if wanted.from_bar is not None:
        wanted = replace(wanted, from_beat=beat_of(wanted.from_bar), from_bar=None)
    if wanted.loop_bars is not None:
        last = page.bar_at(beat_of(wanted.loop_bars[1]))
        loop = (beat_of(wanted.loop_bars[0]), last.beat + last.duration_beats)
        wanted = replace(wanted, loop=loop, loop_bars=None)
    return wanted


def wanted_of(asked: Mapping[str, Any]) -> Wanted:
    """What a page asked for, checked: unknown fields are passed over. Raises CollaparteError."""
    known: dict[str, Any] = {}
    for item in fields(Wanted):
        if (value := asked.get(item.name)) is None:
            continue
        kind = str(item.type)
        if item.name == "loop_bars":
            if not (isinstance(value, list) and len(value) == 2 and all(isinstance(bar, str) for bar in value)):
                raise CollaparteError("A loop is two bars.")
            known["loop_bars"] = (value[0][:20], value[1][:20])
        elif item.name == "loop":
            if not (isinstance(value, list) and len(value) == 2 and all(_is_number(bound) for bound in value)):
                raise CollaparteError("A loop is two beats.")
            known["loop"] = (float(value[0]), float(value[1]))
        elif item.name in ("balance", "pedals"):
            known[item.name] = _pairs(item.name, value)
        elif kind.startswith("str") or kind in ("Hand", "Mode", "Tuttis", "Metronome"):
            if not isinstance(value, str) or len(value) > 200:
                raise CollaparteError(f"{item.name} is a short text.")
            known[item.name] = value
        elif kind.startswith("bool"):
            known[item.name] = bool(value)
        elif _is_number(value):
            known[item.name] = int(value) if kind.startswith("int") else float(value)
        else:
            raise CollaparteError(f"{item.name} is a number.")
    return Wanted(**known)


def _pairs(name: str, value: object) -> tuple[tuple[Any, Any], ...]:
    """{"strings": 0.5} or {"67": "hold"}, also as a list of pairs, as pairs."""
    rows = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(rows, list) or len(rows) > 200:
        raise CollaparteError(f"{name} is a table.")
    found: list[tuple[Any, Any]] = []
    for row in rows:
        if not isinstance(row, (list, tuple)) or len(row) != 2:
            raise CollaparteError(f"{name} is a table.")
        key, what = row
        if name == "balance" and isinstance(key, str) and len(key) <= 200 and _is_number(what):
            found.append((key, float(what)))
        elif name == "pedals" and str(key).isdigit() and isinstance(what, str):
            found.append((int(key), what))
        else:
            raise CollaparteError(f"{name}: {key!r} cannot be {what!r}.")
    return tuple(found)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
