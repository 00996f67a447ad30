"""What every follower must keep: exact beats, chords, wrong notes, causality, and the music a little slower."""

from __future__ import annotations

import numpy as np
import pytest

from collaparte.errors import CollaparteError, ScoreError
from collaparte.events import Position, SoloEvent, SoloFrame
from collaparte.follow import FOLLOWERS, Follower, make_follower
from collaparte.score import Score

SCALE = [(0.5 * index, 0.5, pitch) for index, pitch in enumerate([60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64])]


def note(time_s: float, pitch: int, heard_after_s: float = 0.0) -> SoloEvent:
    return SoloEvent(time_s, time_s + heard_after_s, True, pitch)


def play(follower: Follower, notes: list[tuple[float, int]]) -> list[Position]:
    positions = [follower.hear(note(time_s, pitch), None) for time_s, pitch in notes]
    assert all(position is not None for position in positions)
    return [position for position in positions if position is not None]


def exactly(score: Score, beat_period_s: float = 0.5) -> list[tuple[float, int]]:
    return [(float(row["beat"]) * beat_period_s, int(row["pitch"])) for row in score.solo]


@pytest.fixture(params=sorted(FOLLOWERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_unknown_follower_is_named_with_those_there_are() -> None:
    with pytest.raises(CollaparteError, match=r"'nobody'.*oltw"):
        make_follower("nobody", Score.from_notes(SCALE))


def test_a_soloist_without_notes_is_refused(name: str) -> None:
    with pytest.raises(ScoreError, match="no notes"):
        make_follower(name, Score.from_notes([], [(0.0, 1.0, 60)]))


def test_a_perfect_scale_is_followed_to_the_note(name: str) -> None:
    score = Score.from_notes(SCALE)
    positions = play(make_follower(name, score), exactly(score))
    assert [position.beat for position in positions] == [row[0] for row in SCALE]
    assert [position.onset_s for position in positions] == [position.time_s for position in positions]
    assert {position.state for position in positions[:-1]} == {"playing"}
    assert positions[-1].state == "finished"


def test_the_position_is_out_at_the_chords_first_note(name: str) -> None:
    score = Score.from_notes([(float(beat), 1.0, pitch) for beat in range(8) for pitch in (48 + beat, 60 + beat)])
    notes = [(0.5 * beat + late_s, pitch + beat) for beat in range(8) for late_s, pitch in ((0.0, 60), (0.03, 48))]
    positions = play(make_follower(name, score), notes)
    assert [position.beat for position in positions] == [float(beat) for beat in range(8) for _ in range(2)]
    assert [position.onset_s for position in positions] == [0.5 * beat for beat in range(8) for _ in range(2)]


def test_a_wrong_note_far_from_its_time_moves_nothing(name: str) -> None:
    score = Score.from_notes(SCALE)
    follower = make_follower(name, score)
    before = play(follower, exactly(score)[:6])[-1]
    wrong = follower.hear(note(1.25 + 0.07, 40), None)
    assert wrong is not None
    assert (wrong.beat, wrong.onset_s) == (before.beat, before.onset_s)
    assert wrong.time_s == pytest.approx(1.32)


def test_a_repeated_note_advances_each_time(name: str) -> None:
    score = Score.from_notes([(0.5 * index, 0.5, 60) for index in range(12)] + [(6.0, 1.0, 64)])
    positions = play(make_follower(name, score), exactly(score))
    assert [position.beat for position in positions] == [0.5 * index for index in range(13)]


def test_a_left_out_note_is_passed_over(name: str) -> None:
    score = Score.from_notes(SCALE)
    notes = exactly(score)
    del notes[4]
    positions = play(make_follower(name, score), notes)
    assert [position.beat for position in positions] == [row[0] for index, row in enumerate(SCALE) if index != 4]


def test_note_offs_and_frames_say_nothing(name: str) -> None:
    follower = make_follower(name, Score.from_notes(SCALE))
    assert follower.hear(SoloEvent(0.0, 0.0, False, 60, 0), None) is None
    assert follower.hear(SoloFrame(0.0, 0.01, np.zeros(4, dtype=np.float32)), None) is None


def test_time_is_when_it_was_heard_and_onset_when_it_sounded(name: str) -> None:
    follower = make_follower(name, Score.from_notes(SCALE))
    position = follower.hear(note(0.0, 60, heard_after_s=0.02), None)
    assert position is not None
    assert (position.time_s, position.onset_s) == (0.02, 0.0)


def test_relocation_is_believed(name: str) -> None:
    score = Score.from_notes(SCALE)
    follower = make_follower(name, score)
    play(follower, exactly(score)[:3])
    told = follower.relocate(4.0, 10.0)
    assert (told.beat, told.onset_s) == (4.0, 10.0)
    positions = play(follower, [(10.0 + 0.25 * index, row[2]) for index, row in enumerate(SCALE[8:])])
    assert [position.beat for position in positions] == [row[0] for row in SCALE[8:]]


@pytest.mark.parametrize("stretch", [0.8, 1.25])
def test_a_little_slower_is_the_same_music(name: str, stretch: float) -> None:
    rng = np.random.default_rng(5)
    beats = np.cumsum(rng.choice([0.25, 0.5, 1.0], 120))
    pitches = rng.integers(55, 85, 120)
    score = Score.from_notes([(float(beat), 0.5, int(pitch)) for beat, pitch in zip(beats, pitches, strict=True)])
    notes = [(time_s + float(rng.normal(0, 0.01)), pitch) for time_s, pitch in exactly(score) if rng.random() > 0.08]
    notes = [(time_s, pitch if rng.random() > 0.08 else pitch + 1) for time_s, pitch in sorted(notes)]
    plain = play(make_follower(name, score), notes)
    slower = play(make_follower(name, score), [(time_s * stretch, pitch) for time_s, pitch in notes])
    assert np.allclose([p.beat for p in plain], [p.beat for p in slower], atol=0.02)


def test_nothing_before_a_note_depends_on_it(name: str) -> None:
    rng = np.random.default_rng(3)
    score = Score.from_notes(SCALE)
    notes = [(time_s, int(pitch + rng.integers(-1, 2))) for time_s, pitch in exactly(score)]
    whole = play(make_follower(name, score), notes)
    cut = play(make_follower(name, score), notes[:7])
    assert whole[:7] == cut


def test_a_monophonic_page_with_one_note_is_followed(name: str) -> None:
    follower = make_follower(name, Score.from_notes([(2.0, 1.0, 64)], [(0.0, 1.0, 50)]))
    assert [position.beat for position in play(follower, [(1.0, 64)])] == [2.0]
