"""How loud each part is, and to which A the orchestra is tuned; both may change while it plays.

A level is a factor of amplitude: 1 as the page has it, 0 silent, LOUDEST at most. It becomes MIDI's channel volume,
whose loudness goes with the square of its value (General MIDI Level 2, 40 log of value/127). Tuning is a pitch bend of
the whole channel, which every instrument knows, with the bend range set to two semitones first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from collaparte.errors import CollaparteError
from collaparte.events import Command
from collaparte.score.page import Part
from collaparte.score.sections import SECTIONS, section_of
from collaparte.sound.seats import PERCUSSION_CHANNEL
from collaparte.sound.voices import BEND, CONTROL, Raw

if TYPE_CHECKING:
    from collaparte.sound.face import Sound

LOUDEST = 1.5
LOWEST_A_HZ, HIGHEST_A_HZ, USUAL_A_HZ = 415.0, 466.2, 440.0
BEND_SEMITONES = 2.0
EVERYTHING = "orchestra"  # the whole of it

_VOLUME = 100  # MIDI's own beginning, level 1


def volume_of(level: float) -> int:
    """The channel volume (MIDI controller 7) of a level."""
    return min(max(round(_VOLUME * math.sqrt(max(level, 0.0))), 0), 127)


def bend_of(tuning_hz: float) -> int:
    """The pitch bend, 0..16383 with 8192 in the middle, that tunes A to ``tuning_hz``."""
    semitones = 12.0 * math.log2(tuning_hz / USUAL_A_HZ)
    return min(max(8192 + round(8192 * semitones / BEND_SEMITONES), 0), 16383)


def tuning_messages(channel: int, tuning_hz: float) -> list[Raw]:
    """What tunes a channel: the range of its pitch bend, then the bend. Nothing for the percussion's channel."""
    if channel == PERCUSSION_CHANNEL:
        return []
    bend = bend_of(tuning_hz)
    range_of_bend = ((101, 0), (100, 0), (6, round(BEND_SEMITONES)), (38, 0))
    return [*((CONTROL | channel, number, value) for number, value in range_of_bend),
            (BEND | channel, bend & 0x7F, bend >> 7)]  # fmt: skip


def levels_of(balance: Mapping[str, float], parts: Sequence[Part]) -> dict[str, float]:
    """The level of each part of the orchestra: the whole's times its section's times its own."""
    return {
        part.name: min(
            balance.get(EVERYTHING, 1.0) * balance.get(section_of(part), 1.0) * balance.get(part.name, 1.0), LOUDEST
        )
        for part in parts
        if not part.solo
    }


def balance_of(pairs: Sequence[str], parts: Sequence[Part]) -> dict[str, float]:
    """``("strings=0.5", "Flute=1.2")`` as a mapping. Raises CollaparteError naming what can be said."""
    names = [EVERYTHING, *SECTIONS, *(part.name for part in parts if not part.solo)]
    found: dict[str, float] = {}
    for pair in pairs:
        name, _, text = pair.rpartition("=")
        near = next((known for known in names if known.casefold() == name.strip().casefold()), None)
        try:
            level = float(text)
        except ValueError:
            level = -1.0
        if near is None or not 0 <= level <= LOUDEST:
            raise CollaparteError(
                f"The balance {pair!r} is not understood. Write NAME=LEVEL, with a level from 0 to {LOUDEST:g} and one "
                f"of {', '.join(names)}."
            )
        found[near] = level
    return found


def turned(
    commands: Iterable[Command], parts: Sequence[Part], balance: Mapping[str, float]
) -> list[tuple[float, str, float]]:
    """(seconds, part, level) of a take: as it began, and at each of its balance commands; for ``sound.render``."""
    now = dict(balance)
    found = [(0.0, name, level) for name, level in levels_of(now, parts).items() if level != 1.0]
    for command in commands:
        if command.name == "balance" and command.about is not None and command.value is not None:
            now[command.about] = command.value
            found += [(command.heard_s, name, level) for name, level in levels_of(now, parts).items()]
    return found


def settle(sound: Sound, parts: Sequence[Part], balance: Mapping[str, float], tuning_hz: float) -> None:
    """Tell ``sound`` how loud and how high everything is now; it passes on what is new to it."""
    for name, level in levels_of(balance, parts).items():
        sound.set_level(name, level)
    sound.tune(tuning_hz)
