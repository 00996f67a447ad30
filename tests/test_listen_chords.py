"""The chord ear, on a piano made here: chords found when they began, whatever the player does, and nothing foreseen."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from threadpoolctl import threadpool_info

from collaparte.cli import main
from collaparte.errors import SoloistError
from collaparte.events import OrchestraEvent, Position, SoloEvent, from_line
from collaparte.listen.apart import Apart
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.hearing import SAMPLE_RATE, Ear, hearing_of, make_ear
from collaparte.listen.hearing.chords.ear import ChordEar
from collaparte.score import Score

HARMONY = ((48, 60, 64, 67), (53, 60, 65, 69), (43, 59, 62, 67), (45, 57, 60, 64), (50, 57, 62, 65), (43, 55, 59, 65))
TUNE = (72, 76, 79, 77, 76, 74, 72, 74, 77, 81, 79, 76, 74, 79, 71, 74, 72, 76, 72, 69, 74, 77, 81, 77, 74, 71, 67, 71)
PERIOD_S = 0.5
Rows = tuple[tuple[float, float, int], ...]


def rows(bars: int = 7) -> Rows:
    """Two hands: a chord on every quarter (repeated within the bar), a tune in eighths above it. Two quarters a bar."""
    found = []
    for bar in range(bars):
        bass, *upper = HARMONY[bar % len(HARMONY)]
        found.append((2.0 * bar, 2.0, bass))
        found += [(2.0 * bar + beat, 1.0, pitch) for beat in (0.0, 1.0) for pitch in upper]
        found += [(2.0 * bar + step / 2, 0.5, TUNE[(4 * bar + step) % len(TUNE)]) for step in range(4)]
    return tuple(sorted(found))


def page(notes: Rows | None = None) -> Score:
    score = Score.from_notes(list(rows() if notes is None else notes), beat_period_s=0.55)
    return replace(score, parts=(replace(score.parts[0], program=0), score.parts[1]))


def times_s(beats: np.ndarray) -> np.ndarray:
    """A quarter lasts about ``PERIOD_S``, a little more and less."""
    return 1.0 + PERIOD_S * (beats + 0.12 * np.sin(beats * 0.9))


@cache
def tone(pitch: int, cents: float) -> np.ndarray:
    """Two seconds of a struck string: stiff partials that die away, the higher the sooner, after a hammer's knock."""
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    hz = 440.0 * 2 ** ((pitch - 69 + cents / 100) / 12)
    rng = np.random.default_rng(pitch)
    sound = np.zeros(len(time))
    for number in range(1, 16):
        partial_hz = hz * number * np.sqrt(1 + 0.0003 * number**2)
        if partial_hz < 7500:
            fall = 0.8 + 0.35 * number + hz / 700
            sound += number**-1.2 * np.exp(-fall * time) * np.sin(2 * np.pi * partial_hz * time + rng.uniform(0, 6))
    knock = 0.2 * rng.standard_normal(len(time)) * np.exp(-time / 0.006)
    return np.asarray((sound + knock) * np.minimum(time / 0.004, 1.0))


def struck(notes: list[tuple[float, float, int]], cents: float = 0.0, noise: float = 5e-4) -> np.ndarray:
    """``notes`` (begins s, lasts s, pitch) as sound, over a little noise."""
    end_s = max(begin + length for begin, length, _ in notes) + 1.5
    sound = noise * np.random.default_rng(3).standard_normal(int(end_s * SAMPLE_RATE))
    for begin, length, pitch in notes:
        first = int(begin * SAMPLE_RATE)
        part = tone(pitch, cents)[: len(sound) - first].copy()
        after = np.arange(len(part)) / SAMPLE_RATE - length
        part *= np.exp(-np.maximum(after, 0.0) / 0.05)
        sound[first : first + len(part)] += 0.05 * part
    return sound.astype(np.float32)


def played(notes: Rows) -> list[tuple[float, float, int]]:
    return [
        (float(times_s(np.array(beat))), float(times_s(np.array(beat + length)) - times_s(np.array(beat))), pitch)
        for beat, length, pitch in notes
    ]


def hear(sound: np.ndarray, score: Score, block: int = 160, ear: ChordEar | None = None) -> list[SoloEvent]:
    ear = ear or ChordEar(score)
    events = []
    for first in range(0, len(sound), block):
        part = sound[first : first + block]
        events += ear.hear(part, (first + len(part)) / SAMPLE_RATE)
    return events


def onsets(events: list[SoloEvent]) -> np.ndarray:
    """When chords began (n,)."""
    return np.unique([event.time_s for event in events if event.on])


@cache
def heard() -> tuple[SoloEvent, ...]:
    return tuple(hear(struck(played(rows())), page()))


def truth_s() -> np.ndarray:
    return times_s(np.unique([beat for beat, _, _ in rows()]))


