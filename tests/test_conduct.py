"""The conductor's rules, in milliseconds and beats."""

from __future__ import annotations

import math

import numpy as np
import pytest

from collaparte.conduct import Conductor
from collaparte.conduct.desk import desk_notes
from collaparte.events import OrchestraEvent, TempoPlan
from collaparte.score import GRACE, NOTE_FIELDS, Bar, Fermata, Part, Passage, Score, TempoMark

H = 0.005
EVERY_BEAT = [(float(beat), 1.0, 48 + beat % 5) for beat in range(32)]
SOLO = [(float(beat), 1.0, 72) for beat in range(32)]


def plan(time_s: float, beat: float, period_s: float = 0.5, **more: float | None) -> TempoPlan:
    return TempoPlan(time_s, time_s, beat, period_s, **more)  # type: ignore[arg-type]


def onsets(events: list[OrchestraEvent]) -> dict[float, float]:
    return {event.beat: event.due_s for event in events if event.on}


def silent_after(events: list[OrchestraEvent]) -> bool:
    """Every note that started has stopped, once."""
    counts: dict[int, list[bool]] = {}
    for event in events:
        counts.setdefault(event.note, []).append(event.on)
    return all(kinds == [True, False] for kinds in counts.values())


def test_a_note_on_the_awaited_beat_sounds_at_its_predicted_time() -> None:
    conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
    conductor.follow(plan(10.0, 4.0))
    events = conductor.due(10.6)
    assert onsets(events) == {4.0: 10.0 + H, 5.0: 10.5}  # the beat just heard at once, the next one as predicted


def test_later_beats_wait_one_beat_then_go_on_to_the_bar_line_and_rest_there() -> None:
    conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
    conductor.follow(plan(10.0, 4.0))
    events = conductor.due(60.0)
    assert onsets(events) == pytest.approx({4.0: 10.005, 5.0: 10.5, 6.0: 11.5, 7.0: 12.0, 8.0: 12.5})
    assert math.isinf(conductor.next_s())  # it waits at bar 3, and everything it held has been let go
    assert silent_after(events)


def test_the_wait_grows_with_the_uncertainty_of_the_prediction() -> None:
    conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
    conductor.follow(plan(10.0, 4.0, spread_s=0.4))
    assert onsets(conductor.due(60.0))[6.0] == pytest.approx(10.5 + 1.2 + 0.5)


def test_a_passage_may_hold_instead() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT, passages=(Passage(0.0, 16.0, silence="hold"),))
    conductor = Conductor(score, H)
    conductor.follow(plan(10.0, 4.0))
    assert max(onsets(conductor.due(60.0))) == 5.0


def test_it_goes_on_through_a_tutti_though_the_last_solo_note_never_came() -> None:
    solo = [(float(beat), 1.0, 72) for beat in [0, 1, 2, 3, 20, 21]]
    conductor = Conductor(Score.from_notes(solo, EVERY_BEAT), H)
    conductor.follow(plan(10.0, 2.0))
    assert max(onsets(conductor.due(60.0))) == 20.0  # up to the entry, and there it waits


def test_a_new_plan_moves_what_is_not_committed_and_nothing_else() -> None:
    conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
    conductor.follow(plan(10.0, 4.0))
    early = conductor.due(10.49)
    assert set(onsets(early)) == {4.0}
    conductor.follow(plan(10.492, 5.0, 0.6))  # the soloist is there already
    events = conductor.due(11.2)
    assert onsets(events) == pytest.approx({5.0: 10.497, 6.0: 11.092})


def test_passed_over_notes_that_still_sound_are_joined_and_old_ones_left_out() -> None:
    orchestra = [(0.0, 16.0, 40), (1.0, 0.5, 50), (7.9, 0.1, 55), (8.0, 1.0, 60)]
    conductor = Conductor(Score.from_notes(SOLO, orchestra), H)
    conductor.follow(plan(10.0, 8.0))
    assert sorted(onsets(conductor.due(10.006))) == [0.0, 7.9, 8.0]


