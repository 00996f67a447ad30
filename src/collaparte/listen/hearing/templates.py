"""What each place of the score should look like in a spectrum: harmonic combs, and which of their teeth are new.

Conventions: a template is float32 (n_bins,), of unit length, for the ``partials`` and ``rising`` of ``spectrum``.
``PITCHES`` combs are made for one tuning, ``cents`` sharp of A = 440 Hz. Similarity is a cosine, 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import SoloistError
from collaparte.listen.hearing.spectrum import BIN_HZ, BINS, SAMPLE_RATE, TOP_HZ
from collaparte.score import NOTE, Score

PITCHES = 128
PARTIALS = 14
FALL = 0.88  # each partial against the last, after compression ...
PURE_FALL = 0.25  # ... of a pure tone: a whistle, a stopped pipe, a tuning fork
PURE = 0.8  # share of a frame's power from which on one ridge is nearly all of it, ...
NEAR_BINS = 4  # ... so far around its height
SPREAD = 0.012  # width of a partial for vibrato and intonation, share of its frequency
BELOW = (12, 19)  # semitones below a note, of which it is the second and the third partial
RIDGE, FREE = 0.3, 0.1  # of the first partial's height: a partial of a note, and where it has none
HELD = 0.6  # weight of a note held from before
MERGE_BEATS = 1e-4

Array = NDArray[np.float32]


def combs(cents: float, window: int, fall: float = FALL) -> Array:
    """(PITCHES, n_bins): the partials of every pitch as ridges of the window's width."""
    bins_hz = (np.arange(BINS) * BIN_HZ)[None, :]
    width_hz = 0.85 * SAMPLE_RATE / window  # of a Hann window's main lobe, as a standard deviation
    table = np.zeros((PITCHES, BINS))
    for pitch in range(PITCHES):
        first_hz = 440.0 * 2.0 ** ((pitch - 69) / 12 + cents / 1200)
        numbers = np.arange(1, min(PARTIALS, int(TOP_HZ / first_hz)) + 1)
        if not len(numbers):
            continue
        centres = (first_hz * numbers)[:, None]
        spread = np.sqrt(width_hz**2 + (SPREAD * centres) ** 2)
        table[pitch] = (fall ** (numbers - 1)) @ np.exp(-0.5 * ((bins_hz - centres) / spread) ** 2)
    return table.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Places:
    """The soloist's onsets in order: ``beat`` (k,), what is struck there and what sounds on from before."""

    beat: NDArray[np.float64]
    struck: tuple[tuple[int, ...], ...]
    held: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, score: Score) -> Places:
        """Raises SoloistError when the soloist has no notes."""
        rows = score.solo[score.solo["kind"] == NOTE]
        rows = rows[(rows["pitch"] >= 0) & (rows["pitch"] < PITCHES)]
        if not len(rows):
            raise SoloistError(f"The soloist of {score.title!r} has no notes to hear. Choose another part with --solo.")
        beats, at = np.unique(np.round(rows["beat"], 6), return_inverse=True)
        struck: list[list[int]] = [[] for _ in beats]
        held: list[list[int]] = [[] for _ in beats]
        for row, place in zip(rows, at, strict=True):
            struck[place].append(int(row["pitch"]))
            ends = float(row["beat"] + row["duration_beats"]) - MERGE_BEATS
            later = place + 1
            while later < len(beats) and beats[later] < ends:
                held[later].append(int(row["pitch"]))
                later += 1
        return cls(
            beats,
            tuple(tuple(sorted(set(pitches))) for pitches in struck),
            tuple(tuple(sorted(set(pitches) - set(now))) for pitches, now in zip(held, struck, strict=True)),
        )


