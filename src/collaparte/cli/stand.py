"""The music stand of ``collaparte play``: one line that says where we are, and notices above it.

The music's thread only leaves the last value here; a thread of its own writes to the terminal, so that a slow terminal
cannot make the orchestra late.
"""

from __future__ import annotations

import queue
import sys
import threading
from types import TracebackType
from typing import Self

import click

from collaparte.events import Notice, Position, TempoPlan, Value
from collaparte.score import Score

SHOWN_EVERY_S = 0.1


class Stand:
    """``see(value)`` for each value, ``say(text)`` for news; both return at once, from any thread."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._position: Position | None = None
        self._plan: TempoPlan | None = None
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._terminal = sys.stderr.isatty()
        self._shown = ""
        self._thread = threading.Thread(target=self._show, name="collaparte-stand", daemon=True)
        self._thread.start()

    def see(self, value: Value) -> None:
        """Take in one value of the performance."""
        if isinstance(value, Position):
            self._position = value
        elif isinstance(value, TempoPlan):
            self._plan = value
        elif isinstance(value, Notice):
            self.say(value.text)

    def say(self, text: str) -> None:
        """Show one line of news."""
        self._news.put(text)

    def line(self) -> str:
        """Where we are, in one line."""
        position, plan = self._position, self._plan
        if position is None:
            return "waiting for the first note"
        bar = self._score.bar_at(position.beat)
        beat = (position.beat - bar.beat) * bar.denominator / 4 + 1
        passing = f" (time {bar.passing})" if bar.passing > 1 else ""
        tempo = f"   {60 / plan.beat_period_s:3.0f} quarters a minute" if plan is not None else ""
        return f"bar {bar.number}{passing}, beat {beat:4.2f}{tempo}   {position.state}, {position.certainty:.0%} sure"

    def close(self) -> None:
        """Show what is left and end the line."""
        self._closing.set()
        self._thread.join()

    def _show(self) -> None:
        while True:
            last = self._closing.wait(SHOWN_EVERY_S)
            while not self._news.empty():
                self._write(self._news.get(), "\n")
            if self._terminal and (line := self.line()) != self._shown:
                self._shown = line
                self._write(line, "")
            if last:
                if self._terminal and self._shown:
                    click.echo("", err=True)
                return

    def _write(self, text: str, end: str) -> None:
        clear = "\r\x1b[K" if self._terminal else ""
        click.echo(f"{clear}{text}{end}", err=True, nl=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
