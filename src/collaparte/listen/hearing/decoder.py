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
from collaparte.listen.hearing.templates import Places, Templates, Voice

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
# Of a note, the one before, and the one before that: how much may ring (rooms, other strings), at first and later.
RINGS = np.array([(1.0, 0.4, 0.0), (1.0, 1.0, 0.0), (1.0, 1.0, 0.7), (1.0, 0.0, 0.0), (1.0, 0.4, 0.0), (1.0, 0.4, 0.4)])
RINGS_FROM = 4  # the first place reached before which only one may: while the tempo is not known it would tell nothing
ROOM_AGES = 40  # frames until "later"
SILENT_ENTRY = -3.0  # nats a frame for a note that is said to begin in silence
SKIPS = (0.989, 0.01, 0.001)  # of leaving for the next place, the one after it, the third
SKIPPED = np.sum([share * np.eye(SPAN, k=-steps) for steps, share in enumerate(SKIPS, 1)], axis=0)  # (to, from)
NONE = 1e-9  # belief that counts as none before the beginning
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
        scale = window // 1024
        size = window // 160
        self._fade = np.cumsum(np.hanning(size + 2)[1:-1])
        self._fade = self._fade / self._fade[-1]  # (ages,): how much of the window the new note fills
        full, none = np.ones(1), np.zeros(1)
        self._ages = np.stack(  # (3, ages): young ones, early, late, as they sound like early, late, the note before
            [np.r_[self._fade, full, none], np.r_[0.0 * self._fade, none, full], np.r_[1.0 - self._fade, none, none]]
        )
        self._attack_at = ATTACK_AT * scale + (scale - 1)
        self._attacks: Array = np.zeros((ATTACK_FRAMES * scale, SPAN))
        self._age_s: Array = np.asarray((np.arange(AGES) + 0.5) * HOP_S, dtype=np.float64)
        self.factor = 1.0  # seconds played for one on the page
        self.fit = 0.0  # 0..1, how well the last frame fits where the soloist is believed to be
        self.similar: Array = np.zeros(self._count)  # (k,) how well the last frame fits each place
        self._log_spread = TEMPO_START
        self._uneven = TEMPO_NOISE
        self._last: tuple[int, float] | None = None
        self._elsewhere = Elsewhere(page_s)
        self.seek(-1)

    def seek(self, place: int) -> None:
        """The soloist has just struck ``place``, or (-1) has not begun."""
        self.reached = place
        self._elsewhere.seek(place)
        self._first = min(place, 0) if place < BEHIND else place - BEHIND
        self._alpha = np.zeros((SPAN, AGES))
        self._alpha[place - self._first, 0 if place >= 0 else AGES - 1] = 1.0
        self._attacks[:] = -np.inf
        self._attacked = 0
        self._nothing = 0  # frames in a row in which nobody plays, and nothing is in doubt
        self._usual = self._music = USUAL_START
        self._paused_s = 0.0  # silence since the last place was reached
        self._last = None
        self._time()

    def jump(self, place: int) -> None:
        """The soloist is at ``place`` instead."""
        self.seek(place)
        self._log_spread = max(self._log_spread, TEMPO_JUMP)
        self._time()

    # -- one frame ---------------------------------------------------------------------------------------------------

    def hear(self, frame: Frame) -> Reached | None:
        """Take one frame in; a place, when one has been reached."""
        resting = self._nothing > 2 * len(self._fade)  # so long, that the next such frame changes nothing
        if resting and frame.active == 0.0:
            self._listen_growth(frame.rising)
            self._music = self._usual
            return None
        voice = self.templates.voice(frame.partials)
        similar, below = voice.similar(frame.partials)
        if self.reached >= 0:
            self._elsewhere.hear(similar, frame.active, self.factor)
            place = self._elsewhere.instead(similar, frame.active, self.reached, self.fit)
            if place is not None:
                self.jump(place)
        self.similar = similar
        self._listen_growth(frame.rising)
        active = frame.active * self._musical(similar, frame.active)
        before = max(NOTHING, below, self._noise(similar)) if self.reached < 0 else NOTHING
        if resting and active == 0.0:
            self.fit = before
            return None
        similar = self._around(similar, before)[: len(self._alpha)]
        self._move(max(active, STILL))
        self._weigh(similar, active, pure=voice is self.templates.pure)
        mass = self._alpha.sum(axis=1)
        total = float(mass.sum())
        self._alpha /= total
        mass /= total
        self.fit = float(mass @ similar)
        reached = self._decide(frame, mass)
        if self.reached < 0:
            nothing = active == 0.0 and float(self._alpha[1:, len(self._fade) + 4 :].sum()) < NONE
            self._nothing = self._nothing + 1 if nothing else 0
            self._keep(min(int(np.flatnonzero(mass >= NONE)[-1]) + len(SKIPS) + 2, SPAN))
        return reached

    def _keep(self, rows: int) -> None:
        """So many rows of the span, the others being empty: before the beginning most are."""
        kept = len(self._alpha)
        if rows < kept:
            self._alpha = self._alpha[:rows].copy()
        elif rows > kept:
            self._alpha = np.concatenate([self._alpha, np.zeros((rows - kept, AGES))])

    def _listen_growth(self, rising: NDArray[np.float32]) -> None:
        """The attacks (ATTACK_FRAMES, span) of the last frames, in nats, with this one."""
        growth = self._span(self.templates.begins(rising, max(self._first, 0), self._first + SPAN), 0.0)
        attack = ATTACK * np.log((growth + ATTACK_LEAST) / (ATTACK_USUAL + ATTACK_LEAST))
        np.minimum(attack, ATTACK_MOST, out=self._attacks[self._attacked])
        self._attacked = (self._attacked + 1) % len(self._attacks)

    def _noise(self, similar: Array) -> float:
        """Noise fits everything a little: to begin, it must fit the first place better than the rest of the page."""
        others = self.templates.others
        if not len(others):
            return 0.0
        ordered, half = np.sort(similar[others]), len(others) // 2
        return float(ordered[half] + ordered[-half - 1]) / 2 + NOISE_MARGIN

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
        return self._span(values[max(self._first, 0) : self._first + SPAN], before)

    def _span(self, here: Array, before: float) -> Array:
        """(span,): ``here`` from the first place in the span on, ``before`` what precedes the page."""
        span = np.zeros(SPAN)
        offset = max(-self._first, 0)
        span[offset : offset + len(here)] = here
        if self._first < 0:
            span[0] = before
        return span

    def _move(self, lively: float) -> None:
        alpha, rows = self._alpha, len(self._alpha)
        leaving = alpha * self._hazard[:rows]
        if lively < 1.0:
            leaving *= lively
        gone = leaving.sum(axis=1)
        alpha -= leaving
        moved = leaving  # its memory
        moved[:, 1:] = alpha[:, :-1]
        moved[:, -1] += alpha[:, -1]
        moved[:, 0] = SKIPPED[:rows, :rows] @ gone
        if self.reached >= 0:
            moved[:, len(self._fade)] += self._leap[:rows]
        # What would leave the span stays where it is: the end of the score, or of what is looked at.
        moved[-1, -1] += gone[-1]
        self._alpha = moved

    def _weigh(self, similar: Array, active: float, *, pure: bool) -> None:
        sharp = (SHARPNESS if self.reached >= 0 else SHARPNESS_BEFORE) * active
        young, rows = len(self._fade), len(self._alpha)
        early, late = self._rung(similar, self._scales[pure])
        fits = np.array((early, late, late))
        fits[2, 1:] = late[:-1]  # the note before
        fits = np.exp(sharp * (fits.T @ self._ages - 1.0))
        self._alpha[:, :young] *= fits[:, :young]
        self._alpha[:, young:ROOM_AGES] *= fits[:, young : young + 1]
        self._alpha[:, ROOM_AGES:] *= fits[:, young + 1 :]
        self._alpha[:, self._attack_at] *= np.exp(self._attacks.max(axis=0)[:rows] * active)
        if active < 1.0:
            self._alpha[:, young // 2 : young + 4] *= np.exp(SILENT_ENTRY * (1.0 - active))

    def _rung(self, similar: Array, scale: Array) -> Array:
        """(2, places), early and late: as ``similar``, while the two notes before ring on as it fits best."""
        count = len(similar)
        rung = np.zeros((3, count))  # these notes, the last, and the one before
        rung[0], rung[1, 1:], rung[2, 2:] = similar, similar[:-1], similar[:-2]
        found: Array = ((self._rings @ rung) * scale[:, :count]).reshape(2, -1, count).max(axis=1)
        if self._first < 0:  # nothing rings on into the first place
            found[:, :2] = similar[:2]
        return found

    # -- what is known now -------------------------------------------------------------------------------------------

    @property
    def belief(self) -> float:
        """That the place reached sounds, and is no longer young."""
        return float(self._alpha[max(self.reached, 0) - self._first, 2 * len(self._fade) :].sum())

    def _decide(self, frame: Frame, mass: Array) -> Reached | None:
        """``mass`` (span,) is the probability of each place."""
        if self._alike.any():  # the same notes again are told by their attack alone: until it was weighed, not struck
            mass = mass - self._alpha[:, : self._attack_at].sum(axis=1) * self._alike[: len(mass)]
        at_least = mass[::-1].cumsum()[::-1]
        place = max(int(np.count_nonzero(at_least >= DECIDED)) - 1, 0)
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
        self._keep(SPAN)
        shift = self.reached - BEHIND - self._first
        if shift > 0:
            self._first += shift
            self._alpha = self._alpha[shift:]
            self._keep(SPAN)
            self._alpha /= self._alpha.sum()
            self._attacks = np.concatenate([self._attacks[:, shift:], np.zeros((len(self._attacks), shift))], axis=1)
        self._time()

    def _ringing(self, rings: Array, voice: Voice) -> Array:
        """(n, span) by which the places that ``rings`` (n, 3) ring into are to be scaled."""
        last, over = rings[:, 1:2], rings[:, 2:]
        overlap = self._around(voice.overlap, 1.0)
        again = np.concatenate([[0.0], overlap[:-1]])
        second = self._around(voice.overlap_second, 0.0)
        both = last * overlap + over * second + last * over * again
        scale: Array = 1.0 / np.sqrt(1.0 + last**2 + over**2 + 2.0 * both)
        if self._first < 0:  # before the first place nothing sounded that could ring into the second
            scale[over[:, 0] > 0.0, 2] = 0.0
        return scale

    def _time(self) -> None:
        """The hazard (span, ages) of leaving each place at each age, at the present tempo."""
        self._alike = self._around(self.templates.rich.overlap, 1.0) > SAME
        self._rings = RINGS if self.reached >= RINGS_FROM else RINGS[RINGS[:, 2] == 0.0]
        self._scales = [self._ringing(self._rings, voice) for voice in (self.templates.rich, self.templates.pure)]
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