class Voice:
    """Similarity of a frame with notes that have these partials.

    ``sounding`` (chords + BELOW, n_bins), ``table`` (PITCHES, n_bins); ``of_place`` (k,) is the chord of each place.
    """

    def __init__(self, sounding: Array, table: Array, of_place: NDArray[np.int64]) -> None:
        self._sounding, self._alone, self._of_place = _unit(sounding), _unit(table), of_place
        here = self._sounding[of_place]
        # (k,): cosine between each place and the one before it, and the one before that.
        self.overlap, self.overlap_second = (
            np.concatenate([np.zeros(back), np.einsum("ij,ij->i", here[back:], here[:-back])]).astype(np.float64)[
                : len(here)
            ]
            for back in (1, 2)
        )

    def similar(self, partials: Array) -> tuple[NDArray[np.float64], float]:
        """Cosine (k,) of what sounds with what should, at every place; and with the first place an octave or a twelfth
        lower: what a speaking voice may be.
        """
        cosine: NDArray[np.float64] = (self._sounding @ partials / _length(partials)).astype(np.float64)
        return np.take(cosine, self._of_place), float(cosine[-len(BELOW) :].max())

    def notes(self, partials: Array) -> Array:
        """Cosine (PITCHES,) of what sounds with every note alone."""
        cosine: Array = self._alone @ partials / _length(partials)
        return cosine


class Templates:
    """What every place of the score looks like; equal chords are looked for once."""

    def __init__(self, places: Places, window: int, cents: float = 0.0) -> None:
        self._window = window
        self._first = places.struck[0]
        chords = [(struck, held) for struck, held in zip(places.struck, places.held, strict=True)]
        self._chords = sorted(set(chords))
        number = {chord: index for index, chord in enumerate(self._chords)}
        self._of_place = np.array([number[chord] for chord in chords])
        # One place for each chord that is not the first one's: what else there is on the page, however often.
        self.others = np.array([chords.index(chord) for chord in self._chords if chord != chords[0]], np.int64)
        self.tune(cents)

    def tune(self, cents: float) -> None:
        """Make the templates again, ``cents`` sharp of A = 440 Hz."""
        self.cents = cents
        self._table = combs(cents, self._window)
        begun = np.stack([self._table[list(s)].sum(0) for s, _ in self._chords])
        self._begun = _unit(begun)
        self._near, self._begun_near = (0, 0), self._begun[:0]  # the places last asked for
        pure = combs(cents, self._window, PURE_FALL)
        self.rich, self.pure = (Voice(self._sounding(table), table, self._of_place) for table in (self._table, pure))

    def _sounding(self, table: Array) -> Array:
        """(chords + BELOW, n_bins): what every chord, and the first one's notes lower, are made of."""
        chords = [table[list(s)].sum(0) + HELD * table[list(h)].sum(0) for s, h in self._chords]
        return np.stack([*chords, *(table[[max(p - down, 0) for p in self._first]].sum(0) for down in BELOW)])

    def voice(self, partials: Array) -> Voice:
        """What a frame is to be compared with: ``pure`` where nearly all of it is one ridge, else ``rich``."""
        height = int(np.argmax(partials))
        ridge = partials[max(height - NEAR_BINS, 0) : height + NEAR_BINS + 1]
        return self.pure if float(ridge @ ridge) > PURE * float(partials @ partials) else self.rich

    def best_note(self, partials: Array) -> float:
        """Cosine of what sounds with the one note, on the page or not, that fits it best."""
        return float(self.notes(partials).max())

    def notes(self, partials: Array) -> Array:
        """Cosine (PITCHES,) of what sounds with every note alone."""
        return self.voice(partials).notes(partials)

    def ridges(self, pitches: Sequence[int], without: Sequence[int]) -> NDArray[np.bool_]:
        """(n_bins,): where ``pitches`` have partials and those of ``without`` have none."""
        found: NDArray[np.bool_] = np.any(self._table[list(pitches)] > RIDGE, axis=0)
        found &= np.all(self._table[list(without)] < FREE, axis=0)
        return found

    def begins(self, rising: Array, first: int, last: int) -> NDArray[np.float64]:
        """How strongly the notes struck at the places ``first``..``last - 1`` of the page grow, in nepers."""
        if self._near != (first, last):
            self._near, self._begun_near = (first, last), self._begun[self._of_place[first:last]]
        growth: NDArray[np.float64] = (self._begun_near @ rising).astype(np.float64)
        return growth


def _length(partials: Array) -> float:
    return math.sqrt(float(partials @ partials)) + 1e-6


def _unit(rows: Array) -> Array:
    length = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    unit: Array = (rows / np.maximum(length, 1e-6)).astype(np.float32)
    return unit
