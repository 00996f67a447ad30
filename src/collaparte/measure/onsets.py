"""From the lines of a take to arrays of onsets: the soloist's, the orchestra's, and the plans.

Conventions: see ``measure/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collaparte.events import OrchestraEvent, Position, TempoPlan

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

SAME_BEAT = 1e-4  # beats nearer than this are one beat (lines carry 6 decimals)


@dataclass(frozen=True)
class Onsets:
    """Chords in the order played: ``beat`` (n,), ``first_s`` (n,) its first note, ``mean_s`` (n,) all its notes,
    ``notes`` (n,) how many, ``passage`` (n,) counting up at each jump, from 0. Times in seconds."""

    beat: Array
    first_s: Array
    mean_s: Array
    notes: Indices
    passage: Indices

    def __len__(self) -> int:
        return len(self.beat)


def group_onsets(beat: ArrayLike, time_s: ArrayLike, passage: ArrayLike | None = None) -> Onsets:
    """Gather notes (n,) at (``beat``, ``time_s``) into chords: the notes of one passage at one beat.

    Without ``passage`` all notes are one passage. Chords are ordered by passage, then by beat.
    """
    beats = np.round(np.asarray(beat, dtype=np.float64) / SAME_BEAT).astype(np.int64)
    times = np.asarray(time_s, dtype=np.float64)
    passages = np.zeros(beats.shape, np.int64) if passage is None else np.asarray(passage, dtype=np.int64)
    order = np.lexsort((times, beats, passages))
    beats, times, passages = beats[order], times[order], passages[order]
    exact = np.asarray(beat, dtype=np.float64)[order]
    if beats.size == 0:
        empty = np.zeros(0)
        return Onsets(empty, empty, empty, empty.astype(np.int64), empty.astype(np.int64))
    starts = np.flatnonzero(np.r_[True, (np.diff(beats) != 0) | (np.diff(passages) != 0)])
    counts = np.diff(np.r_[starts, beats.size])
    return Onsets(exact[starts], times[starts], np.add.reduceat(times, starts) / counts, counts, passages[starts])


def solo_onsets(positions: Iterable[Position]) -> Onsets:
    """The soloist's chords as the follower matched them: each new (beat, onset_s) of a playing or finished position.

    A position that repeats the last beat and onset (a wrong or extra note) adds nothing; guesses (``lost``) and
    ``waiting`` add nothing. Going back by more than a sixteenth of a quarter, or to the same beat more than half a
    second after its chord began, begins a new passage: a restart or a repeat. (Not so a straggler: a note at most a
    quarter back and less than a quarter of a second after the furthest chord began still belongs to its own chord.)
    """
    beats: list[float] = []
    times: list[float] = []
    passages: list[int] = []
    passage, furthest, began_s = 0, -np.inf, -np.inf
    for position in positions:
        if position.state in ("lost", "waiting"):
            continue
        if beats and position.beat == beats[-1] and position.onset_s == times[-1]:
            continue
        again = abs(position.beat - furthest) < SAME_BEAT and position.onset_s > began_s + 0.5
        straggler = position.beat >= furthest - 1.0 and position.onset_s < began_s + 0.25
        if again or (position.beat < furthest - 1 / 16 and not straggler):
            passage += 1
            furthest = -np.inf
        if position.beat > furthest + SAME_BEAT:
            furthest, began_s = position.beat, position.onset_s
        beats.append(position.beat)
        times.append(position.onset_s)
        passages.append(passage)
    return group_onsets(beats, times, passages)


def orchestra_notes(events: Iterable[OrchestraEvent]) -> tuple[Array, Array]:
    """Beats (n,) and ``due_s`` (n,) of the orchestra's notes that begin, ornaments left out, in order of sounding."""
    rows = sorted((event.due_s, event.beat) for event in events if event.on and not event.ornament)
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return table[:, 1], table[:, 0]


def orchestra_onsets(events: Iterable[OrchestraEvent]) -> Onsets:
    """The orchestra's chords; a chord struck again at the same beat more than half a second later is another one."""
    beats, times = orchestra_notes(events)
    passages: list[int] = []
    passage, furthest, began_s = 0, -np.inf, -np.inf
    for beat, time_s in zip(beats.tolist(), times.tolist(), strict=True):
        again = abs(beat - furthest) < SAME_BEAT and time_s > began_s + 0.5
        if beat < furthest - 1.0 or again:
            passage += 1
            furthest = -np.inf
        if beat > furthest + SAME_BEAT:
            furthest, began_s = beat, time_s
        passages.append(passage)
    return group_onsets(beats, times, passages)


@dataclass(frozen=True)
class Plans:
    """Plans in the order made, as arrays (n,): ``time_s``, ``from_s``, ``from_beat``, ``beat_period_s``."""

    time_s: Array
    from_s: Array
    from_beat: Array
    beat_period_s: Array

    @classmethod
    def of(cls, plans: Iterable[TempoPlan]) -> Plans:
        rows = [(plan.time_s, plan.from_s, plan.from_beat, plan.beat_period_s) for plan in plans]
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        table = table[np.argsort(table[:, 0], kind="stable")]
        return cls(table[:, 0], table[:, 1], table[:, 2], table[:, 3])

    def before(self, time_s: ArrayLike) -> Indices:
        """Index (n,) of the last plan made strictly before each time; -1 where there was none."""
        return np.searchsorted(self.time_s, np.asarray(time_s), side="left").astype(np.int64) - 1
