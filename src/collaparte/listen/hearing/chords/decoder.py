"""Where in the score the struck keys are: a semi-Markov filter over places and how long ago each was struck.

After each 10 ms view the filter holds the probability of every (place, age): the soloist struck the chord of ``place``
``age`` views ago and nothing since. Leaving a place has a hazard from the written length and the tempo (``pace``).
A chord's notes come one after another: each is due ``offset`` views after the first with a probability that falls off
geometrically, or not at all; what a belief earns is, for every note, the log of the mixture of "came then", "is still
to come" and "is left out", so that no chord is judged before it had time to be struck, and none waits for its last.
Hidden semi-Markov models for score following: Cont (IEEE PAMI 32, 2010); notes of a chord at their own times: Nakamura,
Nakamura & Sagayama, "Real-time audio-to-score alignment of music performances containing errors and arbitrary repeats
and skips" (IEEE/ACM TASLP 24, 2016).

Only ``SPAN`` places around the present one are kept; whether the soloist is elsewhere is asked of ``astray``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.chords.astray import Astray
from collaparte.listen.hearing.chords.bands import KEYS, LOWEST
from collaparte.listen.hearing.chords.strokes import LATER
from collaparte.listen.hearing.pace import Pace
from collaparte.listen.hearing.spectrum import HOP_S
from collaparte.listen.hearing.templates import Places

Array = NDArray[np.float64]

SPAN, BEHIND = 32, 10  # places kept, of them behind the present one
AGES = 250  # views; the last age stands for everything older
WAITED = 14  # views within which a chord is struck
ALONE, TOGETHER = 0.35, 0.75  # how slowly the chance of a later note falls off, from view to view: one note, a chord
OMITTED = (0.02, 0.08)  # share of notes that are left out, or not heard: one note, of a chord
HEARD = 0.5  # nats of one of its keys, without which no place is said to be reached
LEAST, MOST = -5.0, 6.0  # nats that one key may say
ONCE, AFTER = 5, -2.0  # views in which a key can be struck but once; nats at most behind the likeliest of them
SOONEST = 3  # views for which every place lasts, and at most ...
AGAIN, AGAIN_SHARE = 8, 0.5  # ... if the next strikes one of its keys again: one stroke must not count for both
SKIPS = (0.992, 0.007, 0.001)  # of leaving for the next place, the one after it, the third
LEAP, LEAP_PLACES = 1e-7, 8.0  # probability per view of being elsewhere in the span after all; e-fold of its reach
STILL = 0.02  # of the usual hazard, while there is silence
BEGIN = 0.005  # probability per view of beginning
DOUBT, NONE = 0.015, 0.6  # ... that one which is not firm was none; probability at which it is taken back
NEXT_S = 3.0  # between two chords that make a beginning firm
CLEAR, EACH = 4.0, 4.0  # nats that all keys of a first chord together, and each of them, must say to be enough alone
OUTDONE, OUTDONE_MOST = 2.5, 0.6  # nats by which a key of no such chord may say more; else so much at most of enough
MISTAKEN = (-1, 0, 1, 12, 19, 24)  # semitones from a key at which its own stroke may be seen
STRAY, STRAY_S = 3.0, 2.0  # nats of a stroke that began nothing; for so long afterwards a beginning must be firmer:
RESTLESS = 2.0  # times enough
UNQUIET = 30  # views in which the sound's own beginning may look like strokes
DECIDED = 0.6  # probability at which a place is said to be reached
PEAK = 3  # ages on either side of the likeliest one, whose mean is the place's age
BACK = 0.95  # ... at which it is said that the soloist has gone back


@dataclass(frozen=True, slots=True)
class Reached:
    """The chord of ``place`` began at ``time_s``; known with ``certainty``."""

    place: int
    time_s: float
    certainty: float


class ChordDecoder:
    """Log odds of strokes in, places reached out. ``page_s`` (k,) is when each place comes as the page asks.

    ``keys`` (n,) are those that the page strikes anywhere, counted from the piano's lowest: the others say nothing.
    """

    def __init__(self, places: Places, page_s: Array) -> None:
        self._count = len(places.beat)
        struck = np.zeros((self._count, KEYS), np.float32)
        for place, pitches in enumerate(places.struck):
            struck[place, [min(max(pitch - LOWEST, 0), KEYS - 1) for pitch in pitches]] = 1.0
        self.keys = np.flatnonzero(struck.any(axis=0))
        self._struck = np.ascontiguousarray(struck[:, self.keys])
        opens = np.flatnonzero(struck[0])[:, None] + np.array(MISTAKEN)
        self._opens = frozenset(opens.ravel().tolist())
        self._alone = self._struck.sum(axis=1) == 1
        self._again = np.append((self._struck[1:] * self._struck[:-1]).any(axis=1), False)
        self._page = page_s, places.beat
        self.pace = Pace(*self._page)
        self._astray = Astray(self._struck, page_s)
        self._due = np.stack([_due(rate) for rate in (ALONE, TOGETHER)])[:, :, None].astype(np.float32)
        self._late = 1.0 - np.cumsum(self._due, axis=1)
        self._came = np.zeros((2, WAITED, len(self.keys)), np.float32)
        self._recent = np.full((WAITED, len(self.keys)), LEAST)
        self._said_of_late = np.full((WAITED, len(self.keys)), LEAST)  # not bounded above
        self._age_s: Array = np.asarray(np.arange(AGES) * HOP_S, np.float64)
        self._said: Array
        self._strange = np.full(WAITED, LEAST)  # the likeliest stroke of each view, where it is none of the beginning's
        self._views = 0
        self.evidence = 0.0  # log likelihood of all that was heard, against nothing being struck
        self.seek(-1)

    def seek(self, place: int) -> None:
        """The soloist has just struck ``place``, or (-1) has not begun."""
        self.reached = place
        self._begun = place >= 0
        self._waiting: list[Reached] = []
        self._firm: list[float] = []
        self._young = 0
        self._enough = 1.0
        self._strayed = -np.inf  # seconds
        self._first = min(place, 0) if place < BEHIND else place - BEHIND
        self._alpha = np.zeros((SPAN, AGES))
        self._alpha[place - self._first, WAITED if place >= 0 else AGES - 1] = 1.0
        self._astray.seek(place)
        self.pace.doubt()
        self._look()

    def hear(self, odds: Array, active: float, time_s: float, likeliest: tuple[int, float]) -> list[Reached]:
        """Places that are reached; ``odds`` (n,) that each of ``keys`` was struck ``LATER`` views before.

        ``likeliest`` is that of all keys, on the page or not: key and log odds.
        """
        if not self._begun:
            self._wait(*likeliest, time_s)
            self._said_of_late = np.concatenate([odds[None], self._said_of_late[:-1]])
        odds = np.clip(odds, LEAST, MOST)
        self._listen(odds)
        elsewhere = self._astray.hear(odds, self.reached if self._begun else -1, time_s)
        if elsewhere is not None:
            self.seek(elsewhere)
            self.pace.observe(elsewhere, time_s - LATER * HOP_S)
            return [Reached(elsewhere, time_s - LATER * HOP_S, 0.9)]
        self._move(max(active, STILL))
        self._weigh()
        total = float(self._alpha.sum())
        self._alpha /= total
        self.evidence += float(np.log(total))
        found = self._decide(time_s)
        if not self._begun:
            return self._begin(found)
        return [found] if found is not None else []

    def _wait(self, key: int, odds: float, time_s: float) -> None:
        """Before the beginning: what began nothing within ``WAITED`` views is somebody else's."""
        self._views += 1
        if self._views > UNQUIET + WAITED and self._strange[-1] > STRAY:
            self._strayed = time_s - WAITED * HOP_S
        self._strange = np.append(LEAST if key in self._opens else odds, self._strange[:-1])

    # -- one view ----------------------------------------------------------------------------------------------------

    def _listen(self, odds: Array) -> None:
        """How much each key's stroke, at whatever offset, is believed by a chord that began ``age`` views ago."""
        before = self._recent[:ONCE].max(axis=0)
        self._recent[1:] = self._recent[:-1].copy()
        self._recent[0] = odds
        odds = np.where(odds >= before, odds, np.minimum(odds, AFTER))
        self._came[:, 1:] = self._came[:, :-1].copy()
        self._came[:, 0] = 0.0
        self._came += self._due * np.exp(odds).astype(np.float32)

    def _move(self, lively: float) -> None:
        alpha = self._alpha
        leaving = alpha * (self._hazard * lively)
        gone = leaving.sum(axis=1)
        alpha -= leaving
        oldest = alpha[:, -1].copy()
        alpha[:, 1:] = alpha[:, :-1].copy()
        alpha[:, -1] += oldest
        entering = np.zeros(SPAN)
        for skipped, share in enumerate(SKIPS):
            entering[skipped + 1 :] += share * gone[: SPAN - skipped - 1]
        alpha[:, 0] = entering
        if self.reached >= 0:
            alpha[:, 0] += self._leap
        if self.reached >= 0 and not self._begun and self._first < 0:
            doubted = DOUBT * alpha[1:, WAITED:]
            alpha[1:, WAITED:] -= doubted
            alpha[0, -1] += doubted.sum()
        # What would leave the span stays where it is: the end of the score, or of what is looked at.
        alpha[-1, -1] += gone[-1]

    def _begin(self, found: Reached | None) -> list[Reached]:
        """What is known of the beginning: all of it when it is firm, until then nothing."""
        if self.reached >= 0 and self._first < 0 and self._alpha[0].sum() > NONE:
            self.pace = Pace(*self._page)
            self.reached = -1
            self._look(again=True)
        if found is not None:
            last = self._waiting[-1] if self._waiting else found
            if found.place <= last.place or found.time_s - last.time_s > NEXT_S:
                self._waiting, self._firm = [], []
            if not self._waiting:
                self._enough = RESTLESS if found.time_s - self._strayed < STRAY_S else 1.0
            self._waiting.append(found)
            self._firm.append(0.0)
            self._young = WAITED
        if not self._waiting or self._young == 0:
            return []
        self._young -= 1
        self._firm[-1] = max(self._firm[-1], self._firmness(self._waiting[-1].place))
        if sum(self._firm) < self._enough:
            return []
        self._begun = True
        return self._waiting

    def _firmness(self, place: int) -> float:
        """How much of a beginning (1: enough) the chord of ``place``, just struck, is by itself."""
        said = self._said_of_late.max(axis=0)
        own = said[self._struck[place] > 0]
        firm = max(float(own.sum()), 0.0) / (CLEAR + EACH * len(own))
        outdone = said.max() > own.mean() + OUTDONE or (len(own) == 1 and self._strange.max() > own[0])
        return min(firm, OUTDONE_MOST) if outdone else firm

    def _weigh(self) -> None:
        now = self._likely()
        gained = now.copy()
        gained[:, 1:] -= self._said[:, :-1]
        self._said = now
        self._alpha[:, :WAITED] *= np.exp(gained)

    def _likely(self) -> Array:
        """(SPAN, WAITED): what a belief of that age has earned with the keys that are struck there."""
        omitted = np.array(OMITTED, np.float32)[:, None, None]
        likely = np.log((1.0 - omitted) * (self._came + self._late) + omitted)  # (2, WAITED, n)
        one, chord = self._here @ likely[0].T, self._here @ likely[1].T
        return np.asarray(np.where(self._one[:, None], one, chord), np.float64)

    # -- what is known now -------------------------------------------------------------------------------------------

    def _decide(self, time_s: float) -> Reached | None:
        mass = self._alpha.sum(axis=1)
        here = self.reached - self._first
        at_least = np.cumsum(mass[::-1])[::-1]
        sure = np.flatnonzero(at_least >= DECIDED)
        place = int(sure[-1]) if len(sure) else 0
        if place < here and mass[:here].sum() > BACK and here > 0:
            place = int(np.argmax(mass[:here]))
            certainty = float(mass[place])
            self.pace.doubt()
        elif place <= here or place + self._first >= self._count:
            return None
        else:
            certainty = float(at_least[place])
        if place + self._first < 0 or not self._here[place] @ (self._recent.max(axis=0) > HEARD):
            return None
        peak = int(np.argmax(self._alpha[place]))
        near = slice(max(peak - PEAK, 0), peak + PEAK + 1)
        row = self._alpha[place, near]
        age_s = float(row @ self._age_s[near]) / max(float(row.sum()), 1e-12)
        self.reached = place + self._first
        began_s = time_s - (LATER + 0.5) * HOP_S - age_s
        self.pace.observe(self.reached, began_s)
        self._slide()
        return Reached(self.reached, began_s, min(certainty, 0.99))

    def _slide(self) -> None:
        first = self.reached - BEHIND if self.reached >= BEHIND else min(self._first, 0)
        shift = first - self._first
        if shift > 0:
            self._first += shift
            self._alpha = np.concatenate([self._alpha[shift:], np.zeros((shift, AGES))])
            self._alpha /= self._alpha.sum()
            said = np.concatenate([self._said[shift:], np.zeros((shift, WAITED))])
            self._look()
            self._said = said
            return
        self._look(again=True)

    def _look(self, again: bool = False) -> None:
        """Everything about the places in the span, at the present tempo."""
        places = np.arange(self._first, self._first + SPAN)
        there = (places >= 0) & (places < self._count)
        near = np.exp(-np.abs(places - self.reached) / LEAP_PLACES) * there
        self._leap = LEAP * near / near.sum()
        first = max(self._first, 0)
        offset = first - self._first
        self._hazard = np.zeros((SPAN, AGES))
        self._hazard[offset:] = self.pace.hazard(first, SPAN - offset, AGES)
        self._hazard[:, :SOONEST] = 0.0
        for place in np.flatnonzero(self._again[first : self._first + SPAN]):
            expected = self.pace.expected_s(first + int(place)) / HOP_S
            self._hazard[offset + place, : int(min(AGAIN, AGAIN_SHARE * expected))] = 0.0
        if self._first < 0:
            self._hazard[0] = BEGIN
        if again:
            return
        self._here = np.zeros((SPAN, len(self.keys)), np.float32)
        self._one = np.zeros(SPAN, dtype=bool)
        self._here[there] = self._struck[places[there]]
        self._one[there] = self._alone[places[there]]
        self._said = self._likely()


def _due(rate: float) -> Array:
    """(WAITED,): the chance that a note comes so many views after its chord's first."""
    due = rate ** np.arange(WAITED)
    return np.asarray(due / due.sum(), np.float64)
