"""Pictures of a performance: people look rather than read.

Every picture is written to a file whose suffix says how (.png, .svg, .pdf). Colours are those of Okabe and Ito, told
apart by colour-blind readers; lines differ in style as well. Beats are quarters; where the score is given, the
horizontal axis counts its printed bars. matplotlib is imported late and without its window machinery.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import TakeError
from collaparte.measure import (
    Onsets,
    Plans,
    Reliability,
    Truth,
    asynchrony,
    only_at,
    orchestra_onsets,
    prediction_errors,
    solo_onsets,
)
from collaparte.score import Score
from collaparte.takes import Recollection, Take

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
SUFFIXES = (".png", ".svg", ".pdf")
GOOD_MS = 30
WIDEST_MS = 300
WIDEST_BEATS = 4.0


def plot_take(
    take: Take,
    score: Score | None,
    path: str | os.PathLike[str],
    truth: Truth | None = None,
) -> None:
    """Tempo of soloist and orchestra, asynchrony at shared onsets, and error of prediction, one above the other."""
    solo = truth.onsets if truth is not None else solo_onsets(take.positions)
    if score is not None:
        solo = only_at(solo, score.solo_onsets)
    orchestra = orchestra_onsets(take.orchestra)
    figure = _figure(10.0, 8.0)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))

    _tempo(upper, orchestra, VERMILION, "orchestra", width=2.6, style="-")
    _tempo(upper, solo, BLUE, "soloist", width=1.3, style="-")
    upper.set_ylabel("quarters per minute")
    upper.set_title(f"{take.header.piece}: {take.header.soloist or 'soloist'} and orchestra", loc="left")
    if upper.lines:
        upper.legend(loc="best", frameon=False, ncols=2)

    apart_s, beats = asynchrony(solo, orchestra)
    _errors(middle, beats, apart_s, VERMILION, "orchestra after (+) or before (-)\nthe soloist, ms")
    foreseen_s, places = prediction_errors(solo, Plans.of(take.plans))
    _errors(lower, places, foreseen_s, GREEN, "next onset expected too\nlate (+) or early (-), ms")
    _bars(lower, score, solo, orchestra)
    _save(figure, path)


def plot_memory(take: Take, score: Score, recollection: Recollection, path: str | os.PathLike[str]) -> None:
    """This take's tempo against what was remembered, with its spread.

    The memory is moved to this take's own median tempo: what is remembered is shape, not speed.
    """
    solo = only_at(solo_onsets(take.positions), score.solo_onsets)
    figure = _figure(10.0, 5.0)
    axes = figure.subplots()
    line = _remembered_line(recollection, score)
    if line is None:
        axes.text(0.5, 0.95, "nothing is remembered of this piece yet", transform=axes.transAxes, ha="center", va="top")
    else:
        beats, tempi, spread = line
        _, _, both = np.intersect1d(np.round(beats, 3), np.round(tempo_curve(solo)[0], 3), return_indices=True)
        level = np.nanmedian(tempo_curve(solo)[1][both]) / np.nanmedian(tempi) if both.size else 1.0
        tempi = tempi * (level if np.isfinite(level) else 1.0)
        axes.fill_between(
            beats, tempi * np.exp(-spread), tempi * np.exp(spread), color=GREEN, alpha=0.22, linewidth=0,
            label="one spread either way",
        )  # fmt: skip
        word = "take" if recollection.runs == 1 else "takes"
        label = f"remembered from {recollection.runs} {word}, at this take's tempo"
        axes.plot(beats, tempi, color=GREEN, linewidth=2.2, linestyle="--", label=label)
    _tempo(axes, solo, BLUE, "this take", width=1.5, style="-")
    axes.set_ylabel("quarters per minute")
    axes.set_title(f"{take.header.piece}: this take and what was remembered", loc="left")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", frameon=False)
    _bars(axes, score, solo, solo)
    _save(figure, path)


def plot_reliability(curve: Reliability, path: str | os.PathLike[str], title: str = "Certainty") -> None:
    """How often positions were right, against how certain they were said to be."""
    figure = _figure(6.0, 6.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
    if len(curve.count):
        sizes = 20 + 280 * curve.count / curve.count.max()
        axes.plot(curve.certainty, curve.right, color=BLUE, linewidth=1.4)
        axes.scatter(curve.certainty, curve.right, s=sizes, color=BLUE, alpha=0.7, label="positions (area: how many)")
    axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="certainty said", ylabel="share within half a quarter")
    shown = "-" if math.isnan(curve.error) else f"{curve.error:.3f}"
    axes.set_title(f"{title}: calibration error {shown}", loc="left")
    axes.legend(loc="upper left", frameon=False)
    axes.grid(alpha=0.3)
    _save(figure, path)


def tempo_curve(onsets: Onsets, least_beats: float = 1.0) -> tuple[Array, Array]:
    """Beats (m,) and quarters per minute (m,), each over the onsets at least ``least_beats`` apart around that beat.

    NaN rows part the passages, so that a jump is a gap in the line; so is a rest of more than 4 quarters.
    """
    beats: list[Array] = []
    tempi: list[Array] = []
    for passage in np.unique(onsets.passage):
        rows = onsets.passage == passage
        beat, when = onsets.beat[rows], onsets.first_s[rows]
        until = np.searchsorted(beat, beat + least_beats - 1e-6)
        inside = until < len(beat)
        start, end = np.flatnonzero(inside), until[inside]
        far = beat[end] - beat[start] > WIDEST_BEATS
        lasted_s = np.maximum(when[end] - when[start], 1e-3)
        tempo = np.where(far, np.nan, 60.0 * (beat[end] - beat[start]) / lasted_s)
        beats += [(beat[start] + beat[end]) / 2, np.array([np.nan])]
        tempi += [tempo, np.array([np.nan])]
    if not beats:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(beats), np.concatenate(tempi)


def _remembered_line(recollection: Recollection, score: Score) -> tuple[Array, Array, Array] | None:
    """Beats, quarters per minute and spread (of its log) of the remembered tempo, drawn as ``tempo_curve`` draws.

    None when nothing is remembered. Where intervals are unknown the line has a gap.
    """
    known = recollection.curve_weight > 0
    if not recollection.runs or not known.any():
        return None
    edges = np.append(recollection.beat, score.solo_onsets[-1])
    lasted_s = np.where(known, np.exp(recollection.curve_log_period), 1.0) * np.diff(edges)
    passage = np.concatenate([[0], np.cumsum(~known)])  # an unknown interval parts the line in two
    onsets = Onsets(edges, np.r_[0.0, np.cumsum(lasted_s)], np.r_[0.0, np.cumsum(lasted_s)], passage, passage)
    beats, tempi = tempo_curve(onsets)
    place = np.clip(np.searchsorted(recollection.beat, beats, side="right") - 1, 0, len(recollection.beat) - 1)
    return beats, tempi, np.where(np.isnan(beats), np.nan, recollection.curve_spread[place])


def _tempo(axes: Axes, onsets: Onsets, colour: str, label: str, *, width: float, style: str) -> None:
    beats, tempi = tempo_curve(onsets)
    if np.isfinite(tempi).any():
        axes.plot(beats, tempi, color=colour, linewidth=width, linestyle=style, label=label, alpha=0.9)
        known = np.concatenate([line.get_ydata() for line in axes.lines])
        low, high = np.quantile(known[np.isfinite(known)], [0.01, 0.99])
        axes.set_ylim(max(low * 0.8, 0), high * 1.25)


def _errors(axes: Axes, beats: Array, errors_s: Array, colour: str, label: str) -> None:
    """Signed errors as dots, the 30 ms band shaded; what is beyond the edge is drawn on it as a triangle."""
    errors_ms = errors_s * 1000
    edge = float(np.clip(np.quantile(np.abs(errors_ms), 0.98) * 1.2, 60, WIDEST_MS)) if errors_ms.size else 60.0
    axes.axhspan(-GOOD_MS, GOOD_MS, color=GREY, alpha=0.15, linewidth=0)
    axes.axhline(0, color=GREY, linewidth=0.8)
    inside = np.abs(errors_ms) <= edge
    axes.scatter(beats[inside], errors_ms[inside], s=9, color=colour, alpha=0.7, linewidths=0)
    for sign, marker in ((1, "^"), (-1, "v")):
        beyond = ~inside & (np.sign(errors_ms) == sign)
        axes.scatter(beats[beyond], np.full(int(beyond.sum()), sign * edge * 0.95), s=26, marker=marker, color=colour)
    axes.set_ylim(-edge, edge)
    axes.set_ylabel(label)
    if errors_ms.size:
        within = float((np.abs(errors_ms) <= GOOD_MS).mean())
        text = f"{errors_ms.size} onsets, median {np.median(np.abs(errors_ms)):.0f} ms, {within:.0%} within 30 ms"
    else:
        text = "nothing to compare"
    axes.set_title(text, loc="right", fontsize=9)


def _bars(axes: Axes, score: Score | None, solo: Onsets, orchestra: Onsets) -> None:
    """Bars on the horizontal axis where the score is known, beats where it is not; limits to what was played."""
    played = np.concatenate([solo.beat, orchestra.beat])
    low, high = (float(played.min()), float(played.max())) if played.size else (0.0, 1.0)
    margin = max((high - low) * 0.01, 0.5)
    axes.set_xlim(low - margin, high + margin)
    if score is None:
        axes.set_xlabel("beat (quarters from the beginning)")
        return
    shown = [bar for bar in score.bars if low - 1e-6 <= bar.beat <= high + 1e-6]
    step = next(
        step for step in (1, 2, 4, 5, 8, 10, 16, 20, 25, 50, 100, 200, 500, 1000, 10**9) if len(shown) <= 24 * step
    )
    ticks = shown[::step]
    names = [bar.number if bar.passing == 1 else f"{bar.number}\n({bar.passing})" for bar in ticks]
    axes.set_xticks([bar.beat for bar in ticks], names)
    axes.set_xlabel("bar (as printed; the pass of a repeat in brackets)")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise TakeError(
            f"A picture cannot be written as {target.name!r}: its suffix must be one of {', '.join(SUFFIXES)}."
        )
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, dpi=140, metadata={"Date": None} if target.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise TakeError(f"The picture {target} cannot be written: {error.strerror or error}.") from error
