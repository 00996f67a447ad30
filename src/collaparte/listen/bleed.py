"""What is left of the orchestra in a spectrum, and the soloist without it.

Conventions: a frame's ``magnitude`` is (BINS,), of a window that ends at sample ``end`` of the cleaned sound (see
``hearing.spectrum``). ``own`` 0..1 is how surely there is more in it than the orchestra leaves there.

What the orchestra must look like at the microphone is known in one of two ways:

- from the echo that a canceller has taken out: its spectrum, and a tail for the room beyond the filter. How much of it
  is left is learnt for each band: the ratio that a fraction of the frames stays below, as a soloist can only add to it
  (compare minimum statistics: Martin, IEEE SAP 9, 2001). So much power is taken off, and a pitch that both play keeps
  what the soloist adds;
- where no sound is known because an external MIDI instrument plays, from the pitches that sound. How loud they are is
  not known then, so their partials are only weakened, most while they are being struck: enough to tell a soloist's
  other pitches from them, not enough to know a silent soloist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent
from collaparte.listen.audio import RATE
from collaparte.listen.hearing.spectrum import BINS, FFT, HOP_S
from collaparte.listen.hearing.templates import combs

BAND = 24  # bins, about 190 Hz
BANDS = BINS // BAND
TAIL_DB_PER_S = 60.0  # how fast a room beyond the filter is taken to die away
OVER = 1.5  # times the power that is expected to be left is taken off
LEFT_START = 0.1  # share of the echo's power left at first
LEFT_LEAST, LEFT_MOST = 1e-5, 1.0
QUANTILE = 0.3  # of the frames have less left than is learnt
STEP_DB = 0.15  # a frame
SMOOTH = 0.6
OWN_DB = (0.0, 6.0)  # all that is there, over what is explained: not, and surely, more than the orchestra
SILENT = 1e-5  # magnitude below which the orchestra does not sound
KEPT_S = 0.3
EARLY_S, STRUCK_S = 0.03, 0.12  # a pitch is expected so early, and counts as being struck for so long
RELEASE_S = 0.25  # ... and sounds on for so long when it is released
WEAKER_STRUCK, WEAKER = 0.25, 0.5  # amplitude left to the partials of a pitch that is being struck, that sounds

Array = NDArray[np.float32]


@dataclass(slots=True)
class _Note:
    begins_s: float
    ends_s: float
    pitch: int


class Bleed:
    """Told what sounds (``sounds``) or what echo was taken out (``echoed``); asked for the soloist's share."""

    def __init__(self, *, echo: bool) -> None:
        self.origin_s = 0.0  # of sample 0 on the take's clock
        self._echo = echo
        self._ring: Array = np.zeros(round(KEPT_S * RATE), np.float32)
        self._end = 0
        self._tail = np.zeros(BINS)
        self._left = np.full(BANDS, LEFT_START)
        self._ours, self._all = np.zeros(BANDS), np.zeros(BANDS)
        self._notes: dict[tuple[str, int], _Note] = {}
        self._combs: Array | None = None

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed; it is heard from its ``due_s`` on. Safe from another thread."""
        if self._echo:
            return
        key = (event.part, event.note)
        if event.on and 0 <= event.pitch <= 127:
            self._notes[key] = _Note(event.due_s - EARLY_S, np.inf, event.pitch)
        elif key in self._notes:
            self._notes[key].ends_s = event.due_s

    def echoed(self, echo: Array) -> None:
        """The echo (n,) that was taken out of the next samples."""
        self._ring = np.concatenate([self._ring, echo])[-len(self._ring) :]
        self._end += len(echo)

    def without(self, magnitude: Array, end: int, shape: Array) -> tuple[Array, float]:
        """(magnitude, own) of the soloist; ``shape`` is the window that ``magnitude`` was seen through."""
        if not self._echo:
            return self._weakened(magnitude, end, len(shape)), 1.0
        ours = self._of_echo(end, shape)
        if ours is None:
            return magnitude, 1.0
        power = magnitude.astype(np.float64) ** 2
        left = self._learn(ours, power)
        explained = OVER * ours * np.repeat(left, BAND)
        rest = np.maximum(power - explained, 0.0)
        over_db = 10.0 * float(np.log10((power.sum() + 1e-15) / (explained.sum() + 1e-15)))
        own = min(max((over_db - OWN_DB[0]) / (OWN_DB[1] - OWN_DB[0]), 0.0), 1.0)
        return np.sqrt(rest).astype(np.float32), own

    def _of_echo(self, end: int, shape: Array) -> NDArray[np.float64] | None:
        last = len(self._ring) - (self._end - end)
        seen = self._ring[last - len(shape) : last]
        if len(seen) < len(shape):  # more was heard at once than is kept
            return None
        self._tail *= 10.0 ** (-TAIL_DB_PER_S * HOP_S / 10.0)
        if float(np.abs(seen).max()) > SILENT:
            spectrum = np.fft.rfft(seen * shape, FFT)[:BINS]
            self._tail = np.maximum(self._tail, spectrum.real**2 + spectrum.imag**2)
        return self._tail if self._tail.max() > SILENT**2 else None

    def _weakened(self, magnitude: Array, end: int, window: int) -> Array:
        now_s = end / RATE + self.origin_s
        notes = list(self._notes.items())  # at once: the engine's thread adds to them
        for key, note in notes:
            if now_s > note.ends_s + RELEASE_S:
                del self._notes[key]
        sounding = [note for _, note in notes if note.begins_s < now_s <= note.ends_s + RELEASE_S]
        if not sounding:
            return magnitude
        if self._combs is None:
            self._combs = np.minimum(combs(0.0, window) * 2.0, 1.0)
        kept = np.ones(BINS, np.float32)
        for note in sounding:
            weaker = WEAKER_STRUCK if now_s < note.begins_s + EARLY_S + STRUCK_S else WEAKER
            kept = np.minimum(kept, 1.0 - (1.0 - weaker) * self._combs[note.pitch])
        return np.asarray(magnitude * kept, np.float32)

    def _learn(self, ours: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.float64]:
        self._ours = SMOOTH * self._ours + (1.0 - SMOOTH) * ours.reshape(BANDS, BAND).sum(axis=1)
        self._all = SMOOTH * self._all + (1.0 - SMOOTH) * power.reshape(BANDS, BAND).sum(axis=1)
        sounding = self._ours > 1e-3 * self._ours.max()
        more = self._all > self._left * self._ours
        step = np.where(more, STEP_DB * QUANTILE, -STEP_DB * (1.0 - QUANTILE)) * sounding
        self._left = np.clip(self._left * 10.0 ** (step / 10.0), LEFT_LEAST, LEFT_MOST)
        return self._left
