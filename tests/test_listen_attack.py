"""Where a note's own partials rose is where it began, however late the decoder placed it."""

from __future__ import annotations

import numpy as np
import pytest

from collaparte.listen.hearing.attack import Attack
from collaparte.listen.hearing.spectrum import SAMPLE_RATE, Spectra
from collaparte.listen.hearing.templates import Places, Templates
from collaparte.score import Score

LAST, NOTE = 67, 71
BEGINS_S = 1.0


def began_s(rise_s: float, recognised_s: float, placed_s: float, pitch: int = NOTE) -> float:
    """A note held for a second, then ``pitch`` grows over ``rise_s``, recognised and placed so late."""
    templates = Templates(Places.of(Score.from_notes([(0.0, 1.0, LAST), (1.0, 1.0, pitch)])), 1024)
    time_s = np.arange(int((BEGINS_S + recognised_s) * SAMPLE_RATE)) / SAMPLE_RATE
    grown = np.clip((time_s - BEGINS_S) / rise_s, 0.0, 1.0)
    sound = 2e-4 * np.random.default_rng(1).standard_normal(len(time_s))
    for note, shape in ((LAST, 1.0 - grown), (pitch, grown)):
        hz = 440.0 * 2 ** ((note - 69) / 12)
        sound += 0.05 * shape * sum(0.7**n * np.sin(2 * np.pi * (n + 1) * hz * time_s) for n in range(8))
    attack = Attack(1024)
    for frame in Spectra().hear(sound.astype(np.float32)):
        attack.listen(frame)
    return attack.began_s(templates.ridges((pitch,), (LAST,)), BEGINS_S + placed_s)


@pytest.mark.parametrize("placed_s", [-0.03, 0.0, 0.03])
def test_a_sharp_attack_is_found_wherever_the_decoder_placed_it(placed_s: float) -> None:
    assert began_s(0.01, 0.06, placed_s) == pytest.approx(BEGINS_S, abs=0.02)


def test_a_slow_bow_recognised_late_began_before_most_of_its_growth() -> None:
    assert began_s(0.2, 0.13, 0.09) == pytest.approx(BEGINS_S + 0.25 * 0.2, abs=0.02)  # within 12 dB of its maximum


def test_a_note_without_partials_of_its_own_is_left_where_it_was_placed() -> None:
    assert began_s(0.01, 0.06, 0.03, LAST) == BEGINS_S + 0.03
