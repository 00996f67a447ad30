"""The soloist told apart from the orchestra: canceller, knowledge of the orchestra, and ear, in a row.

The same for a concert and a simulation. With headphones there is neither canceller nor knowledge, and every block goes
to the ear as it came.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.listen.bleed import Bleed
from collaparte.listen.echo import EchoCanceller
from collaparte.listen.hearing.spectrum import KnownBleed

Array = NDArray[np.float32]


class Hears(Protocol):
    """An ear: see ``hearing.Ear``."""

    origin_s: float
    bleed: KnownBleed | None

    def hear(self, block: Array, heard_s: float) -> list[SoloEvent]:
        """What began and ended, as known at ``heard_s``."""


class Apart:
    """``ear`` behind a canceller (a reference is known), or with the orchestra's pitches alone (``pitches``)."""

    def __init__(self, ear: Hears, canceller: EchoCanceller | None = None, *, pitches: bool = False) -> None:
        self.ear, self.canceller = ear, canceller
        self._bleed = Bleed(echo=canceller is not None) if canceller is not None or pitches else None
        ear.bleed = self._bleed

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed."""
        if self._bleed is not None:
            self._bleed.sounds(event)

    def hear(self, block: Array, heard_s: float, reference: Array | None = None) -> list[SoloEvent]:
        """The soloist's events in ``block``; ``reference`` (as long) is what the orchestra sounded meanwhile."""
        if self._bleed is not None:
            self._bleed.origin_s = self.ear.origin_s
        if self.canceller is not None:
            block = self.canceller.clean(block, np.zeros_like(block) if reference is None else reference)
            if self._bleed is not None:
                self._bleed.echoed(self.canceller.echo)
        return self.ear.hear(block, heard_s)