def test_a_jump_back_plays_the_passage_again_and_leaves_nothing_hanging() -> None:
    conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
    conductor.follow(plan(10.0, 4.0))
    events = conductor.due(10.4)
    conductor.follow(plan(10.5, 0.0))
    events += conductor.due(11.0) + conductor.close(11.0)
    assert [event.beat for event in events if event.on] == [4.0, 0.0, 1.0]
    assert silent_after(events)


def test_a_small_step_back_repeats_nothing() -> None:
    dense = [(beat / 4, 0.25, 48) for beat in range(64)]
    conductor = Conductor(Score.from_notes(SOLO, dense), H)
    conductor.follow(plan(10.0, 4.0))
    events = conductor.due(10.3)
    conductor.follow(plan(10.3, 3.75))
    events += conductor.due(11.0)
    beats = [event.beat for event in events if event.on]
    assert len(beats) == len(set(beats))


def test_the_page_keeps_its_tempo_marks_between_two_solo_onsets() -> None:
    score = Score.from_notes([(0.0, 1.0, 72), (8.0, 1.0, 72)], EVERY_BEAT)
    score = Score(score.title, score.notes, score.parts, score.bars, (TempoMark(0.0, 0.5), TempoMark(4.0, 1.0)))
    conductor = Conductor(score, H)
    conductor.follow(plan(0.0, 0.0, period_s=0.75 * 1.2))  # 20 % slower than the page, on the whole
    sounded = onsets(conductor.due(20.0))
    assert sounded[4.0] == pytest.approx(2.4)
    assert sounded[6.0] == pytest.approx(2.4 + 2.4)
    assert sounded[8.0] == pytest.approx(7.2)


def test_a_fermata_waits_for_the_solo_onset() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT, fermatas=(Fermata(6.0),))
    conductor = Conductor(score, H)
    conductor.follow(plan(10.0, 6.0, period_s=1.0, hold_beat=6.0))
    assert set(onsets(conductor.due(14.9))) == {6.0}
    conductor.follow(plan(15.0, 7.0))
    assert onsets(conductor.due(15.6)) == pytest.approx({7.0: 15.005, 8.0: 15.5})


def test_a_fermata_the_orchestra_leaves_is_released_by_the_note_off_but_not_before_its_value() -> None:
    solo = [(0.0, 1.0, 70), (1.0, 1.0, 72), (4.0, 1.0, 72)]
    score = Score.from_notes(solo, EVERY_BEAT, fermatas=(Fermata(1.0),))
    conductor = Conductor(score, H)
    conductor.follow(plan(10.0, 0.0))
    conductor.hear_note(10.5, True, 72, 64)
    conductor.follow(plan(10.5, 1.0, period_s=2.0, hold_beat=1.0))
    assert math.isinf(conductor.release_due_s())
    conductor.hear_note(10.7, False, 72, 0)  # let go early: the value is kept
    assert conductor.release_due_s() == pytest.approx(11.0)
    conductor.hear_note(10.8, True, 72, 64)
    conductor.hear_note(13.0, False, 72, 0)
    assert conductor.release_due_s() == pytest.approx(13.0)
    conductor.due(13.0)
    assert conductor.release(13.0) == 2.0
    assert onsets(conductor.due(13.6)) == pytest.approx({2.0: 13.005, 3.0: 13.5})


def test_an_orchestral_fermata_lasts_twice_its_value() -> None:
    solo = [(0.0, 1.0, 72), (12.0, 1.0, 72)]
    score = Score.from_notes(solo, EVERY_BEAT, fermatas=(Fermata(4.0, "length"),))
    conductor = Conductor(score, H)
    conductor.follow(plan(0.0, 0.0))
    conductor.follow(TempoPlan(0.0, 0.0, 0.0, 0.5 * 13 / 12, hold_beat=4.0))
    sounded = onsets(conductor.due(20.0))
    pace = 0.5
    assert sounded[5.0] - sounded[4.0] == pytest.approx(2 * pace)
    assert sounded[6.0] - sounded[5.0] == pytest.approx(pace)