def test_every_chord_is_heard_once_near_its_beginning_and_soon_after_it() -> None:
    begun = [event for event in heard() if event.on]
    assert sorted(event.pitch for event in begun) == sorted(
        pitch for _, pitch in {(beat, pitch) for beat, _, pitch in rows()}
    )
    errors_s = onsets(list(heard())) - truth_s()
    assert np.median(np.abs(errors_s)) < 0.015
    assert np.abs(errors_s).max() < 0.05
    late_s = np.unique([event.heard_s for event in begun]) - truth_s()
    assert np.median(late_s) < 0.06


def test_every_note_that_starts_stops_before_it_starts_again() -> None:
    sounding: set[int] = set()
    for event in heard():
        assert (event.pitch in sounding) is not event.on
        (sounding.add if event.on else sounding.remove)(event.pitch)
    assert not sounding


def test_nothing_before_a_cut_depends_on_what_comes_after() -> None:
    sound, cut = struck(played(rows())), 5 * SAMPLE_RATE
    noise = np.random.default_rng(1).standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    changed = np.concatenate([sound[:cut], noise])
    before = [event for event in heard() if event.heard_s <= 5.0]
    assert len(before) > 20
    assert [event for event in hear(changed, page()) if event.heard_s <= 5.0] == before


@pytest.mark.parametrize("block", [37, 4096])
def test_the_size_of_the_blocks_changes_nothing_but_when_it_is_known(block: int) -> None:
    found = hear(struck(played(rows())), page(), block)
    assert [(event.time_s, event.on, event.pitch) for event in found] == [
        (event.time_s, event.on, event.pitch) for event in heard()
    ]


def test_the_ear_multiplies_on_one_thread() -> None:
    ChordEar(page())
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}


@pytest.mark.parametrize("level", [0.0, 0.0005, 0.2])
def test_silence_and_noise_start_nothing(level: float) -> None:
    noise = level * np.random.default_rng(2).standard_normal(5 * SAMPLE_RATE)
    assert hear(noise.astype(np.float32), page()) == []


def test_a_pause_inside_the_piece_is_a_pause() -> None:
    early = [note for note in played(rows()) if note[0] < 4.0]
    late = [(begin + 4.0, length, pitch) for begin, length, pitch in played(rows()) if begin >= 4.0]
    found = onsets(hear(struck(early + late), page()))
    expected_s = np.where(truth_s() < 4.0, truth_s(), truth_s() + 4.0)
    assert len(found) == len(expected_s)
    assert np.abs(found - expected_s).max() < 0.05


def test_wrong_notes_and_missing_ones_lead_nowhere() -> None:
    rng = np.random.default_rng(6)
    notes = played(rows())
    slips = set(rng.choice(len(notes), 6, replace=False).tolist())
    kept = [note for index, note in enumerate(notes) if index not in slips]
    kept += [(notes[index][0], notes[index][1], notes[index][2] + 1) for index in sorted(slips)[:3]]
    found = onsets(hear(struck(sorted(kept)), page()))
    right = {begin for index, (begin, _, _) in enumerate(notes) if index not in slips}
    nearest = np.array([np.abs(found - begin).min() for begin in sorted(right)])
    assert (nearest < 0.05).mean() > 0.9
    assert nearest[-4:].max() < 0.05


@pytest.mark.parametrize(("leaves", "goes_on"), [(6.0, 2.0), (4.0, 8.0)])
def test_a_bar_played_again_and_a_bar_left_out_are_found(leaves: float, goes_on: float) -> None:
    before = [row for row in rows() if row[0] < leaves]
    after = [row for row in rows() if row[0] >= goes_on]
    shift_s = float(times_s(np.array(leaves)) - times_s(np.array(goes_on)))
    notes = played(tuple(before)) + [(begin + shift_s, length, pitch) for begin, length, pitch in played(tuple(after))]
    found = hear(struck(notes), page())
    wanted = {(round(begin, 2), pitch) for begin, _, pitch in notes if begin > float(times_s(np.array(leaves))) + 1.5}
    right = sum(
        any(abs(event.time_s - begin) < 0.05 and event.pitch == pitch for event in found if event.on)
        for begin, pitch in wanted
    )
    assert right > 0.9 * len(wanted)


