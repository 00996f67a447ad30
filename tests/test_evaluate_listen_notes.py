"""How rendered soloists are judged: note by note, with and without an orchestra, and by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from collaparte.evaluate.listen_notes import Accompanied, Notes, alone, matched, row_of, with_orchestra
from collaparte.evaluate.listen_plot import HOP, TOP_HZ, plot_onsets, spectrogram
from collaparte.evaluate.listen_rendered import Playing, Rendered, render_playing
from collaparte.evaluate.listen_whole import as_sound
from collaparte.evaluate.listen_whole import row_of as whole_row
from collaparte.evaluate.orchestra import Case
from collaparte.events import SoloEvent
from collaparte.measure import Truth, group_onsets
from collaparte.score import Score

TUNE = (69, 71, 73, 74, 76, 74, 73, 71, 69, 76, 78, 80, 81, 80, 78, 76)
BEGINS_S = 1.0 + 0.4 * np.arange(len(TUNE))


def begun(time_s: float, pitch: int, heard_s: float | None = None) -> SoloEvent:
    return SoloEvent(time_s, time_s if heard_s is None else heard_s, True, pitch, 80)


def playing() -> Playing:
    page = Score.from_notes(
        [(float(beat), 1.0, pitch) for beat, pitch in enumerate(TUNE)],
        [(float(beat), 1.0, 45 + beat % 3) for beat in range(len(TUNE))],
        beat_period_s=0.45,
    )
    events = []
    for begin_s, pitch in zip(BEGINS_S.tolist(), TUNE, strict=True):
        events += [begun(begin_s, pitch), SoloEvent(begin_s + 0.36, begin_s + 0.36, False, pitch)]
    return Playing("tune", page, tuple(events), group_onsets(np.arange(16.0), BEGINS_S), np.zeros((0, 3)))


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    return render_playing(playing(), "flute", None, room="small")


def test_a_note_is_found_once_near_its_beginning_and_at_its_own_pitch() -> None:
    played = [begun(1.0, 60), begun(2.0, 62), begun(3.0, 64), begun(4.0, 65)]
    heard = [begun(1.04, 60, 1.1), begun(1.045, 60, 1.2), begun(2.06, 62), begun(3.0, 76), begun(4.0, 65, 4.3)]
    notes = Notes.of(played, heard)
    assert sorted(note for note, _ in matched(notes)) == [0, 3]
    row = row_of("x", "font", "dry", None, [Accompanied(notes, np.zeros(0))])
    assert (row.precision, row.recall) == (pytest.approx(2 / 5), pytest.approx(2 / 4))
    assert row.f_measure == pytest.approx(2 * 2 / 9)
    assert 100 <= row.delay_median_ms <= 300
    nothing = row_of("x", "font", "dry", None, [Accompanied(Notes.of(played, []), np.zeros(0))])
    assert (nothing.recall, nothing.f_measure) == (0.0, 0.0)


def test_a_rendered_soloist_is_heard_note_by_note_and_the_orchestra_in_their_microphone_is_not(
    rendered: Rendered,
) -> None:
    clean, orchestra = alone(rendered)
    row = row_of("tune", "built-in", "small", None, [clean])
    assert row.f_measure > 0.9
    assert 0 < row.delay_median_ms < 120
    assert row.apart_median_ms < 50
    assert np.isnan(row.growth_ms)
    bled = row_of("tune", "built-in", "small", -10.0, with_orchestra(rendered, orchestra, (-10.0,), 0, None), [clean])
    assert bled.notes == len(TUNE)
    assert bled.f_measure > 0.7
    assert bled.growth_ms == pytest.approx(bled.apart_mean_ms - row.apart_mean_ms)
    assert bled.growth_ms < 15


def test_the_asynchrony_of_several_is_of_all_their_onsets_with_each_capped() -> None:
    nothing = Notes.of([], [])
    several = [Accompanied(nothing, np.array([0.01, -0.03])), Accompanied(nothing, np.array([9.0])),
               Accompanied(nothing, np.zeros(0))]  # fmt: skip
    row = row_of("x", "font", "small", -6.0, several, several[:1])
    assert row.apart_median_ms == pytest.approx(30.0)
    assert row.apart_mean_ms == pytest.approx((10 + 30 + 5000) / 3)
    assert row.growth_ms == pytest.approx((10 + 30 + 5000) / 3 - 20)


def test_as_sound_a_take_is_accompanied_nearly_as_well_as_midi() -> None:
    one = playing()
    case = Case("tune", one.score, one.notes, Truth.of(np.arange(16.0), BEGINS_S))
    midi = whole_row(case, None, "steady")
    sound = whole_row(case, as_sound(case.heard, 73, None, 0), "steady")
    assert (midi.given, sound.given) == ("MIDI", "sound")
    assert midi.onsets == sound.onsets == len(TUNE)
    assert midi.median_ms < 20
    assert sound.median_ms < midi.median_ms + 40


def test_a_minute_can_be_looked_at(tmp_path: Path) -> None:
    time_s = np.arange(16000 * 3) / 16000
    sound = np.where(time_s > 1.0, np.sin(2 * np.pi * 1000.0 * time_s), 0.0).astype(np.float32)
    shown = spectrogram(sound)
    assert np.argmax(shown[:, round(2.0 * 16000 / HOP)]) * TOP_HZ / len(shown) == pytest.approx(1000.0, abs=20)
    loud = shown.max(axis=0) > -20.0
    assert np.flatnonzero(loud)[0] * HOP / 16000 == pytest.approx(1.0, abs=0.016)
    picture = tmp_path / "minute.png"
    plot_onsets(sound, np.array([1.0, 2.0]), np.array([1.3, np.nan]), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 5000
