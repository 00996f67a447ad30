"""The live chain in a loop, between devices that are not there: calibration, tap, reference, canceller, ear, engine.

A loudspeaker and a microphone on one clock, ``WAY_S`` apart, with a room between them. Time passes when the music asks
for it, so that nothing here depends on how busy the machine is. The same by a real server: ``test_live_room.py``.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from collaparte.calibrate import Calibration, Calibrations
from collaparte.calibrate.beside import without_orchestra
from collaparte.calibrate.clicks import clicks, measure
from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.engine.replay import replay
from collaparte.events import OrchestraEvent, SoloEvent, Value, to_line
from collaparte.follow import make_follower
from collaparte.listen.audio import RATE as HEARD_AT
from collaparte.listen.microphone import LiveEar
from collaparte.listen.simulated import simulate_solo
from collaparte.listen.simulated.room import ROOMS, bleed_db, response_of
from collaparte.pieces import piece_path, solo_part
from collaparte.predict import make_predictor
from collaparte.score import Score, read_score
from collaparte.sound import Silent
from collaparte.sound.audio import DEVICE_LATENCY_S
from collaparte.sound.player import SAMPLE_RATE
from collaparte.sound.render import render_solo
from collaparte.sound.streamed import StreamedSound
from collaparte.sound.tap import Tap

pytestmark = pytest.mark.live

PIECE, SECONDS = "greensleeves", 12.0
WAY_S = 0.045  # from a frame being asked for to its stamp at the microphone, without the way through the air
PERIOD = SAMPLE_RATE // 100
OPENED_S, TAKE_S = 100.0, 100.5  # monotonic: the devices open; clock zero of the take
HORIZON_S = 0.06
TIMES = SAMPLE_RATE // HEARD_AT


@cache
def played() -> tuple[Score, np.ndarray, np.ndarray, np.ndarray]:
    """A soloist as sound at HEARD_AT, and the truth: beats, seconds of the take."""
    score = read_score(piece_path(PIECE), solo=[solo_part(PIECE)])
    take = simulate_solo(score, 5, "middle")
    early_s = float(take.onset_s[0]) - 0.5
    events = [replace(event, time_s=event.time_s - early_s) for event in take.events
              if isinstance(event, SoloEvent) and event.time_s - early_s < SECONDS - 1.0]  # fmt: skip
    sound = render_solo(events, 40, None, sample_rate=HEARD_AT).mean(axis=1)
    sound = 0.05 * sound / np.sqrt(np.mean(sound**2)) + 2e-4 * np.random.default_rng(1).standard_normal(len(sound))
    return score, sound.astype(np.float32), take.onset_beats, take.onset_s - early_s


def engine() -> Engine:
    score = played()[0]
    settings = Settings(horizon_s=HORIZON_S)
    return Engine(score, make_follower(None, score), make_predictor("steady", score), settings)


class Air:
    """What the microphone hears of the loudspeaker, period by period."""

    def __init__(self, level: float) -> None:
        room = np.repeat(response_of(ROOMS["dry"], 3), TIMES) / TIMES
        way = np.zeros(round(WAY_S * SAMPLE_RATE))
        self.response = np.concatenate([way, level * room]).astype(np.float32)
        self.tail = np.zeros(len(self.response) + PERIOD, np.float32)

    def through(self, block: np.ndarray) -> np.ndarray:
        size = 1 << int(np.ceil(np.log2(len(self.tail))))
        self.tail += np.fft.irfft(np.fft.rfft(block, size) * np.fft.rfft(self.response, size), size)[: len(self.tail)]
        heard, self.tail = self.tail[:PERIOD], np.concatenate([self.tail[PERIOD:], np.zeros(PERIOD, np.float32)])
        return heard


def calibration(folder: Path, level: float) -> Calibration:
    """What the clicks say of this loudspeaker and this microphone, through the file in which it is kept."""
    sent = clicks(SAMPLE_RATE)
    sent = np.pad(sent, (0, PERIOD - len(sent) % PERIOD)).astype(np.float32)
    air = Air(level)
    heard = np.concatenate([air.through(sent[at : at + PERIOD]) for at in range(0, len(sent), PERIOD)])
    heard += (1e-4 * np.random.default_rng(1).standard_normal(len(heard))).astype(np.float32)
    found = measure(heard.astype(np.float32), clicks(SAMPLE_RATE), SAMPLE_RATE)
    return Calibrations(folder).keep(Calibration.of(found, "default", "default", DEVICE_LATENCY_S), found)


class Loudspeaker(Silent):
    """As the synthesiser is, to those who want to take it out."""

    def __init__(self) -> None:
        self.tap = Tap()


class Loop:
    """A soloist to the engine (``engine.perform.Listening``), heard by a ``LiveEar`` whose loudspeaker plays along."""

    def __init__(self, folder: Path, level: float) -> None:
        score, self.sound, _, _ = played()
        self.loudspeaker = Loudspeaker()
        kept = calibration(folder, max(level, 0.1))
        self.input_s = kept.input_latency_s
        self.orchestra = StreamedSound(score.parts, None, SAMPLE_RATE)
        self.air = Air(level)
        beside = without_orchestra(self.loudspeaker, lambda: TAKE_S, kept) if level else {}
        self.ear = LiveEar(score, SAMPLE_RATE, kept.input_latency_s, **beside)
        self.periods, self.found, self.level = 0, deque[SoloEvent](), level
        self.bleed: list[np.ndarray] = []
        self.solo: list[np.ndarray] = []

    def next_s(self) -> float:
        if self.found:
            return self.found[0].heard_s
        stamp_s = OPENED_S - TAKE_S + (self.periods + 1) / 100
        return stamp_s if stamp_s < SECONDS else math.inf

    def next_event(self) -> SoloEvent | None:
        if not self.found:
            block = self.orchestra.pull(PERIOD) if self.level else np.zeros(PERIOD, np.float32)
            self.loudspeaker.tap.write(block, OPENED_S)
            self.bleed.append(self.air.through(block))
            first = round((OPENED_S - TAKE_S + self.periods / 100 - self.input_s) * HEARD_AT)
            numbers = first + np.arange(PERIOD // TIMES)
            there = (numbers >= 0) & (numbers < len(self.sound))
            self.solo.append(np.repeat(np.where(there, self.sound[numbers % len(self.sound)], 0.0), TIMES))
            self.periods += 1
            heard = (self.bleed[-1] + self.solo[-1]).astype(np.float32)
            stamp_s = OPENED_S - TAKE_S + self.periods / 100
            self.found.extend(self.ear.take(stamp_s, np.stack([heard, heard], axis=1)))
        return self.found.popleft() if self.found else None

    def listen(self, event: OrchestraEvent) -> None:
        self.orchestra.send([replace(event, due_s=event.due_s + TAKE_S - OPENED_S - DEVICE_LATENCY_S)])
        self.ear.sounds(event)

    def close(self) -> None:
        self.orchestra.close()
        self.loudspeaker.tap.close()


def asynchrony_ms(values: list[Value]) -> float:
    """Mean size over the orchestra's notes at the soloist's beats, once the soloist has begun."""
    _, _, beats, onset_s = played()
    truth = {round(float(b), 4): float(s) for b, s in zip(beats, onset_s, strict=True) if s < SECONDS - 2.0}
    apart = [abs(one.due_s - truth[round(one.beat, 4)]) for one in values
             if isinstance(one, OrchestraEvent) and one.on and round(one.beat, 4) in truth]  # fmt: skip
    assert len(apart) > 15
    return 1000 * float(np.mean(apart))


def heard(values: list[Value]) -> list[SoloEvent]:
    return [value for value in values if isinstance(value, SoloEvent)]


def test_with_its_own_sound_in_the_live_microphone_the_orchestra_keeps_with_the_soloist(tmp_path: Path) -> None:
    alone, beside = Loop(tmp_path, 0.0), Loop(tmp_path, 0.95)
    try:
        dry, wet = list(rehearse(engine(), VirtualClock(), alone)), list(rehearse(engine(), VirtualClock(), beside))
    finally:
        alone.close()
        beside.close()
    here_db = bleed_db(np.concatenate(beside.bleed)[::TIMES], np.concatenate(beside.solo)[::TIMES].astype(np.float32))
    assert here_db == pytest.approx(-6.0, abs=1.5)
    assert asynchrony_ms(wet) < asynchrony_ms(dry) + 15.0
    onsets = sum(onset_s < SECONDS - 1.0 for onset_s in played()[3])
    assert sum(event.on for event in heard(wet)) == pytest.approx(onsets, abs=2)
    # The take that was recorded beside the orchestra's own sound replays to itself.
    again = list(replay(engine(), wet))
    assert [to_line(value) for value in again] == [to_line(value) for value in wet]
