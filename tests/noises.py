"""What a microphone hears beside the music: (n,) at SAMPLE_RATE, seeded, about as loud as in a room."""

from __future__ import annotations

import numpy as np

from collaparte.listen.hearing import SAMPLE_RATE

VOWELS_HZ = ((700, 1200, 2500), (400, 2000, 2600), (300, 800, 2300), (500, 1700, 2400), (350, 2200, 3000))


def _filtered(noise: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    spectrum, hz = np.fft.rfft(noise), np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    return np.fft.irfft(spectrum * ((hz > low_hz) & (hz < high_hz)), len(noise))


def _loud(sound: np.ndarray, level: float) -> np.ndarray:
    return np.asarray(level * sound / np.sqrt(np.mean(sound**2)), np.float32)


def quiet(seconds: float) -> np.ndarray:
    """A room with nobody in it."""
    return (2e-4 * np.random.default_rng(1).standard_normal(int(seconds * SAMPLE_RATE))).astype(np.float32)


def talking(seconds: float, level: float = 0.03, seed: int = 2) -> np.ndarray:
    """Babble: a gliding voice through vowels' formants, in syllables with hissing between them."""
    rng = np.random.default_rng(seed)
    pieces: list[np.ndarray] = []
    while sum(len(piece) for piece in pieces) < seconds * SAMPLE_RATE:
        count = int(rng.uniform(0.1, 0.3) * SAMPLE_RATE)
        begins_hz = rng.uniform(95, 230)
        voice_hz = np.linspace(begins_hz, begins_hz * rng.uniform(0.8, 1.15), count)
        phase = 2 * np.pi * np.cumsum(voice_hz) / SAMPLE_RATE
        syllable = np.zeros(count)
        for number in range(1, 26):
            gain = sum(np.exp(-(((number * voice_hz - hz) / 120) ** 2)) for hz in VOWELS_HZ[rng.integers(5)]) + 0.03
            syllable += gain * np.sin(number * phase)
        pieces.append(syllable * np.hanning(count))
        if rng.random() < 0.4:
            hiss = _filtered(rng.standard_normal(int(0.08 * SAMPLE_RATE)), 2500, 7000)
            pieces.append(hiss * np.hanning(len(hiss)))
        if rng.random() < 0.2:
            pieces.append(np.zeros(int(rng.uniform(0.2, 0.6) * SAMPLE_RATE)))
    return _loud(np.concatenate(pieces)[: int(seconds * SAMPLE_RATE)], level)


def _bursts(
    seconds: float, times_s: np.ndarray, decay_s: float, low_hz: float, high_hz: float, seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * SAMPLE_RATE))
    for time_s in times_s:
        count = min(int(6 * decay_s * SAMPLE_RATE), len(sound) - int(time_s * SAMPLE_RATE))
        if count > 64:
            burst = _filtered(rng.standard_normal(count), low_hz, high_hz)
            burst *= np.exp(-np.arange(count) / (decay_s * SAMPLE_RATE)) * rng.uniform(0.5, 1.0)
            sound[int(time_s * SAMPLE_RATE) :][:count] += burst
    return sound


def coughs(seconds: float, level: float = 0.04, seed: int = 3) -> np.ndarray:
    """Two or three bursts each time, of noise like a throat's."""
    starts_s = np.arange(0.7, seconds - 1.0, 2.3)
    times_s = np.concatenate([starts_s, starts_s + 0.28, starts_s[::2] + 0.6])
    return _loud(_bursts(seconds, times_s, 0.07, 250, 3500, seed), level)


def applause(seconds: float, level: float = 0.08, seed: int = 4) -> np.ndarray:
    """Forty people clap three or four times a second, not together (a Poisson process of short bursts)."""
    times_s = np.random.default_rng(seed).uniform(0.0, seconds - 0.1, int(140 * seconds))
    return _loud(_bursts(seconds, times_s, 0.008, 600, 6000, seed + 1), level)


def pages(seconds: float, level: float = 0.02, seed: int = 6) -> np.ndarray:
    """Paper: short crackles within slow swishes."""
    rng = np.random.default_rng(seed)
    times_s = np.concatenate([start + rng.uniform(0.0, 0.6, 40) for start in np.arange(0.5, seconds - 1.0, 2.0)])
    return _loud(_bursts(seconds, times_s, 0.004, 900, 7500, seed + 1), level)


def tones(pitches: list[int], lengths_s: list[float], level: float = 0.05) -> np.ndarray:
    """Somebody else's notes: harmonic tones, one after the other."""
    pieces = []
    for pitch, length_s in zip(pitches, lengths_s, strict=True):
        time_s = np.arange(int(length_s * SAMPLE_RATE)) / SAMPLE_RATE
        phase = 2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * time_s
        tone = sum(0.6**n * np.sin((n + 1) * phase) for n in range(8))
        pieces.append(tone * np.minimum(time_s / 0.03, 1.0) * np.minimum((length_s - time_s) / 0.05, 1.0))
    return _loud(np.concatenate(pieces), level)


NOISES = {"talking": talking, "coughs": coughs, "applause": applause, "pages": pages}
