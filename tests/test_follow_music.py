"""What a soloist may do, one thing after another, and where the follower must then be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tiny_scores import FORWARD, note, volta, write

from collaparte.events import Position, SoloEvent
from collaparte.follow.tracker import PathFollower
from collaparte.pieces import piece_path, solo_part
from collaparte.score import NOTE, Score, read_score

PERIOD_S = 0.5
PITCHES = [int(pitch) for pitch in np.random.default_rng(31).integers(58, 84, 80)]
PAGE = [(0.5 * index, 0.5, pitch) for index, pitch in enumerate(PITCHES)]
SCORE = Score.from_notes(PAGE)
NOTES = [(0.5 * index * PERIOD_S, pitch) for index, pitch in enumerate(PITCHES)]
BEATS = [0.5 * index for index in range(80)]


def play(score: Score, notes: list[tuple[float, int]]) -> list[Position]:
    follower = PathFollower(score)
    heard = [follower.hear(SoloEvent(time_s, time_s, True, pitch), None) for time_s, pitch in notes]
    return [position for position in heard if position is not None]


def required(score: Score, first_beat: float, last_beat: float, start_s: float) -> list[tuple[float, int, float]]:
    """Time, pitch and beat of the solo notes from one beat to before another, the first beat at ``start_s``."""
    return [
        (start_s + (float(row["beat"]) - first_beat) * PERIOD_S, int(row["pitch"]), float(row["beat"]))
        for row in score.solo
        if row["kind"] == NOTE and first_beat <= row["beat"] < last_beat
    ]


@pytest.mark.parametrize(("leave", "resume"), [(48.0, 72.0), (72.0, 48.0)])
def test_a_repeat_may_be_left_out_or_taken_once_more(leave: float, resume: float) -> None:
    piece = "washerwoman"
    score = read_score(piece_path(piece), solo=[solo_part(piece)], cache=False)
    assert (leave, resume) in {(jump.from_beat, jump.to_beat) for jump in score.jumps}
    head = required(score, 0.0, leave, 0.0)
    tail = required(score, resume, min(resume + 48.0, 144.0), leave * PERIOD_S)
    positions = play(score, [(time_s, pitch) for time_s, pitch, _ in head + tail])
    written = {round(float(row["beat"]), 4): float(row["written_beat"]) for row in score.solo}
    before, after = positions[: len(head)], positions[len(head) :]
    assert [position.beat for position in before] == [beat for _, _, beat in head]
    # the music of both passes is the same: it is the place on the paper that tells
    there = [
        written[round(position.beat, 4)] == written[round(beat, 4)]
        for position, (_, _, beat) in zip(after, tail, strict=True)
    ]
    assert all(there[3:])


def test_the_second_ending_may_come_at_once(tmp_path: Path) -> None:
    first, last = volta(1, True), volta(2, False)
    tunes = ["CEGEDFAC", "GFEDCDEF", "ACEGFDBG", "EGCEDBGD"]
    bars = ["".join(note(step, 5, 0.5) for step in tune) for tune in tunes]
    pages = [FORWARD + bars[0], first[0] + bars[1] + first[1], last[0] + bars[2] + last[1], bars[3]]
    score = read_score(write(tmp_path / "voltas.musicxml", ("Flute", pages)), cache=False)
    assert score.solo["beat"].max() == 19.5  # bar, first ending, bar, second ending, last bar
    head, tail = required(score, 0.0, 4.0, 0.0), required(score, 12.0, 20.0, 4.0 * PERIOD_S)
    positions = play(score, [(time_s, pitch) for time_s, pitch, _ in head + tail])
    assert [position.beat for position in positions[:8]] == [beat for _, _, beat in head]
    assert [position.beat for position in positions[11:]] == [beat for _, _, beat in tail[3:]]


@pytest.mark.parametrize("pause_s", [6.0, 60.0])
def test_a_pause_of_any_length_is_a_pause(pause_s: float) -> None:
    notes = [(time_s + pause_s * (index >= 40), pitch) for index, (time_s, pitch) in enumerate(NOTES)]
    positions = play(SCORE, notes)
    assert [position.beat for position in positions] == BEATS
    assert {position.state for position in positions[:-1]} == {"playing"}


def test_another_tempo_after_a_pause_is_taken_up_at_once() -> None:
    quick = [(10.0 + 4.0 + 0.25 * (time_s - 10.0), pitch) for time_s, pitch in NOTES[40:]]
    positions = play(SCORE, NOTES[:40] + quick)
    assert [position.beat for position in positions] == BEATS


def test_hesitations_are_waited_for() -> None:
    late_s = np.cumsum([1.2 if index % 9 == 8 else 0.0 for index in range(80)])
    positions = play(
        SCORE, [(time_s + float(late), pitch) for (time_s, pitch), late in zip(NOTES, late_s, strict=True)]
    )
    assert [position.beat for position in positions] == BEATS


def test_octave_slips_stand_for_their_notes() -> None:
    notes = [(time_s, pitch + 12 * (index % 10 == 9)) for index, (time_s, pitch) in enumerate(NOTES)]
    positions = play(SCORE, notes)
    away = [abs(position.beat - beat) for position, beat in zip(positions, BEATS, strict=True)]
    assert max(away) <= 0.5
    assert all(far == 0.0 for index, far in enumerate(away) if index % 10 != 9)
    assert sum(far == 0.0 for index, far in enumerate(away) if index % 10 == 9) >= 6


def test_hands_cross_and_are_not_together() -> None:
    """The left hand's line rises through the right hand's falling one; either may be first by 15 ms."""
    right = [(0.5 * index, 0.5, 84 - index) for index in range(32)]
    left = [(1.0 * index, 1.0, 50 + 2 * index) for index in range(16)]
    score = Score.from_notes(sorted([*right, *left]))
    notes = [(beat * PERIOD_S + (0.015 if index % 2 else 0.0), pitch) for index, (beat, _, pitch) in enumerate(right)]
    notes += [(beat * PERIOD_S + (0.0 if index % 2 else 0.015), pitch) for index, (beat, _, pitch) in enumerate(left)]
    notes.sort()
    for (time_s, _), position in zip(notes, play(score, notes), strict=True):
        assert position.beat == pytest.approx(time_s / PERIOD_S, abs=0.031)


def test_a_tremolo_on_a_long_note_moves_nothing() -> None:
    page = [*PAGE[:40], (20.0, 4.0, 67), *[(beat + 4.0, length, pitch) for beat, length, pitch in PAGE[40:]]]
    strokes = [(20.0 * PERIOD_S + 0.1 * index, 67) for index in range(19)]
    after = [(time_s + 4.0 * PERIOD_S, pitch) for time_s, pitch in NOTES[40:]]
    positions = play(Score.from_notes(page), NOTES[:40] + strokes + after)
    assert {position.beat for position in positions[40:59]} == {20.0}
    assert [position.beat for position in positions[59:]] == [beat + 4.0 for beat in BEATS[40:]]


def test_arpeggiated_chords_upward_and_downward() -> None:
    chords = [(2.0 * bar, 2.0, 40 + 3 * bar + step) for bar in range(8) for step in (0, 7, 12, 16, 19, 24)]
    notes = []
    for bar in range(8):
        rolled = [pitch for beat, _, pitch in chords if beat == 2.0 * bar]
        notes += [(bar + 0.05 * place, pitch) for place, pitch in enumerate(rolled[:: 1 if bar % 2 else -1])]
    positions = play(Score.from_notes(chords), notes)
    assert [position.beat for position in positions] == [2.0 * bar for bar in range(8) for _ in range(6)]
    assert [position.onset_s for position in positions] == [float(bar) for bar in range(8) for _ in range(6)]


def test_the_beginning_again_and_again() -> None:
    notes = [(6.0 * times + time_s, pitch) for times in range(3) for time_s, pitch in NOTES[:20]]
    positions = play(SCORE, notes)
    for times in range(3):
        found = [position.beat for position in positions[20 * times + 6 : 20 * times + 20]]
        assert found == BEATS[6:20]
    assert all(later.time_s >= earlier.time_s for earlier, later in pairwise(positions))
