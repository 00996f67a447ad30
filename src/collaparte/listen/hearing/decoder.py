"""Where in the score the sound is: a semi-Markov filter over places and how long each has lasted.

After each 10 ms frame the filter holds the probability of every (place, age): the soloist struck the notes of
``place`` ``age`` frames ago and has struck nothing since. Leaving a place has a hazard that follows from the written
length and the present tempo (a log-logistic distribution of lengths: late notes, pauses and fermatas cost little more
the longer they are); what a place looks like is compared with the spectrum, with the note before still in the window
while the age is small; and the passage through one age, when the window has just filled, is paid by the growth of the
struck notes' partials. The age of a place is thus a belief about when the sound *began*, freed of the delay with which
it was noticed. Hidden semi-Markov models for score following: Cont, A coupled duration-focused architecture for
real-time music-to-score alignment (IEEE PAMI 32, 2010); Raphael, Automatic segmentation of acoustic musical signals
using hidden Markov models (IEEE PAMI 21, 1999).

Only ``SPAN`` places around the present one are kept; whether the soloist is elsewhere is asked of ``elsewhere``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.elsewhere import Elsewhere
from collaparte.listen.hearing.spectrum import HOP_S, Frame
from collaparte.listen.hearing.templates import Places, Templates

Array = NDArray[np.float64]

SPAN, BEHIND = 24, 8  # places kept, of them behind the present one
AGES = 250  # frames; the last age stands for everything older
SHARPNESS = 1.8  # nats for a frame that fits perfectly against one that does not fit at all
ATTACK = 4.0  # nats for each e-fold of growth over the usual ...
ATTACK_AT = 5  # ... at this age, in windows of 1024
ATTACK_FRAMES = 8  # frames back from there whose strongest growth counts
ATTACK_USUAL = 1.2  # growth at which an attack is neither likely nor unlikely
ATTACK_LEAST = 0.3
ATTACK_MOST = 4.0  # nats
# How much of the note before, and of the one before that, may still ring (rooms, other strings), at first and later.
YOUNG, OLD = np.array([(0.4, 0.0), (1.0, 0.0), (1.0, 0.7)]), np.array([(0.0, 0.0), (0.4, 0.0), (0.4, 0.4)])
RINGS_FROM = 4  # the first place reached before which only one may: while the tempo is not known it would tell nothing
ROOM_AGES = 40  # frames until "later"
SILENT_ENTRY = -3.0  # nats a frame for a note that is said to begin in silence
SKIPS = (0.989, 0.01, 0.001)  # of leaving for the next place, the one after it, the third
LEAP = 1e-8  # probability per frame of being somewhere else in the span after all
LEAP_PLACES = 6.0  # e-fold of places it reaches
LEAST, LEAST_S = 0.4, 0.09  # no note is left before this share of its length, or this long: the growth at its own
# beginning must not count for the next one
SPREAD = 0.06  # of the log of a length, when the tempo is known
SPREAD_S = 0.02  # ... and in seconds, of short notes
HELD = 0.05  # share of notes that are held, or hurried, beyond that: ...
HELD_SPREAD = 0.4  # ... spread of the log of their length
STILL = 0.01  # of the usual hazard, while there is silence
NOTHING = 0.4  # similarity credited to "has not begun"
NOISE_MARGIN = 0.2  # ... or this much over the middle one of the other chords of the score
SHARPNESS_BEFORE = 9.0  # ... and how much is made of it: noise must not begin
SAME = 0.95  # cosine of two places that look alike
MUSIC = (0.5, 0.7)  # of the usual similarity, for the best of the places around: below, what sounds is not this music
USUAL_START, USUAL_SHARE = 0.5, 0.002  # what is usual, at first, and how it is learnt from each frame
MUSIC_PLACES = (1, 5)  # behind and ahead of the present one
MUSIC_SHARE = 0.05  # of what is thought of it, from each frame: the change from note to note is nothing strange
STRICT, STRICT_SHARE = (0.6, 0.8), 0.25  # ... but before the beginning, and after a pause, notes come from silence
PAUSE_S = 1.0
BEGIN = 0.01  # probability per frame of beginning
DECIDED = 0.6  # probability at which a place is said to be reached
TEMPO_START = 0.9  # spread of the log of the beat period at the start: a page without a tempo mark says little
TEMPO_JUMP = 0.3  # ... and after a jump
TEMPO_SHARE = 0.55  # of that spread that a note's length is given
TEMPO_DRIFT = 0.06  # ... growing with every square root of a beat
TEMPO_DOUBT = 3.0  # times the variance, for each note whose length fits no such tempo
TEMPO_NOISE_S = 0.03  # of one onset
TEMPO_NOISE = 0.15  # ... and of a share of the interval, at first; then as uneven as the soloist is, ...
TEMPO_EVEN, TEMPO_LEARN = 0.05, 0.2  # ... but no more even than this; learnt from each note at this rate
SLOWEST, FASTEST = 5.0, 5.0  # bounds of the tempo against the page's


@dataclass(frozen=True, slots=True)
class Reached:
    """The soloist struck the notes of ``place`` at ``time_s``; known at ``heard_s`` with ``certainty``.

    ``certainty`` is the belief that they are there or beyond, ``there`` that they are at this very place.
    """

    place: int
    time_s: float
    heard_s: float
    certainty: float
    there: float


class Decoder:
    """Frames in, places reached out. ``page_s`` (k,) is when each place comes if played as the page asks."""

    def __init__(self, places: Places, page_s: Array, templates: Templates, window: int) -> None:
        self.places, self.page_s, self.templates = places, page_s, templates
        self._count = len(places.beat)
        self._scale = window // 1024
        size = window // 160
        self._fade = np.cumsum(np.hanning(size + 2)[1:-1])
        self._fade = (self._fade / self._fade[-1])[:, None]  # (ages, 1): how much of the window the new note fills
        self._attack_at = ATTACK_AT * self._scale + (self._scale - 1)
        self._attacks: list[Array]
        self._rings: list[tuple[Array, Array]]
        self._age_s: Array = np.asarray((np.arange(AGES) + 0.5) * HOP_S, dtype=np.float64)
        self.factor = 1.0  # seconds played for one on the page
        self.fit = 0.0  # 0..1, how well the last frame fits where the soloist is believed to be
        self.belief = 0.0  # that ``reached`` sounds, and is no longer young
        self.similar: Array = np.zeros(self._count)  # (k,) how well the last frame fits each place
        self._log_spread = TEMPO_START
        self._uneven = TEMPO_NOISE
        self._last: tuple[int, float] | None = None
        ends_s = page_s[-1:] + 1.0
        self._elsewhere = Elsewhere(np.diff(np.concatenate([page_s, ends_s])))
        self.seek(-1)

    def seek(self, place: int) -> None:
        """The soloist has just struck ``place``, or (-1) has not begun."""
        self.reached = place
        self._elsewhere.seek(place)
        self._first = min(place, 0) if place < BEHIND else place - BEHIND
        self._alpha = np.zeros((SPAN, AGES))
        self._alpha[place - self._first, 0 if place >= 0 else AGES - 1] = 1.0
        self._attacks = []
        self._usual = self._music = USUAL_START
        self._paused_s = 0.0  # silence since the last place was reached
        self._last = None
        self._time()

    # -- one frame ---------------------------------------------------------------------------------------------------

    def hear(self, frame: Frame) -> Reached | None:
        """Take one frame in; a place, when one has been reached."""
        first = max(self._first, 0)
        growth = self.templates.begins(frame.rising, first, first + SPAN)
        other = self.templates.below(frame.partials) if self.reached < 0 else 0.0
        return self.weigh(frame, self.templates.similar(frame.partials), growth, other)

    def weigh(self, frame: Frame, similar: Array, growth: Array, other: float = 0.0) -> Reached | None:
        """As ``hear``, with the frame already compared with every place (k,): what sounds, and what grows.

        ``other``: how well what is not the beginning fits it.
        """
        if self.reached >= 0:
            place = self._elsewhere.hear(similar, frame.active, self.factor, self.reached, self.fit)
            if place is not None:
                self.seek(place)
                self._log_spread = max(self._log_spread, TEMPO_JUMP)
                self._time()
        self.similar = similar
        active = frame.active * self._musical(similar, frame.active)
        similar = self._around(similar, max(NOTHING, other, self._noise(similar)))
        growth = self._around(growth, 0.0)
        attack = np.minimum(ATTACK * np.log((growth + ATTACK_LEAST) / (ATTACK_USUAL + ATTACK_LEAST)), ATTACK_MOST)
        self._attacks = [attack, *self._attacks[: ATTACK_FRAMES * self._scale - 1]]
        self._move(max(active, STILL))
        self._weigh(similar, active)
        total = self._alpha.sum()
        self._alpha /= total
        self.fit = float((self._alpha.sum(axis=1) * similar).sum())
        return self._decide(frame)

    def _noise(self, similar: Array) -> float:
        """Noise fits everything a little: to begin, it must fit the first place better than the rest of the page."""
        others = self.templates.others
        return float(np.median(similar[others])) + NOISE_MARGIN if self.reached < 0 and len(others) else 0.0

    def _musical(self, similar: Array, active: float) -> float:
        """0..1: whether what sounds is the music around here, lately; talk and other people's notes move nothing."""
        if active < 0.5:
            self._music = self._usual
            self._paused_s += HOP_S
            return 1.0
        behind, ahead = MUSIC_PLACES
        best = float(similar[max(self.reached - behind, 0) : self.reached + ahead + 1].max())
        strict = self.reached < 0 or self._paused_s >= PAUSE_S
        self._music += (STRICT_SHARE if strict else MUSIC_SHARE) * (best - self._music)
        low, high = (share * self._usual for share in (STRICT if strict else MUSIC))
        if best > low:
            self._usual += USUAL_SHARE * (best - self._usual)
        return min(max((self._music - low) / (high - low), 0.0), 1.0)

    def _around(self, values: Array, before: float) -> Array:
        """The values of the places in the span; nothing fits beyond the end."""
        span = np.zeros(SPAN)
        first = max(self._first, 0)
        here = values[first : self._first + SPAN]
        span[first - self._first : first - self._first + len(here)] = here
        if self._first < 0:
            span[0] = before
        return span

    def _move(self, lively: float) -> None:
        alpha = self._alpha
        leaving = alpha * (self._hazard * lively)
        gone = leaving.sum(axis=1)
        alpha -= leaving
        oldest = alpha[:, -1].copy()
        alpha[:, 1:] = alpha[:, :-1]
        alpha[:, -1] += oldest
        entering = np.zeros(SPAN)
        for skipped, share in enumerate(SKIPS):
            entering[skipped + 1 :] += share * gone[: SPAN - skipped - 1]
        alpha[:, 0] = entering
        if self.reached >= 0:
            alpha[:, len(self._fade)] += self._leap
        # What would leave the span stays where it is: the end of the score, or of what is looked at.
        alpha[-1, -1] += gone[-1]

    def _weigh(self, similar: Array, active: float) -> None:
        sharp = (SHARPNESS if self.reached >= 0 else SHARPNESS_BEFORE) * active
        early, late = (self._rung(similar, rings, scale) for rings, scale in self._rings)
        if self._first < 0:  # nothing rings on into the first place
            early[:2] = late[:2] = similar[:2]
        fade = self._fade.T
        young = fade.shape[1]
        early, late, old = early[:, None], late[:, None], np.concatenate([late[:1], late[:-1]])[:, None]
        self._alpha[:, :young] *= np.exp(sharp * (fade * early + (1.0 - fade) * old - 1.0))
        self._alpha[:, young:ROOM_AGES] *= np.exp(sharp * (early - 1.0))
        self._alpha[:, ROOM_AGES:] *= np.exp(sharp * (late - 1.0))
        self._alpha[:, self._attack_at] *= np.exp(np.max(self._attacks, axis=0) * active)
        if active < 1.0:
            self._alpha[:, young // 2 : young + 4] *= np.exp(SILENT_ENTRY * (1.0 - active))

    def _rung(self, similar: Array, rings: Array, scale: Array) -> Array:
        """(span,): as ``similar``, while the two notes before ring on as it fits best."""
        last, over = np.zeros(SPAN), np.zeros(SPAN)
        last[1:], over[2:] = similar[:-1], similar[:-2]
        found: Array = ((similar + rings[:, :1] * last + rings[:, 1:] * over) * scale).max(axis=0)
        return found

    # -- what is known now -------------------------------------------------------------------------------------------

    def _decide(self, frame: Frame) -> Reached | None:
        mass = self._alpha.sum(axis=1)
        self.belief = float(self._alpha[max(self.reached, 0) - self._first, 2 * len(self._fade) :].sum())
        # The same notes again are told by their attack alone: until it was weighed they were not struck.
        again = self._alpha[:, : self._attack_at].sum(axis=1) * (self._overlap > SAME)
        at_least = np.cumsum((mass - again)[::-1])[::-1]
        place = int(np.flatnonzero(at_least >= DECIDED)[-1]) if (at_least >= DECIDED).any() else 0
        if place + self._first <= self.reached or place + self._first >= self._count:
            return None
        row = self._alpha[place]
        weight = float(row.sum())
        age_s = float(np.interp(0.5 * weight, np.cumsum(row), self._age_s + HOP_S / 2))  # the median: tails are long
        self.reached = place + self._first
        self._paused_s = 0.0
        time_s = frame.time_s - age_s
        self._observe(self.reached, time_s)
        self._slide()
        return Reached(self.reached, time_s, frame.time_s, min(float(at_least[place]), 0.99), weight)

    def _observe(self, place: int, time_s: float) -> None:
        """Kalman filter on the log of the tempo; a pause leaves it alone."""
        if self._last is not None and place > self._last[0]:
            page_s = float(self.page_s[place] - self.page_s[self._last[0]])
            played_s = time_s - self._last[1]
            beats = float(self.places.beat[place] - self.places.beat[self._last[0]])
            drift = self._log_spread**2 + TEMPO_DRIFT**2 * beats
            if page_s > 0 and played_s > 0.01:
                error = float(np.log(played_s / page_s) - np.log(self.factor))
                noise = (TEMPO_NOISE_S / played_s) ** 2 + self._uneven**2
                if abs(error) < 3.0 * np.sqrt(drift + noise) + 0.1:
                    gain = drift / (drift + noise)
                    self.factor = float(np.clip(self.factor * np.exp(gain * error), 1 / FASTEST, SLOWEST))
                    drift *= 1.0 - gain
                    self._uneven += TEMPO_LEARN * (max(1.25 * min(abs(error), 0.3), TEMPO_EVEN) - self._uneven)
                else:  # a note held or hurried; but several in a row are another tempo
                    drift *= TEMPO_DOUBT
            self._log_spread = min(float(np.sqrt(drift)), TEMPO_START)
        self._last = (place, time_s)

    def _slide(self) -> None:
        shift = self.reached - BEHIND - self._first
        if shift > 0:
            self._first += shift
            self._alpha = np.concatenate([self._alpha[shift:], np.zeros((shift, AGES))])
            self._alpha /= self._alpha.sum()
            self._attacks = [np.concatenate([past[shift:], np.zeros(shift)]) for past in self._attacks]
        self._time()

    def _ringing(self, rings: Array) -> tuple[Array, Array]:
        """(n, 2) of ``rings`` that count here, and (n, span) by which the places they ring into are to be scaled."""
        rings = rings if self.reached >= RINGS_FROM else rings[rings[:, 1] == 0.0]
        last, over = rings[:, :1], rings[:, 1:]
        again = np.concatenate([[0.0], self._overlap[:-1]])
        second = self._around(self.templates.overlap_second, 0.0)
        both = last * self._overlap + over * second + last * over * again
        scale = 1.0 / np.sqrt(1.0 + last**2 + over**2 + 2.0 * both)
        if self._first < 0:  # before the first place nothing sounded that could ring into the second
            scale[over[:, 0] > 0.0, 2] = 0.0
        return rings, scale

    def _time(self) -> None:
        """The hazard (span, ages) of leaving each place at each age, at the present tempo."""
        self._overlap = self._around(self.templates.overlap, 1.0)
        self._rings = [self._ringing(rings) for rings in (YOUNG, OLD)]
        places = np.arange(self._first, self._first + SPAN)
        near = np.exp(-np.abs(places - self.reached) / LEAP_PLACES) * ((places >= 0) & (places < self._count))
        self._leap = LEAP * near / near.sum()
        first = max(self._first, 0)
        page_s = self.page_s[first : self._first + SPAN + 1]
        lengths = np.full(SPAN, np.inf)
        offset = first - self._first
        known = np.diff(page_s) * self.factor
        lengths[offset : offset + len(known)] = np.maximum(known, 0.02)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.sqrt(SPREAD**2 + (TEMPO_SHARE * self._log_spread) ** 2 + (SPREAD_S / lengths) ** 2)
            usual, usual_rate = _log_logistic(self._age_s, lengths, spread)
            held, held_rate = _log_logistic(self._age_s, lengths, np.maximum(spread, HELD_SPREAD))
        left = (1.0 - HELD) * usual + HELD * held
        rate = np.nan_to_num(((1.0 - HELD) * usual * usual_rate + HELD * held * held_rate) / left) * HOP_S
        self._hazard = np.clip(1.0 - np.exp(-rate), 0.0, 0.9)
        self._hazard[~np.isfinite(lengths)] = 0.0
        self._hazard[self._age_s[None, :] < np.minimum(LEAST * lengths, LEAST_S)[:, None]] = 0.0
        if self._first < 0:
            self._hazard[0] = BEGIN


def _log_logistic(age_s: Array, length_s: Array, spread: NDArray[np.floating[Any]]) -> tuple[Array, Array]:
    """The share of notes (span, ages) that last longer than ``age_s``, and their hazard per second."""
    ratio = np.minimum((age_s[None, :] / length_s[:, None]) ** (1.0 / spread[:, None]), 1e12)
    ended = ratio / (1.0 + ratio)
    return 1.0 / (1.0 + ratio), ended / (age_s[None, :] * spread[:, None])
