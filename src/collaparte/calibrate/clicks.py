"""A train of short sweeps, and how long each took to come back: pure functions, for devices and browsers alike.

Conventions: audio is mono float32 (n,), roughly -1..1. Sample 0 of ``recorded`` is the moment at which sample 0 of
``played`` was handed to the output. Levels are dB relative to full scale, RMS. ``response`` is what a unit impulse
becomes on its way, at the given rate, from ``RESPONSE_LEAD_S`` before the round trip is over (``response``).

Each sweep is sought with the filter matched to it (as pulse compression in radar); the distances between the sweeps all
differ, so that no other delay under ``LONGEST_S`` fits them all. Sweeps rather than clicks: they carry thirty times
the energy at the same loudness, and are told from the noise of a room.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.response import RESPONSE_S, impulse_response
from collaparte.errors import DeviceError

LOWEST_HZ, HIGHEST_HZ = 80.0, 7800.0
SWEEP_S = 0.04
LEVEL = 0.4  # of full scale
FIRST_S = 0.3
GAPS_S = (0.41, 0.53, 0.45, 0.61, 0.39, 0.57, 0.47)  # from sweep to sweep
LONGEST_S = 1.0  # a longer round trip is not looked for
EARLIEST_S = 0.05  # stamps are not exact: without any delay the sound may seem to come a little before it was sent
SILENT_DB = -75.0
CLIPPED, MUCH_CLIPPED = 0.999, 0.0005
HEARD = 7.0  # times the usual height of the matched filter's envelope around it
DIRECT = 0.5  # the sound that comes straight is at least so high against its strongest reflection, ...
DIRECT_S = 0.008  # ... and at most this much earlier
NEAR_S = 0.003  # single sweeps are sought this far around where all together are
SAME_S = 0.001  # ... and count when they agree this well
LOUD_NOISE_DB = -45.0
SPREAD_DOUBTFUL_S = 0.0005

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came back. ``spread_s`` is the standard deviation over sweeps; ``complaints`` are for the player."""

    round_trip_s: float
    spread_s: float
    level_db: float  # of the sweeps as they were heard
    noise_db: float  # of the room between them
    heard: int
    played: int
    rate: int
    response: Array = field(repr=False)
    complaints: tuple[str, ...] = ()


def _sweep(rate: int) -> Array:
    time = np.arange(round(SWEEP_S * rate)) / rate
    highest = min(HIGHEST_HZ, 0.45 * rate)
    phase = 2 * np.pi * (LOWEST_HZ * time + (highest - LOWEST_HZ) * time**2 / (2 * SWEEP_S))
    edge = np.minimum(1.0, np.minimum(time, SWEEP_S - time) / 0.002)
    return np.asarray(LEVEL * np.sin(phase) * np.sin(0.5 * np.pi * edge) ** 2, np.float32)


def clicks(rate: int) -> Array:
    """The train at ``rate``: about 5 s, with silence at its end long enough for a hall and a long round trip."""
    sweep = _sweep(rate)
    begins = np.round((FIRST_S + np.concatenate([[0.0], np.cumsum(GAPS_S)])) * rate).astype(int)
    train = np.zeros(begins[-1] + len(sweep) + round((RESPONSE_S + 0.3) * rate), np.float32)
    for begin in begins:
        train[begin : begin + len(sweep)] = sweep
    return train


def _bursts(played: Array, rate: int) -> list[tuple[int, int]]:
    """Where something is played: stretches (first, end) with at least a tenth of a second of silence between."""
    sounding = np.flatnonzero(np.abs(played) > 1e-4)
    if not len(sounding):
        raise DeviceError("Nothing was played, so nothing can be measured. Play the clicks of `clicks(rate)`.")
    breaks = np.flatnonzero(np.diff(sounding) > 0.1 * rate)
    firsts = [int(sounding[0]), *(int(sounding[at + 1]) for at in breaks)]
    ends = [*(int(sounding[at]) + 1 for at in breaks), int(sounding[-1]) + 1]
    return list(zip(firsts, ends, strict=True))


