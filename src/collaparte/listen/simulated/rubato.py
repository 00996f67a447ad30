"""How the simulated soloist bends time: seconds for every interval between solo onsets.

Each interval lasts what the page asks times exp(x), where x adds up

- the tempo of the whole performance, and a slow drift (first-order autoregression along the beats);
- an arch over each phrase, faster in the middle and slowest at the end (Todd 1985), with its own depth each time;
- a final ritardando (Friberg & Sundberg 1999: tempo falls as a runner stops), a small one before each long rest;
- lengthening of long notes, of the first and highest note of a phrase, of downbeats (the rules of Friberg 1991);
- an inflection of this one interval, with the tails of real playing (Student, 4 degrees of freedom).

Fermatas add their own time. What is meant comes from the ``intention`` generator and is the same on every pass of a
repeat; what merely happens comes from ``chance``. Long rests pass in the tempo before them, unbent.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.simulated.levels import Rubato
from collaparte.listen.simulated.phrases import LONG_REST_BEATS, phrase_starts, running_median, sounding_ends
from collaparte.score import NOTE, Score

Array = NDArray[np.float64]

CLOSING_BEATS = 4.0  # the last ritardando begins about this long before the last onset ...
CLOSING_S = 3.0  # ... and lasts at least about this long
FERMATA_STRETCH = (1.7, 2.6)  # a held note lasts this many times its value
CADENZA = 1.6  # everything is that much freer in a cadenza


def intervals(score: Score, rubato: Rubato, intention: np.random.Generator, chance: np.random.Generator) -> Array:
    """Seconds (k,) from each of the k solo onsets to the next, the last one to its note's end."""
    onsets = score.solo_onsets
    stops = np.append(onsets[1:], max(float(sounding_ends(score)[-1]), onsets[-1] + 0.25))
    page_s = np.array([score.seconds_at(beat) for beat in [*onsets, stops[-1]]])
    page_s = np.maximum(np.diff(page_s), 1e-4)
    gap = stops - onsets
    first_pass, pass_index = _written_places(score)

    tempo = rubato.tempo * intention.normal()
    drift = _drift(gap, rubato, intention, chance)
    drift[gap >= LONG_REST_BEATS] *= 0.5
    shape = _arches(score, rubato, intention, first_pass, pass_index)
    shape += _agogics(score, gap, rubato)
    shape += rubato.inflection * _student(intention, len(first_pass))[pass_index]
    shape += rubato.unsteadiness * _student(chance, len(onsets))
    shape += rubato.struggle * np.clip(np.log2(rubato.easy_s / page_s), 0, 2)
    for passage in score.passages:
        if passage.cadenza:
            shape[(onsets >= passage.start_beat - 1e-6) & (onsets < passage.end_beat - 1e-6)] *= CADENZA
    resting = gap >= LONG_REST_BEATS
    shape[resting] = 0.0
    shape += _closings(onsets, gap, page_s, rubato)
    seconds = page_s * np.exp(np.clip(tempo + drift + shape, -1.2, 1.6))
    return np.asarray(seconds + _fermatas(score, onsets, stops, seconds / gap, intention))


def _student(rng: np.random.Generator, size: int) -> Array:
    """Draws of unit variance with heavy tails, never beyond five."""
    return np.asarray(np.clip(rng.standard_t(4, size) / np.sqrt(2.0), -5, 5))


