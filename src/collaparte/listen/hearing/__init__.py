"""Sound becomes SoloEvents, with the score at hand: an ear for melodies (``ear``), one for chords (``chords``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import SoloistError
from collaparte.events import SoloEvent
from collaparte.listen.hearing.ear import SAMPLE_RATE, Ear
from collaparte.listen.hearing.spectrum import KnownBleed
from collaparte.listen.hearing.templates import Places
from collaparte.score import Score

if TYPE_CHECKING:
    from collaparte.listen.hearing.chords.ear import ChordEar

Hearing = Literal["auto", "melody", "chords"]
HEARINGS: tuple[Hearing, ...] = ("auto", "melody", "chords")
STRUCK = frozenset((*range(16), *range(24, 32), 46))  # General MIDI: keyboards, chimes, guitars, harp
POLYPHONIC = 0.15  # share of the places with more than one note that sounds


class Hears(Protocol):
    """What both ears are to those who use them."""

    origin_s: float
    bleed: KnownBleed | None

    @property
    def a4_hz(self) -> float:
        """The soloist's A as it is known now."""

    @property
    def tuned(self) -> bool:
        """Whether enough was heard to know it."""

    def hear(self, block: NDArray[np.float32], heard_s: float) -> list[SoloEvent]:
        """What began and ended, as known at ``heard_s``."""

    def relocate(self, beat: float) -> None:
        """The player says: the next note is the first at or after ``beat``."""


def hearing_of(score: Score) -> Literal["melody", "chords"]:
    """Which ear suits the soloist: chords for a keyboard or plucked part in which notes sound together.

    Raises SoloistError when the soloist has no notes.
    """
    places = Places.of(score)
    together = np.mean([len(s) + len(h) > 1 for s, h in zip(places.struck, places.held, strict=True)])
    programs = {part.program for part in score.parts if part.solo}
    return "chords" if together > POLYPHONIC and programs and programs <= STRUCK else "melody"


def make_ear(score: Score, hearing: str = "auto", *, a4_hz: float | None = None) -> Ear | ChordEar:
    """The ear for ``score``'s soloist; ``hearing`` is one of ``HEARINGS``, ``a4_hz`` their A where it is known.

    Raises SoloistError for another name.
    """
    if hearing not in HEARINGS:
        raise SoloistError(f"There is no hearing called {hearing!r}. There are: {', '.join(HEARINGS)}.")
    if (hearing_of(score) if hearing == "auto" else hearing) == "melody":
        return Ear(score, a4_hz=a4_hz)
    from collaparte.listen.hearing.chords.ear import ChordEar

    return ChordEar(score, a4_hz=a4_hz)


__all__ = ["HEARINGS", "SAMPLE_RATE", "Ear", "Hearing", "Hears", "hearing_of", "make_ear"]
