"""A piano in rooms that are not silent, with players who are not perfect: nothing starts on noise, slips are mended."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from noises import NOISES, quiet, tones
from test_listen_chords import Rows, hear, page, played, rows, struck, times_s, tone

from collaparte.errors import SoloistError
from collaparte.events import SoloEvent
from collaparte.listen.hearing import SAMPLE_RATE
from collaparte.listen.recording import recorded_soloist
from collaparte.score import Score

Notes = list[tuple[float, float, int]]


def begun(sound: np.ndarray, score: Score | None = None) -> list[SoloEvent]:
    return [event for event in hear(sound, score or page()) if event.on]


def lone_rows(first: int) -> Rows:
    """The page, but it begins with one key."""
    return ((0.0, 1.0, first), *(row for row in rows() if row[0] >= 1.0))


def mixed(sound: np.ndarray, other: np.ndarray, at_s: float) -> np.ndarray:
    """``other`` begins at ``at_s`` of ``sound``, which is made longer where it must be."""
    place = int(at_s * SAMPLE_RATE)
    both = np.zeros(max(len(sound), place + len(other)), np.float32)
    both[: len(sound)] = sound
    both[place : place + len(other)] += other
    return both


def followed(sound: np.ndarray, notes: Notes, after_s: float = 0.0) -> float:
    """Share of ``notes`` that begin after ``after_s`` and were heard within 50 ms of it, at their own pitch."""
    heard = begun(sound)
    late = [(begin, pitch) for begin, _, pitch in notes if begin > after_s]
    hits = [any(one.pitch == pitch and abs(one.time_s - begin) < 0.05 for one in heard) for begin, pitch in late]
    return float(np.mean(hits))


def bars(*order: int) -> tuple[Notes, list[float]]:
    """These bars of the page one after the other, and when each begins."""
    notes: Notes = []
    begins_s, now_s = [], 1.0
    for bar in order:
        first_s, next_s = (float(times_s(np.array(2.0 * number))) for number in (bar, bar + 1))
        inside: Rows = tuple(row for row in rows() if 2.0 * bar <= row[0] < 2.0 * bar + 2.0)
        notes += [(begin - first_s + now_s, length, pitch) for begin, length, pitch in played(inside)]
        begins_s.append(now_s)
        now_s += next_s - first_s
    return notes, begins_s


@cache
def whole() -> np.ndarray:
    return struck(played(rows()))


@pytest.mark.parametrize("seed", [None, 11, 12, 13])
@pytest.mark.parametrize(("name", "level"), [
    ("applause", 0.08), ("pages", 0.02), ("coughs", 0.04), ("coughs", 0.2), ("talking", 0.03), ("talking", 0.2),
])  # fmt: skip
def test_noise_before_the_beginning_starts_nothing(name: str, level: float, seed: int | None) -> None:
    """Also where it is four times as loud as the piano (0.05)."""
    noise = NOISES[name](7.0, level) if seed is None else NOISES[name](7.0, level, seed)
    assert begun(mixed(quiet(8.0), noise, 0.5)) == []


@pytest.mark.parametrize("first", [60, 67])
@pytest.mark.parametrize(("name", "level"), [
    ("applause", 0.08), ("pages", 0.02), ("coughs", 0.04), ("coughs", 0.2), ("talking", 0.03), ("talking", 0.2),
])  # fmt: skip
def test_noise_starts_nothing_where_one_key_begins(name: str, level: float, first: int) -> None:
    assert begun(mixed(quiet(8.0), NOISES[name](7.0, level), 0.5), page(lone_rows(first))) == []


def test_somebody_who_passes_over_the_first_key_starts_nothing_and_one_key_out_of_silence_does() -> None:
    """The key itself, alone in the room, is the beginning at once; among somebody's other notes it is one of them."""
    score = page(lone_rows(72))
    alone = begun(struck([(1.0, 0.5, 72)]), score)
    assert [event.pitch for event in alone] == [72]
    assert abs(alone[0].time_s - 1.0) < 0.02
    assert alone[0].heard_s < 1.1
    passing = [(1.0 + 0.3 * number, 0.3, pitch) for number, pitch in enumerate((66, 68, 70, 72, 73, 75))]
    assert begun(struck(passing), score) == []


@pytest.mark.parametrize("name", ["coughs", "talking"])
def test_after_noise_the_beginning_is_where_it_is(name: str) -> None:
    notes = [(begin + 7.0, length, pitch) for begin, length, pitch in played(rows(3))]
    sound = mixed(struck(notes), NOISES[name](6.0), 0.5)
    assert abs(min(event.time_s for event in begun(sound)) - 8.0) < 0.03
    assert followed(sound, notes) >= 0.95


@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_while_playing_is_not_followed(name: str) -> None:
    assert followed(mixed(whole(), NOISES[name](4.0, 0.015), 3.0), played(rows())) >= 0.85


def test_a_second_instrument_warming_up_does_not_start_the_piece() -> None:
    rng = np.random.default_rng(8)
    scale = [61 + step for step in (0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2, 0)]
    others = tones(scale, [float(x) for x in rng.uniform(0.15, 0.4, len(scale))], 0.03)
    assert begun(mixed(quiet(7.0), others, 0.5)) == []


def test_a_tuning_note_before_the_start_is_not_the_start() -> None:
    notes = [(begin + 5.0, length, pitch) for begin, length, pitch in played(rows())]
    given = 0.05 * np.concatenate([tone(69, 0.0), tone(57, 0.0)])[: 3 * SAMPLE_RATE]  # the piano gives the A
    sound = mixed(mixed(struck(notes), given.astype(np.float32), 0.3), tones([69], [1.5], 0.03), 3.4)
    assert [event for event in begun(sound) if event.time_s < 5.5] == []
    assert followed(sound, notes) >= 0.95


def test_a_long_silence_and_talk_in_it_move_nothing() -> None:
    notes = [(begin + 8.0 * (begin > 5.0), length, pitch) for begin, length, pitch in played(rows())]
    sound = mixed(struck(notes), NOISES["talking"](4.0, 0.02), 8.0)
    assert [event for event in begun(sound) if 5.5 < event.heard_s < 12.9] == []
    assert followed(sound, notes) >= 0.95


def test_a_hesitation_is_waited_for() -> None:
    notes = [(begin + 1.7 * (begin > 4.0), length, pitch) for begin, length, pitch in played(rows())]
    assert followed(struck(notes), notes) >= 0.95


@pytest.mark.parametrize("order", [(0, 1, 2, 2, 3, 4, 5, 6), (0, 1, 2, 1, 2, 3, 4, 5, 6), (0, 1, 3, 4, 5, 6)])
def test_bars_played_again_or_left_out_are_found(order: tuple[int, ...]) -> None:
    notes, begins_s = bars(*order)
    slip = next(at for at in range(1, len(order)) if order[at] != order[at - 1] + 1)
    assert followed(struck(notes), notes, begins_s[slip] + 2.5) >= 0.9


def test_a_recording_of_another_piece_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    other = [(1.0 + 0.37 * step, 0.4, int(pitch)) for step in range(30) for pitch in rng.integers(40, 90, 3)]
    soundfile.write(tmp_path / "other.wav", struck(other), SAMPLE_RATE)
    said: list[str] = []
    try:
        recorded_soloist(tmp_path / "other.wav", page(rows(28)), notice=said.append, a4_hz=440.0)
    except SoloistError as refused:
        said.append(str(refused))
    assert any("Is it the right recording" in text or "Is it a recording of this piece" in text for text in said)
