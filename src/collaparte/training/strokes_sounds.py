"""What the chord ear's network learns from: rendered pianists with what was struck, and what may sound beside them.

Pieces of nasap's training part alone, ``PLAYERS`` performances of each, ``SECONDS`` from anywhere in it, by the fonts
in turn. A few of the same excerpts are also played by other instruments: they stand for what an orchestra leaves in
the microphone. While samples are taken, sounds are put into rooms, mixed with those, with voices, claps and noise, and
coloured as by another microphone. A view is labelled with the keys whose notes began in the 10 ms that lie ``LATER``
views back; the views beside it are left out, as nothing is decided by them. Few of the views and keys in which nothing
begins are kept. Every ``CHECK``th piece is for checking: nothing is learnt from it, under whatever name.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.evaluate.follow_cases import music
from collaparte.evaluate.listen_rendered import LOUDNESS, in_room
from collaparte.evaluate.piano_rendered import performances, render
from collaparte.listen.hearing.chords.bands import KEYS, LOWEST, Bands
from collaparte.listen.hearing.chords.strokes import LATER, Looking
from collaparte.listen.hearing.spectrum import HOP_S, SAMPLE_RATE

PLAYERS, SECONDS, FEWEST = 1, 24.0, 30  # performances of a piece; of each; notes
CHECK = 8
OTHERS_EVERY, OTHERS = 12, (48, 73, 52, 60, 71, 42)  # every so many excerpts, by these General MIDI programs in turn
BESIDE_SHARE, BESIDE_DB = 0.5, (-30.0, -8.0)  # of the sounds that something else sounds beside, and how loud it is
ALONE_S, ALONE = 8.0, (1e-3, 0.2)  # seconds for which it goes on alone after the music; RMS, between
BURSTS_PER_S, BURST_S = (1.0, 150.0), (0.003, 0.1)  # claps, coughs; how fast each dies away
BURST_HZ = ((50.0, 1000.0), (2000.0, 8000.0))  # from, to
SYLLABLE_S, VOICE_HZ, FORMANTS_HZ = (0.08, 0.35), (80.0, 320.0), ((250.0, 900.0), (800.0, 2400.0), (2200.0, 3500.0))
DETUNED = (0.0, 0.0, 0.0, -8.0, 8.0)  # cents
ROOMS = ("dry", "dry", "small", "small", "hall")
COLOUR_HZ, COLOUR_DB = (60.0, 250.0, 1000.0, 2500.0, 8000.0), 4.0  # standard deviation at each of these
NOISES = (1e-4, 1e-2)  # RMS of added noise, between
NEAR = 6  # views around a stroke in which ...
KEPT_NEAR, KEPT_FAR = 0.15, 0.03  # ... and outside which this share of the keys is kept; where no piano is, the first
SOUNDS_S = 4.0  # after so long a note has died away, whatever the pedal

Floats = NDArray[np.float64]
Sound = NDArray[np.float32]
Bools = NDArray[np.bool_]


def render_training(folder: Path, corpora: Path | None, fonts: list[Path], seed: int) -> None:
    """Write ``NNN.npz`` (sound, notes, pedal, use), ``other-NNN.npy``, and ``rendered.json``: of what."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    wholes = list(performances("nasap", corpora, players=PLAYERS, seed=seed, training=True))
    learnt, checked = split(list(dict.fromkeys(whole.piece for whole in wholes)))
    for number, whole in enumerate(wholes):
        use = "learn" if whole.piece in learnt else "check" if whole.piece in checked else "neither"
        from_s = rng.uniform(0.0, max(float(whole.notes[-1, 0]) - SECONDS, 0.0))
        cents = rng.choice(DETUNED)
        part = whole.cut(SECONDS, from_s)
        if len(part.notes) < FEWEST:
            continue
        font = fonts[number % len(fonts)]
        sound = render(part, font, seed=number, cents=cents)
        np.savez(folder / f"{number:03d}.npz", sound=sound, notes=part.notes, pedal=part.pedal, use=use)
        if number % OTHERS_EVERY == 0 and use == "learn":
            program = OTHERS[number // OTHERS_EVERY % len(OTHERS)]
            np.save(folder / f"other-{number:03d}.npy", render(part, font, program=program, seed=number))
    told = {
        "corpus": "nasap, without the held-out pieces",
        "pieces": learnt,
        "pieces_for_checking": checked,
        "soundfonts": {font.name: hashlib.sha256(font.read_bytes()).hexdigest() for font in fonts},
        "seed": seed,
    }
    (folder / "rendered.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def split(pieces: list[str]) -> tuple[list[str], list[str]]:
    """(learnt from, for checking), without what is learnt under another name: with its repeats, or without."""
    learnt = [name for place, name in enumerate(pieces) if place % CHECK != CHECK - 1]
    known = {music(name) for name in learnt}
    return learnt, [name for name in pieces[CHECK - 1 :: CHECK] if music(name) not in known]


def labels(notes: Floats, pedal: Floats, views: int) -> tuple[Bools, Bools]:
    """(struck, sounding), each (views, KEYS): what a view must say of the moment ``LATER`` views back."""
    struck, sounding = np.zeros((views, KEYS), bool), np.zeros((views, KEYS), bool)
    for begin_s, end_s, pitch, _ in notes.tolist():
        key = int(pitch) - LOWEST
        if not 0 <= key < KEYS:
            continue
        last = pedal[pedal[:, 0] <= end_s] if len(pedal) else pedal
        if len(last) and last[-1, 1] >= 64:
            ups = pedal[(pedal[:, 0] > end_s) & (pedal[:, 1] < 64), 0]
            end_s = float(ups[0]) if len(ups) else end_s + SOUNDS_S
        end_s = min(end_s, begin_s + SOUNDS_S)
        at = int(begin_s / HOP_S) + LATER
        if at < views:
            struck[at, key] = True
            sounding[at + 3 : int(end_s / HOP_S) + LATER, key] = True
    return struck, sounding


def samples(folder: Path, seed: int) -> Iterator[tuple[NDArray[np.float16], Floats, bool]]:
    """For each file (seen (n, FEATURES), rows (n, 2): struck, sounding, and whether it is for checking)."""
    others = [np.load(path) for path in sorted(folder.glob("other-*.npy"))]
    for number, path in enumerate(sorted(folder.glob("[0-9]*.npz"))):
        rng = np.random.default_rng((seed, number))
        with np.load(path) as data:
            sound, notes, pedal, use = data["sound"], data["notes"], data["pedal"], str(data["use"])
        if use == "neither":
            continue
        views = Bands(float(rng.choice(DETUNED))).hear(_disturbed(sound, others, number, rng))
        struck, sounding = labels(notes, pedal, len(views))
        beside = np.zeros_like(struck)
        beside[1:] |= struck[:-1]
        beside[:-1] |= struck[1:]
        anything = np.convolve(struck.any(axis=1), np.ones(2 * NEAR + 1), "same") > 0
        anything[int(len(sound) / HOP_S / SAMPLE_RATE) :] = True  # nothing but what is beside it
        share = np.where(anything, KEPT_NEAR, KEPT_FAR)[:, None]
        kept = (struck | (rng.random(struck.shape) < share)) & ~(beside & ~struck)
        looking, seen, rows = Looking(), [], []
        for at, view in enumerate(views):
            own, common = looking.see(view.bands)
            keys = np.flatnonzero(kept[at])
            both = np.concatenate([own[keys], np.tile(common, (len(keys), 1))], axis=1)
            seen.append(both.astype(np.float16))
            rows.append(np.stack([struck[at, keys], sounding[at, keys]], axis=1))
        yield np.concatenate(seen), np.concatenate(rows), use == "check"


def _disturbed(sound: NDArray[np.floating], others: list[Sound], number: int, rng: np.random.Generator) -> Sound:
    """In a room, with something beside it and something else after it, through another microphone, over noise."""
    room = ROOMS[number % len(ROOMS)]
    sound = (sound if room == "dry" else in_room(sound, room, number)).astype(np.float64)
    if rng.random() < BESIDE_SHARE:
        sound = sound + LOUDNESS * 10.0 ** (rng.uniform(*BESIDE_DB) / 20.0) * _beside(len(sound), others, rng)
    alone = [_beside(int(ALONE_S / 2 * SAMPLE_RATE), others, rng) for _ in range(2)]
    sound = np.concatenate([sound, *(np.exp(rng.uniform(*np.log(ALONE))) * one for one in alone)])
    spectrum, hz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1.0 / SAMPLE_RATE)
    gain_db = np.interp(np.log(hz + 1.0), np.log(COLOUR_HZ), rng.normal(0.0, COLOUR_DB, len(COLOUR_HZ)))
    sound = np.fft.irfft(spectrum * 10.0 ** (gain_db / 20.0), len(sound))
    noise = np.exp(rng.uniform(*np.log(NOISES))) * rng.standard_normal(len(sound))
    return np.asarray(sound + noise, np.float32)


def _beside(count: int, others: list[Sound], rng: np.random.Generator) -> Floats:
    """What is no piano (count,), of RMS 1: another instrument, a voice, claps and coughs, or steady noise."""
    kind = int(rng.integers(4 if others else 3))
    if kind == 0:
        sound = rng.standard_normal(count)
    elif kind == 1:
        sound = _bursts(count, rng)
    elif kind == 2:
        sound = np.concatenate([_syllable(rng) for _ in range(1 + int(count / SYLLABLE_S[0] / SAMPLE_RATE))])[:count]
    else:
        sound = np.roll(np.resize(others[rng.integers(len(others))], count), rng.integers(count)).astype(np.float64)
    return np.asarray(sound / (np.sqrt(np.mean(sound**2)) + 1e-9), np.float64)


def _bursts(count: int, rng: np.random.Generator) -> Floats:
    """Claps, coughs or paper: short noises in a band of their own."""
    often = np.exp(rng.uniform(*np.log(BURSTS_PER_S))) * count / SAMPLE_RATE
    shape = np.zeros(count)
    for first in rng.integers(count, size=int(often) + 1).tolist():
        length = np.arange(min(count - first, SAMPLE_RATE))
        dies_s = np.exp(rng.uniform(*np.log(BURST_S)))
        shape[first : first + len(length)] += rng.uniform(0.2, 1.0) * np.exp(-length / (dies_s * SAMPLE_RATE))
    spectrum, hz = np.fft.rfft(rng.standard_normal(count)), np.fft.rfftfreq(count, 1.0 / SAMPLE_RATE)
    lowest_hz, highest_hz = (np.exp(rng.uniform(*np.log(band))) for band in BURST_HZ)
    return shape * np.fft.irfft(spectrum * ((hz > lowest_hz) & (hz < highest_hz)), count)


def _syllable(rng: np.random.Generator) -> Floats:
    """A gliding voice through formants, or a hiss; often with a little silence after it."""
    time_s = np.arange(int(rng.uniform(*SYLLABLE_S) * SAMPLE_RATE)) / SAMPLE_RATE
    hz = np.exp(rng.uniform(*np.log(VOICE_HZ))) * 2.0 ** (rng.normal(0.0, 2.0) / 12.0 * time_s / time_s[-1])
    if rng.random() < 0.15:
        sound = np.diff(rng.standard_normal(len(time_s) + 1))
    else:
        numbers = np.arange(1, 1 + int(4000.0 / hz.max()))[:, None]
        formants_hz = np.array([rng.uniform(*FORMANTS_HZ[place]) for place in range(len(FORMANTS_HZ))])
        gain = np.exp(-(((numbers * hz[0] - formants_hz) / rng.uniform(80.0, 200.0)) ** 2)).sum(axis=1) + 0.03
        sound = gain @ np.sin(2 * np.pi * numbers * np.cumsum(hz) / SAMPLE_RATE)
    rise = np.minimum(time_s / rng.uniform(0.005, 0.06), 1.0) * np.minimum(time_s[::-1] / 0.04, 1.0)
    silence = np.zeros(int(max(rng.normal(0.0, 0.15), 0.0) * SAMPLE_RATE))
    return np.concatenate([rng.uniform(0.3, 1.0) * rise * sound, silence])
