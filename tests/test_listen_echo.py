"""Echo cancellation: less of the orchestra, all of the soloist, in a still room and a moving one."""

from __future__ import annotations

import numpy as np
import pytest

from collaparte.listen.apart.echo import BLOCK, EchoCanceller
from collaparte.listen.audio import RATE

SECONDS = 12
SETTLED = 5 * RATE


def music(seed: int, low: int, high: int, note_s: float, voices: int = 1) -> np.ndarray:
    """Harmonic notes with vibrato, each with an attack and a decay; with several ``voices`` an orchestra of them."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(SECONDS * RATE)
    for voice in range(voices):
        length = int(note_s * RATE * (1.0 + 0.31 * voice))
        time = np.arange(length + RATE // 10) / RATE
        for first in range(0, SECONDS * RATE - len(time), length):
            hz = 440.0 * 2.0 ** ((rng.integers(low, high) - 69) / 12)
            swayed = time + 0.008 / 5.5 * np.sin(2 * np.pi * 5.5 * time + rng.uniform(0, 6)) / (2 * np.pi)
            tone = sum(0.75**n * np.sin(2 * np.pi * hz * (n + 1) * swayed + rng.uniform(0, 6)) for n in range(9))
            sound[first : first + len(time)] += tone * np.minimum(time / 0.01, 1.0) * np.exp(-time / 0.25)
    sound += 0.002 * rng.standard_normal(len(sound))
    return (0.05 * sound / np.sqrt(np.mean(sound**2))).astype(np.float32)


def room(seed: int, seconds: float = 0.25) -> np.ndarray:
    taps = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    taps *= 0.05 * np.exp(-np.arange(len(taps)) / RATE / 0.05)
    taps[0] = 0.5
    return np.concatenate([np.zeros(80), taps]).astype(np.float32)


def through(sent: np.ndarray, taps: np.ndarray) -> np.ndarray:
    size = len(sent) + len(taps)
    return np.fft.irfft(np.fft.rfft(sent, size) * np.fft.rfft(taps, size), size)[: len(sent)].astype(np.float32)


def cleaned(canceller: EchoCanceller, heard: np.ndarray, sent: np.ndarray, block: int = BLOCK) -> np.ndarray:
    blocks = [canceller.clean(heard[at : at + block], sent[at : at + block]) for at in range(0, len(heard), block)]
    return np.concatenate(blocks)


def decibels(ratio: float) -> float:
    return 10.0 * float(np.log10(ratio))


def kept_db(sound: np.ndarray, solo: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio."""
    wanted = (sound @ solo) / (solo @ solo) * solo
    return decibels((wanted @ wanted) / ((sound - wanted) @ (sound - wanted)))


@pytest.mark.parametrize(("measured", "less_db", "kept"), [(False, 8.0, 14.0), (True, 18.0, 24.0)])
def test_the_orchestra_goes_and_the_soloist_stays_though_both_play_all_the_time(
    measured: bool, less_db: float, kept: float
) -> None:
    sent, solo = music(1, 45, 65, 0.3, 4), music(2, 60, 84, 0.23)
    taps = room(1)
    echo = through(sent, taps)
    level = np.float32(0.5 * np.sqrt((solo @ solo) / (echo @ echo)))
    canceller = EchoCanceller()
    if measured:  # not quite the room it is now
        canceller.learn(level * (taps + np.float32(0.002) * music(3, 60, 84, 0.2)[: len(taps)]))
    out = cleaned(canceller, solo + level * echo, sent)
    left = (out - solo)[SETTLED:]
    assert decibels(level**2 * (echo[SETTLED:] @ echo[SETTLED:]) / (left @ left)) > less_db
    assert kept_db(out[SETTLED:], solo[SETTLED:]) > kept


def test_a_room_that_was_measured_is_silent_from_the_first_note() -> None:
    sent = music(1, 45, 65, 0.3, 4)
    taps = room(1)
    echo = through(sent, taps)
    canceller = EchoCanceller()
    canceller.learn(taps)
    out = cleaned(canceller, echo, sent)
    first = slice(0, 2 * RATE)
    assert decibels((echo[first] @ echo[first]) / (out[first] @ out[first])) > 25.0
    np.testing.assert_allclose(canceller.response()[: len(taps)], taps, atol=0.05)


def test_what_the_soloist_plays_alone_passes_to_the_last_bit() -> None:
    solo = music(2, 60, 84, 0.23)
    canceller = EchoCanceller()
    canceller.learn(room(1))
    np.testing.assert_array_equal(cleaned(canceller, solo, np.zeros_like(solo)), solo)


def test_a_known_delay_is_allowed_for() -> None:
    sent = music(1, 45, 65, 0.3, 4)
    delay = round(0.083 * RATE)
    echo = through(sent, np.concatenate([np.zeros(delay, np.float32), room(1)]))
    canceller = EchoCanceller(delay_s=0.083)
    canceller.learn(room(1))
    out = cleaned(canceller, echo, sent)
    assert decibels((echo @ echo) / (out @ out)) > 25.0


