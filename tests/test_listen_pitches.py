"""An orchestra of which only the notes are known: never heard as the soloist, and the soloist is heard beside it."""

from __future__ import annotations

import numpy as np
import pytest
from test_listen_hearing import TUNE, bowed, onsets_s
from test_listen_hearing import page as tune_page

from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.listen.apart import Apart
from collaparte.listen.audio import RATE
from collaparte.listen.hearing import Ear
from collaparte.listen.simulated.room import BLOCK, ROOMS, Convolver, response_of

SECONDS = 12.0
TIMBRES = {"dull": (2.0, 0.06, 0.25), "bright": (0.7, 0.01, 0.08)}  # fall of partials, attack and release in seconds


def notes(seed: int, count: int = 60) -> list[tuple[float, float, int, int]]:
    """Chords of an orchestra that plays the soloist's own pitches too: begin, end, pitch, velocity."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count // 3):
        begin_s = 0.4 + 0.55 * number
        for pitch in {int(rng.choice(TUNE)), int(rng.integers(48, 60)), int(rng.integers(60, 72))}:
            found.append((begin_s, begin_s + float(rng.uniform(0.2, 0.5)), pitch, int(rng.integers(40, 100))))
    return found


def orchestra(timbre: str, seed: int = 3, a4_hz: float = 440.0) -> np.ndarray:
    """As an instrument plays ``notes`` that this program knows nothing else of, in a small room; at -20 dB."""
    fall, attack_s, release_s = TIMBRES[timbre]
    rng = np.random.default_rng(seed)
    sound = np.zeros(round((SECONDS + 2.0) * RATE))
    for begin_s, end_s, pitch, velocity in notes(seed):
        count = round((end_s - begin_s + 4 * release_s) * RATE)
        time_s = np.arange(count) / RATE
        shape = np.minimum(time_s / attack_s, 1.0) * np.exp(-np.maximum(time_s - (end_s - begin_s), 0.0) / release_s)
        hz = a4_hz * 2.0 ** ((pitch - 69) / 12)
        tone = sum(n**-fall * rng.uniform(0.4, 1.6) * np.sin(2 * np.pi * hz * n * time_s + rng.uniform(0, 6))
                   for n in range(1, int(min(20, 7000 / hz)) + 1))  # fmt: skip
        first = round(begin_s * RATE)
        sound[first : first + count] += (velocity / 64) ** 2 * shape * tone[: len(sound) - first]
    convolver = Convolver(response_of(ROOMS["small"], seed))
    dry = sound[: round(SECONDS * RATE)].astype(np.float32)
    wet = np.concatenate([convolver.through(dry[at : at + BLOCK]) for at in range(0, len(dry), BLOCK)])
    return (0.05 * wet / np.sqrt(np.mean(wet**2))).astype(np.float32)


def heard(sound: np.ndarray, seed: int = 3, late_s: float = 0.0, a4_hz: float = 440.0) -> list[SoloEvent]:
    """What begins, of the soloist who would play TUNE; the orchestra's sound comes ``late_s`` after its notes."""
    apart = Apart(Ear(tune_page()), pitches=True)
    apart.tune(a4_hz)
    told = [(time_s, on, number, pitch, velocity) for number, (begin_s, end_s, pitch, velocity) in
            enumerate(notes(seed)) for time_s, on in ((begin_s, True), (end_s, False))]  # fmt: skip
    for time_s, on, number, pitch, velocity in sorted(told):
        apart.sounds(OrchestraEvent(time_s - late_s, 0.0, "Strings", on, pitch, velocity, note=number))
    noise = (2e-4 * np.random.default_rng(1).standard_normal(len(sound))).astype(np.float32)
    blocks = range(0, len(sound), BLOCK)
    found = [event for at in blocks for event in apart.hear((sound + noise)[at : at + BLOCK], (at + BLOCK) / RATE)]
    return [event for event in found if event.on]


@pytest.mark.parametrize(("timbre", "late_s", "level"), [("dull", 0.0, 0.1), ("bright", 0.08, 1.0)])
def test_a_silent_soloist_is_not_heard_whatever_the_orchestra_sounds_like(
    timbre: str, late_s: float, level: float
) -> None:
    assert heard(np.float32(level) * orchestra(timbre), late_s=late_s) == []


def test_nor_when_the_orchestra_is_tuned_to_another_a() -> None:
    assert heard(orchestra("bright", a4_hz=415.0), a4_hz=415.0) == []


def with_soloist(timbre: str, seed: int, stops_s: float = SECONDS) -> np.ndarray:
    """TUNE played until ``stops_s``, the orchestra beside it half as loud, in amplitude."""
    solo = bowed(TUNE, onsets_s(len(TUNE)))[: round(SECONDS * RATE)]
    bleed = orchestra(timbre, seed)[: len(solo)]
    bleed *= np.float32(0.5 * np.sqrt((solo @ solo) / (bleed @ bleed)))
    solo[round(stops_s * RATE) :] = 0.0
    return solo + bleed


def share_heard(timbre: str, seed: int) -> float:
    """Of TUNE beside an orchestra that plays the same pitches; never much more than there is."""
    truth_s = onsets_s(len(TUNE))
    times_s = np.array([event.time_s for event in heard(with_soloist(timbre, seed), seed)])
    assert len(times_s) <= 1.1 * len(truth_s)
    kept = truth_s[truth_s < SECONDS - 0.5]
    near = np.abs(np.append(times_s, np.inf)[None, :] - kept[:, None]).min(axis=1) < 0.05
    return float(near.mean())


@pytest.mark.parametrize("timbre", TIMBRES)
def test_a_soloist_is_heard_beside_it_though_it_plays_the_same_pitches(timbre: str) -> None:
    assert share_heard(timbre, 3) > 0.8


def test_nor_is_one_lost_beside_other_orchestras() -> None:
    shares = [share_heard(timbre, seed) for timbre in TIMBRES for seed in (4, 6)]
    assert min(shares) > 0.5
    assert np.mean(shares) > 0.7


@pytest.mark.parametrize("stops_s", [6.0, 8.0])
def test_one_who_has_stopped_is_not_heard_for_long(stops_s: float) -> None:
    later = [
        [event.time_s for event in heard(with_soloist(timbre, seed, stops_s), seed) if event.time_s > stops_s + 1.0]
        for timbre in TIMBRES
        for seed in (3, 4, 5, 6)
    ]
    assert sum(map(len, later)) <= 4  # in eight times 3 to 5 s, in which the orchestra strikes 60 chords
    assert sum(map(bool, later)) <= 2
