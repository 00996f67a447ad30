"""What of one take is worth remembering: the clean intervals between its required onsets, with their lengths.

An interval is clean when both its onsets were matched one after the other, in their order on the page, with no wrong
or extra note between them (where the page writes ornaments or grace notes, more notes are no mistake), no command of
the player, and never lost; and when its beat period lies within ``LOCAL_BOUND`` of the median around it (at a fermata
``FERMATA_BOUND``), so that a stop, a hesitation or a stumble is not remembered as music.

An interval's key is (written beat where it begins, pass, written beat where it ends): the same music has the same key
whatever repeats the performance took or left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import TakeError
from collaparte.events import Command, Position, SoloEvent, Value
from collaparte.score import NOTE, Score
from collaparte.takes.read import Take

Key: TypeAlias = tuple[int, int, int]  # written beat x 960 at the beginning, pass, written beat x 960 at the end
Array = NDArray[np.float64]

LOCAL_BOUND = float(np.log(2.5))
FERMATA_BOUND = float(np.log(8.0))
NEIGHBOURS = 6
LEAST_INTERVALS = 8
LEAST_CLEAN = 0.5
LEAST_PERIOD_S, MOST_PERIOD_S = 0.02, 20.0  # seconds per quarter: beyond, it is no tempo
BREAKING = frozenset({"start", "stop", "panic", "next_entry", "previous_entry", "relocate", "cut", "vamp", "tempo"})


@dataclass(frozen=True)
class RunThrough:
    """One take as it is remembered. ``interval_s`` of each key, in seconds; ``interval_beats`` in quarters.

    ``take`` is the take's identity, ``order`` counts the run-throughs of this piece as they were learnt, from 1.
    """

    take: str
    digest: str
    soloist: str
    order: int
    keys: tuple[Key, ...]
    interval_beats: tuple[float, ...]
    interval_s: tuple[float, ...]


@dataclass(frozen=True)
class Learnt:
    """What came of learning a take: ``kept`` of ``attempted`` intervals; ``reason`` when nothing was remembered."""

    take: str
    kept: int
    attempted: int
    reason: str | None = None

    @property
    def remembered(self) -> bool:
        return self.reason is None


def interval_keys(score: Score) -> tuple[tuple[Key, ...], Array]:
    """The key of each interval between the score's required onsets, and the intervals' lengths (n-1,) in quarters."""
    rows = score.solo[score.solo["kind"] == NOTE]
    onsets, first = np.unique(rows["beat"], return_index=True)
    written = np.round(rows["written_beat"][first] * 960).astype(int).tolist()
    passing = rows["passing"][first].astype(int).tolist()
    keys = tuple((written[i], passing[i], written[i + 1]) for i in range(len(onsets) - 1))
    return keys, np.diff(onsets)


def run_through(take: Take, score: Score, order: int = 1) -> tuple[RunThrough, Learnt]:
    """What is remembered of ``take``, and the account of it.

    Raises TakeError when the take is of another piece (its digest is not the score's).
    """
    if take.header.digest != score.digest:
        raise TakeError(
            f"This take is of {take.header.piece!r} ({take.header.digest}), not of {score.title!r} ({score.digest}): "
            "it cannot be remembered for that piece. Give the score it was played from."
        )
    keys, lengths = interval_keys(score)
    found, attempted = _clean_intervals(take.values, score)
    seconds = np.full(len(keys), np.nan)
    for index, interval_s in found:
        seconds[index] = interval_s  # played more than once in one take: the last time counts
    kept = _in_bounds(seconds, lengths, _fermatas(score))
    rows = np.flatnonzero(kept)
    run = RunThrough(
        take.identity,
        score.digest,
        take.header.soloist,
        order,
        tuple(keys[row] for row in rows),
        tuple(float(length) for length in lengths[rows]),
        tuple(round(float(interval_s), 6) for interval_s in seconds[rows]),
    )
    reason = None
    if len(rows) < LEAST_INTERVALS:
        reason = f"only {len(rows)} clean intervals, and {LEAST_INTERVALS} are needed"
    elif len(rows) < LEAST_CLEAN * attempted:
        reason = f"only {len(rows)} of {attempted} intervals are clean: too many mistakes to learn from"
    return run, Learnt(take.identity, len(rows), attempted, reason)


def _clean_intervals(values: Iterable[Value], score: Score) -> tuple[list[tuple[int, float]], int]:
    """(index, seconds) of the intervals played without fault, in the order played, and how many were attempted."""
    onsets = score.solo_onsets
    chords = _chords(score)
    decorations = np.sort(score.solo["beat"][score.solo["kind"] != NOTE])
    found: list[tuple[int, float]] = []
    attempted = 0
    last, last_s, spoilt = -1, 0.0, False
    previous: Position | None = None
    pitch, struck = -1, set[int]()
    for value in values:
        if isinstance(value, SoloEvent) and value.on:
            pitch = value.pitch
        if isinstance(value, Command) and value.name in BREAKING:
            last, previous = -1, None
        if not isinstance(value, Position):
            continue
        if value.state in ("lost", "waiting"):
            last, previous = -1, None
            continue
        repeated = previous is not None and value.beat == previous.beat and value.onset_s == previous.onset_s
        previous = value
        if repeated:  # another note of the chord, or a note that is not on the page here
            belongs = last >= 0 and pitch not in struck and pitch in chords[last] | chords[max(last - 1, 0)]
            struck.add(pitch)
            spoilt = spoilt or (last >= 0 and not belongs and not _decorated(decorations, onsets, last))
            continue
        index = int(np.searchsorted(onsets, value.beat - 1e-4))
        if index >= len(onsets) or abs(onsets[index] - value.beat) > 1e-4:
            continue  # between onsets, or a grace note
        if index == last or (index == last - 1 and value.onset_s < last_s + 0.25):
            continue  # another note of the chord, or a straggler of the one before
        attempted += max(index - last, 1) if last >= 0 else 0
        if last >= 0 and index == last + 1 and not spoilt and value.onset_s > last_s:
            found.append((last, value.onset_s - last_s))
        last, last_s, spoilt, struck = index, value.onset_s, False, {pitch}
    return found, attempted


def _chords(score: Score) -> list[set[int]]:
    """The required pitches of each solo onset."""
    rows = score.solo[score.solo["kind"] == NOTE]
    chords: list[set[int]] = [set() for _ in score.solo_onsets]
    for index, pitch in zip(np.searchsorted(score.solo_onsets, rows["beat"]).tolist(), rows["pitch"], strict=True):
        chords[index].add(int(pitch))
    return chords


def _decorated(decorations: Array, onsets: Array, index: int) -> bool:
    """True where the page writes grace notes or ornaments from onset ``index`` up to the next one, or on it."""
    until = onsets[index + 1] if index + 1 < len(onsets) else np.inf
    first = int(np.searchsorted(decorations, onsets[index] - 1e-4))
    return first < len(decorations) and bool(decorations[first] <= until + 1e-4)


def _fermatas(score: Score) -> NDArray[np.bool_]:
    """(n-1,) True for intervals in which the page holds."""
    onsets = score.solo_onsets
    held = np.zeros(max(len(onsets) - 1, 0), bool)
    for fermata in score.fermatas:
        index = int(np.searchsorted(onsets, fermata.beat + 1e-4)) - 1
        if 0 <= index < len(held):
            held[index] = True
    return held


def _in_bounds(seconds: Array, lengths: Array, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n-1,) True for intervals whose beat period is a tempo and lies near the median of its neighbours."""
    period = seconds / lengths
    with np.errstate(invalid="ignore"):
        possible = (period >= LEAST_PERIOD_S) & (period <= MOST_PERIOD_S)
    rows = np.flatnonzero(possible)
    kept = np.zeros(len(seconds), bool)
    if not rows.size:
        return kept
    log_period = np.log(period[rows])
    around = np.pad(log_period, NEIGHBOURS, constant_values=np.nan)
    middle = np.nanmedian(np.lib.stride_tricks.sliding_window_view(around, 2 * NEIGHBOURS + 1), axis=1)
    kept[rows] = np.abs(log_period - middle) <= np.where(held[rows], FERMATA_BOUND, LOCAL_BOUND)
    return kept