def _envelope(heard: Array, burst: Array, count: int) -> NDArray[np.float64]:
    """Height (count,) of the matched filter's envelope at each delay of ``burst`` in ``heard``."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(burst))))
    spectrum = np.fft.fft(heard, size) * np.conj(np.fft.fft(burst, size))
    spectrum[size // 2 + 1 :] = 0.0  # the analytic signal: a loudspeaker may turn the phase as it likes
    spectrum[1 : size // 2] *= 2.0
    return np.asarray(np.abs(np.fft.ifft(spectrum))[:count] / float(burst @ burst), np.float64)


def _peak(envelope: NDArray[np.float64], at: int) -> float:
    """The place of the maximum around ``at``, between samples (a parabola through three)."""
    if not 0 < at < len(envelope) - 1:
        return float(at)
    left, middle, right = envelope[at - 1 : at + 2]
    bend = left - 2 * middle + right
    return at + (0.5 * float(left - right) / float(bend) if bend < 0 else 0.0)


def _direct(envelope: NDArray[np.float64], rate: int) -> int:
    """The first peak that can be the direct sound, before the highest one."""
    highest = int(np.argmax(envelope))
    first = max(highest - round(DIRECT_S * rate), 1)
    near = envelope[first : highest + 1]
    rising = (near >= envelope[first - 1 : highest]) & (near > envelope[first + 1 : highest + 2])
    enough = np.flatnonzero(rising & (near >= DIRECT * envelope[highest]))
    return first + int(enough[0]) if len(enough) else highest


def _rms_db(sound: NDArray[np.float32]) -> float:
    return 10.0 * float(np.log10(np.mean(sound.astype(np.float64) ** 2) + 1e-12)) if len(sound) else -120.0


def measure(recorded: Array, played: Array, rate: int) -> Measured:
    """The round trip of ``played`` in ``recorded``; both mono at ``rate``, see the conventions above.

    Raises DeviceError, saying what to do, when nothing or too little of it was heard.
    """
    recorded = np.nan_to_num(np.asarray(recorded, np.float32).reshape(-1), posinf=0.0, neginf=0.0)
    played = np.asarray(played, np.float32).reshape(-1)
    bursts = _bursts(played, rate)
    if len(recorded) < bursts[len(bursts) // 2][1]:
        raise DeviceError(
            f"The recording of the clicks breaks off after {len(recorded) / rate:.1f} s. Was the device taken away?"
        )
    recorded = np.pad(recorded, (0, max(len(played) - len(recorded), 0)))
    if len(recorded) == 0 or _rms_db(recorded - recorded.mean()) < SILENT_DB:
        raise DeviceError(
            "The microphone heard nothing at all. Choose the right input, switch it on, and allow its use; "
            "`collaparte devices --test` listens to it."
        )
    recorded = recorded - np.float32(recorded.mean())
    clipped = float(np.mean(np.abs(recorded) >= CLIPPED))
    longest, early = round(LONGEST_S * rate), round(EARLIEST_S * rate)
    late = np.pad(recorded, (early, 0))  # delays count from ``early`` before a burst
    envelopes = np.array([_envelope(late[first : end + longest], played[first:end], longest) for first, end in bursts])
    whole = _direct(envelopes.mean(axis=0), rate)
    quiet = np.ones(len(recorded), bool)
    for first, end in bursts:
        quiet[first : end + longest // 4 + whole] = False
    noise_db = _rms_db(recorded[quiet] if quiet.any() else recorded[:rate])
    standing_out = [envelope.max() >= HEARD * np.median(envelope) for envelope in envelopes]
    if sum(standing_out) < max(len(bursts) // 2, 1):
        what = (
            f"The room is too loud ({noise_db:.0f} dB) for the clicks to be heard. Ask for silence, or turn up"
            if noise_db > LOUD_NOISE_DB
            else "The clicks were not heard. Take the headphones off for this, and turn up"
        )
        raise DeviceError(f"{what} the loudspeaker, or bring the microphone nearer; then measure again.")
    delays = _each(envelopes, whole, rate)
    agreeing = np.abs(delays - np.median(delays)) <= SAME_S if len(delays) else np.zeros(0, bool)
    if agreeing.sum() < max(len(bursts) // 2, 1):
        raise DeviceError(
            f"Only {int(agreeing.sum())} of {len(bursts)} clicks were heard at one distance, so the round trip is not "
            "known. Keep still and quiet, close other programs that use sound, and measure again."
        )
    delays = delays[agreeing] - early / rate
    round_trip_s, spread_s = float(np.median(delays)), float(np.std(delays))
    shift = round(round_trip_s * rate)
    level_db = float(np.median([_rms_db(recorded[max(first + shift, 0) : end + shift]) for first, end in bursts]))
    complaints = []
    if clipped > MUCH_CLIPPED:
        complaints.append("The clicks are clipped. Turn the microphone or the loudspeaker down, and measure again.")
    if level_db < noise_db + 10.0:
        complaints.append(f"The clicks are hardly louder than the room ({level_db:.0f} dB, {noise_db:.0f} dB).")
    if spread_s > SPREAD_DOUBTFUL_S:
        complaints.append(f"The round trip varied by {1000 * spread_s:.1f} ms; other programs may be using the sound.")
    response = impulse_response(recorded, played, shift, rate)
    return Measured(
        round_trip_s, spread_s, level_db, noise_db, len(delays), len(bursts), rate, response, tuple(complaints)
    )


def _each(envelopes: NDArray[np.float64], whole: int, rate: int) -> NDArray[np.float64]:
    """The delay (s) of every sweep that stands out where all together do."""
    near = round(NEAR_S * rate)
    first = max(whole - near, 0)
    found = []
    for envelope in envelopes:
        here = envelope[first : whole + near + 1]
        if here.max() >= HEARD / 2 * np.median(envelope):
            found.append(_peak(envelope, first + _direct(here, rate) if here.size > 2 else whole) / rate)
    return np.asarray(found)
