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

FADES = np.array([[0.85], [0.95]])  # of what was heard an interval ago, when a run-through's tempo is compared
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


class Advice:
    """The advisers of one take, in turn: ``ask`` before an interval, ``tell`` how long it was."""

    def __init__(self, weight: Floats) -> None:
        count = len(weight)
        self.count = count
        self._weight = np.asarray(weight, dtype=np.float64)
        self._heard, self._remembered = np.zeros((2, count)), np.zeros((2, count))
        self._scale = np.zeros((2, count))
        self._miss, self._judged, self._mean_miss = np.zeros(count), np.zeros(count), np.full(count, UNPROVED)
        self._asked: tuple[Floats, Floats, NDArray[np.bool_]] | None = None

    def ask(self, log_period: Floats) -> Advised | None:
        """``log_period`` (advisers, up to AHEAD): what each one remembers from here on (NaN: nothing).

        None where no adviser knows this interval and a stretch before it.
        """
        here = log_period[:, 0]
        known = np.isfinite(here)
        able = known & (self._remembered[1] > 0)
        self._asked = (here, np.zeros(0), known)
        if not able.any():
            return None
        say = np.where(able, here + self._scale, 0.0)
        self._asked = (here, say[1], known & able)
        miss = self._mean_miss
        weight = np.where(able, self._weight / (miss + FLOOR) ** 2, 0.0)
        weight /= weight.sum()
        quick, slow = (say @ weight).tolist()
        ahead = []
        for k in range(1, AHEAD):
            if k >= log_period.shape[1]:
                ahead.append(0.0)
                continue
            step = log_period[:, k] - here
            there = np.isfinite(step) & able
            total = float(weight[there].sum())
            ahead.append(float(step[there] @ weight[there]) / total if total > 0 else 0.0)
        return Advised(
            quick,
            slow,
            float(say[0, int(np.argmax(weight))]),
            math.sqrt(max(float((say[0] - quick) ** 2 @ weight), 0.0)),
            float(miss @ weight),
            1.0 / float(weight @ weight),
            tuple(ahead),
        )

    def tell(self, log_period: float, length: float) -> None:
        """The interval last asked about was heard whole: log seconds per quarter, and its length in quarters."""
        if self._asked is None:
            return
        here, said, able = self._asked
        self._asked = None
        known = np.isfinite(here)
        if len(said):
            off = np.minimum(np.abs(log_period - said), 1.5)
            self._miss = np.where(able, self._miss * FADE_MISS + off, self._miss)
            self._judged = np.where(able, self._judged * FADE_MISS + 1.0, self._judged)
            self._mean_miss = np.where(self._judged > 0, self._miss / np.maximum(self._judged, 1e-9), UNPROVED)
        heard, remembered = math.exp(log_period) * length, np.exp(np.where(known, here, 0.0)) * length
        self._heard = np.where(known, self._heard * FADES + heard, self._heard)
        self._remembered = np.where(known, self._remembered * FADES + remembered, self._remembered)
        some = self._remembered > 0
        self._scale = np.log(np.where(some, self._heard, 1.0) / np.where(some, self._remembered, 1.0))


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
        for fade in FADES[:, 0].tolist():
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
