"""The one face of every output: ``send``, ``all_notes_off``, ``close``.

Conventions
-----------
``due_s`` counts on the take's clock; a live output is told where that clock begins (``origin_s``, the value of
``time.monotonic()`` at clock zero, as ``WallClock.origin_s``), which every process of one machine shares.
What is sent is committed: it sounds once, at ``due_s``, or at once when that has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeAlias

from collaparte.events import Click, OrchestraEvent

Sounding: TypeAlias = OrchestraEvent | Click


class Sound:
    """An output of the orchestra; override ``send`` and, where something is held, the others.

    ``output_latency_s`` is how long before ``due_s`` the output needs an event, so that it can still be on time.
    """

    output_latency_s: float = 0.0

    def send(self, events: Sequence[Sounding]) -> None:
        """Commit ``events``; returns at once."""
        raise NotImplementedError

    def all_notes_off(self) -> None:
        """Panic: what sounds is silent, what was committed but has not sounded never will."""

    def set_level(self, part: str, level: float) -> None:
        """``part`` sounds ``level`` times as loud as written from now on (``sound.balance``); returns at once."""

    def tune(self, tuning_hz: float) -> None:
        """The orchestra's A is ``tuning_hz`` from now on; returns at once."""

    def close(self) -> None:
        """Silence everything and give the device back. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
