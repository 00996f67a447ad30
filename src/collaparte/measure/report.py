"""One take, measured: every number with its unit and its count.

Conventions: see ``measure/__init__.py``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from collaparte.events import OrchestraEvent, Position, SoloEvent, TakeHeader, TempoPlan
from collaparte.measure.following import (
    Recovery,
    Reliability,
    Track,
    following_errors,
    is_lost,
    jumps_of,
    recovery,
    reliability,
    share_near,
)
from collaparte.measure.onsets import SAME_BEAT, Onsets, Plans, orchestra_notes, orchestra_onsets, solo_onsets
from collaparte.measure.statistics import MeasureWarning, Summary, question_units, summarise
from collaparte.measure.together import Away, asynchrony, notes_away, prediction_errors, roughness, waits
from collaparte.measure.truth import Truth
from collaparte.score import Score


class Performed(Protocol):
    """What is asked of a take here: a header and the values of each kind in order."""

    @property
    def header(self) -> TakeHeader: ...
    @property
    def solo(self) -> Sequence[SoloEvent]: ...
    @property
    def positions(self) -> Sequence[Position]: ...
    @property
    def plans(self) -> Sequence[TempoPlan]: ...
    @property
    def orchestra(self) -> Sequence[OrchestraEvent]: ...


@dataclass(frozen=True)
class Following:
    """The follower against a truth. ``first`` and ``mean``: asynchrony against the chord's first note and its mean."""

    first: Summary
    mean: Summary
    near_quarter: float
    near_half: float
    lost: bool
    recoveries: tuple[Recovery, ...]
    reliability: Reliability


