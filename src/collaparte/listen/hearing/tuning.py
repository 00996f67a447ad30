"""The soloist's A, found while playing: a few guesses half a semitone apart, of which one is soon left, then its cents.

Conventions: ``cents`` are against A = 440 Hz; A = 415 to 466 Hz is -101 to +100. Combs of one tuning hear about 30
cents either way, so guesses ``STEP`` apart leave no gap. Each guess has a decoder of its own until the sound has told
which is right: what counts is how well each fits where it believes the soloist to be, summed over the frames (a Bayes
factor with gentle likelihoods, as neighbouring frames say the same), and A = 440 is believed beforehand. A guess far
from 440 Hz speaks only once it has heard some notes in a row: a soloist who warms up in another key must not start.

Within the guess the A is measured at the partials of the note that is surely sounding: the height of their peaks
between the bins (quadratic interpolation: Smith & Serra, PARSHL, 1987), of which a weighted median is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.beginning import Beginning
from collaparte.listen.hearing.decoder import Decoder, Reached
from collaparte.listen.hearing.spectrum import BIN_HZ, BINS, HOP_S, Frame

USUAL_HZ = 440.0
STEP = 50.0  # cents between guesses
GUESSES = (0.0, -STEP, STEP, -2 * STEP, 2 * STEP)
DOUBT = 0.02  # nats against a guess for each cent that it is from 440 Hz
GENTLE = 0.5  # nats for a frame that fits perfectly against one that does not fit at all
PLACES, LEAD = 2, 2.0  # places heard in a row, and nats ahead, before another guess speaks ...
WARY_PLACES, WARY_LEAD = 3, 6.0  # ... where somebody else was heard before
BEHIND, AFTER_S = 12.0, 2.0  # nats behind, after so much sound, at which a guess is given up ...
SETTLED_S = 8.0  # ... and all but the best, after so much

PARTIALS = 6  # of a note, at which its height is measured
FROM_HZ, TO_HZ = 250.0, 3600.0
REACH = 60.0  # cents around the present estimate
RESOLUTION = 2.0  # cents
WIDEST = 160.0  # cents
FORGET_S = 20.0  # of sounding notes
ENOUGH = 60.0  # weight (ridges of log magnitude, summed) before the estimate is used: a second of clear sound
MOVED = 6.0  # cents from the combs before they are made again
SURE = 0.9  # belief in the place whose notes are measured

Array = NDArray[np.float32]


class Pitch:
    """Where the partials of known notes lie: ``listen`` to frames, read ``cents``."""

    def __init__(self, cents: float) -> None:
        self.cents, self.measured = cents, False
        self._heights = np.zeros(int(2 * WIDEST / RESOLUTION) + 1)

    def listen(self, partials: Array, pitches: Sequence[int]) -> None:
        """Take in one frame (n_bins,) in which ``pitches`` sound."""
        kept = 1.0 - HOP_S / FORGET_S
        self._heights *= kept
        for pitch in pitches:
            first_hz = USUAL_HZ * 2.0 ** ((pitch - 69) / 12)
            for number in range(1, PARTIALS + 1):
                found = _peak(partials, first_hz * number, self.cents)
                if found is not None:
                    cents, height = found
                    self._heights[round((cents + WIDEST) / RESOLUTION)] += height
        total = np.cumsum(self._heights)
        if total[-1] > ENOUGH:
            self.measured = True
            self.cents = float(np.searchsorted(total, 0.5 * total[-1])) * RESOLUTION - WIDEST


def _peak(partials: Array, hz: float, cents: float) -> tuple[float, float] | None:
    """(cents from ``hz``, height) of the ridge within REACH of ``cents``; None where there is none."""
    low, high = hz * 2.0 ** ((cents - REACH) / 1200), hz * 2.0 ** ((cents + REACH) / 1200)
    first, last = int(np.ceil(low / BIN_HZ)), int(high / BIN_HZ)
    if low < FROM_HZ or high > TO_HZ or last >= BINS - 1 or first > last:
        return None
    at = first + int(np.argmax(partials[first : last + 1]))
    left, middle, right = float(partials[at - 1]), float(partials[at]), float(partials[at + 1])
    bend = left - 2.0 * middle + right
    if middle <= 0.0 or middle < left or middle < right or bend >= 0.0:
        return None
    found_hz = (at + 0.5 * (left - right) / bend) * BIN_HZ
    found = 1200.0 * float(np.log2(found_hz / hz))
    return (found, middle) if abs(found) < WIDEST else None


@dataclass
class Guess:
    """One A, and what is heard if it is the right one."""

    cents: float
    decoder: Decoder
    score: float = 0.0
    reached: list[Reached] = field(default_factory=list)  # the last few
    said: list[Reached] = field(default_factory=list)  # since it began, while there are other guesses
    beginning: Beginning = field(init=False)

    def __post_init__(self) -> None:
        self.beginning = Beginning(self.decoder)

    def leads(self, before: Guess) -> bool:
        """Whether it is so far ahead of the guess that was best before that it may speak."""
        needed, lead = (WARY_PLACES, WARY_LEAD) if self.beginning.others else (PLACES, LEAD)
        places = [one.place for one in self.reached[-needed:]]
        in_a_row = len(places) == needed and places == list(range(places[0], places[0] + needed))
        return in_a_row and self.beginning.begun and self.score > before.score + lead


class Guesses:
    """Decoders for several tunings that become one. ``decoder_of`` makes one for a tuning in cents.

    Where the A is known beforehand there is one guess.
    """

    def __init__(self, decoder_of: Callable[[float], Decoder], cents: float | None) -> None:
        self._all = [Guess(at, decoder_of(at), -DOUBT * abs(at)) for at in (GUESSES if cents is None else (cents,))]
        self.best = self._all[0]
        self._pitch = Pitch(self.best.cents)
        self._sounded_s = 0.0

    @property
    def cents(self) -> float:
        """The soloist's tuning as it is known now."""
        return self._pitch.cents

    @property
    def tuned(self) -> bool:
        """Whether one guess is left and its cents were measured."""
        return len(self._all) == 1 and self._pitch.measured

    @property
    def begun(self) -> bool:
        """Whether the piece has begun, as the best guess has it."""
        return self.best.beginning.begun

    def hear(self, frame: Frame) -> list[Reached]:
        """Take one frame in; the places that the best guess is now known to have reached."""
        found: list[Reached] = []
        for guess in self._all:
            reached = guess.decoder.hear(frame)
            if reached is not None:
                guess.reached = [*guess.reached, reached][-WARY_PLACES:]
            said = guess.beginning.hear(reached, frame)
            guess.said += said if len(self._all) > 1 else []
            if not guess.beginning.perhaps:
                guess.reached = []
            if guess is self.best:
                found = said
        if len(self._all) > 1:
            if any(guess.reached for guess in self._all):
                found = self._compare(frame) or found
            else:
                self._forget()
        self._measure(frame)
        return found

    def seek(self, place: int) -> None:
        """The soloist has just struck ``place``, or (-1) has not begun."""
        for guess in self._all:
            guess.decoder.seek(place)
            guess.reached, guess.said = [], []
            guess.beginning.seek(place >= 0)
        self._forget()

    def _forget(self) -> None:
        for guess in self._all:
            guess.score = -DOUBT * abs(guess.cents)
        self._sounded_s = 0.0

    def _compare(self, frame: Frame) -> list[Reached]:
        """Where the soloist is, when another guess has become the best; all it heard, if nothing was said before."""
        self._sounded_s += HOP_S * frame.active
        for guess in self._all:
            guess.score += GENTLE * frame.active * guess.decoder.fit
        before, best = self.best, max(self._all, key=lambda guess: guess.score)
        took_over = best is not before and best.leads(before)
        if took_over:
            self.best, self._pitch = best, Pitch(best.cents)
        if len(self.best.reached) >= PLACES and self._sounded_s > AFTER_S:
            least = np.inf if self._sounded_s > SETTLED_S else self.best.score - BEHIND
            self._all = [guess for guess in self._all if guess is self.best or guess.score > least]
        if not took_over:
            return []
        return best.reached[-1:] if before.beginning.begun else best.said

    def _measure(self, frame: Frame) -> None:
        decoder = self.best.decoder
        if frame.active < 1.0 or decoder.belief < SURE or decoder.reached < 0:
            return
        self._pitch.listen(frame.partials, decoder.places.struck[decoder.reached])
        if abs(self._pitch.cents - decoder.templates.cents) > MOVED:
            decoder.templates.tune(self._pitch.cents)
