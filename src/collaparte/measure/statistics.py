"""Counts, means and shares of errors, and how far to trust them.

Conventions: see ``measure/__init__.py``. Errors are signed seconds; NaN stands for an onset never reached.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

CAP_S = 5.0  # in means, no single error counts more than this; an unreached onset counts exactly this
LONG_S = 30_000.0  # no performance lasts eight hours: such times are milliseconds
GAP_S = 20.0  # nor do onsets usually lie this far apart


class MeasureWarning(UserWarning):
    """A number was asked for that cannot be trusted: nothing to measure, or the wrong unit."""


@dataclass(frozen=True)
class Summary:
    """What a set of errors comes to. Times in seconds, shares 0..1 of *all* onsets, unreached ones among them.

    ``mean_abs_s``: errors capped at 5 s, an unreached onset counting 5 s. ``median_abs_s``: of the same.
    ``mean_s`` and ``median_s``: signed, of the reached ones. ``share`` maps a tolerance in milliseconds to the share
    of onsets within it. Empty: count 0 and NaN everywhere.
    """

    count: int
    unreached: int
    mean_abs_s: float
    median_abs_s: float
    mean_s: float
    median_s: float
    share: Mapping[int, float]

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON: None for NaN, tolerances as text."""
        plain: dict[str, object] = dict(asdict(self))
        plain["share"] = {f"{tolerance}_ms": _none(part) for tolerance, part in self.share.items()}
        return {name: _none(value) if isinstance(value, float) else value for name, value in plain.items()}


def _none(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def summarise(errors_s: ArrayLike, what: str = "errors", tolerances_ms: Sequence[int] = (30, 50, 100)) -> Summary:
    """Summarise signed errors (n,) in seconds, NaN for unreached. Warns when there are none."""
    errors = np.asarray(errors_s, dtype=np.float64)
    if errors.size == 0:
        warnings.warn(f"There are no {what} to measure.", MeasureWarning, stacklevel=2)
        nan = float("nan")
        return Summary(0, 0, nan, nan, nan, nan, dict.fromkeys(tolerances_ms, nan))
    sizes = capped(errors)
    reached = errors[~np.isnan(errors)]
    if reached.size and float(np.median(np.abs(reached))) > GAP_S:
        warnings.warn(
            f"The median of these {what} is {np.median(np.abs(reached)):.0f} s: are they milliseconds?",
            MeasureWarning,
            stacklevel=2,
        )
    within = {tolerance: float((sizes <= tolerance / 1000 + 1e-9).mean()) for tolerance in tolerances_ms}
    signed = np.clip(reached, -CAP_S, CAP_S)
    return Summary(
        count=int(errors.size),
        unreached=int(np.isnan(errors).sum()),
        mean_abs_s=float(sizes.mean()),
        median_abs_s=float(np.median(sizes)),
        mean_s=float(signed.mean()) if signed.size else float("nan"),
        median_s=float(np.median(signed)) if signed.size else float("nan"),
        share=within,
    )


def capped(errors_s: ArrayLike) -> Array:
    """Absolute errors (n,), none above 5 s; NaN (unreached) becomes 5 s."""
    errors = np.abs(np.asarray(errors_s, dtype=np.float64))
    return np.minimum(np.where(np.isnan(errors), CAP_S, errors), CAP_S)


def question_units(times_s: ArrayLike, what: str) -> None:
    """Warn when times in seconds look like milliseconds: hours long, or onsets usually over 20 s apart."""
    times = np.asarray(times_s, dtype=np.float64)
    times = times[np.isfinite(times)]
    if times.size == 0:
        return
    longest = float(np.abs(times).max())
    gaps = np.diff(np.unique(times))
    gap = float(np.median(gaps)) if gaps.size >= 4 else 0.0
    if longest > LONG_S or gap > GAP_S:
        warnings.warn(
            f"The {what} reach {longest:.0f} s with {gap:.0f} s between them: are they milliseconds? "
            "Everything here is in seconds.",
            MeasureWarning,
            stacklevel=3,
        )


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its bootstrap interval."""

    estimate: float
    low: float
    high: float


def bootstrap_by_piece(
    values: ArrayLike,
    pieces: Sequence[Hashable],
    statistic: Callable[[Array], float] = lambda values: float(np.mean(values)),
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of ``statistic`` over ``values`` (n,), drawing whole pieces with replacement.

    ``pieces`` (n,) says which piece each value belongs to (a value is one onset, or one performance's mean: the
    statistic is taken over all values of the drawn pieces together). Onsets of a piece are not independent, so they
    are never drawn one by one. One piece alone has no spread to show: the bounds are NaN. Empty input warns.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size != len(pieces):
        raise ValueError(f"{data.size} values but {len(pieces)} pieces: give one piece for each value")
    nan = float("nan")
    if data.size == 0:
        warnings.warn("There are no values to resample.", MeasureWarning, stacklevel=2)
        return Interval(nan, nan, nan)
    groups: dict[Hashable, list[int]] = {}
    for index, piece in enumerate(pieces):
        groups.setdefault(piece, []).append(index)
    by_piece = [data[rows] for rows in groups.values()]
    estimate = float(statistic(data))
    if len(by_piece) < 2:
        return Interval(estimate, nan, nan)
    dice = np.random.default_rng(seed)
    drawn = [
        float(
            statistic(np.concatenate([by_piece[index] for index in dice.integers(len(by_piece), size=len(by_piece))]))
        )
        for _ in range(resamples)
    ]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high))