def _written_places(score: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For the solo onsets: where each written place comes first, and which written place each onset is."""
    rows = score.solo[score.solo["kind"] == NOTE]
    _, first = np.unique(rows["beat"], return_index=True)
    _, places, index = np.unique(np.round(rows["written_beat"][first], 4), return_index=True, return_inverse=True)
    return places.astype(np.int64), index.astype(np.int64)


def _drift(gap: Array, rubato: Rubato, intention: np.random.Generator, chance: np.random.Generator) -> Array:
    """Slow wandering (k,), stationary, two thirds of it meant."""
    kept = np.exp(-gap / rubato.drift_beats)
    draws = np.sqrt(2 / 3) * intention.normal(size=len(gap)) + np.sqrt(1 / 3) * chance.normal(size=len(gap))
    value = float(draws[0])
    wander = np.empty(len(gap))
    for index, (keep, draw) in enumerate(zip(kept, draws, strict=True)):
        value = keep * value + np.sqrt(1 - keep * keep) * draw
        wander[index] = value
    return rubato.drift * wander


def _arches(
    score: Score,
    rubato: Rubato,
    intention: np.random.Generator,
    first_pass: NDArray[np.int64],
    pass_index: NDArray[np.int64],
) -> Array:
    """A parabola over each phrase, zero on average, lowest a little before its middle."""
    onsets = score.solo_onsets
    starts = phrase_starts(score)
    depth = rubato.arch * np.exp(0.5 * intention.normal(size=len(first_pass)))[pass_index]
    lean = np.clip(0.42 + 0.08 * intention.normal(size=len(first_pass)), 0.2, 0.7)[pass_index]
    shape = np.zeros(len(onsets))
    bounds = [*np.searchsorted(onsets, starts - 1e-6), len(onsets)]
    for first, last in pairwise(bounds):
        if last - first < 3:
            continue
        place = (onsets[first:last] - onsets[first]) / (onsets[last - 1] - onsets[first])
        side = np.where(place < lean[first], 0.6 * (1 - place / lean[first]), (place - lean[first]) / (1 - lean[first]))
        curve = side**2
        shape[first:last] = depth[first] * (curve - curve.mean())
        shape[first] += rubato.stress
    return shape


def _agogics(score: Score, gap: Array, rubato: Rubato) -> Array:
    """Lengthening (k,) of long notes, downbeats and local high points."""
    onsets = score.solo_onsets
    usual = running_median(gap, 6)
    shape = rubato.long_note * np.clip(np.log2(gap / usual), -1, 2)
    lines = np.array([bar.beat for bar in score.bars])
    place = np.searchsorted(lines, onsets + 1e-6) - 1
    shape[np.abs(onsets - lines[np.maximum(place, 0)]) < 1e-6] += 0.4 * rubato.stress
    rows = score.solo[score.solo["kind"] == NOTE]
    top = np.zeros(len(onsets))
    np.maximum.at(top, np.searchsorted(onsets, rows["beat"]), rows["pitch"])
    for i in np.flatnonzero((top[1:-1] > top[:-2]) & (top[1:-1] > top[2:])) + 1:
        if top[i] == top[max(i - 8, 0) : i + 9].max():
            shape[i] += rubato.stress
    return np.asarray(shape)


def _closings(onsets: Array, gap: Array, page_s: Array, rubato: Rubato) -> Array:
    """The final ritardando, and a third of it before each long rest."""
    shape = np.zeros(len(onsets))
    ends = [*np.flatnonzero(gap[:-1] >= LONG_REST_BEATS), len(onsets) - 1]
    period = page_s / gap
    for end in ends:
        strength = rubato.ritardando * (1.0 if end == len(onsets) - 1 else 0.3)
        page = period[end]
        asked = float(np.log(page / np.median(period[max(end - 24, 0) : end + 1])))
        strength = max(strength - max(asked, 0.0), 0.3 * strength)  # where the page slows, less is left to add
        length = max(CLOSING_BEATS, CLOSING_S / page)
        place = np.clip(1 - (onsets[end] - onsets) / length, 0, 1)
        place[end + 1 :] = 0.0
        slowest = np.exp(-strength)  # Friberg & Sundberg: v = (1 + (v_end^q - 1) x)^(1/q), q = 3
        shape += -np.log(np.maximum(1 + (slowest**3 - 1) * place, 1e-3)) / 3
        if end < len(onsets) - 1:
            shape[end] = 0.0
    return shape


def _fermatas(score: Score, onsets: Array, stops: Array, period_s: Array, intention: np.random.Generator) -> Array:
    """Seconds (k,) that held notes add to the interval they lie in."""
    added = np.zeros(len(onsets))
    ends = score.notes["beat"] + score.notes["duration_beats"]
    for fermata in score.fermatas:
        index = int(np.searchsorted(onsets, fermata.beat + 1e-6)) - 1
        stretch = intention.uniform(*FERMATA_STRETCH)
        if index < 0 or fermata.beat >= stops[index] - 1e-6:
            continue
        here = np.abs(score.notes["beat"] - fermata.beat) < 1e-6
        length = float((ends[here] - fermata.beat).max(initial=0.0)) or 1.0
        length = min(length, stops[index] - fermata.beat)
        extra = fermata.length_beats - length if fermata.length_beats is not None else (stretch - 1) * length
        added[index] += max(extra, 0.0) * period_s[index]
    return added