@dataclass(frozen=True)
class Report:
    """What one take comes to. Seconds, shares 0..1, counts; NaN where there was nothing to measure.

    ``asynchrony`` compares first notes, ``asynchrony_mean`` the means of chords. ``by_truth`` says whether the
    soloist's onsets are the truth's or the follower's own. ``roughness`` is mean |change of log beat period| of the
    sounded orchestra onsets, ``solo_roughness`` the soloist's own.
    """

    piece: str
    solo_notes: int
    solo_onsets: int
    orchestra_notes: int
    by_truth: bool
    asynchrony: Summary
    asynchrony_mean: Summary
    prediction: Summary
    away: Away
    roughness: float
    solo_roughness: float
    waits: int
    waited_s: float
    following: Following | None

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON; NaN becomes None. Times in seconds as named, shares 0..1."""
        plain: dict[str, object] = {
            "piece": self.piece,
            "by_truth": self.by_truth,
            "solo_notes": self.solo_notes,
            "solo_onsets": self.solo_onsets,
            "orchestra_notes": self.orchestra_notes,
            "asynchrony": self.asynchrony.as_dict(),
            "asynchrony_mean": self.asynchrony_mean.as_dict(),
            "prediction": self.prediction.as_dict(),
            "orchestra_notes_judged": self.away.judged,
            "orchestra_notes_away_150_ms": self.away.away,
            "orchestra_roughness": _none(self.roughness),
            "solo_roughness": _none(self.solo_roughness),
            "waits": self.waits,
            "waited_s": _none(self.waited_s),
        }
        if self.following is not None:
            said = self.following.reliability
            plain["following"] = {
                "first": self.following.first.as_dict(),
                "mean": self.following.mean.as_dict(),
                "near_quarter_beat": _none(self.following.near_quarter),
                "near_half_beat": _none(self.following.near_half),
                "lost": self.following.lost,
                "recoveries": [
                    {"seconds": _none(item.seconds), "share_half_beat": _none(item.share_half_beat)}
                    for item in self.following.recoveries
                ],
                "calibration_error": _none(said.error),
                "right_at_certainty_90": _none(said.right_at_90),
            }
        return plain

    def rows(self) -> list[tuple[str, str]]:
        """A table for people: (what, value with unit) rows."""
        rows = [
            ("Solo onsets" + (" (truth)" if self.by_truth else " (as followed)"), str(self.solo_onsets)),
            *_rows("Asynchrony", self.asynchrony),
            ("Asynchrony of chord means, mean", _ms(self.asynchrony_mean.mean_abs_s)),
            *_rows("Next-onset prediction", self.prediction),
            ("Orchestra notes over 150 ms away", f"{self.away.away} of {self.away.judged}"),
            ("Orchestra roughness", _plain(self.roughness)),
            ("Soloist's own roughness", _plain(self.solo_roughness)),
            ("Waits", f"{self.waits}, {self.waited_s:.1f} s in all"),
        ]
        if self.following is not None:
            follow = self.following
            rows += [
                *_rows("Following", follow.first),
                (
                    "Within a quarter / half beat 30 ms later",
                    f"{_percent(follow.near_quarter)} / {_percent(follow.near_half)}",
                ),
                ("Lost", "yes" if follow.lost else "no"),
                ("Right when certain (.9)", _percent(follow.reliability.right_at_90)),
            ]
            rows += [
                (f"Jump {number}", f"found after {item.seconds:.1f} s" if item.found else "never found")
                for number, item in enumerate(follow.recoveries, start=1)
            ]
        return rows

    def table(self) -> str:
        """The rows as aligned text."""
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def measure_take(take: Performed, score: Score | None = None, truth: Truth | None = None) -> Report:
    """Measure a take on its own, or with its ``score`` (only required solo onsets count) and a ``truth``.

    With a truth, its chords are the soloist's onsets for every number; without one, the follower's matched onsets
    are. Nothing to measure warns (MeasureWarning) and gives NaN and count 0.
    """
    solo = truth.onsets if truth is not None else solo_onsets(take.positions)
    if score is not None and len(solo):
        solo = only_at(solo, score.solo_onsets)
    question_units(solo.first_s, "solo onsets")
    if truth is not None and take.solo and len(solo):
        _question_clock(take.solo, truth)
    orchestra = orchestra_onsets(take.orchestra)
    beats, times_s = orchestra_notes(take.orchestra)
    plans = Plans.of(take.plans)
    stood = waits(orchestra, plans)
    apart, _ = asynchrony(solo, orchestra)
    apart_mean, _ = asynchrony(solo, orchestra, "mean")
    missed, _ = prediction_errors(solo, plans)
    with warnings.catch_warnings():
        if not take.orchestra:  # the soloist alone is no fault
            warnings.simplefilter("ignore", MeasureWarning)
        together, together_mean = summarise(apart, "shared onsets"), summarise(apart_mean, "shared onsets")
    return Report(
        piece=take.header.piece,
        solo_notes=sum(event.on for event in take.solo),
        solo_onsets=len(solo),
        orchestra_notes=len(beats),
        by_truth=truth is not None,
        asynchrony=together,
        asynchrony_mean=together_mean,
        prediction=summarise(missed, "predicted onsets"),
        away=notes_away(solo, beats, times_s),
        roughness=roughness(orchestra),
        solo_roughness=roughness(solo),
        waits=len(stood),
        waited_s=float(stood.sum()),
        following=None if truth is None else measure_following(take.positions, truth, score),
    )


def measure_following(positions: Sequence[Position], truth: Truth, score: Score | None = None) -> Following:
    """The follower against ``truth``. Where the truth jumps, its errors are counted over its first passage alone and
    each jump is measured by its recovery."""
    track = Track.of(positions)
    chords = truth.onsets
    if score is not None:
        chords = only_at(chords, score.solo_onsets)
    in_order = _rows_of(chords, chords.passage == chords.passage.min()) if len(chords) else chords
    errors = following_errors(track, in_order)
    tolerances = (25, 30, 50, 100)
    return Following(
        first=summarise(errors, "onsets to follow", tolerances),
        mean=summarise(following_errors(track, in_order, "mean"), "onsets to follow", tolerances),
        near_quarter=share_near(track, chords, 0.25),
        near_half=share_near(track, chords, 0.5),
        lost=is_lost(errors if len(in_order) == len(chords) else _late_errors(track, chords)),
        recoveries=tuple(recovery(track, chords, jump_s) for jump_s in jumps_of(truth)),
        reliability=reliability(track, chords),
    )


def only_at(onsets: Onsets, beats: np.ndarray) -> Onsets:
    """The onsets that lie at one of ``beats`` (ascending)."""
    if len(beats) == 0:
        return _rows_of(onsets, np.zeros(len(onsets), bool))
    index = np.searchsorted(beats, onsets.beat)
    near = np.minimum(
        np.abs(beats[np.clip(index, 0, len(beats) - 1)] - onsets.beat),
        np.abs(beats[np.clip(index - 1, 0, len(beats) - 1)] - onsets.beat),
    )
    return _rows_of(onsets, near <= 10 * SAME_BEAT)


def _rows_of(onsets: Onsets, rows: np.ndarray) -> Onsets:
    return replace(
        onsets,
        beat=onsets.beat[rows],
        first_s=onsets.first_s[rows],
        mean_s=onsets.mean_s[rows],
        notes=onsets.notes[rows],
        passage=onsets.passage[rows],
    )


def _late_errors(track: Track, chords: Onsets) -> np.ndarray:
    """For a truth that jumps, the errors of its last passage alone, seen from where that passage began."""
    last = _rows_of(chords, chords.passage == chords.passage.max())
    rows = track.time_s >= float(last.first_s.min()) - 1e-6
    late = Track(track.time_s[rows], track.beat[rows], track.certainty[rows], track.sure[rows])
    return following_errors(late, last)


def _question_clock(solo: Sequence[SoloEvent], truth: Truth) -> None:
    """Warn when the take's first note and the truth's are seconds apart: another clock zero, or another performance."""
    first_s = min(event.time_s for event in solo if event.on) if any(event.on for event in solo) else None
    if first_s is not None and len(truth.time_s) and abs(first_s - float(truth.time_s[0])) > 2.0:
        warnings.warn(
            f"The take's first note is at {first_s:.2f} s and the truth's at {float(truth.time_s[0]):.2f} s: "
            "do they belong to the same performance?",
            MeasureWarning,
            stacklevel=3,
        )


def _rows(name: str, summary: Summary) -> list[tuple[str, str]]:
    shares = ", ".join(f"{_percent(part)} in {tolerance}" for tolerance, part in summary.share.items())
    unreached = f", {summary.unreached} never reached" if summary.unreached else ""
    return [
        (
            f"{name}, mean / median",
            f"{_ms(summary.mean_abs_s)} / {_ms(summary.median_abs_s)} of {summary.count}{unreached}",
        ),
        (f"{name}, signed median", _ms(summary.median_s)),
        (f"{name}, share within ms", shares),
    ]


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1000:.1f} ms"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share * 100:.1f} %"


def _plain(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _none(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def compare(reports: Mapping[str, Report]) -> list[tuple[str, ...]]:
    """Several reports side by side: a head row, then one row for each line that all of them have."""
    columns = [dict(report.rows()) for report in reports.values()]
    shared = [name for name in columns[0] if all(name in column for column in columns)] if columns else []
    return [("", *reports), *((name, *(column[name] for column in columns)) for name in shared)]