def test_where_the_orchestra_leads_the_soloist_does_not_hold_it_up() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT, passages=(Passage(4.0, 12.0, leads="lead"),))
    conductor = Conductor(score, H)
    conductor.follow(plan(10.0, 3.0))
    conductor.due(10.5)
    conductor.follow(plan(10.5, 4.0))
    sounded = onsets(conductor.due(60.0))
    assert [sounded[float(beat)] for beat in range(5, 13)] == pytest.approx([11.0 + 0.5 * beat for beat in range(8)])


def test_a_vamp_goes_round_until_it_is_left() -> None:
    solo = [(0.0, 1.0, 72), (8.0, 1.0, 72)]
    score = Score.from_notes(solo, EVERY_BEAT, passages=(Passage(4.0, 8.0, vamp=True),))
    conductor = Conductor(score, H)
    conductor.follow(plan(0.0, 0.0))
    events = conductor.due(6.7)
    assert [event.beat for event in events if event.on] == [0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5]
    assert [event.due_s for event in events if event.on] == pytest.approx(
        [i * 0.5 + (H if i == 0 else 0) for i in range(14)]
    )
    conductor.follow(plan(6.8, 8.0))
    assert onsets(conductor.due(6.81)) == pytest.approx({8.0: 6.805})


def test_a_pitch_struck_again_ends_its_former_sounding_first() -> None:
    fresh = Conductor(Score.from_notes([(0.0, 1.0, 72)], [(0.0, 4.0, 60), (2.0, 4.0, 60)]), H)
    fresh.follow(plan(0.0, 0.0))
    events = fresh.due(10.0)
    assert [(event.on, event.note) for event in events] == [(True, 1), (False, 1), (True, 2), (False, 2)]
    assert [event.due_s for event in events] == pytest.approx([0.005, 1.0, 1.0, 3.0])


def test_grace_notes_sound_before_their_beat_and_are_ornaments() -> None:
    rows = [
        (2.0, 0.0, 59, 1, 64, GRACE, 2.0, 1, "g"),
        (2.0, 1.0, 60, 1, 64, 0, 2.0, 1, "n"),
        (0, 1, 72, 0, 64, 0, 0, 1, "s"),
    ]
    score = Score(
        "x", np.array(rows, NOTE_FIELDS), (Part("S", 1, solo=True), Part("O", 2)), (Bar(0.0, 4.0, "1", 1, 4, 4),)
    )
    grace, note = desk_notes(score)
    assert (grace.start_beat, grace.beat, grace.ornament) == (1.875, 2.0, True)
    assert grace.end_beat <= note.start_beat == 2.0


def test_the_orchestra_plays_softer_for_a_soft_soloist() -> None:
    def loudness(velocity: int) -> float:
        conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
        heard: list[int] = []
        for beat in range(30):
            conductor.hear_note(beat * 0.5, True, 72, velocity)
            conductor.follow(plan(beat * 0.5, float(beat)))
            heard += [event.velocity for event in conductor.due(beat * 0.5) if event.on]
        return float(np.mean(heard[10:]))

    assert loudness(30) + 15 < loudness(64) < loudness(100) - 15


def test_lost_it_plays_on_without_waiting_while_the_soloist_plays_and_stops_when_they_stop() -> None:
    conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
    conductor.follow(plan(10.0, 4.0))
    conductor.hear_note(10.2, True, 30, 64)
    conductor.lose(10.2)
    sounded = onsets(conductor.due(60.0))
    assert sounded[8.0] - sounded[7.0] == pytest.approx(0.5)
    assert max(sounded.values()) <= 10.2 + 8 * 0.5 + 1e-9


def test_what_is_committed_never_depends_on_when_it_is_asked() -> None:
    def take(step_s: float) -> list[OrchestraEvent]:
        rng = np.random.default_rng(3)
        conductor = Conductor(Score.from_notes(SOLO, EVERY_BEAT), H)
        events, now_s, heard_s = [], 0.0, 0.0
        for beat in range(20):
            heard_s += 0.5 + rng.normal(0, 0.05)
            while now_s + step_s < heard_s:
                now_s += step_s
                events += conductor.due(now_s)
            events += conductor.due(heard_s)
            conductor.follow(plan(heard_s, float(beat)))
        return events + conductor.due(heard_s + 20)

    assert take(0.001) == take(0.0337) == take(10.0)
