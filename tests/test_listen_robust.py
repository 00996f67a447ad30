"""Rooms are not silent and players are not perfect: nothing starts on noise, and after a slip the ear is back soon."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from noises import NOISES, quiet, tones
from test_listen_hearing import bowed, onsets_s

from collaparte.errors import SoloistError
from collaparte.events import SoloEvent
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.listen.hearing.beginning import Beginning
from collaparte.listen.hearing.decoder import Decoder, Reached
from collaparte.listen.hearing.spectrum import BINS, Frame
from collaparte.listen.hearing.templates import Places, Templates, combs
from collaparte.listen.recording import recorded_soloist
from collaparte.score import Score

# Bars of four notes, no two alike, so that a bar played again or left out can be told.
TUNE = (
    64, 69, 73, 76, 74, 71, 68, 66, 69, 66, 62, 57, 59, 64, 68, 71, 73, 69, 76, 81, 80, 76, 78, 73,
    71, 74, 78, 81, 79, 74, 70, 67, 65, 69, 72, 77, 76, 72, 67, 64, 62, 65, 71, 74, 69, 64, 61, 57,
)  # fmt: skip


def page(tune: tuple[int, ...] = TUNE) -> Score:
    return Score.from_notes([(float(beat), 1.0, pitch) for beat, pitch in enumerate(tune)], beat_period_s=0.45)


def begun(sound: np.ndarray, a4_hz: float | None = None) -> list[SoloEvent]:
    """The notes heard; with ``a4_hz`` by one decoder instead of five, where the tuning is not what is tried."""
    ear = Ear(page(), a4_hz=a4_hz)
    events = []
    for first in range(0, len(sound), 160):
        part = sound[first : first + 160]
        events += ear.hear(part, (first + len(part)) / SAMPLE_RATE)
    return [event for event in events if event.on]


def mixed(sound: np.ndarray, noise: np.ndarray, at_s: float) -> np.ndarray:
    both = sound.copy()
    place = int(at_s * SAMPLE_RATE)
    both[place : place + len(noise)] += noise[: len(both) - place]
    return both


def followed(sound: np.ndarray, played: list[int], truth_s: np.ndarray, after_s: float) -> float:
    """Share of the notes after ``after_s`` that were placed within 100 ms of their beginning, at their own pitch."""
    heard = begun(sound, 440.0)
    late = [(TUNE[place], time_s) for place, time_s in zip(played, truth_s.tolist(), strict=True) if time_s > after_s]
    hits = [any(e.pitch == pitch and abs(e.time_s - time_s) < 0.1 for e in heard) for pitch, time_s in late]
    return float(np.mean(hits))


@pytest.mark.parametrize("name", sorted(NOISES))
def test_nothing_starts_on_noise(name: str) -> None:
    assert begun(mixed(quiet(8.0), NOISES[name](7.0), 0.5)) == []


def test_a_second_instrument_warming_up_does_not_start_the_piece() -> None:
    rng = np.random.default_rng(8)
    scale = [61 + step for step in (0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2, 0)]
    others = tones(scale, [float(x) for x in rng.uniform(0.15, 0.4, len(scale))], 0.03)
    assert begun(mixed(quiet(7.0), others, 0.5)) == []


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_while_playing_is_not_followed(name: str) -> None:
    played = list(range(20))
    truth_s = onsets_s(len(played))
    sound = bowed(TUNE[:20], truth_s)
    assert followed(mixed(sound, NOISES[name](4.0, 0.015), 3.0), played, truth_s, 0.0) >= 0.85


def test_a_tuning_note_before_the_start_is_not_the_start() -> None:
    truth_s = onsets_s(16) + 5.0
    sound = bowed(TUNE[:16], truth_s)
    sound = mixed(sound, tones([69, 62, 69], [1.5, 0.8, 1.0]), 0.5)
    heard = begun(sound)
    assert heard[0].time_s > 5.5
    assert [event.pitch for event in heard] == list(TUNE[:16])


def test_a_long_silence_and_talk_in_it_move_nothing() -> None:
    truth_s = onsets_s(28)
    truth_s[18:] += 8.0
    sound = bowed(TUNE[:18], truth_s[:18])
    rest = bowed(TUNE[18:28], truth_s[18:])
    together = mixed(rest, sound, 0.0)
    together = mixed(together, NOISES["talking"](5.0, 0.02), float(truth_s[17]) + 2.0)
    heard = begun(together)
    assert [event for event in heard if truth_s[17] + 0.5 < event.heard_s < truth_s[18]] == []
    assert [event.pitch for event in heard if event.time_s > truth_s[18] - 0.1] == list(TUNE[18:28])


def test_wrong_notes_are_passed_over() -> None:
    played = list(range(24))
    truth_s = onsets_s(24)
    wrong = [pitch + (1 if place in (5, 11, 17) else 0) for place, pitch in enumerate(TUNE[:24])]
    right = [place for place in played if place not in (5, 11, 17)]
    share = followed(bowed(tuple(wrong), truth_s), right, truth_s[right], 0.0)
    assert share >= 0.9


def test_a_hesitation_is_waited_for() -> None:
    played = list(range(20))
    truth_s = onsets_s(20)
    truth_s[8:] += 1.5
    sound = bowed(TUNE[:8], truth_s[:8])
    sound = mixed(bowed(TUNE[8:20], truth_s[8:]), sound, 0.0)
    assert followed(sound, played, truth_s, 0.0) >= 0.9


@pytest.mark.parametrize(
    ("played", "what"),
    [
        ([*range(16), *range(12, 36)], "the last bar played again"),
        ([*range(16), *range(8, 32)], "two bars played again"),
        ([*range(12), *range(16, 40)], "a bar left out"),
        ([*range(12), *range(24, 48)], "three bars left out"),
    ],
)
def test_bars_played_again_or_left_out_are_found(played: list[int], what: str) -> None:
    truth_s = onsets_s(len(played), 0.04)
    sound = bowed(tuple(TUNE[place] for place in played), truth_s)
    slip_s = float(truth_s[next(at for at in range(1, len(played)) if played[at] != played[at - 1] + 1)])
    assert followed(sound, played, truth_s, slip_s + 5.0) >= 0.85, what


def test_a_beginning_that_was_missed_is_believed_as_soon_as_three_or_more_in_a_row_are_sure() -> None:
    places, nothing = Places.of(page()), np.zeros(BINS, np.float32)
    templates = Templates(places, 1024)
    decoder = Decoder(places, 0.45 * places.beat, templates, 1024)
    beginning = Beginning(decoder)
    said = []
    for place, there in ((1, 0.7), (2, 0.7), (3, 0.1), (4, 0.7), (5, 0.7)):
        time_s, sounds = 1.0 + 0.3 * place, combs(0.0, 1024)[TUNE[place]]
        frame = Frame(time_s, sounds, nothing, -20.0, 1.0, nothing)
        decoder.hear(frame)
        decoder.reached, reached = place, Reached(place, time_s - 0.05, time_s, 0.7, there)
        said.append([one.place for one in beginning.hear(reached, frame)])
    assert said == [[], [], [], [1, 2, 3, 4], [5]]


ASKED = ("Is it the right recording", "Is it a recording of this piece")


def said_of(sound: np.ndarray, score: Score, path: Path, a4_hz: float | None) -> str:
    soundfile.write(path, sound, SAMPLE_RATE)
    said: list[str] = []
    try:
        recorded_soloist(path, score, notice=said.append, a4_hz=a4_hz)
    except SoloistError as refused:
        said.append(str(refused))
    return " ".join(said)


@pytest.mark.parametrize("a4_hz", [440.0, None])
@pytest.mark.parametrize("higher", [0, 5])
def test_a_recording_of_another_piece_is_told_though_the_a_may_be_any(
    tmp_path: Path, a4_hz: float | None, higher: int
) -> None:
    other = [pitch + higher for pitch in (60, 63, 67, 72, 70, 68, 67, 65, 63, 62, 60, 58, 56, 58, 60, 63)]
    sound = bowed(tuple(2 * other), onsets_s(2 * len(other)))
    said = said_of(sound, page(), tmp_path / "other.wav", a4_hz)
    assert any(words in said for words in ASKED)


@pytest.mark.parametrize("cents", [0, -101])
def test_a_wild_soloist_of_this_piece_is_not_said_to_play_another(tmp_path: Path, cents: int) -> None:
    rng = np.random.default_rng(1)
    played = [*range(10), *range(8, 20), *range(24, 40)]
    wrong = rng.random(len(played)) < 0.25
    pitches = [TUNE[place] + int(step) for place, step in zip(played, wrong * rng.choice([-2, -1, 1, 2], len(played)),
                                                              strict=True)]  # fmt: skip
    truth_s = onsets_s(len(played)) + np.cumsum(rng.uniform(0.0, 0.15, len(played)))
    truth_s[20:] += 1.5
    sound, ratio = bowed(tuple(pitches), truth_s), 2 ** (cents / 1200)
    tuned = np.interp(np.arange(int(len(sound) / ratio)) * ratio, np.arange(len(sound)), sound).astype(np.float32)
    said = said_of(tuned, page(), tmp_path / "wild.wav", None)
    assert not any(words in said for words in ASKED)
