"""A real recording, heard block by block, stays as good as the docs say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from collaparte.evaluate.listen import evaluate_listen, violin_recordings
from collaparte.evaluate.listen_rendered import Playing, etudes, melodies, render_playing
from collaparte.events import SoloEvent
from collaparte.measure import group_onsets
from collaparte.score import Score


@pytest.mark.corpora
def test_the_truth_of_every_recording_fits_its_page(corpora: Path) -> None:
    cases = list(violin_recordings(corpora))
    assert len(cases) == 4
    for case in cases:
        missing = np.setdiff1d(np.round(case.truth.beat, 3), np.round(case.score.solo_onsets, 3))
        assert len(missing) <= 3, case.name
        assert 20 < case.bpm < 200


@pytest.mark.corpora
@pytest.mark.long
def test_real_violins_are_followed_to_the_end(corpora: Path) -> None:
    rows = evaluate_listen(corpora)
    whole = rows[-1]
    assert whole.recording == "all"
    assert whole.lost == 0
    assert whole.onset_median_ms < 30
    assert whole.onset_within[0] > 0.76
    assert whole.onset_within[1] > 0.90
    assert whole.onset_within[2] > 0.95


def scale(bent_cents: float = 0.0) -> Playing:
    """Eight notes of a half second each; the last is bent."""
    pitches = (69, 71, 73, 74, 76, 78, 80, 81)
    page = Score.from_notes([(float(beat), 1.0, pitch) for beat, pitch in enumerate(pitches)])
    begins_s = 1.0 + 0.5 * np.arange(len(pitches))
    events = []
    for begin_s, pitch in zip(begins_s.tolist(), pitches, strict=True):
        events += [
            SoloEvent(begin_s, begin_s, True, pitch, 90),
            SoloEvent(begin_s + 0.45, begin_s + 0.45, False, pitch),
        ]
    bends = np.array([[begins_s[-1], 81.0, bent_cents]])
    return Playing("scale", page, tuple(events), group_onsets(np.arange(8.0), begins_s), bends)


def peak_hz(sound: np.ndarray, start_s: float) -> float:
    """The loudest frequency of the third of a second after ``start_s``."""
    part = sound[int(start_s * 16000) :][:5000]
    return float(np.argmax(np.abs(np.fft.rfft(part * np.hanning(5000), 1 << 17))) * 16000 / (1 << 17))


def test_a_rendered_playing_sounds_where_and_as_high_as_it_says() -> None:
    plain = render_playing(scale(), "flute", None).sound
    loud = np.sqrt(np.convolve(plain**2, np.ones(160) / 160, "same"))
    assert loud[: int(0.9 * 16000)].max() < 0.002
    assert loud[int(1.1 * 16000)] > 0.02
    assert peak_hz(plain, 1.1) == pytest.approx(440.0, rel=0.004)
    flat = render_playing(scale(bent_cents=50.0), "flute", None, cents=-100.0, transpose=-2).sound
    assert peak_hz(flat, 1.1) == pytest.approx(440.0 * 2 ** (-3 / 12), rel=0.004)
    assert peak_hz(flat, 4.6) == pytest.approx(880.0 * 2 ** (-2.5 / 12), rel=0.004)
    assert np.array_equal(plain, render_playing(scale(), "flute", None).sound)
    assert not np.array_equal(plain, render_playing(scale(), "flute", None, room="small").sound)


def test_a_shortened_playing_ends_every_note_it_begins() -> None:
    short = scale().cut(2.2)
    assert len(short.truth) == 3
    assert sum(note.on for note in short.notes) == sum(not note.on for note in short.notes) == 3


@pytest.mark.corpora
def test_melodies_and_etudes_have_a_page_that_fits_them(corpora: Path) -> None:
    for playing in (*melodies("vienna4x22", "cello", 2, 1, corpora), *etudes(1, 1, corpora)):
        assert np.isin(np.round(playing.truth.beat, 3), np.round(playing.score.solo_onsets, 3)).all()
        assert (np.diff(playing.truth.first_s) > 0).all()
        assert playing.truth.first_s[0] == pytest.approx(1.0)
        assert len([note for note in playing.notes if note.on]) == len(playing.truth)
