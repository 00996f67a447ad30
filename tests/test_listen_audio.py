"""Recordings in: read as a stream, resampled, judged; bad ones refused or complained of in plain words."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from collaparte.errors import SoloistError
from collaparte.listen.audio import RATE, Health, is_recording, open_recording

CLEAN = 0.2


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    return (CLEAN * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def heard(path: Path) -> tuple[np.ndarray, Health]:
    health = Health()
    blocks = [block for _, block in open_recording(path).blocks(health)]
    return np.concatenate(blocks), health


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"])
@pytest.mark.parametrize("rate", [16000, 24000, 48000])
def test_a_tone_comes_through_every_format_and_rate_at_its_pitch_level_and_time(
    tmp_path: Path, suffix: str, rate: int
) -> None:
    path = tmp_path / f"tone{suffix}"
    format_of = {".opus": ("OGG", "OPUS"), ".ogg": ("OGG", "VORBIS")}.get(suffix, (None, None))
    written = np.concatenate([np.zeros(rate // 2, np.float32), tone(rate)])
    written += (0.002 * np.random.default_rng(0).standard_normal(len(written))).astype(np.float32)
    soundfile.write(path, written, rate, format=format_of[0], subtype=format_of[1])
    sound, health = heard(path)
    assert is_recording(path)
    assert len(sound) / RATE == pytest.approx(1.5, abs=0.06)  # lossy coders pad
    spectrum = np.abs(np.fft.rfft(sound[RATE * 3 // 4 : RATE * 5 // 4]))
    assert np.argmax(spectrum) * 2.0 == pytest.approx(440.0, abs=2.0)
    level = np.sqrt(2 * np.mean(sound[RATE * 3 // 4 : RATE * 5 // 4] ** 2))
    assert level == pytest.approx(CLEAN, rel=0.05)
    begins = np.argmax(np.abs(sound) > CLEAN / 2) / RATE
    assert begins == pytest.approx(0.5, abs=0.03)
    assert health.complaints() == []


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 96000])
def test_resampling_keeps_the_place_of_a_click(tmp_path: Path, rate: int) -> None:
    sound = np.zeros(rate, np.float32)
    sound[rate // 2] = 0.9
    soundfile.write(tmp_path / "click.wav", sound, rate)
    resampled, _ = heard(tmp_path / "click.wav")
    assert np.argmax(np.abs(resampled)) / RATE == pytest.approx(0.5, abs=0.0005)


def test_what_is_handed_out_depends_on_nothing_later(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = (0.1 * rng.standard_normal(2 * 44100)).astype(np.float32)
    soundfile.write(tmp_path / "whole.wav", whole, 44100, subtype="FLOAT")
    soundfile.write(tmp_path / "part.wav", whole[:44100], 44100, subtype="FLOAT")
    long, short = (list(open_recording(tmp_path / name).blocks()) for name in ("whole.wav", "part.wav"))
    for (heard_s, block), (also_s, same) in zip(long, short[:-1], strict=False):
        assert heard_s == also_s
        np.testing.assert_array_equal(block, same)


def test_a_file_that_ends_inside_a_block_is_heard_to_its_last_sample(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "odd.wav", tone(RATE)[:12345], RATE, subtype="FLOAT")
    sound, _ = heard(tmp_path / "odd.wav")
    assert len(sound) == 12345


def complaints(tmp_path: Path, sound: np.ndarray) -> str:
    soundfile.write(tmp_path / "bad.wav", sound, RATE, subtype="FLOAT")
    mono, health = heard(tmp_path / "bad.wav")
    assert np.isfinite(mono).all()
    return " ".join(health.complaints())


def test_samples_that_are_no_numbers_are_silence_and_are_counted(tmp_path: Path) -> None:
    sound = tone(RATE)
    sound[100:150] = np.nan
    sound[200] = np.inf
    assert "51 samples are not numbers" in complaints(tmp_path, sound)


def test_silence_throughout_is_told(tmp_path: Path) -> None:
    assert "silent throughout" in complaints(tmp_path, np.zeros(RATE, np.float32))


def test_clipping_throughout_is_told_with_its_share(tmp_path: Path) -> None:
    assert "is clipped (" in complaints(tmp_path, np.clip(20 * tone(RATE), -1, 1))


def test_an_offset_is_told_and_taken_off(tmp_path: Path) -> None:
    assert "offset of 30 %" in complaints(tmp_path, tone(RATE) + np.float32(0.3))
    sound, _ = heard(tmp_path / "bad.wav")
    assert abs(float(sound[RATE // 4 :].mean())) < 0.003


def test_a_dead_channel_is_told_and_does_not_halve_the_other(tmp_path: Path) -> None:
    stereo = np.stack([tone(RATE), np.zeros(RATE, np.float32)], axis=1)
    assert "Channel 2 of 2 is dead" in complaints(tmp_path, stereo)
    sound, _ = heard(tmp_path / "bad.wav")
    assert np.abs(sound[RATE // 2 :]).max() == pytest.approx(CLEAN, rel=0.02)


def test_a_sound_file_without_trouble_has_no_complaints(tmp_path: Path) -> None:
    assert complaints(tmp_path, tone(RATE)) == ""


@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "no file"), (b"", "is empty"), (b"MThd\0\0\0\6\0\0\0\1\0\x60", "cannot be read"), (b"RIFF", "cannot be")],
)
def test_what_is_not_a_recording_is_refused_by_name(tmp_path: Path, content: bytes | None, word: str) -> None:
    path = tmp_path / "solo.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SoloistError, match=word):
        open_recording(path)


def test_a_recording_without_a_sample_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), RATE)
    with pytest.raises(SoloistError, match="no sound at all"):
        open_recording(tmp_path / "none.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_recording_cut_short_is_heard_as_far_as_it_goes(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / f"cut{suffix}"
    soundfile.write(path, (0.1 * rng.standard_normal(4 * RATE)).astype(np.float32), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sound, _ = heard(path)
    assert 0.5 * RATE < len(sound) < 4 * RATE


@pytest.mark.parametrize("suffix", [".m4a", ".AAC", ".webm", ".MOV", ".avi"])
def test_a_form_that_is_not_read_says_how_to_convert_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"solo{suffix}"
    path.write_bytes(b"....ftypM4A ")
    assert is_recording(path)
    with pytest.raises(SoloistError, match=r"ffmpeg -i 'solo.*' 'solo\.flac'"):
        open_recording(path)


@pytest.mark.parametrize(
    ("suffix", "picture", "sound"),
    [(".mp4", b"hdlr\0\0\0\0vide", b"hdlr\0\0\0\0soun"), (".mkv", b"V_VP9", b"A_OPUS")],
)
def test_a_film_without_sound_is_said_to_be_one(tmp_path: Path, suffix: str, picture: bytes, sound: bytes) -> None:
    film = tmp_path / f"film{suffix}"
    film.write_bytes(b"\0" * 32 + picture)
    with pytest.raises(SoloistError, match="pictures and no sound"):
        open_recording(film)
    film.write_bytes(b"\0" * 32 + picture + sound)
    with pytest.raises(SoloistError, match="ffmpeg"):
        open_recording(film)
