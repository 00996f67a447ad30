"""A whistle, a tuning fork, a simple synthesiser: tones of one partial are heard like any other."""

from __future__ import annotations

import numpy as np
import pytest

from collaparte.events import SoloEvent
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.score import Score

BEGINS_S = 1.0
TUNES = {
    "leaps": (60, 67, 64, 72, 69, 65, 71, 67, 62, 60),
    "chromatic": (72, 73, 74, 75, 76, 75, 74, 73, 72, 71, 70, 69),
    "steps": (69, 72, 74, 76, 77, 76, 74, 71, 67, 69, 71, 72),
}
BREATH_DB = -30.0  # of a whistle, against the tone


def tones(pitches: tuple[int, ...], period_s: float, *, second: float = 0.0, cents: float = 0.0) -> np.ndarray:
    """Each note of one partial, or with a ``second``; a whistle with ``second`` sways and has breath in it."""
    rng = np.random.default_rng(3)
    sound = 2e-4 * rng.standard_normal(round((BEGINS_S + period_s * len(pitches) + 0.5) * SAMPLE_RATE))
    time = np.arange(round(0.95 * period_s * SAMPLE_RATE)) / SAMPLE_RATE
    shape = 0.1 * np.minimum(1.0, time / 0.01) * np.minimum(1.0, (time[-1] - time) / 0.02)
    for number, pitch in enumerate(pitches):
        hz = 440.0 * 2.0 ** ((pitch - 69 + cents / 100) / 12)
        phase = (
            2 * np.pi * hz * (time + (0.006 / 5.5 * np.sin(2 * np.pi * 5.5 * time) / (2 * np.pi) if second else 0.0))
        )
        tone = np.sin(phase) + second * np.sin(2 * phase)
        if second:
            tone += 10.0 ** (BREATH_DB / 20) * rng.standard_normal(len(time))
        first = round((BEGINS_S + number * period_s) * SAMPLE_RATE)
        sound[first : first + len(time)] += shape * tone
    return sound.astype(np.float32)


def page(pitches: tuple[int, ...], period_s: float) -> Score:
    return Score.from_notes([(float(beat), 1.0, pitch) for beat, pitch in enumerate(pitches)], beat_period_s=period_s)


def heard(score: Score, sound: np.ndarray) -> list[SoloEvent]:
    ear, block = Ear(score), SAMPLE_RATE // 100
    ends = range(block, len(sound) + 1, block)
    return [event for end in ends for event in ear.hear(sound[end - block : end], end / SAMPLE_RATE) if event.on]


@pytest.mark.parametrize("period_s", [0.5, 0.25])
@pytest.mark.parametrize("second", [0.0, 0.03])
@pytest.mark.parametrize("tune", list(TUNES))
def test_every_note_of_one_partial_is_heard_where_it_began(tune: str, second: float, period_s: float) -> None:
    pitches = TUNES[tune]
    events = heard(page(pitches, period_s), tones(pitches, period_s, second=second))
    assert tuple(event.pitch for event in events) == pitches
    began_s = BEGINS_S + period_s * np.arange(len(pitches))
    np.testing.assert_allclose([event.time_s for event in events], began_s, atol=0.03)


def test_a_whistle_half_a_semitone_sharp_is_heard_too() -> None:
    pitches = TUNES["steps"]
    events = heard(page(pitches, 0.5), tones(pitches, 0.5, second=0.03, cents=50.0))
    began_s = [event.time_s for event in events]
    hit = [min(abs(at - (BEGINS_S + 0.5 * number)) for at in began_s) <= 0.05 for number in range(len(pitches))]
    assert np.mean(hit) >= 0.9


def test_another_tune_whistled_before_does_not_begin_the_piece() -> None:
    other = (63, 66, 68, 70, 68, 66, 63, 61)
    assert heard(page(TUNES["leaps"], 0.5), tones(other, 0.4, second=0.03)) == []
