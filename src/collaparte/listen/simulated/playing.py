"""The simulated soloist's fingers: a rubato and a list of mistakes become strokes, strokes become events.

Conventions
-----------
A stroke is one go at one solo onset; without mistakes there are exactly as many strokes as solo onsets. ``time_s`` is
when a sound begins, ``heard_s`` is ``time_s`` plus the latency asked for. The first onset comes at the score's own
time of it (so that an introduction fits before it) plus ``LEAD_IN_S``. Same score, same seeds, same events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import SoloistError
from collaparte.events import Pedal, SoloEvent
from collaparte.listen.simulated.levels import LEVELS, Level, Mistakes, Rubato, Slip
from collaparte.listen.simulated.rubato import intervals
from collaparte.score import GRACE, NOTE, ORNAMENT, Score

Array = NDArray[np.float64]

LEAD_IN_S = 0.5
GRACE_S = 0.085  # a grace note lasts about this long ...
GRACE_SHARE = 0.4  # ... but all of them together no more than this share of the interval before
SHORTEST_S = 0.02  # of a note
GAP_S = 0.004  # between a note's end and the same pitch struck again


@dataclass(frozen=True, slots=True)
class Sounded:
    """One note as it was played. ``row`` is the row of ``score.solo`` that was meant, -1 for an extra note."""

    on_s: float
    off_s: float
    pitch: int
    velocity: int
    row: int
    right: bool  # the pitch that was meant
    late_s: float = 0.0  # from sounding to being heard


@dataclass(frozen=True, slots=True)
class Stroke:
    """One go at the solo onset at ``beat`` (number ``onset`` of ``score.solo_onsets``); notes in order of time."""

    time_s: float
    beat: float
    onset: int
    notes: tuple[Sounded, ...]


@dataclass(frozen=True)
class SimulatedTake:
    """What a simulated soloist plays, and the truth about it.

    ``events`` are ordered by ``heard_s``. ``rows`` (n_events,) is the row of ``score.solo`` each event was meant to be
    (-1: an extra note), ``right`` (n_events,) whether its pitch is the one meant, ``beats`` (n_events,) the place in
    the score the soloist was at. ``onset_beats`` (k,) are the score's solo onsets and ``onset_s`` (k,) when each first
    sounded (its first note), NaN where it was never played.
    """

    score: Score
    strokes: tuple[Stroke, ...]
    events: list[SoloEvent | Pedal] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    right: NDArray[np.bool_] = field(repr=False)
    beats: Array = field(repr=False)
    onset_beats: Array = field(repr=False)
    onset_s: Array = field(repr=False)

    @property
    def end_s(self) -> float:
        """When the last note ends."""
        return max((note.off_s for stroke in self.strokes for note in stroke.notes), default=0.0)


def simulate_solo(
    score: Score,
    seed: int = 0,
    level: str | Level = "middle",
    *,
    rubato: Rubato | None = None,
    mistakes: Mistakes | None = None,
    slips: Sequence[Slip] = (),
    interpretation_seed: int | None = None,
    tempo_factor: float = 1.0,
    latency_s: float = 0.0,
    latency_jitter_s: float = 0.0,
) -> SimulatedTake:
    """Play the solo part of ``score``.

    ``level`` is a name of ``LEVELS``; ``rubato`` and ``mistakes`` replace its parts, ``slips`` happen besides. Two
    takes with one ``interpretation_seed`` are by the same soloist: the same intentions, other accidents.
    ``tempo_factor`` stretches everything (1.25: slower). Raises SoloistError when there is nothing to play.
    """
    if isinstance(level, str):
        if level not in LEVELS:
            raise SoloistError(f"There is no simulated soloist {level!r}. There are: {', '.join(LEVELS)}.")
        level = LEVELS[level]
    if len(score.solo_onsets) == 0:
        raise SoloistError(f"The solo part of {score.title!r} has no notes to play. Choose another part with --solo.")
    if tempo_factor <= 0 or latency_s < 0 or latency_jitter_s < 0:
        raise SoloistError("A tempo factor is above 0, a latency not below 0.")
    rubato, mistakes = rubato or level.rubato, mistakes or level.mistakes
    intention = np.random.default_rng([0, seed if interpretation_seed is None else interpretation_seed])
    chance, slip_rng, fingers, ears = (np.random.default_rng([number, seed]) for number in (1, 2, 3, 4))

    seconds = intervals(score, rubato, intention, chance) * tempo_factor
    plan = _plan(score, seconds, mistakes, slips, slip_rng)
    start_s = LEAD_IN_S + score.seconds_at(float(score.solo_onsets[0])) - score.seconds_at(0.0)
    strokes = _strokes(score, plan, start_s, rubato, mistakes, slip_rng, fingers)
    return _finish(score, strokes, latency_s, latency_jitter_s, ears)


@dataclass(frozen=True, slots=True)
class _Go:
    """One go as planned: which onset, seconds until the next go, and what goes wrong with its notes."""

    onset: int
    seconds: float
    wrong: bool = False
    missed: bool = False
    extra: bool = False


def _plan(
    score: Score, seconds: Array, mistakes: Mistakes, slips: Sequence[Slip], rng: np.random.Generator
) -> list[_Go]:
    """The goes in order, with the stops, stumbles, corrections, restarts and jumps among them."""
    onsets = score.solo_onsets
    due: dict[int, list[Slip]] = {}
    for slip in slips:
        index = int(np.searchsorted(onsets, slip.beat - 1e-6))
        if index < len(onsets):
            due.setdefault(index, []).append(slip)
    rates = np.cumsum([mistakes.hesitation, mistakes.stumble, mistakes.correction, mistakes.restart])
    dice = rng.random(len(onsets))
    goes: list[_Go] = []
    index, furthest = 0, -1

    def wait(extra_s: float) -> None:
        if goes:
            goes[-1] = replace(goes[-1], seconds=goes[-1].seconds + extra_s)

    while index < len(onsets):
        fresh = index > furthest  # going over the same notes again, nothing new goes wrong
        furthest = max(furthest, index)
        thought_s = mistakes.hesitation_s * float(np.exp(0.4 * rng.normal()))
        happening = int(np.searchsorted(rates, dice[index], side="right")) if fresh and index > 0 else 4
        kinds = {("pause", "stumble", "correction", "restart")[happening]} if happening < 4 else set()
        if "pause" in kinds:
            wait(thought_s)
        jump: Slip | None = None
        for slip in due.pop(index, []):
            if slip.kind == "pause":
                wait(slip.seconds)
            elif slip.kind == "jump":
                jump = slip
            else:
                kinds.add(slip.kind)
        if jump is not None and jump.to_beat is not None:
            wait(jump.seconds)
            index = int(np.searchsorted(onsets, jump.to_beat - 1e-6))
            continue
        if kinds & {"stumble", "correction"}:
            goes.append(_Go(index, min(0.6 * thought_s, 0.3), wrong="correction" in kinds))
        go = _Go(index, float(seconds[index]), "wrong" in kinds, "missed" in kinds, "extra" in kinds)
        goes.append(go)
        if "restart" in kinds:
            goes[-1] = replace(go, seconds=go.seconds + thought_s)
            index = int(np.searchsorted(onsets, score.bar_at(float(onsets[index])).beat - 1e-6))
        else:
            index += 1
    return goes


def _strokes(
    score: Score,
    goes: list[_Go],
    start_s: float,
    rubato: Rubato,
    mistakes: Mistakes,
    slip_rng: np.random.Generator,
    rng: np.random.Generator,
) -> tuple[Stroke, ...]:
    onsets = score.solo_onsets.tolist()
    onsets.append(max(score.end_beat, onsets[-1] + 0.25))
    solo: dict[str, list[Any]] = {
        name: score.solo[name].tolist() for name in ("beat", "duration_beats", "pitch", "velocity")
    }
    steps = np.array([go.seconds for go in goes])
    ideal_s = start_s + np.concatenate([[0.0], np.cumsum(steps[:-1])]) if goes else np.empty(0)
    # Fingers: an error of its own for every stroke, never larger than a third of the way to a neighbour.
    room_s = np.minimum(steps, np.concatenate([steps[:1], steps[:-1]])) / 3
    struck = ideal_s + np.clip(rubato.jitter_s * rng.normal(size=len(goes)), -room_s, room_s)
    struck_s = [*struck.tolist(), float(struck[-1]) + goes[-1].seconds] if goes else []
    sounding, graces, ornaments = _rows_by_onset(score)
    accent = (4 * rng.normal(size=len(onsets))).tolist()

    strokes: list[Stroke] = []
    for number, go in enumerate(goes):
        time_s, until_s = struck_s[number], struck_s[number + 1]
        period_s = (until_s - time_s) / (onsets[go.onset + 1] - onsets[go.onset])
        rows = sounding[go.onset]
        top = max(rows, key=solo["pitch"].__getitem__)
        notes: list[Sounded] = []
        for row in rows:
            late_s = 0.0
            if row != top:
                late_s = min(max(rubato.lead_s + rubato.spread_s * rng.normal(), 0.0), 0.3 * (until_s - time_s))
            end = solo["beat"][row] + solo["duration_beats"][row]
            length_s = _length_s(onsets, goes, struck_s, number, end) * (0.94 + 0.04 * rng.normal())
            right, pitch = True, solo["pitch"][row]
            chances = slip_rng.random(3)
            if chances[0] < mistakes.missed or (go.missed and row == top):
                continue
            if chances[1] < mistakes.wrong or (go.wrong and row == top):
                right, pitch = False, _neighbour(pitch, slip_rng)
            on_s = time_s + late_s
            velocity = _velocity(solo["velocity"][row] + accent[go.onset] + 3 * rng.normal())
            notes.append(Sounded(on_s, on_s + max(length_s, SHORTEST_S), pitch, velocity, row, right))
            if chances[2] < mistakes.extra or (go.extra and row == top):
                touch_s = on_s + slip_rng.uniform(0, 0.4) * (until_s - time_s)
                neighbour = _neighbour(solo["pitch"][row], slip_rng)
                notes.append(Sounded(touch_s, touch_s + 0.08, neighbour, _velocity(velocity - 15.0), -1, False))
        before_s = time_s - struck_s[number - 1] if number else 1.0
        notes += _graces(solo, graces[go.onset], time_s, before_s)
        for row in ornaments[go.onset]:
            on_s = time_s + (solo["beat"][row] - onsets[go.onset]) * period_s
            length_s = max(solo["duration_beats"][row] * period_s * 0.9, SHORTEST_S)
            velocity = _velocity(solo["velocity"][row] - 4 + 3 * rng.normal())
            notes.append(Sounded(on_s, on_s + length_s, solo["pitch"][row], velocity, row, True))
        notes.sort(key=lambda note: (note.on_s, note.pitch))
        strokes.append(Stroke(time_s, onsets[go.onset], go.onset, tuple(notes)))
    return tuple(strokes)


def _graces(solo: Mapping[str, list[Any]], rows: list[int], time_s: float, before_s: float) -> list[Sounded]:
    """The grace notes before a stroke at ``time_s``, evenly in its last moments; ``before_s`` since the one before."""
    if not rows:
        return []
    each_s = min(GRACE_S, GRACE_SHARE * before_s / len(rows))
    starts = [time_s - (len(rows) - place) * each_s for place in range(len(rows))]
    return [
        Sounded(on_s, on_s + 0.9 * each_s, solo["pitch"][row], _velocity(solo["velocity"][row] - 6), row, True)
        for on_s, row in zip(starts, rows, strict=True)
    ]


def _length_s(onsets: list[float], goes: list[_Go], struck_s: list[float], number: int, end: float) -> float:
    """Seconds from a stroke to the beat ``end`` of one of its notes, through the strokes that follow in order."""
    last = number
    while last + 1 < len(goes) and goes[last + 1].onset == goes[last].onset + 1 and onsets[goes[last + 1].onset] < end:
        last += 1
    start = onsets[goes[last].onset]
    step_s = struck_s[last + 1] - struck_s[last]
    return struck_s[last] - struck_s[number] + max(end - start, 0.0) * step_s / (onsets[goes[last].onset + 1] - start)


def _rows_by_onset(score: Score) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """For each solo onset: the rows required, the grace notes before it in written order, the ornaments until the next.

    Grace notes share a beat and rows are sorted by pitch, so their order is that of the numbers in their ids.
    """
    solo, onsets = score.solo, score.solo_onsets
    found: dict[int, list[list[int]]] = {kind: [[] for _ in onsets] for kind in (NOTE, GRACE, ORNAMENT)}
    at = np.searchsorted(onsets, solo["beat"] - 1e-6)
    following = np.maximum(np.searchsorted(onsets, solo["beat"] + 1e-6) - 1, 0)
    side = np.minimum(np.where(solo["kind"] == ORNAMENT, following, at), len(onsets) - 1)
    for row, (place, kind) in enumerate(zip(side.tolist(), solo["kind"].tolist(), strict=True)):
        found[kind][place].append(row)
    pitch, length = solo["pitch"].tolist(), solo["duration_beats"].tolist()
    for index, rows in enumerate(found[NOTE]):  # two voices in unison are one key: the longer one
        if len(rows) > 1:
            found[NOTE][index] = sorted({pitch[row]: row for row in sorted(rows, key=length.__getitem__)}.values())
    for rows in found[GRACE]:
        rows.sort(key=lambda row: [int(number) for number in re.findall(r"\d+", str(solo["id"][row]))])
    return found[NOTE], found[GRACE], found[ORNAMENT]


def _neighbour(pitch: int, rng: np.random.Generator) -> int:
    """A pitch hit by mistake: a semitone or two off, now and then an octave."""
    moved = pitch + int(rng.choice([-2, -1, 1, 2, -12, 12], p=[0.2, 0.28, 0.28, 0.2, 0.02, 0.02]))
    return moved if 0 <= moved <= 127 else pitch - (moved - pitch)


def _velocity(value: float) -> int:
    return min(max(round(float(value)), 1), 127)


def _finish(
    score: Score, strokes: tuple[Stroke, ...], latency_s: float, latency_jitter_s: float, rng: np.random.Generator
) -> SimulatedTake:
    """Ends that collide with the same pitch struck again are moved before it; then everything in order."""
    again_s: dict[int, float] = {}
    settled: dict[tuple[int, int], Sounded] = {}
    places = [(stroke, note) for stroke in range(len(strokes)) for note in range(len(strokes[stroke].notes))]
    for place in sorted(places, key=lambda at: strokes[at[0]].notes[at[1]].on_s, reverse=True):
        note = strokes[place[0]].notes[place[1]]
        on_s = round(max(note.on_s, 0.0), 6)
        off_s = max(min(note.off_s, again_s.get(note.pitch, np.inf) - GAP_S), on_s + 0.001)
        again_s[note.pitch] = on_s
        late_s = latency_s + abs(latency_jitter_s * rng.normal()) if latency_jitter_s else latency_s
        settled[place] = Sounded(on_s, round(off_s, 6), note.pitch, note.velocity, note.row, note.right, late_s)
    strokes = tuple(
        Stroke(stroke.time_s, stroke.beat, stroke.onset, tuple(settled[number, n] for n in range(len(stroke.notes))))
        for number, stroke in enumerate(strokes)
    )
    items: list[tuple[float, int, SoloEvent, int, bool, float]] = []
    for stroke in strokes:
        for note in stroke.notes:
            for time_s, on in ((note.on_s, True), (note.off_s, False)):
                event = SoloEvent(time_s, round(time_s + note.late_s, 6), on, note.pitch, note.velocity if on else 0)
                items.append((event.heard_s, int(on), event, note.row, note.right, stroke.beat))
    items.sort(key=lambda item: (item[0], item[1], item[2].pitch))
    required = (score.solo["kind"] == NOTE).tolist()
    onset_s = np.full(len(score.solo_onsets), np.nan)
    for stroke in reversed(strokes):
        played = [note.on_s for note in stroke.notes if note.row >= 0 and required[note.row]]
        if played:
            onset_s[stroke.onset] = min(played)
    return SimulatedTake(
        score,
        strokes,
        [item[2] for item in items],
        np.array([item[3] for item in items], dtype=np.int64),
        np.array([item[4] for item in items], dtype=np.bool_),
        np.array([item[5] for item in items]),
        score.solo_onsets,
        onset_s,
    )
