"""A take looked at afterwards: tempo against what is remembered, asynchrony by bar, passages worth practising.

Beats are quarters, tempi quarters a minute, asynchronies milliseconds (positive: the orchestra came later).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.measure import Onsets, asynchrony, only_at, orchestra_onsets, solo_onsets
from collaparte.plots import tempo_curve
from collaparte.score import Score
from collaparte.studio.configured import read_page, with_files
from collaparte.studio.learnt import learnt
from collaparte.studio.placed import by_sound, slips
from collaparte.takes import Kept, Recollection, Shelf, read_take

WINDOW_BARS = 4
SUGGESTED = 3
HESITATION = 1.6  # an interval so many times as long as the take's own tempo asks for is a hesitation


def row(kept: Kept) -> dict[str, Any]:
    """One line of the list of takes."""
    return {
        "name": kept.name,
        "piece": kept.piece,
        "digest": kept.digest,
        "soloist": kept.soloist,
        "started": kept.started,
        "duration_s": round(kept.duration_s, 1),
        "solo_notes": kept.solo_notes,
        "orchestra_notes": kept.orchestra_notes,
    }


def review(shelf: Shelf, name: str) -> dict[str, Any]:
    """Everything the page draws about one take. Raises TakeError, ScoreError."""
    kept = shelf.find(name)
    take = read_take(kept.path)
    score = read_page(with_files(take.header.config), choose=True)
    solo = only_at(solo_onsets(take.positions), score.solo_onsets)
    orchestra = orchestra_onsets(take.orchestra)
    apart_s, at = asynchrony(solo, orchestra)
    apart_ms = np.abs(apart_s) * 1000
    by_bar = _by_bar(score, at, apart_s)
    soloist = take.header.soloist.removesuffix(" (simulated)")
    return {
        **row(kept),
        "score": take.header.config.get("score"),
        "bars": [[bar.beat, bar.number, bar.passing] for bar in score.bars],
        "tempo": {"solo": _curve(solo), "orchestra": _curve(orchestra)},
        "remembered": _remembered(shelf.memory(soloist).recall(score), score, solo),
        "asynchrony": {
            "onsets": int(apart_ms.size),
            "median_ms": _number(np.median(apart_ms)) if apart_ms.size else None,
            "within_30": _number((apart_ms <= 30).mean()) if apart_ms.size else None,
            "within_50": _number((apart_ms <= 50).mean()) if apart_ms.size else None,
            "by_bar": by_bar,
        },
        "hesitations": hesitations(score, solo),
        "practise": passages(by_bar),
        "slips": [asdict(slip) for slip in slips(take, score)],
        "by_sound": by_sound(take),
        "learnt": learnt(shelf.memory(soloist), take, score),
        "wanted": take.header.config.get("studio"),
        "happened": [[value.time_s, value.name] for value in take.commands]
        + [[value.time_s, value.text] for value in take.notices],
    }


def _number(value: Any) -> float | None:
    number = float(value)
    return round(number, 3) if math.isfinite(number) else None


def _curve(onsets: Onsets) -> list[list[float | None]]:
    """[[beat, quarters a minute]]; a pair of None is a gap."""
    beats, tempi = tempo_curve(onsets)
    return [[_number(beat), _number(tempo)] for beat, tempo in zip(beats, tempi, strict=True)]


def _remembered(memory: Recollection, score: Score, solo: Onsets) -> dict[str, Any]:
    """The remembered tempo and its spread at each interval, moved to this take's own median tempo."""
    known = memory.curve_weight > 0
    if not memory.runs or not known.any():
        return {"runs": 0, "curve": []}
    tempi = 60.0 / np.exp(memory.curve_log_period)
    mine = tempo_curve(solo)[1]
    level = float(np.nanmedian(mine) / np.median(tempi[known])) if np.isfinite(mine).any() else 1.0
    middle = (memory.beat + np.append(memory.beat[1:], score.solo_onsets[-1])) / 2
    curve = [
        [_number(beat), _number(tempo * math.exp(-spread)), _number(tempo), _number(tempo * math.exp(spread))]
        if there
        else [_number(beat), None, None, None]
        for beat, tempo, spread, there in zip(middle, tempi * level, memory.curve_spread, known, strict=True)
    ]
    return {"runs": memory.runs, "curve": curve}


def _by_bar(score: Score, at: NDArray[np.float64], apart_s: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Mean signed and mean absolute asynchrony of every bar with shared onsets."""
    starts = np.array([bar.beat for bar in score.bars])
    place = np.searchsorted(starts, at + 1e-6, side="right") - 1
    found = []
    for index, bar in enumerate(score.bars):
        here = apart_s[place == index] * 1000
        if here.size:
            found.append({
                "beat": bar.beat, "bar": bar.number, "passing": bar.passing, "onsets": int(here.size),
                "mean_ms": _number(here.mean()), "mean_abs_ms": _number(np.abs(here).mean()),
            })  # fmt: skip
    return found


def hesitations(score: Score, solo: Onsets) -> list[dict[str, Any]]:
    """Bars where the soloist stopped: an interval far longer than the tempo around it, no fermata being written."""
    found = []
    fermatas = [fermata.beat for fermata in score.fermatas]
    for passage in np.unique(solo.passage):
        rows = solo.passage == passage
        beat, when = solo.beat[rows], solo.first_s[rows]
        if len(beat) < 4:
            continue
        length, lasted = np.diff(beat), np.diff(when)
        period = lasted / np.maximum(length, 1e-6)
        for index in range(len(length)):
            around = np.delete(period[max(index - 4, 0) : index + 5], min(index, 4))
            waited_s = lasted[index] - float(np.median(around)) * length[index]
            written = any(beat[index] - 1e-6 <= at < beat[index + 1] - 1e-6 for at in fermatas)
            if period[index] > HESITATION * np.median(around) and waited_s > 0.3 and not written:
                bar = score.bar_at(float(beat[index]))
                found.append({"beat": float(beat[index]), "bar": bar.number, "waited_s": round(float(waited_s), 2)})
    return found


def passages(by_bar: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Up to three stretches of four bars that fell apart most (over 50 ms on average), the worst first."""
    found: list[dict[str, Any]] = []
    windows = [by_bar[start : start + WINDOW_BARS] for start in range(max(len(by_bar) - WINDOW_BARS + 1, 0))]
    scored = [(sum(bar["mean_abs_ms"] * bar["onsets"] for bar in window) / sum(bar["onsets"] for bar in window), window)
              for window in windows]  # fmt: skip
    for apart_ms, window in sorted(scored, key=lambda item: -item[0]):
        first, last = window[0], window[-1]
        apart = all(last["beat"] < other["from_beat"] or first["beat"] > other["to_beat"] for other in found)
        if apart_ms > 50 and apart and len(found) < SUGGESTED:
            found.append({"from_bar": first["bar"], "to_bar": last["bar"], "from_beat": first["beat"],
                          "to_beat": last["beat"], "mean_abs_ms": round(apart_ms, 1)})  # fmt: skip
    return found
