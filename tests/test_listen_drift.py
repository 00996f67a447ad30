"""A clock that drifts: the reference is shifted after it, either way, and a room that stands still is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from test_listen_echo import SETTLED, cleaned, decibels, music, room, through

from collaparte.listen.apart.drift import AHEAD, Drift
from collaparte.listen.apart.echo import BLOCK, EchoCanceller
from collaparte.listen.audio import RATE


def drifted(sound: np.ndarray, ppm: float) -> np.ndarray:
    """``sound`` by a clock that makes it ever later."""
    times = np.arange(len(sound), dtype=np.float64)
    return np.interp(times * (1.0 - ppm * 1e-6), times, sound).astype(np.float32)


@pytest.mark.parametrize("ppm", [-50.0, 50.0])
def test_clocks_that_drift_apart_are_followed_though_the_soloist_plays_louder_than_the_orchestra(ppm: float) -> None:
    sent, solo = music(1, 45, 65, 0.3, 4), music(2, 60, 84, 0.23)
    echo = drifted(through(sent, room(1)), ppm)
    level = np.float32(0.5 * np.sqrt((solo @ solo) / (echo @ echo)))
    canceller = EchoCanceller()
    canceller.learn(level * room(1))
    left = cleaned(canceller, solo + level * echo, sent) - solo
    before, after = level * echo[SETTLED:], left[SETTLED:]
    assert decibels((before @ before) / (after @ after)) > 14.0  # not followed, it is 8


def test_where_no_clock_drifts_nothing_is_shifted_by_a_soloist() -> None:
    sent, solo = music(1, 45, 65, 0.3, 4), music(2, 60, 84, 0.23)
    drift = Drift()
    echo = through(sent, room(1)) * np.float32(0.5)
    late = []
    for at in range(0, len(sent) - BLOCK + 1, BLOCK):
        drift.heard(echo[at : at + BLOCK], solo[at : at + BLOCK])
        late.append(drift.late_samples)
    assert np.abs(late).max() < 1.0


@pytest.mark.parametrize("late", [0.0, 0.3, -7.75, 12.5])
def test_a_shift_is_as_long_as_it_says(late: float) -> None:
    hz = 440.0
    sound = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    drift = Drift()
    drift.late_samples = late
    given = np.concatenate([drift.shifted(sound[at : at + BLOCK]) for at in range(0, RATE // 2, BLOCK)])
    wanted = np.sin(2 * np.pi * hz * (np.arange(len(given)) - AHEAD - late) / RATE)
    np.testing.assert_allclose(given[1000:], wanted[1000:], atol=2e-3)
