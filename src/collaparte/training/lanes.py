"""The steady model of many performances at once: the same arithmetic as ``predict/steady.py``, lane by lane.

The one permitted second model of the music (with ``env.py``); a test holds it equal to the first, step by step.
Pages from match files carry one tempo mark, so seconds on the page are beats x ``PAGE_PERIOD_S``. Fermatas printed on
them stretch the plan as they do in the engine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collaparte.predict import steady
from collaparte.predict.features import Page, SteadyLine

PAGE_PERIOD_S = 0.6

Floats = NDArray[np.float64]


def steady_lines(takes: Sequence[tuple[Page, NDArray[np.int64], Floats]], page_period_s: Floats) -> list[SteadyLine]:
    """What ``Steady`` plans after each onset of each take: (page, visited indices, times in seconds).

    ``page_period_s`` (n_takes,) is what each page's tempo mark says, in seconds per quarter.
    """
    order = sorted(range(len(takes)), key=lambda lane: -len(takes[lane][1]))
    longest = len(takes[order[0]][1]) if order else 0
    lanes = len(order)
    beat, next_beat, held_between, held_ahead, skipped, time_s = (np.zeros((longest, lanes)) for _ in range(6))
    for column, lane in enumerate(order):
        page, visited, times = takes[lane]
        count = len(visited)
        end = max(float(page.onsets["end_beat"].max(initial=0.0)), float(page.beat[-1]) + 1.0)
        beats = np.append(page.beat, end)
        beat[:count, column] = beats[visited]
        next_beat[:count, column] = beats[visited + 1]
        time_s[:count, column] = times
        fermatas = page.beat[page.onsets["fermata"]]
        below = np.searchsorted(fermatas, beats[visited] - steady.EPS)
        held_between[1:count, column] = np.diff(below) > 0
        held_ahead[:count, column] = np.searchsorted(fermatas, beats[visited + 1] - steady.EPS) > below
        skipped[1:count, column] = np.diff(visited) > 9
    counts = np.array([len(takes[lane][1]) for lane in order])
    mark = np.asarray(page_period_s, dtype=np.float64)[order]
    from_s, period, spread, factor = (np.zeros((longest, lanes)) for _ in range(4))
    t = time_s[0].copy() if longest else np.zeros(lanes)
    f = np.ones(lanes)
    p_tt, p_tf = np.full(lanes, steady.MOTOR_S**2), np.zeros(lanes)
    p_ff = np.full(lanes, steady.START_SPREAD**2)
    known = np.zeros(lanes, dtype=bool)
    for step in range(longest):
        live = int(np.searchsorted(-counts, -step, side="left"))
        if live < len(t):
            t, f, p_tt, p_tf, p_ff, mark = t[:live], f[:live], p_tt[:live], p_tf[:live], p_ff[:live], mark[:live]
            known = known[:live]
        now, heard = beat[step, :live], time_s[step, :live]
        if step:
            page_s = (now - beat[step - 1, :live]) * mark
            interval = f * page_s
            p_tt = p_tt + 2 * page_s * p_tf + page_s**2 * p_ff + (steady.SHIFT * interval) ** 2
            p_tf = p_tf + p_ff * page_s
            p_ff = p_ff + (steady.DRIFT * f) ** 2 * page_s
            noise = (steady.MOTOR_S + steady.MOTOR * interval) ** 2
            total = p_tt + noise
            innovation = heard - (t + interval)
            away = np.abs(innovation)
            pause = away > np.maximum(steady.PAUSE_SPREADS * np.sqrt(total), steady.PAUSE_RATIO * interval)
            unusual = (held_between[step, :live] > 0) | (skipped[step, :live] > 0)
            doubt = np.where(pause & ~known & ~unusual, (innovation / page_s) ** 2, 0.0)
            p_tt, p_tf, p_ff = p_tt + page_s**2 * doubt, p_tf + page_s * doubt, p_ff + doubt
            total = p_tt + noise
            pause = (pause & (doubt == 0.0)) | unusual
            known = known | ~pause
            gain_t, gain_f = p_tt / total, p_tf / total
            f_new = np.clip(f + gain_f * innovation, steady.FASTEST, steady.SLOWEST)
            t = np.where(pause, heard, t + interval + gain_t * innovation)
            f = np.where(pause, f, f_new)
            p_ff = np.where(pause, p_ff, p_ff - gain_f * p_tf)
            p_tf, p_tt = np.where(pause, 0.0, (1 - gain_t) * p_tf), np.where(pause, noise, (1 - gain_t) * p_tt)
            factor[step, :live] = np.where(pause, np.nan, f)
        else:
            factor[step, :live] = np.nan
        gap = next_beat[step, :live] - now
        page_s = gap * mark
        planned = f.copy()
        for column in np.flatnonzero(gap >= steady.TUTTI_BEATS).tolist():
            planned[column] = _before_closing(beat[: step + 1, column], factor[: step + 1, column], f[column])
        interval = planned * page_s * np.where(held_ahead[step, :live] > 0, steady.FERMATA_STRETCH, 1.0)
        from_s[step, :live] = t
        period[step, :live] = np.maximum(interval, 1e-3) / gap
        variance = p_tt + 2 * page_s * p_tf + page_s**2 * p_ff + (steady.SHIFT * interval) ** 2
        spread[step, :live] = np.sqrt(np.maximum(variance, 0)) + steady.MOTOR_S + steady.MOTOR * interval
    lines: list[SteadyLine | None] = [None] * lanes
    for column, lane in enumerate(order):
        count = counts[column]
        lines[lane] = SteadyLine(
            from_s[:count, column].copy(), period[:count, column].copy(), spread[:count, column].copy()
        )
    return [line for line in lines if line is not None]


def _before_closing(beat: Floats, factor: Floats, f: float) -> float:
    """The median tempo factor of the last LOOK_BACK_BEATS, the last CLOSING_BEATS left out, where that is quicker."""
    now = beat[-1]
    kept = np.isfinite(factor) & (beat >= now - steady.LOOK_BACK_BEATS) & (beat <= now - steady.CLOSING_BEATS)
    if not kept.any():
        return f
    before = np.sort(factor[kept])
    return float(min(f, before[len(before) // 2]))
