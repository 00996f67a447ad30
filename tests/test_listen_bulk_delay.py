"""The orchestra's way into the microphone becomes longer or shorter at once: found, with a soloist and without."""

from __future__ import annotations

import numpy as np
import pytest
from test_listen_echo import cleaned, decibels, music, room, through

from collaparte.listen.apart.echo import BLOCK, EchoCanceller
from collaparte.listen.audio import RATE

DELAY_S = 0.08
JUMPS_S = 4.0


def delayed(sound: np.ndarray, samples: int) -> np.ndarray:
    return np.concatenate([np.zeros(samples, np.float32), sound])[: len(sound)]


def heard_with_jump(
    late: int, jumps_s: float, level: float
) -> tuple[EchoCanceller, np.ndarray, np.ndarray, np.ndarray]:
    """(canceller, sent, echo, solo): the echo comes ``late`` samples later from ``jumps_s`` on; the room is known."""
    sent, solo = music(1, 45, 65, 0.3, 4), np.float32(level) * music(2, 60, 84, 0.23)
    echo, at = through(sent, 0.5 * room(1)), round(jumps_s * RATE)
    way = round(DELAY_S * RATE)
    echo = np.concatenate([delayed(echo, way)[:at], delayed(echo, way + late)[at:]])
    canceller = EchoCanceller(delay_s=DELAY_S)
    canceller.learn(0.5 * room(1))
    return canceller, sent, echo, solo


@pytest.mark.parametrize("late", [-160, 130, 441])
@pytest.mark.parametrize("jumps_s", [0.0, JUMPS_S])
def test_with_a_silent_soloist_a_jump_is_found_in_a_tenth_of_a_second_and_nobody_is_heard(
    late: int, jumps_s: float
) -> None:
    canceller, sent, echo, _ = heard_with_jump(late, jumps_s, 0.0)
    noise = 2e-4 * np.random.default_rng(3).standard_normal(len(echo)).astype(np.float32)
    own, left, found_s = [], [], 0.0
    for at in range(0, len(echo), BLOCK):
        left.append(canceller.clean((echo + noise)[at : at + BLOCK], sent[at : at + BLOCK]))
        own += canceller.own.tolist()
        found_s = found_s or (at + BLOCK) / RATE * (canceller.later != 0)
    assert abs(canceller.later - late) <= 1
    begins_s = DELAY_S + late / RATE
    assert found_s < max(jumps_s, begins_s) + 0.1
    after = round((jumps_s + DELAY_S + 0.3) * RATE)
    out = np.concatenate(left)[after:]
    assert decibels((echo[after:] @ echo[after:]) / (out @ out)) > 15.0
    sounding = np.array(own)[round(begins_s * RATE / BLOCK) :]
    assert sounding.sum() * BLOCK / RATE < 0.05  # seconds in which somebody may have played


@pytest.mark.parametrize("late", [0, -160, 441])
@pytest.mark.parametrize("level", [1.0, 2.0])
def test_a_soloist_neither_hides_a_jump_nor_is_taken_for_one(late: int, level: float) -> None:
    canceller, sent, echo, solo = heard_with_jump(late, JUMPS_S, level)
    out = cleaned(canceller, echo + solo, sent)
    assert abs(canceller.later - late) <= 1
    last = slice(9 * RATE, None)
    left = (out - solo)[last]
    assert decibels((echo[last] @ echo[last]) / (left @ left)) > 9.0


def test_where_nothing_is_played_nothing_jumps() -> None:
    canceller, sent, _, solo = heard_with_jump(0, 0.0, 1.0)
    np.testing.assert_array_equal(cleaned(canceller, solo, np.zeros_like(sent)), solo)
    assert canceller.later == 0


def test_a_stretch_that_was_lost_is_nobody_s_and_leaves_the_room_as_it_was() -> None:
    canceller, sent, echo, _ = heard_with_jump(0, 0.0, 0.0)
    lost = slice(round(JUMPS_S * RATE), round((JUMPS_S + 0.2) * RATE))
    echo[lost] = 0.0
    own, left = [], []
    for at in range(0, len(echo), BLOCK):
        left.append(canceller.clean(echo[at : at + BLOCK], sent[at : at + BLOCK]))
        own += canceller.own.tolist()
    first, last = lost.start // BLOCK, lost.stop // BLOCK
    assert sum(own[first:]) * BLOCK / RATE < 0.05
    after = np.concatenate(left)[last * BLOCK :]
    assert decibels((echo[lost.stop :] @ echo[lost.stop :]) / (after @ after)) > 20.0
    assert canceller.later == 0
