"""Looking for the soloist elsewhere: which places of the whole score agree with the last few notes.

A chain grows at an onset each time a heard note stands there and one of the two notes before it stands in the same
onset or up to two before. Chains are kept for the whole score in one array, but only the onsets that the index of pairs
names for the note are looked at, so a note costs the length of that list (a few for most).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.follow.onsets import Onsets

BUDGET = 1024  # chains that grow with one note
DISTANCE = 0.3  # links that an e-fold of distance, in onsets, weighs
FORGETS = 0.8  # links a chain loses with each note


class Search:
    """``hear`` each pitch in turn; ``best`` names the ends of the longest chains."""

    def __init__(self, onsets: Onsets) -> None:
        self._onsets = onsets
        # links + FORGETS * the note they are from, so that all chains wither without being touched; two blanks in front
        self._links: NDArray[np.float32] = np.zeros(onsets.count + 2, dtype=np.float32)
        self._events = 0
        self._recent: list[int] = []
        self._last: NDArray[np.int32] = np.zeros(0, dtype=np.int32)

    def restart(self) -> None:
        """Forget the chains."""
        self._links[:] = 0.0
        self._events = 0
        self._recent.clear()

    def hear(self, pitch: int) -> None:
        """One more note; its places become the ends of chains."""
        self._events += 1
        withered = FORGETS * (self._events - 1)
        found = [self._onsets.pairs(before, pitch) for before in set(self._recent)]
        self._recent = [*self._recent[-1:], pitch]
        places = np.concatenate(found) if len(found) == 2 else found[0] if found else self._last[:0]
        links = self._links
        if len(places):
            grown = np.maximum(np.maximum(links[places], links[places + 1]), links[places + 2])
            if len(places) > BUDGET:  # one of the commonest pairs of a huge score begins nothing
                alive = np.flatnonzero(grown > withered + 1.0)[:BUDGET]
                places, grown = places[alive], grown[alive]
            links[places + 2] = np.maximum(grown, withered + 1.0) + (1.0 + FORGETS)
        self._last = places

    def best(self, least: float, most: int, near: int) -> list[tuple[int, float]]:
        """(place, links) of at most ``most`` chains that the last note fed, of ``least`` links at least.

        Long chains come first, and of about equal ones those nearer to onset ``near``.
        """
        if len(self._last) == 0:
            return []
        links = self._links[self._last + 2] - FORGETS * self._events
        chosen = np.flatnonzero(links >= least)
        if len(chosen) == 0:
            return []
        worth = links[chosen] - DISTANCE * np.log1p(np.abs(self._last[chosen] - near))
        order = chosen[np.argsort(-worth, kind="stable")[: 2 * most]]
        found = {int(self._last[index]): float(links[index]) for index in order}  # a place may be named twice
        return list(found.items())[:most]
