"""The player's hands while playing: keys of the terminal and pedals become Commands."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from collaparte.conduct import METRONOMES, MODES, Wishes
from collaparte.engine.pedals import PEDAL_COMMANDS, PEDALS, Pedals
from collaparte.errors import CollaparteError, ScoreError
from collaparte.events import Command, Heard, Pedal, SoloEvent
from collaparte.score import Score

KEYS: Mapping[str, tuple[str, str]] = {
    "s": ("start", "start without waiting for the soloist (an introduction)"),
    " ": ("hold", "hold; again: go on"),
    "t": ("tap", "a bar line is now"),
    "n": ("next_entry", "wait at the soloist's next entry"),
    "b": ("previous_entry", "back to the entry before"),
    "v": ("vamp", "leave the vamp"),
    "c": ("cut", "cut to the bar before the next entry"),
    "+": ("tempo", "a little faster"),
    "-": ("tempo", "a little slower"),
    "w": ("mode", "wait for me; again: keep going; again: follow"),
    "m": ("metronome", "metronome in the rests; again: always; again: off"),
    "l": ("lock", "edit lock on or off"),
    "p": ("panic", "panic: all notes off"),
    "q": ("stop", "stop"),
}
"""Key -> (command, what it does). A bar number and Enter say "I am at this bar"."""

ARROWS = {"\x1b[C": "n", "\x1b[D": "b", "\x1b": "p"}
STEP = 1.03  # one press of + or -


class Hands:
    """Turns key presses and pedals into commands on the clock. ``beat_period_s`` tells the tempo now."""

    def __init__(
        self,
        put: Callable[[Heard], None],
        now: Callable[[], float],
        score: Score,
        beat_period_s: Callable[[], float],
        say: Callable[[str], None],
        pedals: Mapping[int, str],
        wishes: Callable[[], Wishes] = Wishes,
    ) -> None:
        self._put, self._now, self._score = put, now, score
        self._beat_period_s, self._say, self._wishes = beat_period_s, say, wishes
        self._pedals = Pedals(pedals, self.command)
        self._holding = False
        self._typed = ""

    def command(self, name: str, value: float | None = None, about: str | None = None) -> None:
        """Queue one command, stamped now; ``hold`` alternates with ``release``."""
        if name == "hold":
            name = "release" if self._holding else "hold"
        self._holding = name == "hold" or (name == "panic" and not self._holding)
        now_s = self._now()
        self._put(Command(now_s, now_s, name, value, about))

    def press(self, key: str) -> None:
        """One key (an escape sequence counts as one); ``w`` and ``m`` go round what there is."""
        key = ARROWS.get(key, key)
        if key.isdigit() or (key == "@" and self._typed):
            self._typed += key
        elif key in ("\r", "\n"):
            typed, self._typed = self._typed, ""
            self._here(typed) if typed else self.command("start")
        elif key in KEYS:
            self._typed = ""
            name = KEYS[key][0]
            if name in ("mode", "metronome"):
                ring: Sequence[str] = MODES if name == "mode" else METRONOMES
                self.command(name, about=ring[(ring.index(getattr(self._wishes(), name)) + 1) % len(ring)])
                return
            factor = {"+": 1 / STEP, "-": STEP}.get(key)
            self.command(name, self._beat_period_s() * factor if factor else 0.0 if name == "vamp" else None)

    def hear(self, value: SoloEvent | Pedal | Command) -> None:
        """Pass on what the soloist plays (or how they are tuned); a pedal that was given a meaning is that command."""
        self._pedals.hear(value, self._put)

    def _here(self, typed: str) -> None:
        try:
            self.command("relocate", beat_of(self._score, typed))
        except ScoreError as error:
            self._say(str(error))


def beat_of(score: Score, bar: str) -> float:
    """Where a printed bar begins: "12", or "12@2" for its second pass. Raises ScoreError."""
    number, _, passing = bar.partition("@")
    return score.beat_of_bar(number, int(passing) if passing.isdigit() else 1)


def pedal_meanings(pairs: tuple[str, ...]) -> dict[int, str]:
    """``("67=next_entry",)`` as {67: "next_entry"}. Raises CollaparteError naming what can be said."""
    meanings: dict[int, str] = {}
    for pair in pairs:
        number, _, name = pair.partition("=")
        if number not in map(str, PEDALS) or name not in PEDAL_COMMANDS:
            raise CollaparteError(
                f"--pedal {pair!r} is not understood. Write PEDAL=COMMAND, with pedal 64 (sustain), 66 (sostenuto) or "
                f"67 (soft) and one of the commands {', '.join(PEDAL_COMMANDS)}."
            )
        meanings[int(number)] = name
    return meanings


class Keyboard:
    """Reads the terminal key by key in a thread of its own; does nothing where there is no terminal."""

    def __init__(self, press: Callable[[str], None]) -> None:
        self._press = press
        self._closing = threading.Event()
        self._before: Any = None
        self._thread: threading.Thread | None = None
        if not sys.stdin.isatty():
            return
        try:
            import termios
            import tty
        except ImportError:  # no such terminal on this system
            return
        self._descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        self._thread = threading.Thread(target=self._read, name="collaparte-keys", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._closing.is_set():
            if not select.select([self._descriptor], [], [], 0.1)[0]:
                continue
            typed = os.read(self._descriptor, 16).decode(errors="ignore")
            if not typed:
                return  # the terminal is gone
            if typed.startswith("\x1b"):
                self._press(typed)
                continue
            for key in typed:
                self._press(key)

    def close(self) -> None:
        """Give the terminal back as it was."""
        self._closing.set()
        if self._thread is not None:
            import termios

            self._thread.join()
            self._thread = None
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
