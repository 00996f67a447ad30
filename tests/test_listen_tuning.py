"""The soloist's A is found while they play; the orchestra tunes to it; transposing instruments sound where they do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from noises import NOISES, quiet

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.evaluate.listen_rendered import Playing, render_playing
from collaparte.events import Command, SoloEvent
from collaparte.follow import make_follower
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.listen.recording import Made, RecordedSoloist
from collaparte.measure import group_onsets
from collaparte.predict import make_predictor
from collaparte.score import Score, transpose

TUNE = (69, 71, 73, 74, 76, 74, 73, 71, 69, 76, 78, 80, 81, 80, 78, 76)
PERIOD_S = 0.4


def playing() -> Playing:
    """A tune of two bars, a little unevenly."""
    page = Score.from_notes(
        [(float(beat), 1.0, pitch) for beat, pitch in enumerate(TUNE)], [(0.0, 16.0, 45)], beat_period_s=0.45
    )
    begins_s = 1.0 + PERIOD_S * (np.arange(len(TUNE)) + 0.05 * np.sin(np.arange(len(TUNE))))
    events = []
    for begin_s, pitch in zip(begins_s.tolist(), TUNE, strict=True):
        events += [
            SoloEvent(begin_s, begin_s, True, pitch, 90),
            SoloEvent(begin_s + 0.36, begin_s + 0.36, False, pitch),
        ]
    return Playing("tune", page, tuple(events), group_onsets(np.arange(16.0), begins_s), np.zeros((0, 3)))


@cache
def sound(a4_hz: float, semitones: int = 0) -> np.ndarray:
    return render_playing(
        playing(), "flute", None, cents=1200 * np.log2(a4_hz / 440), transpose=semitones, room="small"
    ).sound


def hear(ear: Ear, heard: np.ndarray) -> list[SoloEvent]:
    events = []
    for first in range(0, len(heard), 160):
        part = heard[first : first + 160]
        events += ear.hear(part, (first + len(part)) / SAMPLE_RATE)
    return [event for event in events if event.on]


@pytest.mark.parametrize("a4_hz", [415.0, 428.0, 440.0, 452.0, 466.0])
def test_the_a_is_found_while_playing(a4_hz: float) -> None:
    ear = Ear(playing().score)
    begun = hear(ear, sound(a4_hz))
    assert ear.tuned
    assert ear.a4_hz == pytest.approx(a4_hz, abs=2.0)
    sure = begun[3 - len(TUNE) :]  # another A than 440 Hz is believed after some notes
    assert [event.pitch for event in sure] == list(TUNE[3:])
    errors_s = np.array([event.time_s for event in sure]) - playing().truth.first_s[3:]
    assert np.median(np.abs(errors_s)) < 0.03
    assert np.abs(errors_s).max() < 0.1


@pytest.mark.parametrize("a4_hz", [415.0, 428.0, 452.0, 466.0])
def test_of_another_a_every_note_since_the_beginning_is_said_and_none_of_what_was_before(a4_hz: float) -> None:
    heard = np.concatenate([NOISES["talking"](3.0, 0.03, 1), quiet(0.3), sound(a4_hz)])
    begun = hear(Ear(playing().score), heard)
    assert [event.pitch for event in begun] == list(TUNE)
    assert abs(begun[0].time_s - 3.3 - playing().truth.first_s[0]) < 0.05


@pytest.mark.parametrize("a4_hz", [415.0, 466.0])
def test_where_the_a_is_known_the_first_note_is_heard(a4_hz: float) -> None:
    begun = hear(Ear(playing().score, a4_hz=a4_hz), sound(a4_hz))
    assert [event.pitch for event in begun] == list(TUNE)
    assert abs(begun[0].time_s - 1.0) < 0.05


def test_the_orchestra_tunes_to_the_soloist_and_is_told_once() -> None:
    page = playing().score
    soloist = RecordedSoloist(Made(sound(452.0)), page, tunes=True)
    engine = Engine(page, make_follower(None, page), make_predictor("steady", page), Settings(first_onset_s=1.0))
    values = list(rehearse(engine, VirtualClock(), soloist))
    told = [value for value in values if isinstance(value, Command)]
    assert [command.name for command in told] == ["tuning"]
    assert told[0].value == pytest.approx(452.0, abs=2.0)
    assert engine.tuning_hz == told[0].value


def test_a_part_written_for_a_transposing_instrument_is_heard_where_it_sounds() -> None:
    page = transpose(playing().score, -2, only_solo=True)
    assert page.orchestra["pitch"].tolist() == [45]
    ear = Ear(page)
    assert [event.pitch for event in hear(ear, sound(440.0, -2))] == [pitch - 2 for pitch in TUNE]
    assert ear.a4_hz == pytest.approx(440.0, abs=2.0)


def test_a_semitone_higher_than_the_page_is_not_taken_for_the_page_at_440() -> None:
    begun = hear(Ear(playing().score, a4_hz=440.0), sound(440.0, 1))
    assert len(begun) < len(TUNE) / 2
