"""A finished take is aligned note by note, with repeats, slips and rests, and written so that others can read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collaparte.score import Score
from collaparte.takes.align import Aligned, align, f_measure
from collaparte.takes.match_file import write_match

RNG = np.random.default_rng(11)
MELODY = [(0.5 * index, 0.5, int(pitch)) for index, pitch in enumerate(RNG.integers(60, 80, 64))]
BASS = [(2.0 * index, 2.0, int(pitch)) for index, pitch in enumerate(RNG.integers(40, 52, 16))]
SCORE = Score.from_notes(MELODY + BASS)


def played(rows: list[int], beat_period_s: float = 0.5, seed: int = 1) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The named rows of the page, one after another in tempo with human unevenness: times, pitches, rows in order."""
    rng = np.random.default_rng(seed)
    solo = SCORE.solo
    time_s, at, last = [], 0.0, None
    for row in rows:
        beat = float(solo["beat"][row])
        if last is not None:
            at += (beat - last if beat >= last else 0.5) * beat_period_s
        last = beat
        time_s.append(at + float(rng.normal(0, 0.008)))
    order = np.argsort(time_s, kind="stable")
    ordered = [rows[index] for index in order]
    return np.array(time_s)[order], solo["pitch"][ordered].astype(int), ordered


def pairs(lines: list[Aligned]) -> set[tuple[int | None, int | None]]:
    return {(line.score, line.performed) for line in lines if line.kind == "match"}


def test_a_perfect_take_is_matched_note_for_note() -> None:
    time_s, pitch, rows = played(list(range(len(SCORE.solo))))
    lines = align(SCORE.solo, time_s, pitch)
    assert pairs(lines) == {(row, index) for index, row in enumerate(rows)}
    assert len(lines) == len(SCORE.solo)


def test_missing_and_extra_notes_are_named() -> None:
    missing = {5, 17, 40}
    time_s, pitch, rows = played([row for row in range(len(SCORE.solo)) if row not in missing])
    extra_at = 30
    time_s = np.insert(time_s, extra_at, (time_s[extra_at - 1] + time_s[extra_at]) / 2)
    pitch = np.insert(pitch, extra_at, 99)
    rows.insert(extra_at, -1)
    lines = align(SCORE.solo, time_s, pitch)
    assert {line.score for line in lines if line.kind == "deletion"} == missing
    assert {line.performed for line in lines if line.kind == "insertion"} == {extra_at}
    assert pairs(lines) == {(row, index) for index, row in enumerate(rows) if row >= 0}


def test_a_repeat_matches_its_notes_twice() -> None:
    count = len(SCORE.solo)
    half = [row for row in range(count) if 8.0 <= SCORE.solo["beat"][row] < 24.0]
    first = [row for row in range(count) if SCORE.solo["beat"][row] < 24.0]
    rest = [row for row in range(count) if SCORE.solo["beat"][row] >= 24.0]
    time_s, pitch, rows = played(first + half + rest)
    lines = align(SCORE.solo, time_s, pitch)
    assert f_measure(lines, [Aligned("match", row, index) for index, row in enumerate(rows)]) > 0.98
    assert not [line for line in lines if line.kind == "deletion"]


def test_every_note_of_the_take_has_one_line() -> None:
    rng = np.random.default_rng(2)
    time_s, pitch = np.sort(rng.uniform(0, 40, 150)), rng.integers(30, 100, 150)
    lines = align(SCORE.solo, time_s, pitch)
    assert sorted(line.performed for line in lines if line.performed is not None) == list(range(150))
    assert {line.score for line in lines if line.score is not None} == set(range(len(SCORE.solo)))


def test_nothing_played_is_all_deletions() -> None:
    lines = align(SCORE.solo, np.zeros(0), np.zeros(0, dtype=int))
    assert [line.kind for line in lines] == ["deletion"] * len(SCORE.solo)


def test_notes_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="in order of time"):
        align(SCORE.solo, np.array([1.0, 0.5]), np.array([60, 62]))


def test_f_measure_counts_pairs() -> None:
    truth = [Aligned("match", 0, 0), Aligned("match", 1, 1)]
    assert f_measure(truth, truth) == 1.0
    assert f_measure([Aligned("match", 0, 0), Aligned("insertion", None, 1)], truth) == pytest.approx(2 / 3)


def test_a_match_file_is_read_back(tmp_path: Path) -> None:
    import partitura

    from collaparte.measure.truth import read_truth

    time_s, pitch, rows = played([row for row in range(len(SCORE.solo)) if row != 7])
    time_s = time_s - time_s[0] + 0.5
    time_s, pitch = np.insert(time_s, 3, time_s[2] + 0.001), np.insert(pitch, 3, 101)
    lines = align(SCORE.solo, time_s, pitch)
    path = tmp_path / "take.match"
    write_match(path, SCORE, lines, time_s, time_s + 0.2, pitch, np.full(len(pitch), 70))
    performance, alignment, page = partitura.load_match(path, create_score=True)
    labels = [line["label"] for line in alignment]
    assert labels.count("match") == len(rows)
    assert labels.count("deletion") == 1
    assert labels.count("insertion") == 1
    assert len(page.note_array()) == len(SCORE.solo)
    notes = performance.note_array()
    assert np.allclose(np.sort(notes["onset_sec"]), time_s, atol=0.001)
    truth = read_truth(path)
    matched = [line for line in lines if line.kind == "match"]
    assert np.allclose(np.sort(truth.time_s), np.sort([time_s[line.performed] for line in matched]), atol=0.001)
    assert np.allclose(np.sort(truth.beat), np.sort([SCORE.solo["beat"][line.score] for line in matched]), atol=1e-3)


@pytest.mark.corpora
def test_a_real_take_agrees_with_its_hand_made_alignment(corpus: Callable[[str], Path]) -> None:
    from collaparte.evaluate.follow_cases import score_of_match
    from collaparte.training.data import MATCH, read_match

    path = next(corpus("vienna4x22").rglob("Chopin_op38_p01.match"))
    match = read_match(path)
    score = score_of_match(match, "op. 38")
    place = {str(name): row for row, name in enumerate(score.solo["id"])}
    rows = np.flatnonzero(match.performed)
    rows = rows[np.argsort(match.onset_s[rows], kind="stable")]
    truth = [
        Aligned("match", place[str(match.score_id[row])], index)
        for index, row in enumerate(rows.tolist())
        if match.kind[row] == MATCH
    ]
    assert f_measure(align(score.solo, match.onset_s[rows], match.pitch[rows]), truth) > 0.98
