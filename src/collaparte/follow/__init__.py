"""SoloEvents become Positions: one follower to a file, all behind one face.

``make_follower(name, score)`` builds any of ``FOLLOWERS``; each is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from collaparte.errors import CollaparteError
from collaparte.events import Position, SoloEvent, SoloFrame, TempoPlan
from collaparte.score import Score


class Follower(Protocol):
    """Built with ``(score)``; one method to override, ``hear``."""

    def hear(self, event: SoloEvent | SoloFrame, plan: TempoPlan | None) -> Position | None:
        """Where the soloist is, now that ``event`` was heard and ``plan`` was the last plan made.

        None only where an event says nothing of the place (a note-off). A note-on that matches the score reports
        exactly its beat, with ``onset_s`` its ``time_s``; one that does not repeats the last beat and onset.
        """

    def relocate(self, beat: float, time_s: float) -> Position:
        """The player says: at ``time_s`` I am (about to be) at ``beat``."""


def _oltw(score: Score) -> Follower:
    from collaparte.follow.oltw import PlainOltw

    return PlainOltw(score)


def _paths(score: Score) -> Follower:
    from collaparte.follow.tracker import PathFollower

    return PathFollower(score)


FOLLOWERS: Mapping[str, Callable[[Score], Follower]] = MappingProxyType({"oltw": _oltw, "paths": _paths})
DEFAULT_FOLLOWER = "paths"


def make_follower(name: str | None, score: Score) -> Follower:
    """The follower called ``name`` (None: the default one), ready to hear the soloist of ``score``.

    Raises CollaparteError, listing the names there are, for any other name.
    """
    wanted = DEFAULT_FOLLOWER if name is None else name
    if wanted not in FOLLOWERS:
        listed = ", ".join(sorted(FOLLOWERS))
        raise CollaparteError(f"There is no follower called {wanted!r}. There are: {listed}. Choose with --follower.")
    return FOLLOWERS[wanted](score)


__all__ = ["DEFAULT_FOLLOWER", "FOLLOWERS", "Follower", "make_follower"]
