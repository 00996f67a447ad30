"""The engine: introductions, commands, count-in, loops, replay, and one step however it is woken."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable

import numpy as np
import pytest

from collaparte.clock import VirtualClock, WallClock
from collaparte.engine import Engine, Settings, perform, rehearse, replay
from collaparte.events import (
    Click,
    Command,
    Heard,
    Notice,
    OrchestraEvent,
    Position,
    SoloEvent,
    TempoPlan,
    Value,
    to_line,
)
from collaparte.follow import make_follower
from collaparte.predict import make_predictor
from collaparte.score import Score

MELODY = [60, 62, 64, 65, 67, 69, 71, 72, 74, 72, 71, 69, 67, 65, 64, 62]


def melody(start: int = 8, bars: int = 8) -> list[tuple[float, float, int]]:
    return [(float(start + index), 1.0, MELODY[(index * 7 + index // 16) % 16]) for index in range(bars * 4)]


SCORE = Score.from_notes(melody(), [(float(beat), 1.0, 48) for beat in range(44)])


def playing(score: Score = SCORE, first_s: float = 4.0, period_s: float = 0.5, seed: int | None = None) -> list[Heard]:
    """The solo part, steady or with some rubato."""
    rng = np.random.default_rng(seed)
    heard: list[Heard] = []
    time_s = first_s
    former: float | None = None
    for row in score.solo:
        beat = float(row["beat"])
        if former is not None:
            rubato = 1.0 if seed is None else math.exp(rng.normal(0, 0.06))
            time_s += (beat - former) * period_s * rubato
        former = beat
        on_s = round(time_s, 6)
        heard.append(SoloEvent(on_s, on_s, True, int(row["pitch"]), 70))
        heard.append(SoloEvent(on_s + 0.2, on_s + 0.2, False, int(row["pitch"]), 0))
    return heard


def engine(score: Score = SCORE, **settings: object) -> Engine:
    return Engine(score, make_follower(None, score), make_predictor("steady", score), Settings(**settings))  # type: ignore[arg-type]


def sounded(values: Iterable[Value]) -> list[OrchestraEvent]:
    return [value for value in values if isinstance(value, OrchestraEvent) and value.on]


def lines(values: Iterable[Value]) -> list[str]:
    return [to_line(value) for value in values]


def test_the_introduction_is_timed_back_from_the_first_note_at_the_pages_tempo() -> None:
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock(playing())))
    intro = [note for note in sounded(values) if note.beat < 8]
    assert [note.due_s for note in intro] == pytest.approx([beat * 0.5 for beat in range(8)], abs=0.006)


def test_a_steady_soloist_and_the_orchestra_are_together_within_a_few_milliseconds() -> None:
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock(playing())))
    late_ms = [1000 * (note.due_s - (4.0 + (note.beat - 8) * 0.5)) for note in sounded(values) if note.beat >= 8]
    assert len(late_ms) == 36
    assert max(map(abs, late_ms)) < 6


def test_a_soloist_four_times_slower_than_the_page_is_joined_at_the_next_bar_line() -> None:
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock(playing(period_s=2.0))))
    late_ms = {note.beat: 1000 * (note.due_s - (4.0 + (note.beat - 8) * 2.0)) for note in sounded(values)}
    assert late_ms[9.0] < -1000.0  # the page's tempo is all that is known
    assert max(abs(late_ms[float(beat)]) for beat in range(12, 44)) < 10


def test_live_a_command_starts_the_introduction_and_the_soloist_enters() -> None:
    heard = [Command(1.0, 1.0, "start"), *playing(first_s=5.0)]
    values = list(rehearse(engine(), VirtualClock(heard)))
    notes = sounded(values)
    assert notes[0].due_s == pytest.approx(1.005)
    assert len(notes) == 44


def test_the_soloist_may_simply_begin() -> None:
    values = list(rehearse(engine(), VirtualClock(playing(first_s=0.3))))
    assert [note.beat for note in sounded(values)] == [float(beat) for beat in range(8, 44)]


def test_a_count_in_clicks_a_bar_and_starts_the_orchestra_on_the_beat() -> None:
    values = list(rehearse(engine(count_in_bars=1), VirtualClock(playing(first_s=6.0))))
    clicks = [value for value in values if isinstance(value, Click)]
    assert [(click.due_s, click.accent) for click in clicks] == [(0.0, True), (0.5, False), (1.0, False), (1.5, False)]
    assert sounded(values)[0].due_s == pytest.approx(2.0)


def test_starting_at_a_bar_waits_there_for_the_soloist() -> None:
    heard = [event for event in playing() if event.time_s >= 4.0 + 4.0]
    values = list(rehearse(engine(from_beat=16.0), VirtualClock(heard)))
    assert sounded(values)[0].beat == 16.0
    assert sounded(values)[0].due_s == pytest.approx(8.005)


@pytest.mark.parametrize("name", ["hold", "panic"])
def test_hold_and_panic_stop_the_orchestra_until_it_is_released(name: str) -> None:
    heard = [*playing()[:20], Command(9.1, 9.1, name), Command(12.0, 12.0, "release")]
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock(heard)))
    between = [note for note in sounded(values) if 9.106 < note.due_s < 12.0]
    assert between == []
    assert [note for note in sounded(values) if note.due_s >= 12.0]


def test_stop_ends_the_take_and_every_note() -> None:
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock([*playing()[:20], Command(7.3, 7.3, "stop")])))
    assert max(value.due_s for value in values if isinstance(value, OrchestraEvent)) <= 7.306
    on, off = (
        {value.note for value in values if isinstance(value, OrchestraEvent) and value.on is kind}
        for kind in (True, False)
    )
    assert on == off


def test_i_am_here_moves_follower_and_orchestra_at_once() -> None:
    heard = [*playing()[:8], Command(6.0, 6.0, "relocate", 24.0), *[e for e in playing(first_s=-2.0) if e.time_s > 6.2]]
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock(heard)))
    after = [note for note in sounded(values) if note.due_s > 6.0]
    assert (after[0].beat, after[0].due_s) == (24.0, pytest.approx(6.005))
    assert [note.beat for note in after] == [float(beat) for beat in range(24, 44)]


def test_tapping_the_bar_corrects_phase_and_tempo() -> None:
    score = Score.from_notes([(0.0, 1.0, 72), (40.0, 1.0, 72)], [(float(beat), 1.0, 48) for beat in range(44)])
    heard: list[Heard] = [SoloEvent(0.0, 0.0, True, 72), Command(2.2, 2.2, "tap"), Command(4.6, 4.6, "tap")]
    notes = {note.beat: note.due_s for note in sounded(rehearse(engine(score), VirtualClock(heard)))}
    assert notes[12.0] == pytest.approx(4.6 + 2.4, abs=0.01)  # two taps a bar apart: 2.4 s a bar


def test_next_entry_waits_for_the_soloist_and_cut_shortens_the_tutti() -> None:
    solo = [
        *[(float(beat), 1.0, 60 + beat) for beat in range(4)],
        *[(float(beat), 1.0, 40 + beat) for beat in range(32, 36)],
    ]
    score = Score.from_notes(solo, [(float(beat), 1.0, 48) for beat in range(36)])
    first: list[Heard] = [SoloEvent(beat / 2, beat / 2, True, 60 + beat) for beat in range(4)]
    entry: list[Heard] = [SoloEvent(9.0 + beat / 2, 9.0 + beat / 2, True, 72 + beat) for beat in range(4)]
    waits = [
        note
        for note in sounded(rehearse(engine(score), VirtualClock([*first, Command(3.1, 3.1, "next_entry"), *entry])))
        if note.due_s > 3.1
    ]
    assert (waits[0].beat, waits[0].due_s) == (32.0, pytest.approx(9.005))
    cut = [
        note
        for note in sounded(rehearse(engine(score), VirtualClock([*first, Command(3.1, 3.1, "cut")])))
        if note.due_s > 3.1
    ]
    assert [note.beat for note in cut[:5]] == [28.0, 29.0, 30.0, 31.0, 32.0]


def test_the_edit_lock_refuses_what_could_spoil_a_concert() -> None:
    heard = [
        Command(3.9, 3.9, "lock", 1.0),
        *playing(),
        Command(6.0, 6.0, "relocate", 40.0),
        Command(6.1, 6.1, "dance"),
    ]
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock(heard)))
    said = [value.text for value in values if isinstance(value, Notice)]
    assert any("lock" in text and "relocate" in text for text in said)
    assert any("dance" in text and "next_entry" in text for text in said)
    assert len(sounded(values)) == 44


def test_a_loop_goes_back_and_waits_and_may_get_faster() -> None:
    score = Score.from_notes(melody(0, 8), [(float(beat), 1.0, 48) for beat in range(32)])
    once = [event for event in playing(score, 0.5) if 4.5 <= event.time_s < 6.4]  # beats 8..11
    rounds: list[Heard] = []
    for number in range(3):
        for event in once:
            assert isinstance(event, SoloEvent)
            shift = number * 6.0
            rounds.append(SoloEvent(event.time_s + shift, event.heard_s + shift, event.on, event.pitch, event.velocity))
    values = list(rehearse(engine(score, from_beat=8.0, loop=(8.0, 12.0)), VirtualClock(rounds)))
    assert [note.beat for note in sounded(values)] == [8.0, 9.0, 10.0, 11.0] * 3
    counted = engine(score, from_beat=8.0, loop=(8.0, 12.0), loop_speed=1.25, count_in_bars=1)
    clicks = [value.due_s for value in rehearse(counted, VirtualClock(rounds)) if isinstance(value, Click)]
    assert np.diff(clicks[:4]) == pytest.approx(0.5)
    assert np.diff(clicks[4:8]) == pytest.approx(0.4)


def test_positions_and_plans_answer_the_soloist_and_nothing_else() -> None:
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock(playing(seed=1))))
    heard_s = {value.heard_s for value in values if isinstance(value, SoloEvent)}
    assert {value.time_s for value in values if isinstance(value, Position)} <= heard_s
    assert {value.time_s for value in values if isinstance(value, TempoPlan)} <= heard_s | {0.0}


def test_a_step_does_not_depend_on_when_it_was_woken() -> None:
    def woken_every(step_s: float) -> list[str]:
        heard = playing(seed=2)
        machine, now_s, values = engine(first_onset_s=4.0), 0.0, []
        while now_s < 40.0:
            now_s += step_s
            ripe = [event for event in heard if event.heard_s <= now_s]
            heard = heard[len(ripe) :]
            values += machine.step(now_s, ripe)
        return lines(values + machine.close())

    assert woken_every(0.001) == woken_every(0.4) == woken_every(50.0)


def test_a_take_replays_to_itself() -> None:
    heard = [*playing(seed=3)[:30], Command(9.05, 9.05, "tap"), *playing(seed=3)[34:]]
    first = list(rehearse(engine(first_onset_s=4.0), VirtualClock(heard)))
    assert lines(replay(engine(first_onset_s=4.0), first)) == lines(first)


def test_live_on_the_wall_clock_equals_replaying_what_was_heard() -> None:
    score = Score.from_notes(melody(2, 4), [(beat / 2, 0.5, 48) for beat in range(36)])
    clock, machine = WallClock(), engine(score, count_in_bars=0)
    sent: list[OrchestraEvent | Click] = []

    def soloist() -> None:
        for event in playing(score, 0.2, 0.12, seed=4):
            time.sleep(max(event.time_s - clock.now(), 0.0))
            assert isinstance(event, SoloEvent)
            now_s = clock.now()
            clock.put(SoloEvent(now_s, now_s, event.on, event.pitch, event.velocity))

    thread = threading.Thread(target=soloist)
    thread.start()
    values = list(perform(machine, clock, sent.extend))
    thread.join()
    replayed = replay(engine(score), values)
    assert [line for value in replayed if (line := to_line(value))] == [
        to_line(OrchestraEvent(**{**_fields(value), "sent_s": None}))
        if isinstance(value, OrchestraEvent)
        else to_line(value)
        for value in values
    ]
    assert len(sent) == sum(isinstance(value, OrchestraEvent) for value in values)


def _fields(event: OrchestraEvent) -> dict[str, object]:
    return {name: getattr(event, name) for name in OrchestraEvent.__slots__}


def test_notes_after_the_end_and_another_piece_do_no_harm() -> None:
    end_s = 4.0 + 18.0
    after: list[Heard] = [SoloEvent(end_s + i * 0.3, end_s + i * 0.3, i % 2 == 0, 40 + i, 70) for i in range(20)]
    values = list(rehearse(engine(first_onset_s=4.0), VirtualClock([*playing(), *after])))
    assert len(sounded(values)) == 44
    rng = np.random.default_rng(0)
    other: list[Heard] = [
        SoloEvent(4 + i * 0.21, 4 + i * 0.21, True, int(rng.integers(20, 110)), 70) for i in range(200)
    ]
    strange = list(rehearse(engine(first_onset_s=4.0), VirtualClock(other)))
    positions = [value for value in strange if isinstance(value, Position)]
    assert np.mean([position.state == "lost" for position in positions[20:]]) > 0.5  # it says so
    on = [value.note for value in strange if isinstance(value, OrchestraEvent) and value.on]
    assert sorted(on) == sorted(value.note for value in strange if isinstance(value, OrchestraEvent) and not value.on)
