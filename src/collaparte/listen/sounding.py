"""How an input sounds, in plain words: level, clipping, noise, hum, offset, dead channels.

Conventions: audio is float32 (n, channels), roughly -1..1; levels are dB relative to full scale, RMS. The noise floor
is that of the quietest tenth of 50 ms stretches, so that playing or talking meanwhile does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.audio import SILENT_DB, Health

STRETCH_S = 0.05
HUM_STANDS_OUT_DB = 12.0  # over its neighbourhood
HUM_LEAST_DB = -75.0
NOISY_DB, LOUD_DB, SOFT_DB = -50.0, -6.0, -45.0
MAINS_HZ = (50.0, 60.0)


@dataclass(frozen=True, slots=True)
class Sounding:
    """``level_db`` of it all, ``peak_db`` the loudest sample, ``noise_db`` the floor; ``hum_hz`` 50, 60 or None."""

    level_db: float
    peak_db: float
    noise_db: float
    hum_hz: float | None
    hum_db: float
    words: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Nothing is wrong with it."""
        return not self.words


def sounding(recorded: NDArray[np.float32], rate: int, *, waiting: bool = False) -> Sounding:
    """What ``recorded`` (n,) or (n, channels) says of its input; nobody need play in it when ``waiting``."""
    block = recorded[:, None] if recorded.ndim == 1 else recorded
    health = Health()
    block = health.take(np.asarray(block, np.float32))
    words = health.complaints()
    if not len(block):
        return Sounding(-120.0, -120.0, -120.0, None, -120.0, tuple(words))
    loudest = int(np.argmax((block.astype(np.float64) ** 2).mean(axis=0)))
    mono = block[:, loudest].astype(np.float64)
    mono -= mono.mean()
    size = max(round(STRETCH_S * rate), 1)
    stretches = mono[: len(mono) // size * size].reshape(-1, size)
    power = (stretches**2).mean(axis=1) if len(stretches) else np.array([float((mono**2).mean())])
    noise_db = 10.0 * float(np.log10(np.quantile(power, 0.1) + 1e-12))
    peak_db = 20.0 * float(np.log10(np.abs(mono).max() + 1e-6))
    hum_hz, hum_db = _hum(mono, rate)
    if health.level_db >= SILENT_DB:
        if hum_hz is not None:
            words.append(
                f"It hums at {hum_hz:.0f} Hz ({hum_db:.0f} dB). Look for a ground loop or a power supply nearby."
            )
        if noise_db > NOISY_DB:
            words.append(f"It is noisy ({noise_db:.0f} dB when nothing happens). Come nearer, and turn the input down.")
        if peak_db < SOFT_DB and not waiting:
            words.append(f"It is very soft ({peak_db:.0f} dB at most). Turn the input up, or come nearer.")
    return Sounding(health.level_db, peak_db, noise_db, hum_hz, hum_db, tuple(words))


def _hum(mono: NDArray[np.float64], rate: int) -> tuple[float | None, float]:
    """The mains frequency whose first partials stand out, and how loud they are together."""
    if len(mono) < rate // 2:
        return None, -120.0
    shape = np.hanning(len(mono))
    spectrum = np.abs(np.fft.rfft(mono * shape)) * 2.0 / shape.sum()
    hz = np.fft.rfftfreq(len(mono), 1.0 / rate)
    best: tuple[float | None, float] = (None, -120.0)
    for mains in MAINS_HZ:
        partials = []
        for number in (1, 2, 3):
            near = np.abs(hz - number * mains) < 20.0
            here = np.abs(hz - number * mains) <= 1.5
            stands = spectrum[here].max() / max(float(np.median(spectrum[near & ~here])), 1e-9)
            if stands > 10.0 ** (HUM_STANDS_OUT_DB / 20.0):
                partials.append(float(spectrum[here].max()) ** 2 / 2.0)
        level_db = 10.0 * float(np.log10(sum(partials) + 1e-12))
        if len(partials) >= 2 and level_db > max(best[1], HUM_LEAST_DB):
            best = (mains, level_db)
    return best
