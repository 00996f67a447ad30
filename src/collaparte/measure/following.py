"""How well the follower knew where the soloist was, against the truth.

Conventions: see ``measure/__init__.py``. Truth is grouped into chords; ``first`` is a chord's first note, ``mean`` the
mean of its notes (against the mean, even an oracle that reports each chord's first note is not at zero).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collaparte.events import Position
from collaparte.measure.onsets import SAME_BEAT, Onsets, Plans
from collaparte.measure.truth import Truth

Array = NDArray[np.float64]

LOOK_S = 0.030
LOST_S = 2.0
RECOVERED_BEATS = 1.0
RECOVERED_ONSETS = 8


@dataclass(frozen=True)
class Track:
    """Positions as arrays (n,) in the order reported; guesses (``lost``) are marked by ``sure`` False."""

    time_s: Array
    beat: Array
    certainty: Array
    sure: NDArray[np.bool_]

    @classmethod
    def of(cls, positions: Iterable[Position]) -> Track:
        rows = [(item.time_s, item.beat, item.certainty, item.state in ("playing", "finished"), item.state != "waiting")
                for item in positions]  # fmt: skip
        table = np.array([row[:4] for row in rows if row[4]], dtype=np.float64).reshape(-1, 4)
        table = table[np.argsort(table[:, 0], kind="stable")]
        return cls(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(bool))

    def at(self, time_s: ArrayLike) -> Array:
        """The beat last reported at each time (m,), guesses included; NaN before the first report."""
        index = np.searchsorted(self.time_s, np.asarray(time_s, dtype=np.float64) + 1e-9, side="right") - 1
        if len(self.beat) == 0:
            return np.full(np.shape(time_s), np.nan)
        return np.where(index >= 0, self.beat[np.maximum(index, 0)], np.nan)


def following_errors(track: Track, truth: Onsets, chord: str = "first") -> Array:
    """Signed seconds (n,), one for each chord of the truth: when the running maximum of the position first reached
    its beat, minus when it was played. Positive: reported late. NaN: never reached. Guesses do not count.

    For performances in order; a jump back needs ``recovery``.
    """
    if chord not in ("first", "mean"):
        raise ValueError(f"chord is 'first' or 'mean', not {chord!r}")
    played_s = truth.first_s if chord == "first" else truth.mean_s
    times, beats = track.time_s[track.sure], np.maximum.accumulate(track.beat[track.sure])
    index = np.searchsorted(beats, truth.beat - SAME_BEAT, side="left")
    if len(times) == 0:
        return np.full(len(truth), np.nan)
    reached = index < len(times)
    return np.where(reached, times[np.minimum(index, len(times) - 1)] - played_s, np.nan)


def line_errors(plans: Plans, truth: Onsets) -> Array:
    """Signed seconds (n,), one for each chord of the truth: when the predicted line, each plan's from when it was made
    until the next one, first reached its beat, minus when its first note was played. NaN: never reached.

    The line runs on between reports, so it may be early; for performances in order.
    """
    reached_s = np.full(len(truth), np.nan)
    chord = 0
    until_s = np.append(plans.time_s, np.inf)[1:]
    for made_s, end_s, from_s, from_beat, beat_period_s in zip(
        plans.time_s, until_s, plans.from_s, plans.from_beat, plans.beat_period_s, strict=True
    ):
        while chord < len(truth):
            at_s = max(from_s + (truth.beat[chord] - SAME_BEAT - from_beat) * beat_period_s, made_s)
            if at_s >= end_s:
                break
            reached_s[chord] = at_s
            chord += 1
    return reached_s - truth.first_s


def oracle_errors(truth: Onsets, chord: str = "mean") -> Array:
    """What ``following_errors`` gives for an oracle that reports each chord at its first note, at once."""
    return truth.first_s - (truth.mean_s if chord == "mean" else truth.first_s)


def share_near(track: Track, truth: Onsets, within_beats: float, look_s: float = LOOK_S) -> float:
    """Share of chords at which, 30 ms after the first note, the position is within ``within_beats`` quarters.

    No report yet counts as not near. NaN when there are no chords.
    """
    if len(truth) == 0:
        return float("nan")
    away = np.abs(track.at(truth.first_s + look_s) - truth.beat)
    return float((away <= within_beats + SAME_BEAT).mean())


def is_lost(errors_s: ArrayLike) -> bool:
    """True when, in the last fifth of a run's chords, half or more are over 2 s wrong or were never reached (NaN)."""
    errors = np.asarray(errors_s, dtype=np.float64)
    if errors.size == 0:
        return False
    last = errors[-max(errors.size // 5, 1) :]
    return bool((np.isnan(last) | (np.abs(last) > LOST_S)).mean() >= 0.5)


@dataclass(frozen=True)
class Recovery:
    """After a jump: ``seconds`` until found (NaN: never), and the share of later chords within half a quarter."""

    seconds: float
    share_half_beat: float
    onsets: int

    @property
    def found(self) -> bool:
        return not np.isnan(self.seconds)


def recovery(track: Track, truth: Onsets, jump_s: float, look_s: float = LOOK_S) -> Recovery:
    """How the follower took a jump of the soloist, whose first chord at the new place sounded at ``jump_s``.

    Found: the first chord from which 8 running (at the end: all that are left, if at least 4) see the position
    within 1 quarter 30 ms later; ``seconds`` is that chord's time minus ``jump_s``. Give all the truth; chords before
    ``jump_s`` are left out here.
    """
    order = np.argsort(truth.first_s, kind="stable")
    after = order[truth.first_s[order] >= jump_s - 1e-6]
    if after.size == 0:
        return Recovery(float("nan"), float("nan"), 0)
    away = np.abs(track.at(truth.first_s[after] + look_s) - truth.beat[after])
    away = np.where(np.isnan(away), np.inf, away)
    near = away <= RECOVERED_BEATS + SAME_BEAT
    share = float((away <= 0.5 + SAME_BEAT).mean())
    least = min(RECOVERED_ONSETS // 2, near.size)
    for start in range(near.size):
        run = near[start : start + RECOVERED_ONSETS]
        if run.size < least:
            break
        if run.all():
            return Recovery(float(truth.first_s[after[start]] - jump_s), share, int(after.size))
    return Recovery(float("nan"), share, int(after.size))


@dataclass(frozen=True)
class Reliability:
    """A reliability curve, arrays (bins,): mean ``certainty`` said, ``right`` share that was, ``count`` of positions.

    Empty bins are left out. ``error`` is the expected calibration error: mean |certainty - right| by position;
    ``right_at_90`` the share right among positions that said .9 or more (NaN without any).
    """

    certainty: Array
    right: Array
    count: NDArray[np.int64]
    error: float
    right_at_90: float


def reliability(track: Track, truth: Onsets, bins: int = 10) -> Reliability:
    """Is a position said with certainty .9 right nine times in ten?

    Right: within half a quarter of the truth at ``time_s``, which lies anywhere from the chord begun last to where
    the line to the next chord has come. Positions outside the truth's time (0.5 s grace), and those said to be lost,
    are not judged.
    """
    order = np.argsort(truth.first_s, kind="stable")
    when, beat = truth.first_s[order], truth.beat[order]
    judged = (
        track.sure & (track.time_s >= when[0] - 1e-6) & (track.time_s <= when[-1] + 0.5)
        if len(when)
        else (np.zeros(len(track.sure), bool))
    )
    nan = float("nan")
    if not judged.any():
        return Reliability(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), nan, nan)
    times, said, sure = track.time_s[judged], track.beat[judged], np.clip(track.certainty[judged], 0.0, 1.0)
    index = np.clip(np.searchsorted(when, times + 1e-6, side="right") - 1, 0, len(when) - 1)
    follow = np.minimum(index + 1, len(when) - 1)
    width = np.maximum(when[follow] - when[index], 1e-9)
    step = beat[follow] - beat[index]
    step = np.where(step > 0, step, 0.0)  # at a jump back the line does not lead there
    moved = np.clip((times - when[index]) / width, 0.0, 1.0) * step
    below = beat[index] - said
    above = said - (beat[index] + moved)
    right = np.maximum(np.maximum(below, above), 0.0) <= 0.5 + SAME_BEAT
    box = np.minimum((sure * bins).astype(np.int64), bins - 1)
    filled = [number for number in range(bins) if (box == number).any()]
    means = np.array([sure[box == number].mean() for number in filled])
    shares = np.array([right[box == number].mean() for number in filled])
    counts = np.array([int((box == number).sum()) for number in filled], dtype=np.int64)
    high = sure >= 0.9
    return Reliability(
        means,
        shares,
        counts,
        float((np.abs(means - shares) * counts).sum() / counts.sum()),
        float(right[high].mean()) if high.any() else nan,
    )


def jumps_of(truth: Truth) -> Sequence[float]:
    """When each new passage of the truth began, in seconds (without the first)."""
    chords = truth.onsets
    starts = [float(chords.first_s[chords.passage == passage].min()) for passage in np.unique(chords.passage)]
    return sorted(starts)[1:]
