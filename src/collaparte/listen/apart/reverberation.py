"""What a hall goes on ringing when the canceller's filter is over: the same filter in blocks of a tenth of a second.

Conventions: as in ``echo``. So late an echo was sent long before it comes, so a whole large block of it is foretold at
once; that takes a tenth of the time that small blocks would (partitions that are longer the later they are: Gardner,
Efficient convolution without input-output delay, JAES 43, 1995).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.apart.adaptive_filter import AdaptiveFilter
from collaparte.listen.audio import RATE

SIZE = 1600  # samples
COUNT = 9

Array = NDArray[np.float32]


class Reverberation:
    """The echo from ``after_samples`` (at least ``SIZE``) on; what is sent is there ``early_samples`` before."""

    def __init__(self, after_samples: int, early_samples: int = 0) -> None:
        self.filter = AdaptiveFilter(COUNT, SIZE, from_s=after_samples / RATE)
        self.needs = after_samples + early_samples + (COUNT + 1) * SIZE  # samples of the past, for ``again``
        self._after = after_samples + early_samples
        self.again(np.zeros(self.needs, np.float32))

    def again(self, sent: Array) -> None:
        """What was sent until now was ``sent`` (n,)."""
        self._waiting = sent[len(sent) - self._after :]
        self.filter.again(sent[: len(sent) - self._after])
        self._echo = self._error = np.zeros(0, np.float32)
        self._at = SIZE
        self.doubted = self.oldest = 0.0
        self._sure = True

    def expect(self, power: Array) -> None:
        """Beyond what was measured: the power (n,) of the room in each small block, of which n make up all."""
        self.filter.expect(power.reshape(COUNT, -1).sum(axis=1))

    def foretold(self, sent: Array) -> Array:
        """The echo (n,) that comes now, while ``sent`` (n,) is sent; blocks of n samples make up a large one."""
        if self._at == SIZE:
            self._at = 0
            self.filter.send(self._waiting[:SIZE])
            self._waiting = self._waiting[SIZE:]
            self._echo, self._error = self.filter.foretold(), np.zeros(2 * SIZE, np.float32)
            scale = (len(sent) / SIZE) ** 2  # a spectrum's power is a block's energy times its size
            self.doubted = scale * self.filter.doubted()
            self.oldest = scale * float(self.filter.sent[1][-1].sum())
            self._sure = True
        self._waiting = np.concatenate([self._waiting, sent])
        return self._echo[self._at : self._at + len(sent)]

    def heard(self, error: Array, sure: bool) -> None:
        """What was heard (n,) beyond the foretold; ``sure``: it is an error of the room, or the soloist."""
        self._error[SIZE + self._at : SIZE + self._at + len(error)] = error
        self._at += len(error)
        self._sure = self._sure and sure
        if self._at == SIZE and self._sure:
            self.filter.adapt(np.fft.rfft(self._error).astype(np.complex64))
