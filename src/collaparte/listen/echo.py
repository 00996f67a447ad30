"""Echo cancellation: our own playback, known sample by sample, is taken out of what the microphone hears.

Conventions: audio is mono float32 at ``audio.RATE``. Sample n of ``reference`` was handed to the output at the moment
at which sample n of ``microphone`` was (by its stamp) heard; it comes back ``delay_s`` later at the earliest. Output
sample n belongs to microphone sample n: nothing is delayed, but only whole blocks of ``BLOCK`` samples are given out.

The filter is a partitioned-block frequency-domain adaptive filter (Soo & Pang, Multidelay block frequency domain
adaptive filter, IEEE ASSP 38, 1990), whose step is a Kalman gain for each bin and partition (Enzner & Vary,
Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones, Signal Processing 86, 2006;
partitions: Kuech, Mabande & Enzner, ICASSP 2014). The gain weighs how uncertain the room is against how loud everything
else is, so the soloist may play while it adapts: there is no detector of double talk to fail (compare Valin, On
adjusting the learning rate in frequency domain echo cancellation with double-talk, IEEE ASLP 15, 2007). What is left
is judged in ``remains``, which also notices a room that has changed. In a room that was measured a way that has become
longer or shorter all at once is found by ``bulk_delay``, where the reference is there early enough (``delay_s``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.audio import RATE
from collaparte.listen.bulk_delay import MOST, BulkDelay
from collaparte.listen.drift import AHEAD, Drift
from collaparte.listen.remains import BLOCK, Remains

LENGTH_S = 0.3  # of the room that is modelled
REMEMBERS = 0.9999  # of the room from block to block: it changes by a fifth in a minute
FADES_S = 0.08  # how fast rooms die away, as expected before anything is known
LOUDEST = 1.0  # gain from loudspeaker to microphone, as expected before anything is known
SURE = 0.03  # uncertainty of a measured response, share of its power
SMOOTH = 0.9  # of the power of everything else, from block to block
ANOTHER_WAY = 0.3  # share of an error from which on nothing is learnt: another delay explains the rest
TIDY = 4  # partitions freed from wrapped-around samples with each block
QUIETEST = 1e-9  # power per bin that counts as silence

Array = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


class EchoCanceller:
    """``clean(microphone, reference)``: what the microphone heard of everything but the reference."""

    def __init__(self, *, length_s: float = LENGTH_S, delay_s: float = 0.0) -> None:
        self._count = int(np.ceil(length_s * RATE / BLOCK))
        delay = max(round(delay_s * RATE), 0)
        self._early = min(delay // 2, MOST) // BLOCK  # blocks of the reference that are there before their echo
        self._room: Spectrum = np.zeros((self._count, BLOCK + 1), np.complex64)
        fades = np.exp(-2.0 * np.arange(self._count) * BLOCK / RATE / FADES_S)
        self._doubt: Array = np.tile((LOUDEST**2 * fades)[:, None], (1, BLOCK + 1)).astype(np.float32)
        sent = (self._count + self._early, BLOCK + 1)
        # The spectra sent, and their power, the latest first; the store is filled from its end.
        self._sent_store: Spectrum = np.zeros((2 * sent[0], sent[1]), np.complex64)
        self._power_store: Array = np.zeros((2 * sent[0], sent[1]), np.float32)
        self._from = sent[0]
        self._sent, self._power = self._sent_store[self._from :], self._power_store[self._from :]
        self._gains: Array = np.zeros(self._count, np.float32)  # of the room, mean power
        self._last: Array = np.zeros(BLOCK, np.float32)
        self._rest: Array = np.full(BLOCK + 1, QUIETEST, np.float32)
        self._tidied = 0
        self._waiting: Array = np.zeros(0, np.float32)
        self._coming: Array = np.zeros(delay - self._early * BLOCK, np.float32)
        self._past: Array = np.zeros((sent[0] + 1) * BLOCK + 2 * MOST, np.float32)  # of the reference
        self.echo: Array = np.zeros(0, np.float32)
        self.own: Array = np.zeros(0, np.float32)
        self._remains = Remains()
        self._drift: Drift | None = None  # a room that is being learnt takes a clock's drift for its own
        self._bulk: BulkDelay | None = None
        self.later = 0  # samples, altogether, by which the way has become longer all at once

    def learn(self, response: Array, sure: float = SURE) -> None:
        """Begin with this room (n,): what comes back of a unit impulse, from ``delay_s`` after it was sent."""
        taps = np.zeros(self._count * BLOCK, np.float32)
        self._drift = Drift()
        self._bulk = BulkDelay(self._early * BLOCK) if self._early else None
        response = response[AHEAD : AHEAD + len(taps)]
        taps[: len(response)] = response
        self._set(taps)
        power = np.abs(self._room) ** 2
        self._gains = power.mean(axis=1)
        self._remains.learn(response)
        self._doubt = (sure * np.maximum(power, power.mean(axis=1, keepdims=True)) + 1e-9).astype(np.float32)

    def response(self) -> Array:
        """The room (n,) as it is believed to be now, from ``delay_s`` on."""
        return np.concatenate([np.zeros(AHEAD if self._drift is not None else 0, np.float32), self._taps()])

    def _taps(self) -> Array:
        """The filter (n,); what it is given of a room that was measured begins ``AHEAD`` samples late."""
        taps = np.fft.irfft(self._room, axis=1)[:, :BLOCK]
        return np.asarray(taps.reshape(-1), np.float32)

    def _set(self, taps: Array) -> None:
        self._room = np.fft.rfft(taps.reshape(self._count, BLOCK), 2 * BLOCK, axis=1).astype(np.complex64)

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
        self._past = np.concatenate([self._past[BLOCK:], reference])
        self._send(reference if self._drift is None else self._drift.shifted(reference))
        share = 1.0
        if self._bulk is not None:
            late = self._bulk.heard(self._foretold(0), microphone)
            share = self._bulk.share
            if late:
                self._come_later(late)
        sent, sent_power = self._sent[self._early :], self._power[self._early :]
        echo = self._foretold(self._early)
        wrong = np.concatenate([np.zeros(BLOCK, np.float32), microphone - echo])
        error = np.fft.rfft(wrong).astype(np.complex64)
        seen = sent_power * self._doubt
        doubted, taken = 0.5 * float(seen.sum()), BLOCK * float(echo @ echo)
        own = self._remains.own(error, sent, sent_power, self._gains, doubted, taken, share)
        if share < ANOTHER_WAY:  # that is no error of the room
            return echo, own
        self._rest = SMOOTH * self._rest + (1.0 - SMOOTH) * (error.real**2 + error.imag**2)
        if self._remains.astray:  # somebody moved, or a clock: doubt, and learn quickly again
            self._doubt = np.maximum(self._doubt, np.float32(self._remains.sameness**2) * self._gains[:, None])
            seen = sent_power * self._doubt
        # Overlap-save sees half of each window: hence the halves.
        total = 0.5 * seen.sum(axis=0) + self._rest + np.float32(QUIETEST)
        moved = np.conj(sent)
        moved *= self._doubt
        moved *= error / total
        self._room += moved
        seen /= total
        self._doubt *= 1.0 - 0.5 * seen
        forgotten = np.float32(1.0 - REMEMBERS**2)
        self._room *= np.float32(REMEMBERS)
        power = self._room.real**2 + self._room.imag**2
        self._gains = power.mean(axis=1)
        self._doubt *= 1.0 - forgotten
        power *= forgotten
        self._doubt += power
        self._tidy()
        later = self._drift.heard(echo, microphone - echo) if self._drift is not None else 0
        if later:
            taps = np.roll(self._taps(), later)
            taps[later if later < 0 else 0 : None if later < 0 else later] = 0.0
            self._set(taps)
        return echo, own

    def _send(self, reference: Array) -> None:
        """One more block of the reference."""
        sent, power, count = self._sent_store, self._power_store, len(self._sent)
        if self._from == 0:
            self._from = len(sent) - count
            sent[self._from :], power[self._from :] = self._sent, self._power
        self._from -= 1
        latest = sent[self._from] = np.fft.rfft(np.concatenate([self._last, reference]))
        power[self._from] = latest.real**2 + latest.imag**2
        self._sent, self._power = sent[self._from :][:count], power[self._from :][:count]
        self._last = reference

    def _foretold(self, before: int) -> Array:
        """The echo of what was sent until ``before`` blocks ago."""
        sent = self._sent[before : before + self._count]
        return np.fft.irfft((sent * self._room).sum(axis=0))[BLOCK:].astype(np.float32)

    def _come_later(self, late: int) -> None:
        """The echo comes ``late`` samples later: as if what was sent had been."""
        assert self._drift is not None
        assert self._bulk is not None
        if len(self._coming) + late < BLOCK:
            return  # it comes before it was sent
        self._bulk.follow(late)
        self.later += late
        sound = np.concatenate([self._past, self._coming])
        end = len(self._past) - late
        self._coming = sound[end:]
        self._past = np.concatenate([np.zeros(max(late, 0), np.float32), sound[max(-late, 0) : end]])
        sent = self._drift.shifted(self._past)[-(len(self._sent) + 1) * BLOCK :]
        self._last = sent[:BLOCK]
        for at in range(BLOCK, len(sent), BLOCK):
            self._send(sent[at : at + BLOCK])
        self._remains.forget()

    def _tidy(self) -> None:
        """A partition's response is ``BLOCK`` long; the rest of its window is kept empty, some at a time."""
        which = (self._tidied + np.arange(TIDY)) % self._count
        self._tidied = (self._tidied + TIDY) % self._count
        taps = np.fft.irfft(self._room[which], axis=1)
        taps[:, BLOCK:] = 0.0
        self._room[which] = np.fft.rfft(taps, axis=1)
