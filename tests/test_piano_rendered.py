"""Rendered pianists: what the pedal holds, what a cut keeps, what a guitar can play, and that it sounds."""

from __future__ import annotations

import numpy as np

from collaparte.evaluate.piano_rendered import GUITAR_HIGHEST, GUITAR_LOWEST, Performance, for_guitar, render, sustained
from collaparte.listen.audio import RATE
from collaparte.measure import group_onsets
from collaparte.score import Score

NOTES = np.array([(1.0, 1.2, 30, 80), (1.5, 2.5, 60, 80), (2.6, 2.7, 100, 80)], dtype=float)


def performance(pedal: list[tuple[float, float]]) -> Performance:
    score = Score.from_notes([(float(index), 1.0, int(row[2])) for index, row in enumerate(NOTES)])
    truth = group_onsets([0.0, 1.0, 2.0], NOTES[:, 0])
    return Performance("three notes", "three", score, NOTES.copy(), np.array(pedal, dtype=float).reshape(-1, 2), truth)


def test_a_note_lasts_until_key_and_pedal_have_both_let_it_go() -> None:
    assert (sustained(performance([]))[:, 1] == NOTES[:, 1]).all()
    ends = sustained(performance([(0.0, 10.0), (1.1, 90.0), (1.9, 100.0), (2.0, 40.0), (2.65, 127.0)]))[:, 1]
    assert ends.tolist() == [2.0, 2.5, 2.7]  # the last pedal is never let go: to the end of what is played


def test_a_cut_has_its_own_clock_and_the_pedal_as_it_was() -> None:
    part = performance([(0.5, 90.0), (2.8, 0.0)]).cut(1.0, from_s=1.4)
    assert np.allclose(part.notes[:, :2], [[0.1, 1.0]])
    assert part.pedal.tolist() == [[0.0, 90.0]]
    assert np.allclose(part.truth.first_s, [0.1])


def test_a_guitar_gets_notes_it_has_on_page_and_string_alike() -> None:
    guitar = for_guitar(performance([]))
    assert guitar.notes[:, 2].tolist() == guitar.score.notes["pitch"].tolist() == [42.0, 60.0, 88.0]
    assert ((guitar.notes[:, 2] >= GUITAR_LOWEST) & (guitar.notes[:, 2] <= GUITAR_HIGHEST)).all()


def test_a_pedal_full_of_small_values_leaves_every_note_its_loudness() -> None:
    quivering = [(0.004 * step, float(step % 12)) for step in range(700)]
    plain, pedalled = (render(performance(pedal), None) for pedal in ([], quivering))
    for begin_s, _, _, _ in NOTES.tolist():
        first = int((begin_s + 0.02) * RATE)
        levels = [float(np.sqrt(np.mean(sound[first : first + 1600] ** 2))) for sound in (plain, pedalled)]
        assert 0.8 < levels[0] / levels[1] < 1.25
        assert levels[0] > 0.005
