"""Remembered run-throughs as advisers: each one foretells the next interval, and is believed as it has proved true.

A run-through remembered the beat period of every interval it played. Scaled by its own tempo ratio to the present
take (seconds heard by seconds remembered, older intervals fading by ``FADES``), each foretells the next one; its
misses so far (mean absolute log ratio, fading by ``FADE_MISS``) tell how like the present playing it is. What they say
together is a mean weighted by the run-through's own weight (recency and likeness, from ``takes``) times
1 / (miss + FLOOR)^2: prediction with expert advice (Cesa-Bianchi & Lugosi, "Prediction, Learning, and Games", 2006).
A foreign or faulty run-through misses, and loses its voice within a few notes.

``Advice`` is asked and told in turn, at run time; ``advised`` does a whole take at once, for training; the test of the
senses holds the two equal. All logs are natural, of seconds per quarter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FADES = (0.85, 0.95)  # of what was heard an interval ago, when a run-through's tempo is compared
FADE_MISS = 0.93
FLOOR = 0.02  # log ratio: nobody is trusted beyond this
UNPROVED = 0.15  # log ratio: the miss of a run-through that has foretold nothing yet
AHEAD = 4


@dataclass(frozen=True)
class Advised:
    """What the advisers say; log seconds per quarter. ``quick`` and ``slow``: by the two fades; ``best`` its best

    adviser's word; ``spread`` between advisers; ``miss`` their weighted mean miss; ``ahead`` (AHEAD - 1,) how the
    intervals after this one compare with it; ``voices`` the effective number of advisers.
    """

    quick: float
    slow: float
    best: float
    spread: float
    miss: float
    voices: float
    ahead: tuple[float, ...]


class _Adviser:
    """One run-through: what was heard and remembered so far (by each fade), and how it has missed."""

    __slots__ = ("heard", "judged", "miss", "remembered", "scale", "trust", "weight")

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self.heard, self.remembered, self.scale = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        self.miss, self.judged, self.trust = 0.0, 0.0, weight / (UNPROVED + FLOOR) ** 2

    @property
    def mean_miss(self) -> float:
        return self.miss / self.judged if self.judged else UNPROVED

    def judge(self, off: float) -> None:
        self.miss = self.miss * FADE_MISS + min(off, 1.5)
        self.judged = self.judged * FADE_MISS + 1.0
        self.trust = self.weight / (self.mean_miss + FLOOR) ** 2

    def listen(self, heard: float, remembered: float) -> None:
        for place, fade in enumerate(FADES):
            self.heard[place] = self.heard[place] * fade + heard
            self.remembered[place] = self.remembered[place] * fade + remembered
            self.scale[place] = math.log(self.heard[place] / self.remembered[place])


class Advice:
    """The advisers of one take, in turn: ``ask`` before an interval, ``tell`` how long it was.

    A few dozen numbers in plain Python: quicker here than as arrays.
    """

    def __init__(self, weight: Floats) -> None:
        self.count = len(weight)
        self._advisers = [_Adviser(float(value)) for value in weight]
        self._asked: list[tuple[_Adviser, float, float | None]] = []  # who knows, log s per quarter, what was foretold

    def ask(self, log_period: Floats) -> Advised | None:
        """``log_period`` (advisers, up to AHEAD): what each one remembers from here on (NaN: nothing).

        None where no adviser knows this interval and a stretch before it.
        """
        self._asked = []
        words: list[tuple[_Adviser, float, list[float]]] = []  # adviser, its quick word, what it remembers
        total = quick = slow = miss = 0.0
        best, most = 0.0, -1.0
        for adviser, row in zip(self._advisers, log_period.tolist(), strict=True):
            here = row[0]
            if here != here:  # NaN
                continue
            if not adviser.remembered[1]:
                self._asked.append((adviser, here, None))
                continue
            trust, said = adviser.trust, here + adviser.scale[0]
            later = here + adviser.scale[1]
            self._asked.append((adviser, here, later))
            words.append((adviser, said, row))
            total += trust
            quick += trust * said
            slow += trust * later
            miss += trust * adviser.mean_miss
            if trust > most:
                best, most = said, trust
        if not words:
            return None
        quick, slow, miss = quick / total, slow / total, miss / total
        square = sum((adviser.trust / total) ** 2 for adviser, _, _ in words)
        variance = sum(adviser.trust * (said - quick) ** 2 for adviser, said, _ in words) / total
        ahead = []
        for k in range(1, AHEAD):
            known = [(adviser.trust, row[k] - row[0]) for adviser, _, row in words if k < len(row) and row[k] == row[k]]
            among = sum(trust for trust, _ in known)
            ahead.append(sum(trust * step for trust, step in known) / among if among > 0 else 0.0)
        return Advised(quick, slow, best, math.sqrt(variance), miss, 1.0 / square, tuple(ahead))

    def tell(self, log_period: float, length: float) -> None:
        """The interval last asked about was heard whole: log seconds per quarter, and its length in quarters."""
        heard = math.exp(log_period) * length
        for adviser, here, foretold in self._asked:
            if foretold is not None:
                adviser.judge(abs(log_period - foretold))
            adviser.listen(heard, math.exp(here) * length)
        self._asked = []


def advised(log_period: Floats, weight: Floats, heard: Floats, length: Floats) -> Floats:
    """What ``ask`` would say at each of n onsets of a take: (n, 6 + AHEAD - 1), the fields of ``Advised`` in its order.

    ``log_period`` (n, advisers, AHEAD) as ``ask`` takes it, ``heard`` (n,) log seconds per quarter of the interval
    that begins there (NaN: not heard whole), ``length`` (n,) quarters. Rows where nothing is advised are NaN.
    """
    count, number = log_period.shape[:2]
    here = log_period[:, :, 0]
    known = np.isfinite(here)
    whole = np.isfinite(heard)
    heard = np.where(whole, heard, 0.0)
    told = known & whole[:, None]
    say, able, miss = np.zeros((2, count, number)), np.zeros((count, number), dtype=bool), np.zeros((count, number))
    for one in range(number):
        rows = np.flatnonzero(told[:, one])
        since = np.searchsorted(rows, np.arange(count))  # how many intervals had been told before each onset
        sums = []
        for fade in FADES:
            up = _fading(np.exp(heard[rows]) * length[rows], fade)
            down = _fading(np.exp(here[rows, one]) * length[rows], fade)
            sums.append(np.concatenate([[0.0], np.log(up / down)])[since])
        able[:, one] = known[:, one] & (since > 0)
        say[:, :, one] = np.where(able[:, one], here[:, one] + np.array(sums), 0.0)
        judged = rows[1:]
        off = np.minimum(np.abs(heard[judged] - say[1, judged, one]), 1.5)
        mean = _fading(off, FADE_MISS) / _fading(np.ones(len(judged)), FADE_MISS)
        miss[:, one] = np.concatenate([[UNPROVED], mean])[np.searchsorted(judged, np.arange(count))]
    trust = np.where(able, weight / (miss + FLOOR) ** 2, 0.0)
    total = trust.sum(axis=1, keepdims=True)
    some = total[:, 0] > 0
    trust /= np.where(total > 0, total, 1.0)
    quick, slow = (say * trust).sum(axis=2)
    best = say[0, np.arange(count), np.argmax(trust, axis=1)]
    spread = np.sqrt(((say[0] - quick[:, None]) ** 2 * trust).sum(axis=1))
    voices = 1.0 / np.where(some, (trust**2).sum(axis=1), 1.0)
    columns = [quick, slow, best, spread, (miss * trust).sum(axis=1), voices]
    for k in range(1, AHEAD):
        step = log_period[:, :, k] - here
        there = np.where(np.isfinite(step) & able, trust, 0.0)
        among = there.sum(axis=1)
        columns.append((np.nan_to_num(step) * there).sum(axis=1) / np.where(among > 0, among, 1.0))
    return np.asarray(np.where(some[:, None], np.stack(columns, axis=1), np.nan))


def _fading(values: Floats, fade: float, block: int = 128) -> Floats:
    """Running sums in which what lies one step back counts ``fade`` as much; by blocks, so that nothing overflows."""
    out, carry = np.empty(len(values)), 0.0
    power = fade ** np.arange(block)
    for begin in range(0, len(values), block):
        part = values[begin : begin + block]
        factor = power[: len(part)]
        out[begin : begin + block] = factor * (np.cumsum(part / factor) + fade * carry)
        carry = out[begin + len(part) - 1]
    return out
