"""What an orchestra whose notes are known, and nothing else of it, is expected to add to a spectrum.

Conventions: a frame's ``power`` is (BINS,), of a window whose last sample is at ``now_s`` on the take's clock (see
``hearing.spectrum``). Every pitch that sounds is a comb of ridges at its partials (non-negative combinations of known
templates, as in Lee & Seung, Nature 401, 1999, with the activations given by the notes instead of learnt): as loud as
it was struck until it is let go, then fading. How loud that is at the microphone is learnt for each of some bands of
frequency: a quantile that moves by small steps, up or down as more or less is heard on the ridges, and cares little for
a soloist who is on them now and then (Robbins & Monro, Annals of Mathematical Statistics 22, 1951). Before a band was
heard it is believed to be like the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent
from collaparte.listen.hearing.spectrum import BIN_HZ, BINS, HOP_S, SAMPLE_RATE, TOP_HZ

EARLY_S, LATE_S = 0.03, 0.2  # a note may sound so much before it is due, and after its end
STRUCK_S, STRUCK = 0.12, 0.003  # a stroke lasts so long, and is so much of the note's power in every bin
FADES_DB_PER_S = 20.0  # a sustained sound of a synthesiser with its reverberation, and the room, once it is let go
GONE = 1e-5  # power at which a note has faded
BETWEEN = 1e-4  # of the loudest note's power, between the ridges: the window's skirts
PARTIALS = 30
WIDTH = 0.85  # of a ridge, in widths of the window's main lobe, ...
SPREAD = 0.006  # ... and as a share of its frequency: vibrato, chorus, tuning
EDGES_HZ = (0.0, 170.0, 240.0, 340.0, 480.0, 680.0, 960.0, 1360.0, 1920.0, 2700.0, 3800.0)  # where bands begin
USUAL_VELOCITY = 64.0
LEARN_FROM = (0.3, 1e-3)  # of what is expected in a band, and of the loudest note: steady notes must be so much of it
ON_RIDGE = 0.3  # of a band's highest ridge
QUANTILE = 0.7
POWER_DB = 6.0  # partials differ: so much is their mean power over the mean of their decibels
FIRST_DB_PER_S, LAST_DB_PER_S, SOON_S = 40.0, 3.0, 0.3  # how fast a level is followed: at first, later
DOUBT_DB, DOUBT_S = 12.0, 1.0  # a level may be so far off before its band was heard for about so long
PARTIAL = 0.02  # of the first partial's power: what belongs to a note
RETUNED = 0.003  # of the A: a smaller difference changes nothing

Array = NDArray[np.float32]


@dataclass(slots=True)
class _Note:
    begins_s: float
    ends_s: float
    pitch: int
    power: float


class Expected:
    """Told what ``sounds``; asked once for each frame, in order, what there is of it ``in_frame``."""

    def __init__(self) -> None:
        self.a4_hz = 440.0  # of the orchestra; may be changed from another thread
        self._notes: dict[tuple[str, int], _Note] = {}
        self._tuned_hz = 0.0
        self._ridges: Array = np.zeros((128, BINS), np.float32)
        edges = np.round(np.array(EDGES_HZ) / BIN_HZ).astype(int)
        self._edges = edges
        self._band = np.searchsorted(edges, np.arange(BINS), side="right") - 1
        self._sounding: Array = np.zeros(128, np.float32)  # power of each pitch
        self._struck = 0.0
        self._level_db = np.zeros(len(edges))
        self._heard_s = np.zeros(len(edges))  # for how long each band's level was learnt
        self.spared = np.zeros(BINS, np.bool_)  # where somebody else may be sounding: nothing is learnt from it

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed; it is heard from its ``due_s`` on. Safe from another thread."""
        key = (event.part, event.note)
        if event.on and 0 <= event.pitch <= 127:
            power = (event.velocity / USUAL_VELOCITY) ** 2
            self._notes[key] = _Note(event.due_s - EARLY_S, np.inf, event.pitch, power)
        elif key in self._notes:
            self._notes[key].ends_s = event.due_s + LATE_S

    @property
    def learnt(self) -> bool:
        """Whether the orchestra has been heard."""
        return bool((self._heard_s > 0).any())

    @property
    def doubt_db(self) -> float:
        """How far the levels may be off."""
        known = self._heard_s[self._heard_s > 0]
        return DOUBT_DB * float(np.exp(-np.median(known) / DOUBT_S)) if len(known) else DOUBT_DB

    def partials(self, pitches: Sequence[int]) -> NDArray[np.bool_]:
        """(BINS,): where notes of ``pitches`` have partials, at the orchestra's A."""
        found: NDArray[np.bool_] = np.any(self._ridges[list(pitches)] > PARTIAL, axis=0)
        return found

    def in_frame(self, power: Array, now_s: float, window: int) -> Array:
        """Power (BINS,) that is usual of the orchestra in such a frame: all of it, until it was learnt.

        ``window`` samples long is the window that the frame was seen through.
        """
        if abs(self.a4_hz / self._tuned_hz - 1.0 if self._tuned_hz else 1.0) > RETUNED:
            self._tuned_hz = self.a4_hz
            self._ridges = ridges(self._tuned_hz, window)
        steady, stroke = self._now(now_s)
        loudest = float(self._sounding.max())
        if loudest < GONE:
            return np.zeros_like(power)
        self._struck = max(stroke, 0.8 * self._struck)
        there = self._sounding @ self._ridges + np.float32(STRUCK * self._struck + BETWEEN * loudest)
        if steady.any():
            self._learn(power, steady @ self._ridges, there, float(steady.max()))
        known = self._heard_s > 0
        if not known.any():
            return np.where(there > LEARN_FROM[1] * loudest, power, np.float32(0.0))
        alike_db = float(np.average(self._level_db[known], weights=np.minimum(self._heard_s[known], 3.0)))
        level_db = np.where(known, self._level_db, alike_db)
        usual: Array = there * (10.0 ** (level_db / 10.0)).astype(np.float32)[self._band]
        return usual

    def _now(self, now_s: float) -> tuple[Array, float]:
        """The power (128,) of the pitches that sound and were not just struck, and of the loudest that was."""
        self._sounding *= np.float32(10.0 ** (-FADES_DB_PER_S * HOP_S / 10.0))
        steady, stroke = np.zeros(128, np.float32), 0.0
        for key, note in list(self._notes.items()):  # at once: the engine's thread adds to them
            if now_s > note.ends_s:
                del self._notes[key]
            elif now_s >= note.begins_s:
                self._sounding[note.pitch] = max(self._sounding[note.pitch], note.power)
                if now_s < note.begins_s + EARLY_S + STRUCK_S:
                    stroke = max(stroke, note.power)
                else:
                    steady[note.pitch] = max(steady[note.pitch], note.power)
        return steady, stroke

    def _learn(self, power: Array, steady: Array, there: Array, loudest: float) -> None:
        highest = np.maximum.reduceat(steady, self._edges)
        learns = highest > np.maximum(LEARN_FROM[0] * np.maximum.reduceat(there, self._edges), LEARN_FROM[1] * loudest)
        on = (steady > np.maximum(ON_RIDGE * highest, 1e-6)[self._band]) & ~self.spared
        ratio_db = 10.0 * np.log10((power + np.float32(1e-15)) / np.where(on, steady, np.float32(1.0)))
        # A mean of decibels: a soloist on one of the ridges moves it little.
        count = np.add.reduceat(on.astype(np.float32), self._edges)
        learns, count = learns & (count > 0), np.maximum(count, 1.0)
        heard_db = POWER_DB + np.add.reduceat(np.where(on, ratio_db, 0.0), self._edges) / count
        step_db = HOP_S * np.maximum(FIRST_DB_PER_S / (1.0 + self._heard_s / SOON_S), LAST_DB_PER_S)
        moved = np.where(heard_db > self._level_db, 2.0 * QUANTILE, -2.0 * (1.0 - QUANTILE)) * step_db
        self._level_db = np.where(learns, np.where(self._heard_s > 0, self._level_db + moved, heard_db), self._level_db)
        self._heard_s += HOP_S * learns


def ridges(a4_hz: float, window: int) -> Array:
    """(128, BINS): the partials of every pitch, seen through ``window`` samples; partial n has 1 / n of the power."""
    bins_hz = (np.arange(BINS) * BIN_HZ)[None, :]
    width_hz = WIDTH * SAMPLE_RATE / window
    table = np.zeros((128, BINS))
    for pitch in range(128):
        first_hz = a4_hz * 2.0 ** ((pitch - 69) / 12)
        numbers = np.arange(1, min(PARTIALS, int(TOP_HZ / first_hz)) + 1)[:, None]
        if len(numbers):
            centres = first_hz * numbers
            spread = np.sqrt(width_hz**2 + (SPREAD * centres) ** 2)
            table[pitch] = (np.exp(-(((bins_hz - centres) / spread) ** 2)) / numbers).max(axis=0)
    return table.astype(np.float32)
