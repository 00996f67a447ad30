"""What the player wishes of the orchestra: modes, limits of tempo, tuttis, metronome; and that it all replays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from collaparte.clock import VirtualClock
from collaparte.conduct import Conductor, Wishes
from collaparte.conduct.pulse import strokes
from collaparte.engine import Engine, Settings, rehearse, replay
from collaparte.errors import CollaparteError
from collaparte.events import Click, Command, Heard, Notice, OrchestraEvent, SoloEvent, TempoPlan, Value, to_line
from collaparte.follow import make_follower
from collaparte.pieces import piece_path
from collaparte.predict import make_predictor
from collaparte.score import Bar, Fermata, Passage, Score, read_score

H = 0.005
EVERY_BEAT = [(float(beat), 1.0, 48 + beat % 5) for beat in range(32)]
SOLO = [(float(beat), 1.0, 60 + beat * 7 % 12) for beat in range(32)]
TUTTI = [row for row in SOLO if not 8 <= row[0] < 24]  # silent in bars 3 to 6


def plan(time_s: float, beat: float, period_s: float = 0.5, **more: float | None) -> TempoPlan:
    return TempoPlan(time_s, time_s, beat, period_s, **more)  # type: ignore[arg-type]


def onsets(values: Sequence[Value]) -> dict[float, float]:
    return {value.beat: value.due_s for value in values if isinstance(value, OrchestraEvent) and value.on}


def conductor(
    solo: list[tuple[float, float, int]] = SOLO, passages: tuple[Passage, ...] = (), **wishes: object
) -> Conductor:
    score = Score.from_notes(solo, EVERY_BEAT, passages=passages)
    return Conductor(score, H, wishes=Wishes(**wishes))  # type: ignore[arg-type]


def engine(score: Score, **settings: object) -> Engine:
    return Engine(score, make_follower("paths", score), make_predictor("steady", score), Settings(H, **settings))  # type: ignore[arg-type]


def playing(score: Score, period_s: float, until_beat: float = math.inf) -> list[SoloEvent]:
    return [
        SoloEvent(round(float(row["beat"]) * period_s + end * 0.9 * period_s, 6),
                  round(float(row["beat"]) * period_s + end * 0.9 * period_s, 6), not end, int(row["pitch"]))
        for row in score.solo if row["beat"] < until_beat for end in (0, 1)
    ]  # fmt: skip


# -- modes -------------------------------------------------------------------------------------------------------------


def test_who_waits_never_passes_the_next_note_of_the_soloist_and_plays_it_with_them() -> None:
    waiting = conductor(mode="wait")
    waiting.follow(plan(10.0, 4.0))
    assert onsets(waiting.due(60.0)) == {4.0: 10.0 + H}  # beat 5 is the soloist's
    assert math.isinf(waiting.next_s())
    waiting.follow(plan(61.0, 5.0))
    assert onsets(waiting.due(70.0)) == {5.0: 61.0 + H}


def test_who_waits_plays_a_tutti_up_to_the_entry_and_waits_even_where_the_orchestra_leads() -> None:
    for passages in ((), (Passage(0.0, 32.0, leads="orchestra"),)):
        waiting = conductor(TUTTI, passages, mode="wait")
        waiting.follow(plan(10.0, 7.0))
        found = onsets(waiting.due(60.0))
        assert max(found) == 23.0
        assert found[23.0] == pytest.approx(10.0 + 16 * 0.5)


def test_who_waits_stays_where_it_is_when_the_soloist_is_lost() -> None:
    waiting = conductor(mode="wait")
    waiting.follow(plan(10.0, 4.0))
    waiting.lose(10.2)
    assert max(onsets(waiting.due(60.0))) == 4.0


def test_who_keeps_going_goes_on_in_tempo_to_the_end() -> None:
    going = conductor(mode="keep going")
    going.follow(plan(10.0, 4.0))
    found = onsets(going.due(60.0))
    assert found == pytest.approx(
        {float(beat): 10.0 + (beat - 4) * 0.5 + (H if beat == 4 else 0) for beat in range(4, 32)}
    )


def test_who_keeps_going_leaves_marks_to_hold_aside_but_not_a_cadenza() -> None:
    going = conductor(
        passages=(Passage(0.0, 16.0, silence="hold"), Passage(16.0, 20.0, cadenza=True)), mode="keep going"
    )
    going.follow(plan(10.0, 4.0))
    assert max(onsets(going.due(60.0))) == 31.0
    going.follow(plan(61.0, 16.0))
    assert 18.0 not in onsets(going.due(80.0))


def test_who_keeps_going_leaves_a_fermata_after_four_times_its_value() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT, fermatas=(Fermata(8.0, "note_off"),))
    going = Conductor(score, H, wishes=Wishes(mode="keep going"))
    going.follow(plan(10.0, 8.0, hold_beat=8.0))
    found = onsets(going.due(60.0))
    assert found[9.0] == pytest.approx(10.0 + 4 * 0.5)
    assert found[10.0] == pytest.approx(found[9.0] + 0.5)


def test_the_soloist_who_pauses_and_comes_in_again_with_the_orchestra_that_kept_going_is_found_at_once() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT)
    heard = [note for note in playing(score, 0.5) if not 4.0 <= note.time_s < 9.99]  # silent from beat 8 to 20
    values = list(rehearse(engine(score, mode="keep going"), VirtualClock(heard)))
    found = onsets(values)
    assert all(abs(found[float(beat)] - beat * 0.5) < 0.02 for beat in range(2, 32))
    first = next(value for value in values if value.kind == "position" and value.time_s > 9.0)
    assert first.beat == 20.0  # type: ignore[union-attr]


def test_the_mode_changes_while_the_music_goes_on_and_nothing_comes_in_a_heap() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT)
    heard: list[Heard] = [*playing(score, 0.5, 8.0), Command(20.0, 20.0, "mode", about="keep going")]
    values = list(rehearse(engine(score, mode="wait"), VirtualClock(heard)))
    found = onsets(values)
    assert found[7.0] < 4.0
    assert found[8.0] == pytest.approx(20.0 + H)
    assert all(later - sooner > 0.4 for sooner, later in pairwise(found[float(beat)] for beat in range(8, 32)))


# -- limits of tempo ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["follow", "wait", "keep going"])
def test_the_orchestra_is_never_faster_than_its_limit_however_fast_the_soloist(mode: str) -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT)  # written at 0.5 s a quarter
    found = onsets(list(rehearse(engine(score, mode=mode, fastest=1.1), VirtualClock(playing(score, 0.35)))))
    steps = np.diff([found[float(beat)] for beat in range(4, 32)])
    assert np.all(steps > 0.5 / 1.1 - 0.081)  # the leap that is given
    assert np.mean(steps) >= 0.5 / 1.1 - 0.005


def test_the_orchestra_that_keeps_going_is_never_slower_than_its_limit() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT)
    found = onsets(list(rehearse(engine(score, mode="keep going", slowest=0.9), VirtualClock(playing(score, 0.8)))))
    assert sorted(found) == [float(beat) for beat in range(32)]
    assert np.all(np.diff([found[float(beat)] for beat in range(4, 32)]) < 0.5 / 0.9 + 0.081)


def test_within_the_limits_nothing_is_different() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT)
    heard = playing(score, 0.5)
    free = list(rehearse(engine(score), VirtualClock(heard)))
    limited = list(rehearse(engine(score, slowest=0.8, fastest=1.2), VirtualClock(heard)))
    assert [to_line(value) for value in limited] == [to_line(value) for value in free]


def test_a_soloist_who_skips_is_joined_at_once_whatever_the_limit() -> None:
    limited = conductor(fastest=1.0)
    limited.follow(plan(10.0, 4.0))
    limited.due(10.1)
    limited.follow(plan(10.5, 20.0))
    assert onsets(limited.due(11.1)) == pytest.approx({20.0: 10.5 + H, 21.0: 11.0})


# -- tuttis and metronome ----------------------------------------------------------------------------------------------


def test_a_muted_tutti_is_silent_but_for_the_lead_in_and_takes_its_time() -> None:
    muted = conductor(TUTTI, tuttis="mute", lead_in_bars=1)
    muted.follow(plan(10.0, 7.0))
    found = onsets(muted.due(60.0))
    assert sorted(found)[:6] == [7.0, 20.0, 21.0, 22.0, 23.0, 24.0]
    assert found[20.0] == pytest.approx(10.0 + 13 * 0.5)


def test_the_metronome_marks_the_rests_along_the_orchestras_line() -> None:
    score = Score.from_notes(TUTTI, EVERY_BEAT)
    values = list(rehearse(engine(score, metronome="rests"), VirtualClock(playing(score, 0.6))))
    clicks = [value for value in values if isinstance(value, Click)]
    assert [click.beat for click in clicks] == [float(beat) for beat in range(8, 24)]
    assert [click.accent for click in clicks] == [True, False, False, False] * 4
    found = onsets(values)
    assert all(abs(click.due_s - found[click.beat]) < 1e-6 for click in clicks)


def test_compound_metre_is_counted_in_dotted_quarters_and_a_pick_up_from_its_end() -> None:
    bars = [Bar(0.0, 0.5, "0", 1, 6, 8), Bar(0.5, 3.0, "1", 1, 6, 8), Bar(3.5, 4.0, "2", 1, 4, 4)]
    assert list(strokes(bars)) == [(0.5, True), (2.0, False), (3.5, True), (4.5, False), (5.5, False), (6.5, False)]
    assert list(strokes([Bar(0.0, 1.0, "0", 1, 4, 4)])) == [(0.0, False)]


# -- commands ----------------------------------------------------------------------------------------------------------


def test_wishes_are_recorded_and_a_take_with_them_replays_to_itself() -> None:
    score = read_score(piece_path("washerwoman"), None, "Solo Violin")
    commands = [
        Command(4.0, 4.0, "metronome", about="rests"), Command(6.0, 6.0, "mode", about="wait"),
        Command(9.0, 9.0, "fastest", 0.9), Command(12.0, 12.0, "mode", about="keep going"),
        Command(14.0, 14.0, "fastest"), Command(15.0, 15.0, "tuttis", 2.0, "mute"),
        Command(16.0, 16.0, "balance", 0.5, "strings"), Command(17.0, 17.0, "tuning", 442.0),
    ]  # fmt: skip
    heard: list[Heard] = [*playing(score, 0.4, 40.0), *commands]
    first = [to_line(value) for value in rehearse(engine(score), VirtualClock(heard))]
    from collaparte.events import from_line

    again = engine(score)
    assert [to_line(value) for value in replay(again, map(from_line, first))] == first
    assert again.conductor.wishes == Wishes("keep going", None, None, "mute", 2, "rests")
    assert (again.balance, again.tuning_hz) == ({"strings": 0.5}, 442.0)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command(1.0, 1.0, "mode", about="dream"), "'keep going'"),
        (Command(1.0, 1.0, "fastest", 9.0), "between 0.2 and 4"),
        (Command(1.0, 1.0, "balance", 3.0, "strings"), "level from 0 to 1.5"),
        (Command(1.0, 1.0, "tuning", 300.0), "between 415 and 466"),
    ],
)
def test_a_wish_that_cannot_be_is_answered(command: Command, words: str) -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT)
    values = list(rehearse(engine(score), VirtualClock([command])))
    assert any(isinstance(value, Notice) and words in value.text for value in values)


def test_the_edit_lock_keeps_the_wishes() -> None:
    score = Score.from_notes(SOLO, EVERY_BEAT)
    one = engine(score)
    list(rehearse(one, VirtualClock([Command(1.0, 1.0, "lock", 1.0), Command(2.0, 2.0, "balance", 0.1, "strings")])))
    assert one.balance == {}


def test_limits_that_exclude_each_other_are_named() -> None:
    with pytest.raises(CollaparteError, match="above the fastest"):
        Wishes(slowest=1.2, fastest=0.9)
