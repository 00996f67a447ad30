"""The ear, on sounds made here: notes found when they began, nothing found in silence and noise, nothing foreseen."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from collaparte.cli import main
from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.errors import SoloistError
from collaparte.events import Position, SoloEvent, from_line
from collaparte.follow import make_follower
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.listen.hearing.spectrum import Spectra
from collaparte.listen.recording import recorded_soloist
from collaparte.predict import make_predictor
from collaparte.score import Score

TUNE = (69, 71, 72, 74, 76, 77, 76, 74, 72, 74, 71, 72, 69, 76, 81, 79, 77, 76, 74, 72, 71, 69, 67, 69)
PERIOD_S = 0.4


def page(tune: tuple[int, ...] = TUNE) -> Score:
    return Score.from_notes([(float(beat), 1.0, pitch) for beat, pitch in enumerate(tune)], beat_period_s=0.45)


def onsets_s(count: int, wobble: float = 0.1) -> np.ndarray:
    lengths = PERIOD_S * (1.0 + wobble * np.sin(np.arange(count) * 0.7))
    return 1.0 + np.concatenate([[0.0], np.cumsum(lengths[:-1])])


def bowed(tune: tuple[int, ...], start_s: np.ndarray, noise: float = 0.001, gap_s: float = 0.0) -> np.ndarray:
    """Harmonic tones with a 15 ms attack, vibrato and a decay after their end, over a little noise."""
    rng = np.random.default_rng(4)
    sound = noise * rng.standard_normal(int((start_s[-1] + 2.0) * SAMPLE_RATE))
    ends = np.append(start_s[1:], start_s[-1] + PERIOD_S) - gap_s
    for pitch, begin, end in zip(tune, start_s, ends, strict=True):
        time = np.arange(int((end - begin + 0.15) * SAMPLE_RATE)) / SAMPLE_RATE
        hz = 440.0 * 2 ** ((pitch - 69) / 12)
        phase = 2 * np.pi * hz * (time + 0.003 / 5.5 * np.sin(2 * np.pi * 5.5 * time) / (2 * np.pi))
        tone = sum(0.7**n * np.sin((n + 1) * phase) for n in range(10))
        shape = np.minimum(time / 0.015, 1.0) * np.exp(-np.maximum(time - (end - begin), 0.0) / 0.03)
        first = int(begin * SAMPLE_RATE)
        sound[first : first + len(time)] += 0.1 * tone * shape
    return sound.astype(np.float32)


def hear(sound: np.ndarray, score: Score, block: int = 160, a4_hz: float | None = None) -> list[SoloEvent]:
    """With ``a4_hz`` by one decoder instead of five, where the tuning is not what is tried."""
    ear = Ear(score, a4_hz=a4_hz)
    events = []
    for first in range(0, len(sound), block):
        part = sound[first : first + block]
        events += ear.hear(part, (first + len(part)) / SAMPLE_RATE)
    return events


def test_every_note_is_heard_once_near_its_beginning_and_soon_after_it() -> None:
    truth_s = onsets_s(len(TUNE))
    begun = [event for event in hear(bowed(TUNE, truth_s), page()) if event.on]
    assert [event.pitch for event in begun] == list(TUNE)
    errors_s = np.array([event.time_s for event in begun]) - truth_s
    assert np.median(np.abs(errors_s)) < 0.025
    assert np.abs(errors_s).max() < 0.08
    late_s = np.array([event.heard_s for event in begun]) - truth_s
    assert np.median(late_s) < 0.1


def test_every_note_that_starts_stops_before_it_starts_again() -> None:
    down: set[int] = set()
    for event in hear(bowed(TUNE, onsets_s(len(TUNE))), page()):
        assert (event.pitch in down) != event.on
        down ^= {event.pitch}
        assert event.heard_s >= event.time_s
    assert not down


def test_nothing_before_a_cut_depends_on_what_comes_after() -> None:
    sound = bowed(TUNE, onsets_s(len(TUNE)))
    cut = 5 * SAMPLE_RATE
    whole = [event for event in hear(sound, page()) if event.heard_s <= 5.0]
    assert whole == hear(sound[:cut], page())
    assert len(whole) > 10


def test_the_size_of_the_blocks_changes_nothing_but_when_it_is_known() -> None:
    sound = bowed(TUNE, onsets_s(len(TUNE)))
    small, large = hear(sound, page(), 37, 440.0), hear(sound, page(), 1024, 440.0)
    assert [(event.time_s, event.pitch, event.on) for event in small] == [
        (event.time_s, event.pitch, event.on) for event in large
    ]


@pytest.mark.parametrize("level", [0.0, 0.0003, 0.03])
def test_ten_seconds_of_silence_or_noise_start_nothing(level: float) -> None:
    noise = (level * np.random.default_rng(2).standard_normal(10 * SAMPLE_RATE)).astype(np.float32)
    assert hear(noise, page()) == []


def test_a_silence_inside_the_piece_is_a_pause_not_progress() -> None:
    truth_s = onsets_s(len(TUNE))
    truth_s[12:] += 8.0
    sound = bowed(TUNE[:12], truth_s[:12])
    rest = bowed(TUNE[12:], truth_s[12:])
    together = rest.copy()
    together[: len(sound)] += sound
    begun = [event for event in hear(together, page()) if event.on]
    during = [event for event in begun if truth_s[11] + 0.3 < event.heard_s < truth_s[12]]
    assert during == []
    assert [event.pitch for event in begun] == list(TUNE)


def test_repeated_notes_are_told_apart_by_their_attacks() -> None:
    tune = (69, 69, 69, 69, 74, 74, 74, 69, 69, 71, 71, 71)
    truth_s = onsets_s(len(tune), 0.05)
    begun = [event for event in hear(bowed(tune, truth_s, gap_s=0.09), page(tune), a4_hz=440.0) if event.on]
    assert [event.pitch for event in begun] == list(tune)
    errors_s = np.abs(np.array([event.time_s for event in begun]) - truth_s)
    assert np.median(errors_s) < 0.08
    assert errors_s[:5].max() < 0.08


def test_a_jump_over_forty_notes_is_found() -> None:
    rng = np.random.default_rng(6)
    tune = tuple(int(pitch) for pitch in np.cumsum(rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], 80)) % 24 + 60)
    played = tune[:12] + tune[52:76]
    truth_s = onsets_s(len(played))
    begun = [event for event in hear(bowed(played, truth_s), page(tune), a4_hz=440.0) if event.on]
    after = [event for event in begun if event.time_s > truth_s[11] + 6.0]
    assert [event.pitch for event in after] == list(played[-len(after) :])
    assert len(after) >= 7


def play(path: Path, score: Score) -> list[Position]:
    soloist, first_s = recorded_soloist(path, score)
    engine = Engine(score, make_follower(None, score), make_predictor("steady", score), Settings(first_onset_s=first_s))
    return [value for value in rehearse(engine, VirtualClock(), soloist) if isinstance(value, Position)]


def test_a_recording_moves_the_engine_to_the_last_note(tmp_path: Path) -> None:
    truth_s = onsets_s(len(TUNE))
    soundfile.write(tmp_path / "solo.flac", bowed(TUNE, truth_s), SAMPLE_RATE)
    positions = play(tmp_path / "solo.flac", page())
    at = {position.beat: position.onset_s for position in positions}
    assert max(at) == len(TUNE) - 1
    assert np.median([abs(at[float(beat)] - truth_s[beat]) for beat in range(len(TUNE)) if float(beat) in at]) < 0.025


def test_a_recording_of_nothing_is_refused_with_its_level(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nothing.wav", np.zeros(SAMPLE_RATE * 3, np.float32), SAMPLE_RATE)
    said: list[str] = []
    with pytest.raises(SoloistError, match=r"nothing of .* was heard"):
        recorded_soloist(tmp_path / "nothing.wav", page(), notice=said.append)
    assert any("silent throughout" in text for text in said)


def test_simulate_takes_a_recording_for_the_soloist(tmp_path: Path) -> None:
    truth_s = onsets_s(len(TUNE))
    soundfile.write(tmp_path / "solo.ogg", bowed(TUNE, truth_s), SAMPLE_RATE)
    midi = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=450_000)])
    for pitch in TUNE:
        track.append(mido.Message("note_on", note=pitch, velocity=64))
        track.append(mido.Message("note_off", note=pitch, time=480))
    midi.tracks.append(track)
    midi.save(tmp_path / "page.mid")
    run = tmp_path / "run.jsonl"
    arguments = ["simulate", str(tmp_path / "page.mid"), "--soloist", str(tmp_path / "solo.ogg"), "--out", str(run)]
    assert main([*arguments, "--predictor", "steady"]) == 0
    solo = [value for value in map(from_line, run.read_text().splitlines()) if isinstance(value, SoloEvent)]
    begun = [event for event in solo if event.on]
    assert [event.pitch for event in begun] == list(TUNE)
    assert np.median(np.abs(np.array([event.time_s for event in begun]) - truth_s)) < 0.025


@pytest.mark.parametrize("tune", [(76, 74) * 8, (76,) * 12 + (74, 72), (69,) * 8])
def test_a_piece_made_of_one_note_or_two_begins(tune: tuple[int, ...]) -> None:
    truth_s = onsets_s(len(tune), 0.05)
    begun = [event for event in hear(bowed(tune, truth_s, gap_s=0.09), page(tune), a4_hz=440.0) if event.on]
    assert [event.pitch for event in begun] == list(tune)
    assert abs(begun[0].time_s - truth_s[0]) < 0.05


def test_a_note_repeated_many_times_at_a_third_of_the_pages_tempo_is_heard_every_time() -> None:
    tune = (70,) * 12 + (73, 72)
    truth_s = 1.0 + 1.2 * np.arange(len(tune))
    begun = [event for event in hear(bowed(tune, truth_s, gap_s=0.05), page(tune), a4_hz=440.0) if event.on]
    assert [event.pitch for event in begun] == list(tune)
    assert np.abs(np.array([event.time_s for event in begun]) - truth_s).max() < 0.05


def test_one_low_note_does_not_make_the_whole_part_slow_to_hear() -> None:
    tune = (*TUNE, 43)
    truth_s = onsets_s(len(tune))
    late_s = np.array([event.heard_s for event in hear(bowed(TUNE, truth_s[:-1]), page(tune), a4_hz=440.0) if event.on])
    assert len(late_s) == len(TUNE)
    assert np.median(late_s - truth_s[:-1]) < 0.05


def test_notes_that_ring_on_over_other_strings_are_each_heard() -> None:
    chords = [(57, 61, 64, 69), (59, 62, 66, 71), (56, 59, 64, 68), (57, 62, 66, 69), (55, 59, 62, 67)]
    tune = tuple(pitch for chord in 2 * chords for pitch in (*chord, chord[2], chord[1]))
    truth_s = 1.0 + 0.15 * np.arange(len(tune))
    rng = np.random.default_rng(4)
    sound = 0.001 * rng.standard_normal(int((truth_s[-1] + 3.0) * SAMPLE_RATE))
    clock = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    shape = np.minimum(clock / 0.015, 1.0) * np.exp(-np.maximum(clock - 0.15, 0.0) / 0.8)
    for pitch, begin_s in zip(tune, truth_s.tolist(), strict=True):
        phase = 2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * clock
        first = int(begin_s * SAMPLE_RATE)
        sound[first : first + len(clock)] += 0.05 * shape * sum(0.7**n * np.sin((n + 1) * phase) for n in range(10))
    rung = Score.from_notes([(0.25 * place, 0.25, pitch) for place, pitch in enumerate(tune)], beat_period_s=0.7)
    begun = [event for event in hear(sound.astype(np.float32), rung, a4_hz=440.0) if event.on]
    found = [min(abs(event.time_s - time_s) for event in begun if event.pitch == pitch)
             for pitch, time_s in zip(tune, truth_s.tolist(), strict=True)]  # fmt: skip
    assert np.median(found) < 0.03
    assert np.max(found) < 0.1


def level_and_activity(sound: np.ndarray) -> np.ndarray:
    return np.array([frame.active for frame in Spectra().hear(sound.astype(np.float32))])


def test_the_softest_notes_of_music_without_rests_are_no_silence() -> None:
    time_s = np.arange(90 * SAMPLE_RATE) / SAMPLE_RATE
    level = np.where(time_s < 80.0, 0.05, 0.008)
    tone = sum(0.7**n * np.sin(2 * np.pi * 330.0 * (n + 1) * time_s) for n in range(10))
    noise = 3e-4 * np.random.default_rng(1).standard_normal(len(tone))
    assert level_and_activity(level * tone + noise)[8100:].min() == 1.0


def test_a_noise_that_stays_becomes_silence() -> None:
    noise = 0.004 * np.random.default_rng(1).standard_normal(60 * SAMPLE_RATE)
    assert level_and_activity(noise)[5000:].max() == 0.0


@pytest.mark.parametrize("cents", [-30, 30])
def test_thirty_cents_flat_or_sharp_change_nothing(cents: int) -> None:
    truth_s = onsets_s(len(TUNE))
    sound, ratio = bowed(TUNE, truth_s), 2 ** (cents / 1200)
    places = np.arange(int(len(sound) / ratio)) * ratio
    shifted = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    begun = [event for event in hear(shifted, page()) if event.on]
    assert [event.pitch for event in begun] == list(TUNE)
    assert np.median(np.abs(np.array([event.time_s for event in begun]) - truth_s / ratio)) < 0.025
