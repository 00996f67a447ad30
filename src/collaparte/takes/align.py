"""Note by note: which note of the page was which note of the take, once the take is over.

Conventions: score notes are rows of ``score.NOTE_FIELDS`` in the page's order; performed notes are given as two arrays
(n,) in order of time, seconds and MIDI pitches. The answer is a list of ``Aligned``: every performed note once
(match or insertion), every score note at least once (match or deletion); a note that the soloist played twice, because
of a repeat or a restart, is matched twice.

Two steps. Chords of performed notes are laid along the onsets of the page by dynamic programming over the whole take,
seeing both past and future, with a price for staying, leaving out, and jumping anywhere (Viterbi; the jump costs no
more than one scan, as in Nakamura et al. 2014). That gives a curve of time against beats for each passage; each pitch
by itself is then matched along its curve in order, at the least sum of distances in time, and the curve is drawn again
through what was matched, until nothing changes (the second step after Nakamura, Yoshii & Katayose 2017 and Peter et al.
2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from collaparte.score import NOTE

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

CHORD_S = 0.035  # performed notes closer than this, one after another, are laid down together
WRONG = 1.0  # cost of each note of a chord that is not in the onset
MISSING = 0.25  # ... of each note of the onset that is not in the chord
STAY = 0.7  # the onset goes on (a rolled chord, a trill)
LEAVE_OUT = 1.2  # for each onset left out, up to STEPS
STEPS = 5
JUMP = 20.0  # going anywhere else
TIMING = 0.5  # for each e-fold by which a step is quicker or slower than the tempo around it ...
TIMING_MOST = 1.0  # ... at most
TEMPO_CHORDS = 12  # chords on either side over which the tempo is a median
AWAY_S = 1.5  # a note may lie so far from its curve in the first round ...
NEAR_S = 0.6  # ... and so far in the later ones
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Aligned:
    """One line of an alignment; ``score`` and ``performed`` are indices, None where there is none."""

    kind: Literal["match", "insertion", "deletion"]
    score: int | None
    performed: int | None


def align(score_notes: NDArray[np.void], time_s: Array, pitch: NDArray[np.integer]) -> list[Aligned]:
    """The alignment of a finished take: matches in order of time with the insertions, then the deletions."""
    times, pitches = np.asarray(time_s, dtype=np.float64), np.asarray(pitch, dtype=np.int64)
    if len(times) != len(pitches):
        raise ValueError(f"{len(times)} times but {len(pitches)} pitches")
    if np.any(np.diff(times) < 0):
        raise ValueError("the performed notes must be in order of time")
    found: dict[int, int] = {}
    if len(times) and len(score_notes):
        beats = np.unique(score_notes["beat"][score_notes["kind"] == NOTE])
        if len(beats) == 0:
            beats = np.unique(score_notes["beat"])
        starts, passage, place = _lay(score_notes, beats, times, pitches, None)
        period_s = _tempo(times[starts], passage, beats[place])
        starts, passage, place = _lay(score_notes, beats, times, pitches, period_s)
        of_note = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(times))))
        for number in range(int(passage[-1]) + 1):
            rows = np.flatnonzero(passage[of_note] == number)
            chords = np.flatnonzero(passage == number)
            found.update(
                _match(score_notes, beats[place[chords]], times[starts[chords]], times[rows], pitches[rows], rows)
            )
    lines = [
        Aligned("match", found[row], row) if row in found else Aligned("insertion", None, row)
        for row in range(len(times))
    ]
    played = set(found.values())
    return lines + [Aligned("deletion", row, None) for row in range(len(score_notes)) if row not in played]


def f_measure(found: list[Aligned], truth: list[Aligned]) -> float:
    """Harmonic mean of precision and recall of the matched pairs, 0..1; 1.0 when neither has any."""
    mine = {(line.score, line.performed) for line in found if line.kind == "match"}
    theirs = {(line.score, line.performed) for line in truth if line.kind == "match"}
    if not mine and not theirs:
        return 1.0
    return 2.0 * len(mine & theirs) / (len(mine) + len(theirs))


def _lay(
    score_notes: NDArray[np.void], beats: Array, times: Array, pitches: Indices, period_s: Array | None
) -> tuple[Indices, Indices, Indices]:
    """Chords of the take along the onsets: first note of each chord (c,), its passage (c,), its onset (c,).

    ``period_s`` (c,), when known, is the tempo around each chord in seconds per quarter.
    """
    has = np.zeros((len(beats), 128), dtype=np.float32)
    onset = np.clip(np.searchsorted(beats, score_notes["beat"] + 1e-6, side="right") - 1, 0, len(beats) - 1)
    required = score_notes["kind"] == NOTE
    has[onset[required], np.clip(score_notes["pitch"][required], 0, 127)] = 1.0
    size = has.sum(axis=1)
    starts = np.flatnonzero(np.r_[True, np.diff(times) > CHORD_S])
    ends = np.append(starts[1:], len(times))
    count = len(beats)
    cost = LEAVE_OUT * np.minimum(np.arange(count), JUMP / LEAVE_OUT)  # begin anywhere, at the price of a jump
    came = np.zeros((len(starts), count), dtype=np.int8)  # steps forward; -1: a jump
    jumped = np.zeros(len(starts), dtype=np.int64)
    for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        chord = np.unique(np.clip(pitches[start:end], 0, 127))
        hit = has[:, chord].sum(axis=1)
        price = WRONG * (len(chord) - hit) + MISSING * np.minimum(size - hit, 4)
        if row:
            origin = int(np.argmin(cost))
            best = np.full(count, cost[origin] + JUMP)
            step = np.full(count, -1, dtype=np.int8)
            for forward in range(STEPS + 1):
                extra = STAY if forward == 0 else LEAVE_OUT * (forward - 1)
                moved = cost[: count - forward] + extra
                if forward and period_s is not None:
                    nominal_s = (beats[forward:] - beats[: count - forward]) * period_s[row]
                    elapsed_s = max(float(times[start] - times[starts[row - 1]]), 1e-3)
                    moved += np.minimum(TIMING * np.abs(np.log(elapsed_s / nominal_s)), TIMING_MOST)
                better = moved < best[forward:]
                best[forward:][better] = moved[better]
                step[forward:][better] = forward
            came[row], jumped[row], cost = step, origin, best
        cost = cost + price
    place = np.zeros(len(starts), dtype=np.int64)
    passage = np.zeros(len(starts), dtype=np.int64)
    here = int(np.argmin(cost))
    for row in range(len(starts) - 1, -1, -1):
        place[row] = here
        if row:
            if came[row, here] < 0:
                passage[row] = 1
                here = int(jumped[row])
            else:
                here -= int(came[row, here])
    return starts, np.cumsum(passage), place


def _tempo(time_s: Array, passage: Indices, beat: Array) -> Array:
    """Seconds per quarter around each chord (c,), from a first laying down: a median, blind to slips and pauses."""
    moved = (np.diff(beat) > 1e-6) & (np.diff(passage) == 0)
    each = np.where(moved, np.log(np.maximum(np.diff(time_s), 1e-3) / np.where(moved, np.diff(beat), 1.0)), np.nan)
    overall = float(np.nanmedian(each)) if moved.any() else np.log(0.6)
    around = np.full(len(time_s), overall)
    for row in range(len(time_s)):
        near = each[max(row - TEMPO_CHORDS, 0) : row + TEMPO_CHORDS]
        near = near[~np.isnan(near)]
        if len(near) >= 4:
            around[row] = np.median(near)
    period_s: Array = np.exp(around)
    return period_s


def _match(
    score_notes: NDArray[np.void], beat: Array, beat_s: Array, times: Array, pitches: Indices, rows: Indices
) -> dict[int, int]:
    """Performed row -> score row for one passage, whose chords lie at ``beat`` and sounded at ``beat_s``."""
    inside = np.flatnonzero((score_notes["beat"] >= beat.min() - 1e-6) & (score_notes["beat"] <= beat.max() + 1e-6))
    line_beat, line_s = _curve(beat, beat_s)
    found: dict[int, int] = {}
    for number in range(ROUNDS):
        expected = np.interp(score_notes["beat"][inside], line_beat, line_s)
        reach_s = AWAY_S if number == 0 else NEAR_S
        now: dict[int, int] = {}
        for pitch in np.unique(pitches):
            mine = inside[score_notes["pitch"][inside] == pitch]
            if len(mine) == 0:
                continue
            heard = np.flatnonzero(pitches == pitch)
            pairs = _in_order(expected[score_notes["pitch"][inside] == pitch], times[heard], reach_s)
            now.update({int(rows[heard[there]]): int(mine[here]) for here, there in pairs})
        if now == found or not now:
            return now
        found = now
        where = dict(zip(rows.tolist(), times.tolist(), strict=True))
        line_beat, line_s = _curve(
            np.array([float(score_notes["beat"][row]) for row in found.values()]),
            np.array([where[row] for row in found]),
        )
    return found


def _curve(beat: Array, time_s: Array) -> tuple[Array, Array]:
    """Beats (k,) ascending, each once, and their seconds: medians, made to rise."""
    known, inverse = np.unique(np.round(beat, 6), return_inverse=True)
    order = np.lexsort((time_s, inverse))
    bounds = np.searchsorted(inverse[order], np.arange(len(known) + 1))
    middle = np.array([float(np.median(time_s[order[low:high]])) for low, high in pairwise(bounds.tolist())])
    return known, np.maximum.accumulate(middle)


def _in_order(expected_s: Array, heard_s: Array, reach_s: float) -> list[tuple[int, int]]:
    """Pairs (score, heard) of one pitch, in order on both sides, at the least sum of distances.

    A note left alone costs half of ``reach_s``, so that no pair lies further apart than that.
    """
    order = np.argsort(expected_s, kind="stable")
    wanted = expected_s[order]
    rows, columns = len(wanted), len(heard_s)
    alone = reach_s / 2.0
    low = np.searchsorted(heard_s, wanted - reach_s)
    high = np.searchsorted(heard_s, wanted + reach_s, side="right")
    before = np.arange(columns + 1) * alone
    choice: list[tuple[int, NDArray[np.int8]]] = []
    for row in range(rows):
        now = before + alone  # the score note stays alone
        first, last = int(low[row]), int(high[row])
        taken = np.zeros(columns + 1, dtype=np.int8)
        if last > first:
            pair = before[first:last] + np.abs(heard_s[first:last] - wanted[row])
            better = pair < now[first + 1 : last + 1]
            now[first + 1 : last + 1][better] = pair[better]
            taken[first + 1 : last + 1][better] = 1
            for column in range(first + 1, columns + 1):  # heard notes that stay alone
                if now[column - 1] + alone < now[column]:
                    now[column] = now[column - 1] + alone
                    taken[column] = 2
                elif column > last:
                    break
        choice.append((row, taken))
        before = now
    pairs = []
    column = columns
    for row, taken in reversed(choice):
        while taken[column] == 2:
            column -= 1
        if taken[column] == 1:
            column -= 1
            pairs.append((int(order[row]), column))
    return pairs[::-1]
