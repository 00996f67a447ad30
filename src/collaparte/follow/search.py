"""Looking for the soloist elsewhere: which places of the whole score agree with the last few notes.

A chain grows at an onset each time a heard note stands there and one of the two notes before it stands in the same
onset or up to two before. Chains are kept for the whole score in arrays, but only the onsets that the index of pairs
names for the note are touched, so a note costs the length of that list (a few for most, ``BUDGET`` at most).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.follow.onsets import Onsets

BUDGET = 2048  # places looked at for one note
STALE = 3  # notes after which an unfed chain is dead
DISTANCE = 0.3  # links that an e-fold of distance, in onsets, weighs
FORGETS = 0.7  # links a chain loses for each note it could not use


class Search:
    """``hear`` each pitch in turn; ``best`` names the ends of the longest chains."""

    def __init__(self, onsets: Onsets) -> None:
        self._onsets = onsets
        self._links: NDArray[np.float32] = np.zeros(onsets.count + 2, dtype=np.float32)  # two blank places in front
        self._fed: NDArray[np.int32] = np.full(onsets.count + 2, -1000, dtype=np.int32)
        self._events = 0
        self._recent: list[int] = []
        self._last: NDArray[np.int32] = np.zeros(0, dtype=np.int32)

    def restart(self) -> None:
        """Forget the chains; they are stale at once."""
        self._events += 1000
        self._recent.clear()

    def hear(self, pitch: int) -> None:
        self._events += 1
        found = [self._onsets.pairs(before, pitch) for before in set(self._recent[-2:])]
        self._recent.append(pitch)
        del self._recent[:-2]
        if not found:
            self._last = self._last[:0]
            return
        places = np.union1d(*found) if len(found) == 2 else found[0]
        if len(places) > BUDGET:  # one of the commonest pairs of a huge score says nothing
            places = places[self._fed[places + 2] > self._events - STALE]
        if len(places) == 0:
            self._last = places
            return
        grown = np.ones(len(places), dtype=np.float32)
        for behind in (0, 1, 2):
            at = places + (2 - behind)
            idle = self._events - 1 - self._fed[at]
            value = np.where(idle < STALE, self._links[at] - FORGETS * idle, 0.0)
            np.maximum(grown, value, out=grown, casting="unsafe")
        at = places + 2
        self._links[at] = grown + 1.0
        self._fed[at] = self._events
        self._last = places

    def best(self, least: float, most: int, near: int) -> list[tuple[int, float]]:
        """(place, links) of at most ``most`` chains that the last note fed, of ``least`` links at least.

        Long chains come first, and of about equal ones those nearer to onset ``near``.
        """
        if len(self._last) == 0:
            return []
        links = self._links[self._last + 2]
        chosen = np.flatnonzero(links >= least)
        if len(chosen) == 0:
            return []
        worth = links[chosen] - DISTANCE * np.log1p(np.abs(self._last[chosen] - near))
        order = chosen[np.argsort(-worth, kind="stable")[:most]]
        return [(int(self._last[index]), float(links[index])) for index in order]
