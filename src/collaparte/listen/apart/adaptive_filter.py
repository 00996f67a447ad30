"""A room's response, learnt while everybody plays: a partitioned filter whose steps are Kalman gains.

Conventions: audio is mono float32 at ``audio.RATE``, in blocks of ``size`` samples; partition p of the filter is of the
lags from ``p * size`` on. Spectra are (size + 1,) of two blocks (overlap-save).

It is a partitioned-block frequency-domain adaptive filter (Soo & Pang, Multidelay block frequency domain adaptive
filter, IEEE ASSP 38, 1990), whose step is a Kalman gain for each bin and partition (Enzner & Vary, Frequency-domain
adaptive Kalman filter for acoustic echo control in hands-free telephones, Signal Processing 86, 2006; partitions:
Kuech, Mabande & Enzner, ICASSP 2014). The gain weighs how uncertain the room is against how loud everything else is,
so the soloist may play while it adapts: there is no detector of double talk to fail (compare Valin, On adjusting the
learning rate in frequency domain echo cancellation with double-talk, IEEE ASLP 15, 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.audio import RATE

REMEMBERS_S = 100.0  # in which a room is forgotten by an e-fold
FADES_S = 0.08  # how fast rooms die away, as expected before anything is known
LOUDEST = 1.0  # gain from loudspeaker to microphone, as expected before anything is known
SMOOTH_S = 0.095  # of the power of everything else
TIDY = 8  # so many blocks until all partitions were freed from wrapped-around samples
QUIETEST = 1e-9  # power per bin that counts as silence

Array = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


class AdaptiveFilter:
    """``count`` partitions; what is sent is there ``early`` blocks before its echo. Its lags begin at ``from_s``."""

    def __init__(self, count: int, size: int, *, early: int = 0, from_s: float = 0.0) -> None:
        self.count, self.size, self.early = count, size, early
        block_s = size / RATE
        remembers = np.exp(-block_s / REMEMBERS_S)
        self._remembers, self._forgets = np.float32(remembers), np.float32(1.0 - remembers**2)
        self._smooth = np.float32(np.exp(-block_s / SMOOTH_S))
        self._room: Spectrum = np.zeros((count, size + 1), np.complex64)
        expected = LOUDEST**2 * np.exp(-2.0 * (from_s + np.arange(count) * block_s) / FADES_S)
        self._doubt: Array = np.tile(expected[:, None], (1, size + 1)).astype(np.float32)
        self.gains: Array = np.zeros(count, np.float32)  # of the room, mean power
        sent = (count + early, size + 1)
        # The spectra sent, and their power, the latest first; the store is filled from its end.
        self._sent_store: Spectrum = np.zeros((2 * sent[0], sent[1]), np.complex64)
        self._power_store: Array = np.zeros((2 * sent[0], sent[1]), np.float32)
        self._from = sent[0]
        self._sent, self._power = self._sent_store[self._from :], self._power_store[self._from :]
        self._last: Array = np.zeros(size, np.float32)
        self._seen: Array = np.zeros(0, np.float32)  # (count, size + 1) error power that the doubt explains
        self._rest: Array = np.full(size + 1, QUIETEST, np.float32)
        self._tidied = 0

    # -- the room as it is believed to be ----------------------------------------------------------------------------

    def learn(self, taps: Array, sure: float) -> None:
        """Begin with ``taps`` (count * size,), uncertain by the share ``sure`` of their power."""
        self.set(taps)
        power = np.abs(self._room) ** 2
        self.gains = power.mean(axis=1)
        self._doubt = (sure * np.maximum(power, power.mean(axis=1, keepdims=True)) + 1e-9).astype(np.float32)

    def expect(self, power: Array) -> None:
        """Besides, the room may have so much power (count,) in each partition."""
        self._doubt = np.maximum(self._doubt, power[:, None])

    def doubt(self, share: float) -> None:
        """The room may be another, by this share of its power."""
        self._doubt = np.maximum(self._doubt, np.float32(share) * self.gains[:, None])
        self._see()

    def taps(self) -> Array:
        """(count * size,)"""
        return np.asarray(np.fft.irfft(self._room, axis=1)[:, : self.size].reshape(-1), np.float32)

    def set(self, taps: Array) -> None:
        """The room is this; ``taps`` (count * size,)."""
        self._room = np.fft.rfft(taps.reshape(self.count, self.size), 2 * self.size, axis=1).astype(np.complex64)

    # -- block by block ----------------------------------------------------------------------------------------------

    def send(self, block: Array) -> None:
        """One more block (size,) of what is sent."""
        sent, power, count = self._sent_store, self._power_store, len(self._sent)
        if self._from == 0:
            self._from = len(sent) - count
            sent[self._from :], power[self._from :] = self._sent, self._power
        self._from -= 1
        latest = sent[self._from] = np.fft.rfft(np.concatenate([self._last, block]))
        power[self._from] = latest.real**2 + latest.imag**2
        self._sent, self._power = sent[self._from :][:count], power[self._from :][:count]
        self._last = block

    def again(self, sound: Array) -> None:
        """What was sent so far was this, its end."""
        blocks = len(self._sent) + 1
        sound = np.pad(sound, (max(blocks * self.size - len(sound), 0), 0))[-blocks * self.size :]
        self._last = sound[: self.size]
        for at in range(self.size, len(sound), self.size):
            self.send(sound[at : at + self.size])

    def foretold(self, early: int = 0) -> Array:
        """The echo (size,) ``early`` blocks before it comes."""
        before = self.early - early
        sent = self._sent[before : before + self.count]
        return np.fft.irfft((sent * self._room).sum(axis=0))[self.size :].astype(np.float32)

    @property
    def sent(self) -> tuple[Spectrum, Array]:
        """What echoes now, the latest first: spectra and their power, each (count, size + 1)."""
        return self._sent[self.early :], self._power[self.early :]

    def doubted(self) -> float:
        """The power of the error, a sum over its spectrum, that the doubt about the room explains."""
        self._see()
        return 0.5 * float(self._seen.sum())  # overlap-save sees half of each window

    def _see(self) -> None:
        self._seen = self._power[self.early :] * self._doubt

    def adapt(self, error: Spectrum) -> None:
        """The room is such that ``error`` (size + 1,), a block after one of silence, would have been less.

        What ``doubted`` said of this block is weighed, so it is asked before.
        """
        self._rest = self._smooth * self._rest + (1 - self._smooth) * (error.real**2 + error.imag**2)
        seen, size = self._seen, self.size
        total = 0.5 * seen.sum(axis=0) + self._rest + np.float32(QUIETEST)
        moved = np.conj(self._sent[self.early :])
        moved *= self._doubt
        moved *= error / total
        self._room += moved
        seen /= total
        self._doubt *= 1.0 - 0.5 * seen
        self._room *= self._remembers
        power = self._room.real**2 + self._room.imag**2
        self.gains = power.mean(axis=1)
        self._doubt *= 1.0 - self._forgets
        power *= self._forgets
        self._doubt += power
        # A partition's response is a block long; the rest of its window is kept empty, some at a time.
        some = -(-self.count // TIDY)
        which = (self._tidied + np.arange(some)) % self.count
        self._tidied = (self._tidied + some) % self.count
        taps = np.fft.irfft(self._room[which], axis=1)
        taps[:, size:] = 0.0
        self._room[which] = np.fft.rfft(taps, axis=1)
