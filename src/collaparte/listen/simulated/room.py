"""A room that is not there: the orchestra comes back from its loudspeaker into the soloist's microphone.

Conventions: audio is mono float32 at ``audio.RATE``. ``bleed_db`` is the ratio of RMS, orchestra over soloist, at the
microphone, over the 100 ms stretches in which both sound. Same seed, same room, to the sample.

A room's response is the direct sound, its reflections from the six walls up to the third order (image sources in a
shoebox: Allen & Berkley, JASA 65, 1979; the walls' loss follows from the reverberation time) and, from 30 ms on, noise
that decays exponentially (Moorer, Computer Music Journal 3, 1979). It is a model: real rooms have resonances, other
people in them, and loudspeakers with a sound of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent
from collaparte.listen.audio import RATE

SOUND_M_PER_S = 343.0
BLOCK = 160
LEAD = BLOCK  # samples: a buffer on the way to the loudspeaker, so that what is heard now was decided before
LATE_S = 0.03  # from here on the response is noise
ORDER = 3  # of reflections
LEVEL_S = 0.1  # the stretches whose level counts
SOUNDING_DB = 35.0  # a stretch sounds when it is less than this below the loudest
MOVES_IN_S = 1.0
SINC = 16  # taps of the interpolator that makes clocks drift

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Room:
    """A shoebox: length, width, height; ``decay_s`` until 60 dB below; ``away_m`` from loudspeaker to microphone.

    ``late`` is the energy of the reverberation against that of the direct sound. ``drift_ppm``: by how much the
    microphone's clock runs faster than the loudspeaker's. ``drive``: how far into its limits the loudspeaker is driven
    (0: not at all; tanh). At ``moves_s`` the loudspeaker, or somebody beside it, is moved.
    """

    size_m: tuple[float, float, float]
    decay_s: float
    away_m: float
    late: float
    drift_ppm: float = 0.0
    drive: float = 0.0
    moves_s: float | None = None


ROOMS = {
    "dry": Room((6.0, 5.0, 3.0), 0.08, 1.2, 0.03),
    "small": Room((4.2, 3.4, 2.6), 0.35, 1.5, 0.6),
    "hall": Room((24.0, 16.0, 9.0), 1.6, 2.5, 0.8),
}


def response_of(room: Room, seed: int) -> Array:
    """What the microphone hears of a unit impulse (n,): the direct sound is 1, and as late as its way is long."""
    rng = np.random.default_rng((seed, 41))
    size = np.array(room.size_m)
    microphone = size * rng.uniform(0.35, 0.65, 3)
    turn = rng.uniform(0.0, 2.0 * np.pi)
    speaker = np.clip(microphone + room.away_m * np.array([np.cos(turn), np.sin(turn), 0.0]), 0.2, size - 0.2)
    direct_m = float(np.linalg.norm(speaker - microphone))
    count = round((room.decay_s + 0.05) * RATE)
    taps = np.zeros(count)
    volume, walls = float(size.prod()), 2.0 * float(size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    reflected = float(np.sqrt(max(1.0 - 0.161 * volume / (walls * room.decay_s), 0.02)))  # Sabine
    images = np.stack(np.meshgrid(*[np.arange(-ORDER, ORDER + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = images[np.abs(images).sum(axis=1) <= ORDER]
    places = np.where(images % 2 == 0, images * size + speaker, (images + 1) * size - speaker)
    away_m = np.linalg.norm(places - microphone, axis=1)
    heights = reflected ** np.abs(images).sum(axis=1) * direct_m / away_m
    for late, height in zip(away_m / SOUND_M_PER_S, heights, strict=True):
        if late < LATE_S + direct_m / SOUND_M_PER_S:
            _add_between(taps, late * RATE, height)
    time_s = np.arange(count) / RATE
    noise = rng.standard_normal(count) * 10.0 ** (-3.0 * time_s / room.decay_s)
    noise[: round((direct_m / SOUND_M_PER_S + min(LATE_S, room.decay_s / 4)) * RATE)] = 0.0
    taps += noise * np.sqrt(room.late / max(float((noise**2).sum()), 1e-12))
    return np.asarray(taps, np.float32)


def _add_between(taps: NDArray[np.float64], at: float, height: float) -> None:
    first = int(np.floor(at)) - 7
    numbers = np.arange(max(first, 0), min(first + 16, len(taps)))
    taps[numbers] += height * np.sinc(numbers - at) * np.hanning(18)[1 + numbers - first]


class Convolver:
    """A stream through a response, in uniform partitions; blocks of ``BLOCK`` in and out, without delay."""

    def __init__(self, response: Array) -> None:
        count = -(-len(response) // BLOCK)
        taps = np.pad(response, (0, count * BLOCK - len(response))).reshape(count, BLOCK)
        self._taps = np.fft.rfft(taps, 2 * BLOCK, axis=1)
        self._sent = np.zeros_like(self._taps)
        self._last: Array = np.zeros(BLOCK, np.float32)

    def through(self, block: Array) -> Array:
        """The next ``BLOCK`` samples."""
        self._sent[1:] = self._sent[:-1].copy()
        self._sent[0] = np.fft.rfft(np.concatenate([self._last, block]))
        self._last = block
        heard = np.fft.irfft(np.einsum("pb,pb->b", self._sent, self._taps))[BLOCK:]
        return np.asarray(heard, np.float32)


class Orchestra(Protocol):
    """The orchestra's sound from clock zero on (see ``sound.streamed``)."""

    def send(self, events: Sequence[OrchestraEvent]) -> None:
        """Commit ``events``."""

    def pull(self, frames: int) -> Array:
        """The next ``frames`` of sound."""


