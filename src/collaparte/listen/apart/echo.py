"""Echo cancellation: our own playback, known sample by sample, is taken out of what the microphone hears.

Conventions: audio is mono float32 at ``audio.RATE``. Sample n of ``reference`` was handed to the output at the moment
at which sample n of ``microphone`` was (by its stamp) heard; it comes back ``delay_s`` later at the earliest. Output
sample n belongs to microphone sample n: nothing is delayed, but only whole blocks of ``BLOCK`` samples are given out.

The filter is that of ``adaptive_filter``: in small blocks for the first ``LENGTH_S`` of the room, in large ones for
what a hall goes on ringing after that (``reverberation``). What is left is judged in ``remains``, which also notices a
room that has changed. In a room that was measured a way that has become longer or shorter all at once is found by
``bulk_delay``, where the reference is there early enough (``delay_s``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.apart.adaptive_filter import AdaptiveFilter
from collaparte.listen.apart.bulk_delay import MOST, BulkDelay
from collaparte.listen.apart.drift import AHEAD, Drift
from collaparte.listen.apart.remains import BLOCK, Remains
from collaparte.listen.apart.reverberation import Reverberation
from collaparte.listen.audio import RATE

LENGTH_S = 0.3  # of the room that is modelled in small blocks
SURE = 0.03  # uncertainty of a measured response, share of its power
ANOTHER_WAY = 0.3  # share of an error from which on nothing is learnt: another delay explains the rest

Array = NDArray[np.float32]


class EchoCanceller:
    """``clean(microphone, reference)``: what the microphone heard of everything but the reference."""

    def __init__(self, *, delay_s: float = 0.0) -> None:
        count = round(LENGTH_S * RATE) // BLOCK
        delay = max(round(delay_s * RATE), 0)
        self._early = min(delay // 2, MOST) // BLOCK  # blocks of the reference that are there before their echo
        self._room = AdaptiveFilter(count, BLOCK, early=self._early)
        self._late = Reverberation(count * BLOCK, self._early * BLOCK)
        self._waiting: Array = np.zeros(0, np.float32)
        self._coming: Array = np.zeros(delay - self._early * BLOCK, np.float32)
        self._past: Array = np.zeros(self._late.needs + 2 * MOST, np.float32)  # of the reference
        self.echo: Array = np.zeros(0, np.float32)
        self.own: Array = np.zeros(0, np.float32)
        self._remains = Remains()
        self._drift: Drift | None = None  # a room that is being learnt takes a clock's drift for its own
        self._bulk: BulkDelay | None = None
        self.later = 0  # samples, altogether, by which the way has become longer all at once

    def learn(self, response: Array, sure: float = SURE) -> None:
        """Begin with this room (n,): what comes back of a unit impulse, from ``delay_s`` after it was sent."""
        self._drift = Drift()
        self._bulk = BulkDelay(self._early * BLOCK) if self._early else None
        near, late = self._room.count * BLOCK, self._late.filter.count * self._late.filter.size
        taps = np.zeros(near + late, np.float32)
        response = response[AHEAD : AHEAD + len(taps)]
        taps[: len(response)] = response
        self._room.learn(taps[:near], sure)
        self._late.filter.learn(taps[near:], sure)
        tail = self._remains.learn(np.trim_zeros(taps, "b"), len(taps) // BLOCK)
        self._late.expect(tail[near // BLOCK :])

    def response(self) -> Array:
        """The room (n,) as it is believed to be now, from ``delay_s`` on."""
        ahead = np.zeros(AHEAD if self._drift is not None else 0, np.float32)
        return np.concatenate([ahead, self._room.taps(), self._late.filter.taps()])

    def clean(self, microphone: Array, reference: Array) -> Array:
        """The blocks that are whole now, without the echo; ``echo`` holds what was taken out of them.

        ``own`` (blocks,) is how surely 0..1 there is more in each than what is left of the orchestra.

        ``reference`` must be as long as ``microphone``; where nothing was sent it is zeros.
        """
        self._waiting = np.concatenate([self._waiting, microphone])
        self._coming = np.concatenate([self._coming, reference])
        cleaned, echoes, own = [], [], []
        while len(self._waiting) >= BLOCK and len(self._coming) >= BLOCK:
            heard, self._waiting = self._waiting[:BLOCK], self._waiting[BLOCK:]
            sent, self._coming = self._coming[:BLOCK], self._coming[BLOCK:]
            echo, sure = self._block(heard, sent)
            cleaned.append(heard - echo)
            echoes.append(echo)
            own.append(sure)
        nothing = np.zeros(0, np.float32)
        self.echo, self.own = np.concatenate([nothing, *echoes]), np.asarray(own, np.float32)
        return np.concatenate([nothing, *cleaned])

    def _block(self, microphone: Array, reference: Array) -> tuple[Array, float]:
        """(echo, own) of one block; then the room is adapted to what was wrong about it."""
        room, late = self._room, self._late
        self._past = np.concatenate([self._past[BLOCK:], reference])
        reference = reference if self._drift is None else self._drift.shifted(reference)
        room.send(reference)
        share = 1.0
        if self._bulk is not None:
            later = self._bulk.heard(room.foretold(self._early), microphone)
            share = self._bulk.share
            if later:
                reference = self._come_later(later, reference)
        echo = room.foretold() + late.foretold(reference)
        wrong = np.concatenate([np.zeros(BLOCK, np.float32), microphone - echo])
        error = np.fft.rfft(wrong).astype(np.complex64)
        sent, sent_power = room.sent
        doubted, taken = room.doubted() + late.doubted, BLOCK * float(echo @ echo)
        own = self._remains.own(error, sent, sent_power, room.gains, doubted, taken, late.oldest, share)
        late.heard(microphone - echo, share >= ANOTHER_WAY)
        if share < ANOTHER_WAY:  # that is no error of the room
            return echo, own
        if self._remains.astray:  # somebody moved, or a clock: doubt, and learn quickly again
            room.doubt(self._remains.sameness**2)
            late.filter.doubt(self._remains.sameness**2)
        room.adapt(error)
        handed = self._drift.heard(echo, microphone - echo) if self._drift is not None else 0
        if handed:
            taps = np.roll(room.taps(), handed)
            taps[handed if handed < 0 else 0 : None if handed < 0 else handed] = 0.0
            room.set(taps)
        return echo, own

    def _come_later(self, late: int, latest: Array) -> Array:
        """The echo comes ``late`` samples later: as if what was sent had been; the ``latest`` block of that."""
        assert self._drift is not None
        assert self._bulk is not None
        if len(self._coming) + late < BLOCK:
            return latest  # it would come before it was sent
        self._bulk.follow(late)
        self.later += late
        sound = np.concatenate([self._past, self._coming])
        end = len(self._past) - late
        self._coming = sound[end:]
        self._past = np.concatenate([np.zeros(max(late, 0), np.float32), sound[max(-late, 0) : end]])
        sent = self._drift.shifted(self._past)
        self._room.again(sent)
        self._late.again(sent[:-BLOCK])
        self._remains.forget()
        return sent[-BLOCK:]
