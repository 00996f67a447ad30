"""The orchestra's sound beside the microphone's: through a ring between processes, and two clocks that differ."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from test_listen_echo import decibels, music

from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.apart.reference import Reference
from collaparte.listen.audio import RATE
from collaparte.listen.microphone import refusal
from collaparte.sound.player import SAMPLE_RATE
from collaparte.sound.tap import FRAMES, Tap


def test_what_is_written_is_read_by_its_number_until_it_is_too_old() -> None:
    rng = np.random.default_rng(1)
    sound = rng.standard_normal(FRAMES + 3 * 480).astype(np.float32)
    tap = Tap()
    for first in range(0, len(sound), 480):
        tap.write(sound[first : first + 480], 5.0)
    assert tap.written == len(sound)
    np.testing.assert_array_equal(tap.read(len(sound) - 9600, 9600), sound[-9600:])
    assert not tap.read(0, 480).any()
    np.testing.assert_array_equal(tap.read(len(sound) - 10, 20)[10:], np.zeros(10))
    assert tap.frame_at(6.5) == pytest.approx(1.5 * SAMPLE_RATE)
    tap.close()
    assert not tap.path.exists()


def test_another_process_writes_and_this_one_reads() -> None:
    tap = Tap()
    code = (
        "import sys, numpy; from collaparte.sound.tap import Tap; tap = Tap(sys.argv[1]); "
        "tap.write(numpy.arange(480, dtype=numpy.float32), 2.5); tap.close()"
    )
    subprocess.run([sys.executable, "-c", code, str(tap.path)], check=True)
    np.testing.assert_array_equal(tap.read(0, 480), np.arange(480, dtype=np.float32))
    assert tap.path.exists()
    tap.close()


class Drifting:
    """A loudspeaker whose clock runs ``ppm`` fast against the microphone's."""

    def __init__(self, sound: np.ndarray, ppm: float) -> None:
        self.sound, self.rate = sound, RATE * (1.0 + ppm * 1e-6)

    def frame_at(self, time_s: float) -> float:
        return time_s * self.rate

    def read(self, first: int, count: int) -> np.ndarray:
        numbers = np.arange(first, first + count)
        there = (numbers >= 0) & (numbers < len(self.sound))
        return np.where(there, self.sound[np.clip(numbers, 0, len(self.sound) - 1)], 0.0).astype(np.float32)


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_clocks_that_drift_apart_are_followed_frame_by_frame(ppm: float) -> None:
    sent = music(1, 45, 65, 0.3, 4)
    played = Drifting(sent, ppm)
    times_s = np.arange(len(sent)) / RATE
    echo = np.interp(played.frame_at(1.0) * (times_s - 0.05), np.arange(len(sent)), sent, left=0.0)  # at 50 ms
    echo = echo.astype(np.float32)[: 11 * RATE]
    taps = np.zeros(200, np.float32)
    taps[round(0.01 * RATE)] = 1.0
    followed, canceller = Reference(played, RATE, 0.04), EchoCanceller()
    canceller.learn(taps)
    left = []
    for first in range(0, len(echo), 160):
        beside = followed.beside(len(echo[first : first + 160]), first / RATE)
        left.append(canceller.clean(echo[first : first + 160], beside))
    assert followed.slips == pytest.approx(abs(ppm) * 1e-6 * 10 * RATE, abs=5)
    late = slice(6 * RATE, 11 * RATE)
    out = np.concatenate(left)[late]
    assert decibels(float((echo[late] @ echo[late]) / (out @ out))) > 12.0


def test_where_blocks_were_lost_the_orchestra_is_taken_out_again_at_once() -> None:
    sent = music(1, 45, 65, 0.3, 4)
    echo = np.concatenate([np.zeros(round(0.05 * RATE), np.float32), sent])  # at 50 ms
    taps = np.zeros(200, np.float32)
    taps[round(0.01 * RATE)] = 1.0
    followed, canceller = Reference(Drifting(sent, 0.0), RATE, 0.04), EchoCanceller()
    canceller.learn(taps)
    lost = 3 * RATE
    firsts = [first for first in range(RATE, 6 * RATE, 160) if not lost <= first < lost + 160]
    heard = [echo[first : first + 160] for first in firsts]
    left = [canceller.clean(block, followed.beside(160, first / RATE))
            for block, first in zip(heard, firsts, strict=True)]  # fmt: skip
    after = slice(firsts.index(lost + 160) + 30, None)
    out, before = np.concatenate(left[after]), np.concatenate(heard[after])
    assert decibels(float((before @ before) / (out @ out))) > 20.0


def test_a_sound_at_48_khz_is_given_at_16_without_a_shift() -> None:
    tap = Tap()
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[24000] = 1.0
    tap.write(click, 0.0)
    followed = Reference(tap, SAMPLE_RATE, 0.02)
    sound = np.concatenate([followed.beside(160, at / 100) for at in range(90)])
    assert int(np.argmax(sound)) == pytest.approx((0.5 + 0.02) * RATE, abs=1)
    tap.close()


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (("failed to init device", -6), "privacy settings"),
        (("failed to init device", -200), "48000 Hz"),
        (("failed to init device", -204), "Connect one"),
    ],
)
def test_an_input_that_does_not_open_says_what_to_do(reason: tuple[object, ...], word: str) -> None:
    assert word in refusal(reason)
