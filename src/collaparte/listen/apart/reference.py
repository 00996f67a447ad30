"""The orchestra's sound as a canceller needs it: at RATE, sample for sample beside the microphone's.

Conventions: times are monotonic seconds. Loudspeaker and microphone have clocks of their own, which differ by parts in
a million: the reference is read where the two clocks say, through a slow filter, and where it has wandered off by more
than a frame it skips or repeats one. Where a device has lost a block, it begins anew in the right place.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.audio import RATE, Resampler

JUMP_S = 0.005  # further off, the reading starts anew
FOLLOW, FOLLOW_DRIFT = 0.02, 0.0001  # share of each block's surprise that is believed, as a shift and as a drift
SLIP_FRAMES = 1.0

Array = NDArray[np.float32]


class Played(Protocol):
    """What was played, by the numbers of its frames (see ``sound.tap``)."""

    def frame_at(self, time_s: float) -> float:
        """The frame asked for at ``time_s``."""

    def read(self, first: int, count: int) -> Array:
        """``count`` frames from ``first`` on."""


class Reference:
    """``beside(count, time_s)``: the ``count`` samples at RATE that were asked for from ``time_s - delay_s`` on.

    ``delay_s`` is at most the time after which they can be heard; it must be long enough for what is read to be there.
    """

    def __init__(self, played: Played, rate: int, delay_s: float) -> None:
        self._played, self._rate, self._delay_s = played, rate, delay_s
        self._resampler = Resampler(rate)
        self._ready: Array = np.zeros(0, np.float32)
        self._begun: int | None = None  # the frame that the first sample stands for
        self._given = 0  # samples
        self._next = 0  # frame to be read
        self._off = self._drift = 0.0  # frames, and frames a block; smoothed
        self.slips = 0

    def beside(self, count: int, time_s: float) -> Array:
        """Called in order, without gaps; a gap of more than JUMP_S begins anew."""
        if count == 0:
            return np.zeros(0, np.float32)
        wanted = self._played.frame_at(time_s - self._delay_s)
        here = None if self._begun is None else self._begun + self._given * self._rate / RATE
        if here is None or abs(wanted - here) > JUMP_S * self._rate:
            self._resampler = Resampler(self._rate)
            self._ready = np.zeros(0, np.float32)
            self._begun = self._next = round(wanted)
            self._given, self._off, self._drift = 0, 0.0, 0.0
        else:
            self._off += self._drift
            surprise = wanted - here - self._off
            self._off += FOLLOW * surprise
            self._drift += FOLLOW_DRIFT * surprise
            if abs(self._off) > SLIP_FRAMES:
                slip = 1 if self._off > 0 else -1
                assert self._begun is not None
                self._begun, self._next, self._off = self._begun + slip, self._next + slip, self._off - slip
                self.slips += 1
        while len(self._ready) < count:
            frames = max(round((count - len(self._ready)) * self._rate / RATE), 1)
            self._ready = np.concatenate([self._ready, self._resampler.push(self._played.read(self._next, frames))])
            self._next += frames
        sound, self._ready = self._ready[:count], self._ready[count:]
        self._given += count
        return sound
