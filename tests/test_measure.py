"""The ruler itself: perfect in, zero out; known errors in, the same errors out."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest

from collaparte.events import OrchestraEvent, Position, SoloEvent, State, TakeHeader, TempoPlan
from collaparte.measure import (
    MeasureWarning,
    Plans,
    Track,
    Truth,
    asynchrony,
    bootstrap_by_piece,
    capped,
    compare,
    following_errors,
    group_onsets,
    is_lost,
    jumps_of,
    line_errors,
    measure_take,
    notes_away,
    oracle_errors,
    orchestra_onsets,
    prediction_errors,
    question_units,
    recovery,
    reliability,
    roughness,
    share_near,
    solo_onsets,
    summarise,
    truth_of_positions,
    waits,
)
from collaparte.score import Score

PERIOD_S = 0.5


@dataclass
class Played:
    """A take made by hand: a soloist on every quarter, an orchestra on every quarter."""

    solo: list[SoloEvent] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    plans: list[TempoPlan] = field(default_factory=list)
    orchestra: list[OrchestraEvent] = field(default_factory=list)
    header: TakeHeader = field(default_factory=lambda: TakeHeader("Air", "0" * 16, "Anna"))


def played(beats: int = 40, late_s: float = 0.0, foreseen_s: float = 0.0, heard_after_s: float = 0.0) -> Played:
    """``late_s``: the orchestra after the soloist; ``foreseen_s``: plans expect onsets so much too late."""
    take = Played()
    for beat in range(beats):
        time_s = 1.0 + beat * PERIOD_S
        take.solo.append(SoloEvent(time_s, time_s + heard_after_s, True, 60))
        take.positions.append(position(time_s, float(beat), heard_after_s))
        take.plans.append(TempoPlan(time_s + heard_after_s, time_s, float(beat), PERIOD_S + foreseen_s))
        take.orchestra.append(OrchestraEvent(time_s + late_s, float(beat), "Strings", True, 48, 60))
    return take


def position(
    time_s: float, beat: float, after_s: float = 0.0, certainty: float = 1.0, state: State = "playing"
) -> Position:
    return Position(time_s + after_s, time_s, beat, certainty, state)


def truth_of(take: Played) -> Truth:
    return Truth.of([item.beat for item in take.positions], [item.onset_s for item in take.positions])


def test_perfect_in_zero_out() -> None:
    take = played()
    report = measure_take(take, truth=truth_of(take))
    for summary in (report.asynchrony, report.asynchrony_mean, report.prediction):
        assert summary.mean_abs_s == summary.median_abs_s == summary.mean_s == 0.0
        assert set(summary.share.values()) == {1.0}
    assert report.asynchrony.count == 40
    assert report.prediction.count == 39
    assert (report.away.judged, report.away.away) == (40, 0)
    assert report.roughness == pytest.approx(0.0, abs=1e-9)
    assert (report.waits, report.waited_s) == (0, 0.0)
    assert report.following is not None
    assert report.following.first.mean_abs_s == 0.0
    assert report.following.near_quarter == report.following.near_half == 1.0
    assert not report.following.lost
    assert report.following.reliability.error == 0.0
    assert report.following.reliability.right_at_90 == 1.0


def test_a_late_orchestra_is_late_by_so_much() -> None:
    report = measure_take(played(late_s=0.040))
    assert report.asynchrony.mean_s == pytest.approx(0.040)
    assert report.asynchrony.mean_abs_s == pytest.approx(0.040)
    assert report.asynchrony.share == {30: 0.0, 50: 1.0, 100: 1.0}
    assert measure_take(played(late_s=-0.040)).asynchrony.mean_s == pytest.approx(-0.040)
    assert measure_take(played(late_s=0.151)).away.away == 40
    assert measure_take(played(late_s=0.149)).away.away == 0


def test_a_prediction_is_read_from_the_last_plan_made_before_the_onset_sounded() -> None:
    report = measure_take(played(foreseen_s=0.020))
    assert report.prediction.mean_s == pytest.approx(0.020)
    late = played(heard_after_s=0.6)  # each plan is made after the next onset has sounded: it cannot foresee that one
    errors, beats = prediction_errors(solo_onsets(late.positions), Plans.of(late.plans))
    assert beats[0] == 2.0
    assert errors == pytest.approx(0.0)
    exact = [TempoPlan(1.5, 1.0, 0.0, 0.7)]  # made at the very moment of the onset, so not before it
    errors, _ = prediction_errors(group_onsets([1.0], [1.5]), Plans.of(exact))
    assert len(errors) == 0


def test_a_plan_that_answers_a_chord_is_not_the_one_that_foresaw_it() -> None:
    """A take's times are rounded to microseconds; the truth's 0.9708333... comes after the 0.970833 of its own plan."""
    answers = [
        TempoPlan(round(time_s, 6), round(time_s, 6), beat, 0.5)
        for beat, time_s in [(0.0, 0.5), (1.0, 0.5 + 0.47083333333), (2.0, 1.4302083333)]
    ]
    truth = group_onsets([0.0, 1.0, 2.0], [0.5, 0.97083333333, 1.4302083333])
    errors_s, beats = prediction_errors(truth, Plans.of(answers))
    assert beats.tolist() == [1.0, 2.0]
    assert errors_s == pytest.approx([1.0 - 0.97083333333, 0.970833 + 0.5 - 1.4302083333])


def test_a_jump_back_is_predicted_by_nobody_and_not_judged() -> None:
    positions = [position(1.0 + k * 0.5, beat) for k, beat in enumerate([0.0, 1.0, 2.0, 3.0, 0.0, 1.0])]
    plans = [TempoPlan(item.time_s, item.onset_s, item.beat, 0.5) for item in positions]
    errors, beats = prediction_errors(solo_onsets(positions), Plans.of(plans))
    assert beats.tolist() == [1.0, 2.0, 3.0, 1.0]
    assert errors == pytest.approx(0.0)


def test_the_line_reaches_an_onset_when_the_plan_of_that_moment_says_so() -> None:
    truth = group_onsets([0.0, 1.0, 2.0, 3.0, 9.0], [1.0, 1.5, 2.0, 2.5, 5.0])
    plans = Plans.of([
        TempoPlan(1.03, 1.0, 0.0, 0.52),  # reported 30 ms late; foresees 20 ms too late
        TempoPlan(1.55, 1.5, 1.0, 0.4),  # when this is made the first one has reached beat 1 already
        TempoPlan(1.95, 1.5, 1.0, 0.5),  # by now beat 2 has been reached: too early, and for good
        TempoPlan(2.6, 2.5, 3.0, 9.0),  # made when beat 3 is past, which no plan had reached
        TempoPlan(2.7, 2.5, 3.0, math.inf),
    ])  # fmt: skip
    errors_s = line_errors(Plans.of([TempoPlan(1.03, 1.0, 0.0, 0.5)]), truth)
    assert errors_s[:4] == pytest.approx([0.03, 0.0, 0.0, 0.0], abs=1e-3)
    errors_s = line_errors(plans, truth)
    assert errors_s[:3] == pytest.approx([0.03, 0.02, -0.1], abs=1e-3)
    assert errors_s[3] == pytest.approx(0.0, abs=1e-3)
    assert np.isnan(errors_s[4])
    assert np.isnan(line_errors(Plans.of([]), truth)).all()


def test_chords_count_once_by_their_first_note_or_their_mean() -> None:
    positions = [position(1.0, 0.0), position(1.02, 0.0), position(1.04, 0.0), position(1.5, 1.0)]
    solo = solo_onsets(positions)
    assert solo.first_s.tolist() == [1.0, 1.5]
    assert solo.mean_s == pytest.approx([1.02, 1.5])
    assert solo.notes.tolist() == [3, 1]
    orchestra = orchestra_onsets(
        [OrchestraEvent(1.0, 0.0, "Vn", True, 60, 60), OrchestraEvent(1.5, 1.0, "Vn", True, 60, 60)]
    )
    assert asynchrony(solo, orchestra)[0] == pytest.approx([0.0, 0.0])
    assert asynchrony(solo, orchestra, "mean")[0] == pytest.approx([-0.02, 0.0])
    with pytest.raises(ValueError, match="first"):
        asynchrony(solo, orchestra, "last")


def test_wrong_notes_guesses_and_ornaments_do_not_count() -> None:
    take = played(8)
    take.positions.insert(4, position(take.positions[3].time_s, 3.0))  # a wrong note repeats beat and onset
    take.positions.append(position(9.0, 30.0, state="lost"))
    take.positions.insert(0, position(0.2, 0.0, state="waiting"))
    take.orchestra.append(OrchestraEvent(1.3, 0.0, "Vn", True, 61, 60, ornament=True))
    take.orchestra.append(OrchestraEvent(1.4, 0.0, "Vn", False, 61, 0))
    report = measure_take(take)
    assert report.solo_onsets == 8
    assert report.asynchrony.count == 8
    assert report.asynchrony.mean_abs_s == 0.0
    assert report.away.judged == 8


def test_a_repeat_is_paired_with_its_own_time_and_a_straggler_with_its_own_chord() -> None:
    twice = [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0]
    positions = [position(1.0 + k * 0.5, beat) for k, beat in enumerate(twice)]
    events = [OrchestraEvent(1.01 + k * 0.5, beat, "Vn", True, 60, 60) for k, beat in enumerate(twice)]
    solo = solo_onsets(positions)
    assert solo.passage.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert asynchrony(solo, orchestra_onsets(events))[0] == pytest.approx([0.01] * 8)
    loose = [position(1.0, 0.0), position(1.25, 0.5), position(1.27, 0.0), position(1.5, 1.0)]
    assert solo_onsets(loose).passage.tolist() == [0, 0, 0]
    assert solo_onsets(loose).notes.tolist() == [2, 1, 1]


def test_orchestra_notes_between_the_soloists_are_judged_on_the_line_and_far_from_them_not_at_all() -> None:
    solo = group_onsets([0.0, 2.0, 20.0], [1.0, 2.0, 9.0])
    away = notes_away(solo, [1.0, 1.0, 10.0, 25.0, 20.0], [1.5, 1.7, 5.0, 12.0, 9.2])
    assert away.distance_s == pytest.approx([0.0, 0.2, 0.2])
    assert (away.judged, away.away) == (3, 2)


def test_roughness_is_the_mean_change_of_log_beat_period() -> None:
    steps = np.array([0.5, 0.5, 0.6, 0.6, 0.5])
    onsets = group_onsets(np.arange(6.0), np.r_[0.0, np.cumsum(steps)])
    assert roughness(onsets) == pytest.approx(2 * math.log(1.2) / 4)
    assert math.isnan(roughness(group_onsets([0.0, 1.0], [0.0, 1.0])))
    uneven = group_onsets([0.0, 0.25, 1.0, 3.0], [0.0, 0.125, 0.5, 1.5])  # unequal notes, even tempo
    assert roughness(uneven) == pytest.approx(0.0, abs=1e-12)


def test_a_wait_is_counted_against_the_plan() -> None:
    take = played(10)
    take.orchestra[5:] = [
        OrchestraEvent(event.due_s + 2.0, event.beat, event.part, True, 48, 60) for event in take.orchestra[5:]
    ]
    assert waits(orchestra_onsets(take.orchestra), Plans.of(take.plans)) == pytest.approx([2.0])


def test_summaries_cap_and_count_the_unreached() -> None:
    summary = summarise([0.01, -0.04, 60.0, math.nan])
    assert summary.count == 4
    assert summary.unreached == 1
    assert summary.mean_abs_s == pytest.approx((0.01 + 0.04 + 5 + 5) / 4)
    assert summary.median_abs_s == pytest.approx((0.04 + 5.0) / 2)
    assert summary.share == {30: 0.25, 50: 0.5, 100: 0.5}
    assert capped([math.nan, -7.0, 0.5]).tolist() == [5.0, 5.0, 0.5]


def test_empty_input_warns_and_gives_no_number() -> None:
    with pytest.warns(MeasureWarning, match="no shared onsets"):
        summary = summarise([], "shared onsets")
    assert summary.count == 0
    assert math.isnan(summary.mean_abs_s)
    with pytest.warns(MeasureWarning):
        report = measure_take(Played())
    assert report.solo_onsets == 0
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))["prediction"]["mean_abs_s"] is None
    with pytest.warns(MeasureWarning):
        assert math.isnan(bootstrap_by_piece([], []).estimate)
    assert not is_lost([])


def test_milliseconds_given_as_seconds_are_questioned() -> None:
    onsets_ms = 1000.0 + 500.0 * np.arange(40)
    with pytest.warns(MeasureWarning, match="milliseconds"):
        question_units(onsets_ms, "onsets")
    with pytest.warns(MeasureWarning, match="milliseconds"):
        summarise(np.full(20, 35.0))
    take = played()
    with pytest.warns(MeasureWarning, match="milliseconds"):
        measure_take(take, truth=Truth.of(np.arange(40), onsets_ms))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        question_units(onsets_ms / 1000, "onsets")
        measure_take(take, truth=truth_of(take))


def test_following_errors_take_the_first_time_the_running_maximum_reaches_the_beat() -> None:
    truth = group_onsets([0.0, 0.0, 1.0, 2.0, 3.0], [1.0, 1.04, 1.5, 2.0, 2.5])
    track = Track.of([position(1.01, 0.0), position(1.52, 1.0), position(2.1, 0.0), position(2.2, 2.0)])
    errors = following_errors(track, truth)
    assert errors[:3] == pytest.approx([0.01, 0.02, 0.2])
    assert math.isnan(errors[3])
    assert following_errors(track, truth, "mean")[0] == pytest.approx(-0.01)
    assert oracle_errors(truth) == pytest.approx([-0.02, 0.0, 0.0, 0.0])
    guess = Track.of([position(1.0, 3.0, state="lost"), *(position(1.0 + beat / 2, beat) for beat in range(4))])
    assert following_errors(guess, truth) == pytest.approx([0.0] * 4)
    assert np.isnan(following_errors(Track.of([]), truth)).all()


def test_near_is_asked_thirty_milliseconds_after_the_note() -> None:
    truth = group_onsets([0.0, 1.0, 2.0, 3.0], [1.0, 1.5, 2.0, 2.5])
    track = Track.of([position(1.029, 0.0), position(1.531, 1.0), position(2.01, 2.4), position(2.5, 3.25)])
    assert share_near(track, truth, 0.25) == 0.5
    assert share_near(track, truth, 0.5) == 0.75


def test_lost_looks_at_the_last_fifth() -> None:
    errors = np.zeros(100)
    errors[:80] = 60.0
    assert not is_lost(errors)
    errors[80:90] = 2.1
    assert is_lost(errors)
    errors[80:] = 0.0
    errors[90:] = math.nan
    assert is_lost(errors)
    errors[90] = 0.0
    assert not is_lost(errors)


def test_recovery_counts_from_the_jump_to_the_first_of_eight_good_onsets() -> None:
    beats = [*np.arange(0.0, 20.0), *np.arange(4.0, 24.0)]
    times = 1.0 + 0.5 * np.arange(40)
    truth = Truth.of(beats, times, [0] * 20 + [1] * 20)
    assert jumps_of(truth) == [11.0]
    followed = [position(time_s, beat) for time_s, beat in zip(times, beats, strict=True)]
    blind = [position(time_s, beat + 16.0) for time_s, beat in zip(times[20:24], beats[20:24], strict=True)]
    found = recovery(Track.of([*followed[:20], *blind, *followed[24:]]), truth.onsets, 11.0)
    assert found.seconds == pytest.approx(2.0)
    assert found.share_half_beat == pytest.approx(16 / 20)
    never = recovery(Track.of(followed[:20]), truth.onsets, 11.0)
    assert not never.found
    assert recovery(Track.of(followed), truth.onsets, 11.0).seconds == 0.0
    report = measure_take(Played(positions=followed), truth=truth)
    assert report.following is not None
    assert report.following.first.count == 20
    assert [item.seconds for item in report.following.recoveries] == [0.0]
    assert not report.following.lost


def test_certainty_is_held_against_what_was_right() -> None:
    dice = np.random.default_rng(1)
    certainty = dice.uniform(0, 1, 4000)
    right = dice.uniform(0, 1, 4000) < certainty
    times = 1.0 + 0.5 * np.arange(4000)
    truth = group_onsets(np.arange(4000.0), times)
    honest = Track.of(
        position(time_s, beat + (0.0 if good else 3.0), certainty=sure)
        for time_s, beat, good, sure in zip(times, np.arange(4000.0), right, certainty, strict=True)
    )
    curve = reliability(honest, truth)
    assert curve.error < 0.03
    assert curve.right_at_90 == pytest.approx(0.95, abs=0.03)
    assert curve.count.sum() == 4000
    boastful = Track(honest.time_s, honest.beat, np.full(4000, 0.99), honest.sure)
    assert reliability(boastful, truth).error == pytest.approx(0.99 - right.mean(), abs=1e-6)
    between = Track.of([position(1.25, 0.0), position(1.25, 0.5), position(1.25, 1.1)])  # half a quarter has gone by
    assert reliability(between, truth).right.tolist() == [pytest.approx(2 / 3)]


def test_the_bootstrap_draws_pieces_not_onsets() -> None:
    values = np.r_[np.zeros(500), np.ones(500)]
    by_piece = bootstrap_by_piece(values, [0] * 500 + [1] * 500)
    assert (by_piece.estimate, by_piece.low, by_piece.high) == (0.5, 0.0, 1.0)
    alone = bootstrap_by_piece(values, list(range(1000)))
    assert 0.46 < alone.low < 0.5 < alone.high < 0.54
    assert bootstrap_by_piece(values, [0] * 500 + [1] * 500) == by_piece
    assert math.isnan(bootstrap_by_piece([1.0, 2.0], ["a", "a"]).low)
    with pytest.raises(ValueError, match="one piece for each"):
        bootstrap_by_piece([1.0], [])


def test_with_its_score_only_required_onsets_count() -> None:
    take = played(8)
    take.positions.insert(1, position(1.2, 0.5))
    assert measure_take(take).solo_onsets == 9
    score = Score.from_notes([(float(beat), 1.0, 60) for beat in range(8)])
    assert measure_take(take, score).solo_onsets == 8


def test_another_performances_truth_is_questioned() -> None:
    take = played()
    truth = truth_of(take)
    with pytest.warns(MeasureWarning, match="same performance"):
        measure_take(take, truth=Truth.of(truth.beat, truth.time_s + 10.0))


def test_the_table_and_the_json_say_the_same() -> None:
    take = played(late_s=0.0404)
    report = measure_take(take, truth=truth_of_positions(take.positions))
    plain = report.as_dict()
    assert plain["asynchrony"]["mean_abs_s"] == pytest.approx(0.0404)
    assert "40.4 ms / 40.4 ms of 40" in report.table()
    rows = compare({"one": report, "two": measure_take(played())})
    assert rows[0] == ("", "one", "two")
    assert ("Orchestra notes over 150 ms away", "0 of 40", "0 of 40") in rows
