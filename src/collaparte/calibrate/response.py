"""What a room makes of an impulse, found from sounds that were played in it and what came back.

Conventions: as in ``clicks``. The sounds are so near each other that a hall still rings of the last one when the next
comes; so the response is sought that explains the whole recording best (least squares), in conjugate gradients over its
normal equations, whose matrix is Toeplitz (Chan & Ng, Conjugate gradient methods for Toeplitz systems, SIAM Review 38,
1996). What seems to come back before the sound can have is noise: so much of the late response is noise too (Lundeby,
Vigran, Bietz & Vorländer, Uncertainties of measurements in room acoustics, Acta Acustica 81, 1995).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESPONSE_S = 1.3
RESPONSE_LEAD_S = 0.004
NOISE_S = (0.12, 0.02)  # before the sound: from when, until when, what is heard is noise
STRETCH_S = 0.02  # in which sound and noise are told apart
CERTAIN_S = 0.05  # after the sound: until then everything is
ONLY_NOISE = 0.6  # share from which on there is no sound any more
DAMPED = 1e-4  # of the strongest frequency's power: where nothing was played nothing is found
ROUNDS, ENOUGH = 100, 1e-6  # of conjugate gradients; what is left of the error

Array = NDArray[np.float32]


def impulse_response(recorded: Array, played: Array, delay_samples: int, rate: int) -> Array:
    """What a unit impulse becomes (n,), from ``RESPONSE_LEAD_S`` before ``delay_samples`` on, for ``RESPONSE_S``.

    Where it is no louder than the noise it is zero.
    """
    from scipy.fft import next_fast_len  # type: ignore[import-untyped]  # slow to load
    from scipy.sparse.linalg import LinearOperator, cg  # type: ignore[import-untyped]

    lead, early = round(RESPONSE_LEAD_S * rate), round(NOISE_S[0] * rate)
    count = early + round((RESPONSE_S - RESPONSE_LEAD_S) * rate)
    size = 1 << int(np.ceil(np.log2(max(len(recorded), len(played)) + count)))
    sent = np.fft.rfft(played, size)
    across = np.fft.rfft(recorded, size) * np.conj(sent)
    first = delay_samples - early
    wanted = np.roll(np.fft.irfft(across, size), -first)[:count]
    power = sent.real**2 + sent.imag**2
    alike = np.fft.irfft(power + DAMPED * power.max(), size)[:count]
    around = next_fast_len(2 * count, real=True)  # a circulant matrix of that size holds the Toeplitz one
    circle = np.fft.rfft(np.concatenate([alike, np.zeros(around - 2 * count + 1), alike[:0:-1]]))

    def normal(taps: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.fft.irfft(circle * np.fft.rfft(taps.reshape(-1), around), around)[:count], np.float64)

    operator = LinearOperator((count, count), matvec=normal, dtype=np.float64)
    taps, _ = cg(operator, wanted, rtol=ENOUGH, maxiter=ROUNDS)
    noise = float(np.mean(taps[: early - round(NOISE_S[1] * rate)] ** 2))
    return np.asarray(_without_noise(taps[early - lead :], noise, rate), np.float32)


def _without_noise(taps: NDArray[np.float64], noise: float, rate: int) -> NDArray[np.float64]:
    """Each stretch of ``taps`` (n,) by its share of sound (Wiener), until there is hardly any."""
    size, certain = round(STRETCH_S * rate), round(CERTAIN_S * rate)
    late = np.pad(taps[certain:], (0, -len(taps[certain:]) % size)).reshape(-1, size)
    noisy = noise / np.maximum(np.mean(late**2, axis=1), 1e-20)
    share = np.where(np.cumsum(noisy > ONLY_NOISE) == 0, 1.0 - noisy, 0.0)
    middles = certain + size * (np.arange(len(share)) + 0.5)
    return np.asarray(taps * np.interp(np.arange(len(taps)), [certain, *middles], [1.0, *share]))