class VirtualRoom:
    """``bleed(count)``: what the microphone hears of the orchestra, and the reference as a canceller is given it.

    The reference is the same, ``LEAD`` samples
    late; from there it has the way through the room before it. ``gain`` is the level of the direct sound.
    """

    def __init__(self, room: Room, orchestra: Orchestra, *, seed: int = 0, gain: float = 1.0) -> None:
        self.room, self.gain, self.seed = room, gain, seed
        self._orchestra = orchestra
        self._here = Convolver(response_of(room, seed))
        self._there = Convolver(response_of(room, seed + 1)) if room.moves_s is not None else None
        self._ready: tuple[Array, Array] = (np.zeros(LEAD, np.float32), np.zeros(LEAD, np.float32))
        self._made = LEAD
        self._before: Array = np.zeros(4 * RATE // 100, np.float32)  # for the drift: the last 40 ms, then what follows
        self._loudest = 1e-3

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed."""
        self._orchestra.send([event])

    @property
    def response(self) -> Array:
        """From reference to microphone, as it is at the start."""
        return np.asarray(self.gain * response_of(self.room, self.seed), np.float32)

    def bleed(self, count: int) -> tuple[Array, Array]:
        """(bleed, reference), each (count,)."""
        heard, sent = [self._ready[0]], [self._ready[1]]
        while sum(map(len, heard)) < count:
            block = self._orchestra.pull(BLOCK)
            heard.append(self._drifted(self._through(self._driven(block))))
            sent.append(block)
            self._made += BLOCK
        bleed, reference = np.concatenate(heard), np.concatenate(sent)
        self._ready = (bleed[count:], reference[count:])
        return bleed[:count], reference[:count]

    def _driven(self, block: Array) -> Array:
        if not self.room.drive:
            return block
        self._loudest = max(self._loudest * 0.9995, float(np.abs(block).max()))
        limit = self._loudest / self.room.drive
        return np.asarray(limit * np.tanh(block / limit), np.float32)

    def _through(self, block: Array) -> Array:
        heard = self._here.through(block)
        if self._there is not None and self.room.moves_s is not None:
            other = self._there.through(block)
            share = min(max((self._made / RATE - self.room.moves_s) / MOVES_IN_S, 0.0), 1.0)
            heard = (1.0 - share) * heard + share * other
        return np.asarray(self.gain * heard, np.float32)

    def _drifted(self, block: Array) -> Array:
        """Read ever later (or, from 20 ms late on, ever earlier), between the samples."""
        if not self.room.drift_ppm:
            return block
        self._before = np.concatenate([self._before[BLOCK:], block])
        usual = 20.0 * RATE / 1000 if self.room.drift_ppm < 0 else SINC / 2
        late = usual + (self._made + np.arange(BLOCK)) * self.room.drift_ppm * 1e-6
        late = np.clip(late, SINC / 2, len(self._before) - BLOCK - SINC)
        at = len(self._before) - BLOCK + np.arange(BLOCK) - late
        whole = np.floor(at).astype(int)
        numbers = whole[:, None] + np.arange(1 - SINC // 2, 1 + SINC // 2)
        weights = np.sinc(numbers - at[:, None]) * np.cos(np.pi * (numbers - at[:, None]) / (SINC + 2)) ** 2
        return np.asarray((weights * self._before[numbers]).sum(axis=1), np.float32)


def levels(sound: Array) -> NDArray[np.float64]:
    """Power (n,) of each stretch of ``LEVEL_S``."""
    size = round(LEVEL_S * RATE)
    count = len(sound) // size
    return np.asarray((sound[: count * size].astype(np.float64).reshape(count, size) ** 2).mean(axis=1))


def bleed_db(bleed: Array, solo: Array) -> float:
    """Orchestra over soloist where both sound, in dB; NaN when they never do."""
    ours, theirs = levels(bleed), levels(solo)
    count = min(len(ours), len(theirs))
    ours, theirs = ours[:count], theirs[:count]
    if not count or not ours.max() or not theirs.max():
        return float("nan")
    least = 10.0 ** (-SOUNDING_DB / 10.0)
    both = (ours > least * ours.max()) & (theirs > least * theirs.max())
    return 10.0 * float(np.log10(ours[both].mean() / theirs[both].mean())) if both.any() else float("nan")


def with_faults(room: Room, *, drift_ppm: float = 0.0, drive: float = 0.0, moves_s: float | None = None) -> Room:
    """The same room with something wrong about it."""
    return replace(room, drift_ppm=drift_ppm, drive=drive, moves_s=moves_s)
