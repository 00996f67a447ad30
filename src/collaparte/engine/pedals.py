"""Pedals that are commands: a foot is often the only thing a player has free.

MIDI knows pedal 64 (sustain), 66 (sostenuto) and 67 (soft). One that was given a meaning is no pedal any more: it says
its command once each time it goes down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from collaparte.errors import CollaparteError
from collaparte.events import Heard, Pedal

PEDALS = (64, 66, 67)
PRESSED = 64  # a pedal is down from here on
PEDAL_COMMANDS = ("start", "stop", "panic", "hold", "tap", "next_entry", "previous_entry", "vamp", "cut", "lock")
BIG = "big"  # what the stand's one big control would do now


def pedal_meanings(pairs: Iterable[tuple[int, str]]) -> dict[int, str]:
    """``[(67, "next_entry")]`` as a mapping. Raises CollaparteError naming what can be said."""
    meanings: dict[int, str] = {}
    for number, name in pairs:
        if number not in PEDALS or name not in (*PEDAL_COMMANDS, BIG):
            raise CollaparteError(
                f"Pedal {number} cannot be {name!r}. There are pedal 64 (sustain), 66 (sostenuto) and 67 (soft), and "
                f"the commands {', '.join(PEDAL_COMMANDS)}, and {BIG}."
            )
        meanings[number] = name
    return meanings


class Pedals:
    """``hear`` passes on what is played; a pedal with a meaning is told to ``step_on`` instead."""

    def __init__(self, meanings: Mapping[int, str], step_on: Callable[[str], None]) -> None:
        self._meanings, self._step_on = dict(meanings), step_on
        self._down: set[int] = set()

    def hear(self, value: Heard, put: Callable[[Heard], None]) -> None:
        """One value of the soloist's."""
        if not isinstance(value, Pedal) or value.controller not in self._meanings:
            put(value)
            return
        down = value.value >= PRESSED
        if down and value.controller not in self._down:
            self._step_on(self._meanings[value.controller])
        (self._down.add if down else self._down.discard)(value.controller)