@pytest.mark.parametrize("block", [37, 480, 1001])
def test_the_size_of_blocks_changes_nothing(block: int) -> None:
    sent, solo = music(1, 45, 65, 0.3, 4)[: 3 * RATE], music(2, 60, 84, 0.23)[: 3 * RATE]
    heard = solo + through(sent, room(1))
    usual = cleaned(EchoCanceller(), heard, sent)
    other = cleaned(EchoCanceller(), heard, sent, block)
    np.testing.assert_array_equal(other, usual[: len(other)])
    assert len(other) == len(heard) // BLOCK * BLOCK


def test_nothing_before_a_sample_depends_on_what_comes_after_it() -> None:
    sent, solo = music(1, 45, 65, 0.3, 4)[: 3 * RATE], music(2, 60, 84, 0.23)[: 3 * RATE]
    heard = solo + through(sent, room(1))
    usual = cleaned(EchoCanceller(), heard, sent)
    heard[2 * RATE :], sent[2 * RATE :] = 0.3, -0.3
    np.testing.assert_array_equal(cleaned(EchoCanceller(), heard, sent)[: 2 * RATE], usual[: 2 * RATE])


def test_a_loudspeaker_that_was_moved_is_followed() -> None:
    sent, solo = music(1, 45, 65, 0.3, 4), 0.3 * music(2, 60, 84, 0.23)
    moved = 5 * RATE
    echo = np.concatenate([through(sent, room(1))[:moved], through(sent, room(2))[moved:]])
    canceller = EchoCanceller()
    canceller.learn(room(1))
    left = cleaned(canceller, solo + echo, sent) - solo
    late = slice(9 * RATE, SECONDS * RATE)
    assert decibels((echo[late] @ echo[late]) / (left[late] @ left[late])) > 6.0


def own(canceller: EchoCanceller, heard: np.ndarray, sent: np.ndarray) -> np.ndarray:
    """How surely each block holds more than the orchestra's remains."""
    found = []
    for at in range(0, len(heard) // BLOCK * BLOCK, BLOCK):
        canceller.clean(heard[at : at + BLOCK], sent[at : at + BLOCK])
        found.append(canceller.own)
    return np.concatenate(found)


def test_what_is_left_of_the_orchestra_is_nobodys_and_a_soloist_is_noticed_at_once() -> None:
    sent, solo = music(1, 45, 65, 0.3, 4)[: 8 * RATE], music(2, 60, 84, 0.23)[: 8 * RATE]
    solo[: 4 * RATE] = 0.0
    taps = room(1)
    echo = through(sent, taps)
    level = np.float32(np.sqrt((solo @ solo) / (echo @ echo)))
    echo *= level
    canceller = EchoCanceller()
    canceller.learn(np.float32(1.1) * level * taps)  # not quite what it is
    noise = (2e-4 * np.random.default_rng(4).standard_normal(len(echo))).astype(np.float32)
    found = own(canceller, solo + echo + noise, sent)
    assert found[10:395].max() < 0.5
    begins = 400 + int(np.argmax(found[400:] > 0.9))
    assert begins <= 405  # 50 ms
    assert (found[450:] > 0.9).mean() > 0.9


@pytest.mark.parametrize("move", ["moved", "drifts"])
def test_a_room_that_is_another_one_does_not_become_a_soloist(move: str) -> None:
    sent = music(1, 45, 65, 0.3, 4)
    before = through(sent, room(1))
    if move == "moved":
        share = np.clip((np.arange(len(sent)) / RATE - 4.0) / 0.5, 0.0, 1.0)
        echo = (1.0 - share) * before + share * through(sent, room(2))
    else:  # 50 ppm
        times = np.arange(len(sent), dtype=np.float64)
        echo = np.interp(times * (1.0 - 50e-6), times, before)
    echo = (echo + 2e-4 * np.random.default_rng(4).standard_normal(len(echo))).astype(np.float32)
    canceller = EchoCanceller()
    canceller.learn(room(1))
    assert (own(canceller, echo, sent)[10:] > 0.5).mean() < 0.01


def test_a_moved_loudspeaker_is_learnt_anew_within_seconds_while_nobody_plays() -> None:
    sent = music(1, 45, 65, 0.3, 4)
    moved = 3 * RATE
    echo = np.concatenate([through(sent, room(1))[:moved], through(sent, room(2))[moved:]])
    canceller = EchoCanceller()
    canceller.learn(room(1))
    out = cleaned(canceller, echo, sent)
    late = slice(moved + 5 * RATE, SECONDS * RATE)
    assert decibels((echo[late] @ echo[late]) / (out[late] @ out[late])) > 15.0
