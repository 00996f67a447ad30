"""What everything that follows or predicts has promised, whoever it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse, replay
from collaparte.events import (
    Command,
    Heard,
    Notice,
    OrchestraEvent,
    Pedal,
    Position,
    SoloEvent,
    TakeHeader,
    TempoPlan,
    Value,
    from_line,
    to_line,
)
from collaparte.follow import FOLLOWERS, make_follower
from collaparte.listen.simulated import SimulatedSoloist, simulate_solo
from collaparte.measure import measure_take
from collaparte.predict import PREDICTORS, make_predictor
from collaparte.score import Score
from collaparte.takes import Memory, Recollection, make_take

H = 0.005
TUNE = [67, 69, 71, 72, 74, 71, 67, 64, 66, 67, 69, 62, 64, 66, 67, 71, 72, 74, 76, 79, 78, 76, 74, 71, 69, 67, 66, 64]
RHYTHM = [1.0, 0.5, 0.5, 1.0, 1.0, 1.5, 0.5, 2.0, 0.25, 0.25, 0.5, 1.0]


def a_piece(beats: float = 64.0) -> Score:
    """A melody of varied rhythm over an orchestra on every beat, with a tutti of two bars in the middle."""
    solo: list[tuple[float, float, int]] = []
    beat, index = 4.0, 0
    while beat < beats:
        length = RHYTHM[index % len(RHYTHM)]
        if not 28 <= beat < 36:
            solo.append((beat, length, TUNE[(index * 5 + index // 9) % len(TUNE)]))
        beat, index = beat + length, index + 1
    return Score.from_notes(solo, [(float(beat), 1.0, 43 + int(beat) % 4 * 3) for beat in range(int(beats) + 4)])


PIECE = a_piece()
TAKE = simulate_solo(PIECE, 11, "amateur 1")
HEARD: Sequence[SoloEvent | Pedal] = TAKE.events

followers = pytest.mark.parametrize("follower", sorted(FOLLOWERS))
predictors = pytest.mark.parametrize("predictor", sorted(PREDICTORS))


def an_engine(follower: str, predictor: str, score: Score = PIECE, first_s: float | None = None) -> Engine:
    first_onset_s = HEARD[0].time_s if first_s is None else first_s
    settings = Settings(H, first_onset_s=first_onset_s)
    return Engine(score, make_follower(follower, score), make_predictor(predictor, score), settings)


def played(follower: str, predictor: str, heard: Iterable[Heard]) -> list[Value]:
    return list(rehearse(an_engine(follower, predictor), VirtualClock(heard)))


def decided_s(value: Value) -> float:
    """When a value was settled: a note of the orchestra a horizon before it sounds."""
    if isinstance(value, OrchestraEvent):
        return value.due_s - H
    assert isinstance(value, (SoloEvent, Pedal, Position, TempoPlan, Notice, Command))
    return value.heard_s if isinstance(value, (SoloEvent, Pedal, Command)) else value.time_s


@followers
@predictors
@pytest.mark.parametrize("cut_s", [3.0, 9.7, 17.3, 25.0])
def test_causal(follower: str, predictor: str, cut_s: float) -> None:
    whole = played(follower, predictor, HEARD)
    cut = played(follower, predictor, [event for event in HEARD if event.heard_s < cut_s])
    before = [to_line(value) for value in whole if decided_s(value) < cut_s - 1e-9]
    assert len(before) > 10
    assert [to_line(value) for value in cut if decided_s(value) < cut_s - 1e-9] == before


@followers
@predictors
def test_the_same_seed_gives_the_same_take_and_a_replay_of_its_lines_is_itself(follower: str, predictor: str) -> None:
    first = [to_line(value) for value in played(follower, predictor, HEARD)]
    again = [to_line(value) for value in played(follower, predictor, simulate_solo(PIECE, 11, "amateur 1").events)]
    assert again == first
    assert [to_line(value) for value in replay(an_engine(follower, predictor), map(from_line, first))] == first


@followers
@predictors
@pytest.mark.parametrize("seed", range(4))
def test_every_note_that_starts_stops(follower: str, predictor: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    commands = [
        Command(time_s, time_s, str(rng.choice(["hold", "release", "tap", "panic", "previous_entry", "cut"])))
        for time_s in np.sort(rng.uniform(0, TAKE.end_s, 8)).round(3).tolist()
    ]
    stop_s = float(rng.uniform(10, TAKE.end_s))
    dense = Score.from_notes(
        [(float(row["beat"]), float(row["duration_beats"]), int(row["pitch"])) for row in PIECE.solo],
        [(beat / 4, length, 48) for beat in range(256) for length in (0.25, 1.5)],  # one pitch, over and over
    )
    engine = Engine(dense, make_follower(follower, dense), make_predictor(predictor, dense), Settings(H))
    heard = [*HEARD, *commands, Command(stop_s, stop_s, "stop")]
    sounding: dict[int, int] = {}
    ended, last_s = set(), 0.0
    for value in rehearse(engine, VirtualClock(heard)):
        if isinstance(value, OrchestraEvent):
            assert value.due_s >= last_s - 1e-9
            last_s = value.due_s
            if value.on:
                assert value.pitch not in sounding.values()
                sounding[value.note] = value.pitch
            else:
                del sounding[value.note]
                ended.add(value.note)
    assert not sounding
    assert len(ended) > 5


@followers
@predictors
@pytest.mark.parametrize("stretch", [0.8, 0.9, 1.1, 1.25])
def test_a_little_slower_is_the_same_music(follower: str, predictor: str, stretch: float) -> None:
    def beats(factor: float) -> list[float]:
        heard = [
            SoloEvent(event.time_s * factor, event.heard_s * factor, event.on, event.pitch, event.velocity)
            for event in HEARD
            if isinstance(event, SoloEvent)
        ]
        engine = an_engine(follower, predictor, first_s=HEARD[0].time_s * factor)
        return [value.beat for value in rehearse(engine, VirtualClock(heard)) if isinstance(value, Position)]

    assert beats(stretch) == pytest.approx(beats(1.0), abs=0.02)


@followers
@predictors
@pytest.mark.parametrize("coupling", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("latency_s", [0.0, 0.02])
def test_no_death_spiral(follower: str, predictor: str, coupling: float, latency_s: float) -> None:
    score = Score.from_notes(
        [(float(beat), 1.0, TUNE[beat * 5 % len(TUNE)]) for beat in range(80)],
        [(float(beat), 1.0, 48 + beat % 3) for beat in range(80)],
    )
    take = simulate_solo(score, 5, "metronome", latency_s=latency_s)
    soloist = SimulatedSoloist(take, coupling=coupling)
    engine = an_engine(follower, predictor, score, float(take.onset_s[0]))
    onsets = [
        value.time_s for value in rehearse(engine, VirtualClock(), soloist) if isinstance(value, SoloEvent) and value.on
    ]
    first, last = onsets[8] - onsets[4], onsets[72] - onsets[68]
    assert abs(last / first - 1) < 0.03
    assert abs((onsets[72] - onsets[8]) / 64 / 0.5 - 1) < 0.03


@followers
def test_after_a_relocation_the_first_note_has_its_own_onset(follower: str) -> None:
    heir = make_follower(follower, PIECE)
    onsets = PIECE.solo_onsets
    told = heir.relocate(float(onsets[20]), 10.0)
    assert (told.beat, told.onset_s) == (onsets[20], 10.0)
    pitches = [int(row["pitch"]) for row in PIECE.solo]
    first = heir.hear(SoloEvent(13.0, 13.0, True, pitches[20]), None)
    assert first is not None
    assert (first.beat, first.onset_s) == (onsets[20], 13.0)


@followers
@predictors
def test_fifty_engines_opened_and_closed_leave_nothing_behind(follower: str, predictor: str) -> None:
    def open_files() -> int:
        return len(os.listdir("/dev/fd"))

    list(rehearse(an_engine(follower, predictor), VirtualClock(HEARD[:20])))
    threads, files = threading.active_count(), open_files()
    for _ in range(50):
        list(rehearse(an_engine(follower, predictor), VirtualClock(HEARD[:20])))
    assert threading.active_count() == threads
    assert open_files() == files


@pytest.mark.parametrize("predictor", sorted(set(PREDICTORS) - {"steady"}))
def test_memory_can_be_shown_to_matter(predictor: str, tmp_path: Path) -> None:
    """A soloist who makes the same rubato each time: without recall the error stays, with it it falls."""
    memory = Memory(tmp_path)

    def run_through(seed: int, recollection: Recollection | None) -> float:
        heard = simulate_solo(PIECE, seed, "high", interpretation_seed=7).events
        settings = Settings(H, first_onset_s=heard[0].time_s)
        recall = recollection.recalled if recollection is not None else None
        engine = Engine(PIECE, make_follower(None, PIECE), make_predictor(predictor, PIECE), settings, recall)
        take = make_take(TakeHeader("a piece", PIECE.digest, "me", seed), list(rehearse(engine, VirtualClock(heard))))
        memory.learn(take, PIECE)
        return measure_take(take, PIECE).prediction.mean_abs_s

    cold = [run_through(seed, None) for seed in range(3)]
    remembered = memory.recall(PIECE)
    warm = [run_through(seed, remembered) for seed in range(3, 6)]
    assert np.mean(warm) < 0.8 * np.mean(cold)
