"""One episode: a performance as the agent will live through it, with what it heard, remembered and should have known.

What varies from episode to episode (all seeded): tempo stretched, onsets heard with noise and late, onsets missed, the
page's tempo mark wrong, a number of remembered takes, by other players or made up as the same player's: own intervals
blended with another player's, slow drift, 4 to 16 ms of jitter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from collaparte.predict.features import RECALL_AHEAD, Page, RecalledLine, SteadyLine, observe
from collaparte.takes.recollection import HALF_LIFE, LOCAL_INTERVALS, together
from collaparte.training.data.onsets import Performance
from collaparte.training.lanes import steady_lines
from collaparte.training.soloists import simulated

Floats = NDArray[np.float64]

ACTION_LIMIT = 1.0  # the action is a log ratio within this range


@dataclass(frozen=True)
class Variation:
    """How episodes vary; each pair is the range of a uniform draw."""

    stretch: tuple[float, float] = (0.8, 1.25)
    noise_s: tuple[float, float] = (0.0, 0.015)
    missed: tuple[float, float] = (0.0, 0.08)
    latency_s: tuple[float, float] = (0.0, 0.02)  # known, so that onsets keep their times, but heard so much later
    quiet_share: float = 0.5  # episodes with neither noise nor missed notes
    recall_share: float = 0.55  # episodes with memory
    same_player_share: float = 0.45  # of those: made-up takes by the same player
    most_takes: int = 6
    page_tempo: float = 0.2  # standard deviation of the log of the page's wrong tempo
    simulated_share: float = 0.0  # episodes whose page a simulated soloist plays


CLEAN = Variation((1.0, 1.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), 1.0, 0.0, 0.0, 0, 0.0)


@dataclass(frozen=True)
class Episode:
    """``observation`` (n, N_SENSES), ``target`` (n,) the action that would have been right (NaN: nothing to meet),

    ``true_s`` (n,) when the visited onsets really began, ``next_s`` (n,) when the page's next onset really began
    (NaN: not played), ``length`` (n,) quarters to it, ``steady`` the plan with zero action, ``visited`` page indices,
    ``beat`` (n,) theirs, ``heard_s`` (n,) when they were heard to begin; the engine learns that ``latency_s`` later.
    """

    name: str
    visited: NDArray[np.int64]
    observation: NDArray[np.float32]
    target: NDArray[np.float32]
    true_s: Floats
    next_s: Floats
    length: Floats
    steady: SteadyLine
    beat: Floats
    heard_s: Floats
    latency_s: float = 0.0

    def __len__(self) -> int:
        return len(self.visited)


def remember(page: Page, takes: Sequence[Floats]) -> RecalledLine:
    """What some takes of a page, times (N,) each with NaN for unplayed, tell of every onset; arrays over the page.

    As ``takes/recollection.py`` brings run-throughs together (recency and bounds included; likeness, which needs three
    of them, left out): an interval's log ratio is that of its beat period to the take's own tempo over the last
    LOCAL_INTERVALS intervals before the place asked about.
    """
    n = len(page)
    length = np.diff(page.beat)
    log_period = np.full((len(takes), n), np.nan)
    local = np.full((len(takes), n), np.nan)
    for row, time_s in enumerate(takes):
        with np.errstate(invalid="ignore", divide="ignore"):
            log_period[row, :-1] = np.log(np.maximum(np.diff(time_s), 0.005) / length)
        whole = np.flatnonzero(np.isfinite(log_period[row]))
        if not len(whole):
            continue
        seconds = np.concatenate([[0.0], np.cumsum(np.exp(log_period[row, whole]) * length[whole])])
        quarters = np.concatenate([[0.0], np.cumsum(length[whole])])
        until = np.searchsorted(whole, np.arange(n), side="left")
        since = np.maximum(until - LOCAL_INTERVALS, 0)
        span = quarters[until] - quarters[since]
        usual = float(np.exp(np.median(log_period[row, whole])))
        local[row] = np.log(np.where(span > 0, (seconds[until] - seconds[since]) / np.where(span > 0, span, 1), usual))
    recency = 0.5 ** (np.arange(len(takes) - 1, -1, -1) / HALF_LIFE)
    ahead = np.minimum(np.arange(n)[:, None] + np.arange(RECALL_AHEAD), n - 1)
    ratio = log_period[:, ahead] - local[:, :, None]
    log_ratio, spread, weight = together(ratio, np.broadcast_to(recency[:, None, None], ratio.shape))
    middle, _, _ = together(local, np.broadcast_to(recency[:, None], local.shape))
    log_ratio = np.where(weight > 0, log_ratio, log_ratio[:, :1])
    each = np.where(np.arange(n)[:, None] + np.arange(RECALL_AHEAD) < n - 1, log_period[:, ahead], np.nan)
    return RecalledLine(log_ratio, spread[:, 0], weight[:, 0], np.exp(middle), each.transpose(1, 0, 2), recency)


def at(line: RecalledLine, visited: NDArray[np.int64]) -> RecalledLine:
    """The same, at visited onsets only."""
    return RecalledLine(
        line.log_ratio[visited], line.spread[visited], line.weight[visited], line.local_beat_period_s[visited],
        line.each_log_period[visited], line.each_weight,
    )  # fmt: skip


def made_up_takes(
    own: Performance, others: Sequence[Performance], count: int, rng: np.random.Generator
) -> list[Floats]:
    """Takes the same player might have made earlier: times (N,), NaN where the performance has none."""
    played = own.played
    span = np.diff(own.page.beat[played])
    log_period = np.log(np.maximum(np.diff(own.time_s[played]), 0.01) / span)
    takes = []
    for _ in range(count):
        blend = rng.uniform(0.55, 1.0)
        other = log_period
        if len(others):
            chosen = others[int(rng.integers(len(others)))]
            theirs = np.interp(own.page.beat[played], chosen.page.beat[chosen.played], chosen.time_s[chosen.played])
            other = np.log(np.maximum(np.diff(theirs), 0.01) / span)
            other = np.where(np.abs(other - log_period) < 1.0, other, log_period)
        else:
            width = 9
            kernel = np.ones(width) / width
            other = np.convolve(np.pad(log_period, width // 2, mode="edge"), kernel, mode="valid")[: len(log_period)]
        drift = np.cumsum(rng.normal(0, 0.01, len(span)))
        drift -= np.linspace(0, drift[-1], len(drift)) if len(drift) else 0
        mixed = blend * log_period + (1 - blend) * other + drift + rng.normal(0, 0.03)
        heard = np.concatenate([[0.0], np.cumsum(np.exp(mixed) * span)])
        heard = np.maximum.accumulate(heard + rng.normal(0, rng.uniform(0.004, 0.016), len(heard)))
        take = np.full(len(own.page), np.nan)
        take[played] = heard
        takes.append(take)
    return takes


def crop(item: Episode, start: int, size: int) -> Episode:
    """``size`` onsets of an episode from ``start`` on."""
    part = slice(start, start + size)
    line = SteadyLine(item.steady.from_s[part], item.steady.beat_period_s[part], item.steady.spread_s[part])
    return Episode(
        item.name, item.visited[part], item.observation[part], item.target[part], item.true_s[part],
        item.next_s[part], item.length[part], line, item.beat[part], item.heard_s[part], item.latency_s,
    )  # fmt: skip


@dataclass(frozen=True)
class _Draft:
    performance: Performance
    visited: NDArray[np.int64]
    heard_s: Floats
    true_s: Floats
    page_period_s: float
    recalled: RecalledLine | None


def _draft(item: Performance, others: Sequence[Performance], variation: Variation, rng: np.random.Generator) -> _Draft:
    stretch = np.exp(rng.uniform(*np.log(variation.stretch)))
    true_s = item.time_s * stretch
    visited = item.played
    noisy = rng.random() >= variation.quiet_share
    if noisy:
        missed = rng.uniform(*variation.missed)
        keep = rng.random(len(visited)) >= missed
        keep[:2] = True
        visited = visited[keep]
    heard = true_s[visited]
    if noisy:
        heard = np.maximum.accumulate(heard + rng.normal(0, rng.uniform(*variation.noise_s), len(heard)))
    first = (heard[1] - heard[0]) / (item.page.beat[visited[1]] - item.page.beat[visited[0]])
    mark = float(np.clip(first, 0.15, 4.0) * np.exp(rng.normal(0, variation.page_tempo)))
    recalled = None
    if rng.random() < variation.recall_share:
        count = int(rng.integers(1, variation.most_takes + 1))
        alike = rng.random() < variation.same_player_share
        if not len(others) or alike:
            takes = made_up_takes(item, others, min(count, 4), rng)
        else:
            picked = rng.permutation(len(others))[:count]
            takes = [others[index].time_s for index in picked]
        recalled = remember(item.page, takes)
    return _Draft(item, visited, heard, true_s, mark, recalled)


def episode_of(
    item: Performance,
    steady: SteadyLine,
    visited: NDArray[np.int64],
    heard_s: Floats,
    true_s: Floats,
    recalled: RecalledLine | None,
) -> Episode:
    """One episode from its parts; ``true_s`` and ``recalled`` over the page, the others over the visited onsets."""
    page = item.page
    observation = observe(page, visited, heard_s, steady, at(recalled, visited) if recalled is not None else None)
    following = np.append(true_s, np.nan)[visited + 1]
    length = np.append(np.diff(page.beat), max(float(page.onsets["end_beat"].max()) - float(page.beat[-1]), 0.25))
    expected = steady.beat_period_s * length[visited]
    gone = np.maximum(following - steady.from_s, 0.02 * expected)
    target = np.clip(np.log(gone / expected), -ACTION_LIMIT, ACTION_LIMIT)
    return Episode(
        item.name,
        visited,
        observation,
        target.astype(np.float32),
        true_s[visited],
        following,
        length[visited],
        steady,
        page.beat[visited],
        heard_s,
    )


def episodes(
    performances: Sequence[Performance],
    pool: dict[int, list[Performance]],
    variation: Variation,
    rng: np.random.Generator,
) -> list[Episode]:
    """An episode of each performance; ``pool`` (see ``pool_of``) is where remembered takes come from."""
    drafts = []
    for item in performances:
        others = [other for other in pool.get(id(item.page), []) if other is not item]
        if variation.simulated_share and rng.random() < variation.simulated_share:
            item = simulated(item.page, item.piece, rng)
        drafts.append(_draft(item, others, variation, rng))
    lines = steady_lines(
        [(draft.performance.page, draft.visited, draft.heard_s) for draft in drafts],
        np.array([draft.page_period_s for draft in drafts]),
    )
    latency_s = rng.spawn(1)[0].uniform(*variation.latency_s, len(drafts)).tolist()
    return [
        replace(
            episode_of(draft.performance, line, draft.visited, draft.heard_s, draft.true_s, draft.recalled),
            latency_s=latency,
        )
        for draft, line, latency in zip(drafts, lines, latency_s, strict=True)
    ]


def pool_of(performances: Sequence[Performance]) -> dict[int, list[Performance]]:
    """Performances of one and the same page, by the page's identity."""
    pool: dict[int, list[Performance]] = {}
    for item in performances:
        pool.setdefault(id(item.page), []).append(item)
    return pool
