"""SoloEvents become Positions: one follower to a file, all behind one face."""

from __future__ import annotations

from typing import Protocol

from collaparte.events import Position, SoloEvent, SoloFrame, TempoPlan


class Follower(Protocol):
    """Built with ``(score)``; one method to override, ``hear``."""

    def hear(self, event: SoloEvent | SoloFrame, plan: TempoPlan | None) -> Position | None:
        """Where the soloist is, now that ``event`` was heard and ``plan`` was the last plan made.

        None only where an event says nothing of the place (a note-off). A note-on that matches the score reports
        exactly its beat, with ``onset_s`` its ``time_s``; one that does not repeats the last beat and onset.
        """

    def relocate(self, beat: float, time_s: float) -> Position:
        """The player says: at ``time_s`` I am (about to be) at ``beat``."""


__all__ = ["Follower"]
