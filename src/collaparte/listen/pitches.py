"""The orchestra in a spectrum, known by its pitches alone: an external MIDI instrument plays, and gives no sound.

Conventions: a frame's ``magnitude`` is (BINS,), of a window that ends at sample ``end`` (see ``hearing.spectrum``).

How loud the pitches are is not known, so their partials are only weakened, most while they are struck: enough to tell a
soloist's other pitches from them, not enough to know a silent soloist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent
from collaparte.listen.audio import RATE
from collaparte.listen.hearing.spectrum import BINS
from collaparte.listen.hearing.templates import combs

EARLY_S, STRUCK_S = 0.03, 0.12  # a pitch is expected so early, and counts as being struck for so long
RELEASE_S = 0.25  # ... and sounds on for so long when it is released
WEAKER_STRUCK, WEAKER = 0.25, 0.5  # amplitude left to the partials of a pitch that is being struck, that sounds

Array = NDArray[np.float32]


@dataclass(slots=True)
class _Note:
    begins_s: float
    ends_s: float
    pitch: int


class KnownPitches:
    """Told what ``sounds``; asked for a spectrum ``without`` it."""

    def __init__(self) -> None:
        self.origin_s = 0.0  # of sample 0 on the take's clock
        self._notes: dict[tuple[str, int], _Note] = {}
        self._combs: Array | None = None

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed; it is heard from its ``due_s`` on. Safe from another thread."""
        key = (event.part, event.note)
        if event.on and 0 <= event.pitch <= 127:
            self._notes[key] = _Note(event.due_s - EARLY_S, np.inf, event.pitch)
        elif key in self._notes:
            self._notes[key].ends_s = event.due_s

    def without(self, magnitude: Array, end: int, shape: Array) -> tuple[Array, float]:
        """(magnitude, 1): weakened where the orchestra sounds; ``shape`` is the window it was seen through."""
        now_s = end / RATE + self.origin_s
        notes = list(self._notes.items())  # at once: the engine's thread adds to them
        for key, note in notes:
            if now_s > note.ends_s + RELEASE_S:
                del self._notes[key]
        sounding = [note for _, note in notes if note.begins_s < now_s <= note.ends_s + RELEASE_S]
        if not sounding:
            return magnitude, 1.0
        if self._combs is None:
            self._combs = np.minimum(combs(0.0, len(shape)) * 2.0, 1.0)
        kept = np.ones(BINS, np.float32)
        for note in sounding:
            weaker = WEAKER_STRUCK if now_s < note.begins_s + EARLY_S + STRUCK_S else WEAKER
            kept = np.minimum(kept, 1.0 - (1.0 - weaker) * self._combs[note.pitch])
        return np.asarray(magnitude * kept, np.float32), 1.0