@pytest.mark.parametrize("slowing", [0.0, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("chord", [(64,), (60, 64, 67), (48, 60, 64, 67)])
def test_a_chord_that_is_repeated_is_placed_at_its_own_repetition(chord: tuple[int, ...], slowing: float) -> None:
    """Eight times the same between others, the last interval ``slowing`` longer; two hands not quite together."""
    others = [(43, 59, 62, 67), (45, 57, 60, 64), (50, 57, 62, 65)]
    order = [*others, *(chord for _ in range(8)), *others]
    lengths_s = 0.5 * (1.0 + slowing * np.clip((np.arange(len(order)) - 3) / 7, 0.0, 1.0))
    begins_s = 1.0 + np.concatenate([[0.0], np.cumsum(lengths_s[:-1])])
    late_s = np.random.default_rng(1).uniform(0.0, 0.015, (len(order), 4))
    late_s[:, 0] = 0.0
    notes = [
        (float(begins_s[at] + late_s[at, number]), 0.95 * float(lengths_s[at]), pitch)
        for at, pitches in enumerate(order)
        for number, pitch in enumerate(pitches)
    ]
    score = page(tuple((float(at), 1.0, pitch) for at, pitches in enumerate(order) for pitch in pitches))
    found = hear(struck(notes), score)
    begun = sorted({(event.time_s, event.heard_s) for event in found if event.on})
    assert len(begun) == len(order)
    assert np.abs(np.array([time_s for time_s, _ in begun]) - begins_s).max() < 0.03
    assert (np.array([heard_s for _, heard_s in begun]) - begins_s).min() > 0.0  # none is said before it is struck


@pytest.mark.parametrize("a_hz", [415.0, 432.0, 466.0])
def test_the_tuning_may_be_another(a_hz: float) -> None:
    cents = 1200 * np.log2(a_hz / 440.0)
    found = onsets(hear(struck(played(rows()), cents), page()))
    nearest = np.abs(found[None, :] - truth_s()[:, None]).min(axis=1)
    assert (nearest < 0.05).mean() > 0.9


@pytest.mark.parametrize("way", ["echo", "pitches"])
def test_an_orchestra_that_was_taken_out_leaves_the_chords_where_they_are(way: str) -> None:
    rng, sound = np.random.default_rng(8), struck(played(rows()))
    orchestra = np.zeros(len(sound), np.float32)
    apart = Apart(ChordEar(page()), EchoCanceller() if way == "echo" else None, pitches=way == "pitches")
    for number, begin in enumerate(np.arange(0.2, 7.5, 0.8)):
        pitch = int(rng.choice([50, 58, 66, 70]))
        first = int(begin * SAMPLE_RATE)
        orchestra[first : first + 8000] += (0.02 * tone(pitch, 0.0)[:8000]).astype(np.float32)
        apart.sounds(OrchestraEvent(float(begin), 0.0, "Strings", True, pitch, 64, note=number))
        apart.sounds(OrchestraEvent(float(begin) + 0.5, 0.0, "Strings", False, pitch, 0, note=number))
    heard_too = sound + 0.3 * orchestra  # a room of one path
    found = []
    for first in range(0, len(sound), 160):
        block, beside = heard_too[first : first + 160], orchestra[first : first + 160]
        found += apart.hear(block, (first + len(block)) / SAMPLE_RATE, beside)
    nearest = np.abs(onsets(found)[None, :] - truth_s()[:, None]).min(axis=1)
    assert (nearest < 0.05).mean() > 0.9


def test_the_ear_is_chosen_by_what_the_soloist_plays() -> None:
    piano = page()
    assert hearing_of(piano) == "chords"
    assert isinstance(make_ear(piano), ChordEar)
    line = page(tuple((float(beat), 1.0, 72) for beat in range(8)))
    assert hearing_of(line) == "melody"
    assert isinstance(make_ear(line), Ear)
    violin = replace(piano, parts=(replace(piano.parts[0], program=40), piano.parts[1]))
    assert hearing_of(violin) == "melody"
    assert isinstance(make_ear(violin, "chords"), ChordEar)
    with pytest.raises(SoloistError, match="auto, melody, chords"):
        make_ear(piano, "smell")


def test_simulate_takes_a_recording_of_a_piano_for_the_soloist(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "solo.flac", struck(played(rows())), SAMPLE_RATE)
    midi = mido.MidiFile(ticks_per_beat=480)
    timed = [(round(480 * beat), 2, pitch) for beat, _, pitch in rows()]
    timed += [(round(480 * (beat + length)) - 1, 1, pitch) for beat, length, pitch in rows()]
    track, now = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=550_000)]), 0
    for tick, kind, pitch in sorted(timed):
        name = "note_on" if kind == 2 else "note_off"
        track.append(mido.Message(name, note=pitch, velocity=64, time=tick - now))
        now = tick
    midi.tracks.append(track)
    midi.save(tmp_path / "page.mid")
    run = tmp_path / "run.jsonl"
    arguments = ["simulate", str(tmp_path / "page.mid"), "--soloist", str(tmp_path / "solo.flac"), "--out", str(run)]
    assert main([*arguments, "--predictor", "steady"]) == 0
    positions = [value for value in map(from_line, run.read_text().splitlines()) if isinstance(value, Position)]
    beats = np.unique([beat for beat, _, _ in rows()])
    at = {position.beat: position.onset_s for position in positions if position.state in ("playing", "finished")}
    assert set(beats.tolist()) <= set(at)
    assert np.abs(np.array([at[beat] for beat in beats.tolist()]) - truth_s()).max() < 0.05
