"""A soloist whose beginning was not heard: found by what they go on with, wherever that is on the page.

Where the first notes were covered by an orchestra or a cough, or were too soft, nobody would ever begin. So what sounds
is compared with the whole page all the while (``elsewhere``), and somebody who goes along it for some seconds, sounding
like it, has begun. Somebody else's music is like a few notes of the page, but does not go along it so long. Of passages
that are alike the earlier one is believed. Where one of the notes they go on with was taken for the first, the same
comparison, which has heard what came before that, tells it sooner than one that begins there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.elsewhere import Elsewhere
from collaparte.listen.hearing.spectrum import HOP_S

Array = NDArray[np.float64]

FIRM = 2.0  # nats for a frame that fits perfectly against one that does not fit at all
EARLY = 10.0  # places: the first is ten times as likely as one that is ninety places later, before anything is heard
HOLD_S = 0.5  # for which it must be clear that they did not begin where they seemed to
SURE = 0.5  # belief in a place and its neighbours
PLACES, LEAST_S = 7, 2.0  # somebody must have gone along so many places, in so many seconds of sound
STEP = 3  # places from one frame to the next that are going along
FITS, MANY, FITS_MANY = 0.85, 20, 0.6  # share of that time in which the page must fit; after so many places, less
WAVERS_S = 0.3  # for which the belief may be less


class Unheard:
    """``page_s`` (k,) is when each place comes as the page asks. ``hear`` every frame that sounds."""

    def __init__(self, page_s: Array) -> None:
        likely: Array = 1.0 / (np.arange(len(page_s), dtype=np.float64) + EARLY)
        self._elsewhere = Elsewhere(page_s, FIRM, likely, HOLD_S)
        self._at(-1)

    def seek(self, place: int) -> None:
        """The soloist is at ``place``."""
        self._elsewhere.seek(place)

    def _at(self, place: int) -> None:
        """Somebody may have begun to go along the page at ``place``."""
        self._first = self._last = place
        self._sounded_s = self._looked_s = self._fits_s = self._wavered_s = 0.0

    def hear(self, similar: Array, active: float) -> None:
        """How well a frame fits every place (k,); ``active`` 0..1."""
        self._elsewhere.hear(similar, active)
        best = self._elsewhere.best
        if self._elsewhere.surely >= SURE and 0 <= best - self._last <= STEP:
            self._last, self._wavered_s = best, 0.0
            self._sounded_s += HOP_S * active
        else:
            self._wavered_s += HOP_S
            if self._wavered_s > WAVERS_S:
                self._at(best)

    def look(self, similar: Array, least: float, looked_s: float) -> None:
        """The page fits what sounds if ``similar`` (k,) is at least ``least``; this is asked every ``looked_s``."""
        if self._last >= 0:
            self._looked_s += looked_s
            self._fits_s += looked_s * (float(similar[self._last]) >= least)

    @property
    def place(self) -> int | None:
        """Where somebody is who has begun; None: nobody has."""
        along = self._last - self._first
        if along < PLACES or self._sounded_s < LEAST_S:
            return None
        share = float(np.interp(along, (PLACES, MANY), (FITS, FITS_MANY)))
        return self._last if self._fits_s >= share * self._looked_s else None

    def instead(self, similar: Array, active: float, place: int, fit: float) -> int | None:
        """Where somebody is after this frame who seemed to have begun and to be at ``place``, which fits so well."""
        return self._elsewhere.instead(similar, active, place, fit)
