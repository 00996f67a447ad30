"""The soloist told apart from the orchestra: canceller, knowledge of the orchestra, and ear, in a row.

The same for a concert and a simulation. With headphones there is neither canceller nor knowledge, and every block goes
to the ear as it came. What a canceller gives is not weakened any further: that lost the soloist's attacks. The ear is
only told in which blocks there is nothing but the orchestra's remains (``remains``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.apart.pitches import KnownPitches
from collaparte.listen.hearing.spectrum import HOP, KnownBleed

Array = NDArray[np.float32]


class Hears(Protocol):
    """An ear: see ``hearing.Ear``."""

    origin_s: float
    bleed: KnownBleed | None

    def hear(self, block: Array, heard_s: float) -> list[SoloEvent]:
        """What began and ended, as known at ``heard_s``."""


class _Own:
    """Tells the ear how much of each frame is the soloist's own, as the canceller judged it."""

    def __init__(self) -> None:
        self._first, self._own = 0, np.zeros(0, np.float32)  # the frame that the first of them belongs to

    def add(self, own: Array) -> None:
        """``own`` (frames,) of the frames to come; those before have been asked for."""
        self._first, self._own = self._first + len(self._own), own

    def without(self, magnitude: Array, end: int, shape: Array) -> tuple[Array, float]:
        """See ``hearing.spectrum.KnownBleed``."""
        return magnitude, float(self._own[end // HOP - 1 - self._first])

    def plays(self, pitches: Sequence[int], began_s: float) -> bool:
        """Where it is the soloist's own, it is."""
        return True


class Apart:
    """``ear`` behind a canceller (a reference is known), or with the orchestra's pitches alone (``pitches``).

    Unless the canceller ``judges``, the ear is not told where there is nothing but remains.
    """

    def __init__(
        self, ear: Hears, canceller: EchoCanceller | None = None, *, pitches: bool = False, judges: bool = True
    ) -> None:
        self.ear, self.canceller = ear, canceller
        self._own = _Own() if canceller is not None and judges else None
        self._pitches = KnownPitches() if pitches and canceller is None else None
        ear.bleed = self._own or self._pitches

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed."""
        if self._pitches is not None:
            self._pitches.sounds(event)

    def tune(self, a4_hz: float) -> None:
        """The orchestra's A."""
        if self._pitches is not None:
            self._pitches.tune(a4_hz)

    def hear(self, block: Array, heard_s: float, reference: Array | None = None) -> list[SoloEvent]:
        """The soloist's events in ``block``; ``reference`` (as long) is what the orchestra sounded meanwhile."""
        if self._pitches is not None:
            self._pitches.origin_s = self.ear.origin_s
        if self.canceller is not None:
            block = self.canceller.clean(block, np.zeros_like(block) if reference is None else reference)
            if self._own is not None:
                self._own.add(self.canceller.own)
        return self.ear.hear(block, heard_s)
