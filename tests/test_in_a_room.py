"""The orchestra in the soloist's own microphone: told apart, never heard as the soloist, the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from test_listen_hearing import TUNE, bowed, onsets_s
from test_listen_hearing import page as tune_page

from collaparte.calibrate.virtual import measured_response
from collaparte.cli import main
from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.engine.in_a_room import InRoom, gain_of, played_in_a_room
from collaparte.events import OrchestraEvent, SoloEvent, Value, to_line
from collaparte.follow import make_follower
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.audio import RATE
from collaparte.listen.microphone import LiveEar
from collaparte.listen.recording import Made, RecordedSoloist
from collaparte.listen.simulated import simulate_solo
from collaparte.listen.simulated.room import ROOMS, Convolver, VirtualRoom, bleed_db, response_of, with_faults
from collaparte.pieces import piece_path, solo_part
from collaparte.predict import make_predictor
from collaparte.score import Score, read_score
from collaparte.sound.render import render_solo
from collaparte.sound.streamed import StreamedSound

SECONDS = 18  # the orchestra comes in after some bars


@cache
def piece() -> tuple[Score, np.ndarray, np.ndarray, np.ndarray]:
    """A shipped piece, its soloist as sound (the synthesiser's own bank), and the truth: beats, seconds."""
    score = read_score(piece_path("washerwoman"), solo=[solo_part("washerwoman")])
    take = simulate_solo(score, 1, "middle")
    sound = render_solo([note for note in take.events if note.time_s < SECONDS], 40, None, sample_rate=RATE).mean(
        axis=1
    )
    sound = 0.05 * sound / np.sqrt(np.mean(sound**2)) + 2e-4 * np.random.default_rng(1).standard_normal(len(sound))
    return score, sound.astype(np.float32), take.onset_beats, take.onset_s


def engine() -> Engine:
    score, _, _, onset_s = piece()
    follower, predictor = make_follower(None, score), make_predictor("steady", score)
    return Engine(score, follower, predictor, Settings(first_onset_s=float(onset_s[0])))


@cache
def dry() -> tuple[Value, ...]:
    score, sound, _, _ = piece()
    return tuple(rehearse(engine(), VirtualClock(), RecordedSoloist(Made(sound), score)))


def orchestra(values: tuple[Value, ...]) -> list[OrchestraEvent]:
    return [value for value in values if isinstance(value, OrchestraEvent)]


@cache
def gain_at_0_db() -> float:
    score, sound, _, _ = piece()
    events = [event for event in orchestra(dry()) if event.due_s < SECONDS]
    return gain_of(InRoom(ROOMS["small"], 0.0, 1), sound, events, score, None)


def in_room(given: InRoom, seconds: float = SECONDS) -> Iterator[Value]:
    score, sound, _, _ = piece()
    gain = gain_at_0_db() * 10.0 ** (given.db / 20.0)
    return played_in_a_room(given, Made(sound[: round(seconds * RATE)]), score, engine, None, gain=gain)


@cache
def usual() -> tuple[InRoom, tuple[Value, ...]]:
    given = InRoom(ROOMS["small"], -6.0, 1, learn=measured_response)
    return given, tuple(in_room(given))


def asynchrony_ms(values: tuple[Value, ...]) -> float:
    _, _, beats, onset_s = piece()
    truth = {
        round(float(beat), 4): float(at_s) for beat, at_s in zip(beats, onset_s, strict=True) if at_s < SECONDS - 2
    }
    apart = [abs(one.due_s - truth[round(one.beat, 4)]) for one in orchestra(values)
             if one.on and round(one.beat, 4) in truth]  # fmt: skip
    assert len(apart) > 30
    return 1000 * float(np.mean(apart))


def test_with_the_orchestra_in_the_microphone_it_keeps_together_nearly_as_well() -> None:
    given, values = usual()
    assert asynchrony_ms(values) < asynchrony_ms(dry()) + 15.0
    assert given.came_to_db == pytest.approx(-6.0, abs=1.5)


def test_the_same_seed_gives_the_same_take_and_nothing_depends_on_what_is_played_later() -> None:
    (first, once), again = usual(), InRoom(ROOMS["small"], -6.0, 1, learn=measured_response)
    cut_s = 13.0  # the soloist enters at 10.5 s
    shorter = [to_line(value) for value in in_room(again, cut_s)]
    lines = [to_line(value) for value in once]
    decided = next(at for at, value in enumerate(once) if isinstance(value, SoloEvent) and value.heard_s > cut_s - 0.1)
    assert decided > 100
    assert shorter[:decided] == lines[:decided]
    heard = np.concatenate(again.bleed)
    np.testing.assert_array_equal(np.concatenate(first.bleed)[: len(heard) - RATE // 10], heard[: -RATE // 10])
    assert np.abs(heard).max() > 0.01


@pytest.mark.parametrize(
    ("db", "hearing"), [pytest.param(-6.0, "melody", marks=pytest.mark.long), (0.0, "melody"), (0.0, "chords")]
)
def test_a_silent_soloist_is_not_heard_while_the_orchestra_plays(db: float, hearing: str) -> None:
    score = piece()[0]
    notes = simulate_solo(score, 1, "middle").events
    events = orchestra(tuple(rehearse(engine(), VirtualClock(notes))))
    events = [replace(event, due_s=event.due_s - events[0].due_s + 0.5) for event in events]
    gain = gain_at_0_db() * 10.0 ** (db / 20.0)
    quiet = (2e-4 * np.random.default_rng(2).standard_normal(11 * RATE)).astype(np.float32)
    with StreamedSound(score.parts, None, RATE) as played:
        room = VirtualRoom(ROOMS["small"], played, seed=1, gain=gain)
        canceller = EchoCanceller()
        canceller.learn(measured_response(room))
        soloist = RecordedSoloist(Made(quiet), score, room=room, canceller=canceller, hearing=hearing)
        for event in events:
            soloist.listen(event)
        assert soloist.events() == []


def test_headphones_change_nothing() -> None:
    tune = TUNE[:10]
    score, sound = tune_page(tune), bowed(tune, onsets_s(len(tune)))

    def heard(**more: object) -> list[SoloEvent]:
        live = LiveEar(score, RATE, **more)  # type: ignore[arg-type]
        blocks = range(0, len(sound), 160)
        return [e for at in blocks for e in live.take((at + 160) / RATE, sound[at : at + 160, None])]

    alone = heard()
    assert [event.pitch for event in alone if event.on] == list(tune)
    assert heard(reference=lambda count, time_s: np.zeros(count, np.float32)) == alone
    assert heard(pitches=True) == alone


def test_a_room_s_direct_sound_comes_when_it_must_and_dies_away_as_asked() -> None:
    for room in ROOMS.values():
        response = response_of(room, 5)
        energy = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
        first = int(np.flatnonzero(np.abs(response) > 0.3)[0])
        assert first / RATE == pytest.approx(room.away_m / 343.0, abs=0.001)
        half = int(room.decay_s / 2 * RATE)
        assert 10 * np.log10(energy[half] / energy[0]) < -20.0
        np.testing.assert_array_equal(response, response_of(room, 5))


def test_block_by_block_a_convolution_is_a_convolution() -> None:
    rng = np.random.default_rng(1)
    sound, taps = rng.standard_normal(1600).astype(np.float32), rng.standard_normal(777).astype(np.float32)
    convolver = Convolver(taps)
    got = np.concatenate([convolver.through(sound[at : at + 160]) for at in range(0, 1600, 160)])
    np.testing.assert_allclose(got, np.convolve(sound, taps)[:1600], atol=1e-3)


class Clicking:
    def __init__(self) -> None:
        self.at = 0

    def send(self, events: object) -> None:
        pass

    def pull(self, frames: int) -> np.ndarray:
        numbers = np.arange(self.at, self.at + frames)
        self.at += frames
        return (numbers % RATE == RATE // 2).astype(np.float32)


@pytest.mark.parametrize("ppm", [100.0, -100.0])
def test_a_drifting_clock_moves_the_sound_by_so_much(ppm: float) -> None:
    room = VirtualRoom(with_faults(ROOMS["dry"], drift_ppm=ppm), Clicking())
    heard = np.concatenate([room.bleed(160)[0] for _ in range(1000)])
    clicks = [int(np.argmax(np.abs(heard[s * RATE : (s + 1) * RATE]))) for s in range(10)]
    assert clicks[9] - clicks[0] == pytest.approx(9 * RATE * ppm * 1e-6, abs=1)


def test_the_level_is_that_of_what_sounds_together() -> None:
    solo = np.concatenate([np.zeros(RATE), 0.1 * np.ones(RATE)]).astype(np.float32)
    bleed = np.concatenate([np.ones(RATE), 0.05 * np.ones(RATE)]).astype(np.float32)
    assert bleed_db(bleed, solo) == pytest.approx(-6.02, abs=0.01)
    assert np.isnan(bleed_db(np.zeros(RATE, np.float32), solo[:RATE]))


def test_a_soloist_who_gives_way_is_not_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--soloist", "simulated", "--coupling", "0.5", "--bleed-db", "-6", "--out", str(tmp_path / "run.jsonl")]
    assert main(["simulate", "washerwoman", *given]) == 2
    assert "cannot be heard as sound" in capsys.readouterr().err
