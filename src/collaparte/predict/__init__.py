"""Positions and memory become a TempoPlan: what the soloist will do next."""

from __future__ import annotations

from typing import Protocol

from collaparte.events import Position, Recalled, TempoPlan


class Predictor(Protocol):
    """Built with ``(score)``; one method to override, ``plan``."""

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        """The soloist's line from ``position`` to the next awaited onset.

        Called for every position that matched (beat or onset moved) and whose state is playing, in order.
        """

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        """Begin (or begin again) at ``beat`` with a known tempo: before the first note, after a tap or relocation."""


__all__ = ["Predictor"]
