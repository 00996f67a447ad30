"""Polishing: the clone learns the pay of the practice room by the pay's own slope, before it practises.

A recorded soloist does not react, so when the orchestra sounds and what that pays is a known, nearly everywhere
differentiable function of the actions (``reward.py``, ``lanes_env.py``): the gradient can be taken through whole takes
instead of being sought by trial (a "pathwise" gradient; Mohamed et al., "Monte Carlo gradient estimation in machine
learning", JMLR 2020). Where the sounding jumps (a late plan sounds with the soloist) the slope is that of the branch
that was taken. The agent's own senses are zero here, as in cloning; the LSTM knows what it did.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collaparte.predict.features import N_SENSES
from collaparte.training.data.onsets import Performance
from collaparte.training.episodes import ACTION_LIMIT, Episode, Variation, episodes, pool_of
from collaparte.training.lanes_env import HORIZON_S
from collaparte.training.network import Accompanist
from collaparte.training.reward import EDGE_S, LEAST_INTERVAL_S, MOST_JERK, TOLERANCE_S, WAIT_FREE_S, Pay

SLOW_TOO = Variation(stretch=(0.8, 2.0), recall_share=0.6, same_player_share=0.3)
"""How practice varies: up to twice as slow, because 30 ms are the narrower the longer the notes."""

COLUMNS = (
    "from_s",
    "period_s",
    "length",
    "next_s",
    "known_next_s",
    "from_next_s",
    "since_s",
    "whole",
    "judged",
    "latency_s",
)
N_COLUMNS = len(COLUMNS)


@dataclass(frozen=True)
class PolishSettings:
    """How long and how to polish; ``rate`` falls to a tenth along a cosine."""

    seed: int = 1
    rounds: int = 14
    takes_a_round: int = 120
    crop: int = 256
    warm_up: int = 12
    lanes: int = 48
    passes: int = 3
    rate: float = 5e-4
    average: float = 0.99
    pay: Pay = field(default_factory=Pay)
    variation: Variation = SLOW_TOO


def table_of(item: Episode) -> NDArray[np.float32]:
    """(n - 1, N_SENSES + N_COLUMNS): observations, and COLUMNS; times are seconds after the onset was heard."""
    heard, after = item.heard_s[:-1], item.heard_s[1:]
    whole = np.diff(item.visited) == 1
    columns = (
        item.steady.from_s[:-1] - heard,
        item.steady.beat_period_s[:-1],
        item.length[:-1],
        np.nan_to_num(item.next_s[:-1] - heard),
        after - heard + item.latency_s,
        item.steady.from_s[1:] - heard,
        np.concatenate([[0.0], np.diff(heard)]),
        whole,
        whole & np.isfinite(item.next_s[:-1]),
        np.full(len(heard), item.latency_s),
    )
    return np.concatenate([item.observation[:-1], np.stack(columns, axis=1)], axis=1).astype(np.float32)


def crops(items: Sequence[Episode], settings: PolishSettings, rng: np.random.Generator) -> NDArray[np.float32]:
    """(n_crops, crop, N_SENSES + N_COLUMNS + 1); the last number is 1 where an onset is paid for."""
    size, out = settings.crop, []
    for item in items:
        rows = table_of(item)
        start = -int(rng.integers(0, size // 2))
        while start < len(rows):
            begin = max(start, 0)
            part = rows[begin : start + size]
            if len(part) > 2 * settings.warm_up:
                piece = np.zeros((size, rows.shape[1] + 1), dtype=np.float32)
                piece[: len(part), :-1] = part
                piece[len(part) :, N_SENSES : N_SENSES + 3] = 1.0  # nothing is played there, and nothing paid
                piece[settings.warm_up if begin else 2 : len(part), -1] = 1.0
                out.append(piece)
            start += size
    return np.stack(out)


def pay_of(pay: Pay, batch: Tensor, action: Tensor) -> Tensor:
    """Each step's pay, (time, lanes), as ``reward.py`` has it, but for the soloist's own jerk, which is constant."""
    columns = batch[..., N_SENSES : N_SENSES + N_COLUMNS].unbind(-1)
    from_s, period, length, next_s, known_next, from_next, since, whole, judged, latency = columns
    predicted = from_s + period * torch.exp(action.clamp(-ACTION_LIMIT, ACTION_LIMIT)) * length
    at_once = torch.maximum(known_next + HORIZON_S, from_next)
    planned = torch.maximum(predicted, latency + HORIZON_S)
    sounded = torch.where(planned - HORIZON_S <= known_next, planned, at_once)
    last = torch.where(whole > 0, sounded, at_once)
    before = torch.cat([torch.zeros_like(last[:1]), last[:-1] - since[1:]])  # what sounded last, after this onset
    log_period = torch.log((sounded - before).clamp(min=LEAST_INTERVAL_S) / length)
    jerk = (log_period[1:] - log_period[:-1]).abs().clamp(max=MOST_JERK) * whole[1:] * whole[:-1]
    jerk = torch.cat([torch.zeros_like(log_period[:1]), jerk])
    size = (predicted - next_s).abs()
    sync = (torch.sigmoid((size - TOLERANCE_S) / EDGE_S) + size / 0.25).clamp(max=2.0) * judged
    wait = (known_next - predicted - WAIT_FREE_S).clamp(0.0, 1.0) * whole
    return -pay.sync * sync - pay.jerk * jerk - pay.wait * wait


def polish(
    train: Sequence[Performance],
    network: Accompanist,
    settings: PolishSettings,
    say: Callable[[str], None] = print,
    bar: Callable[[str, float], None] = lambda what, share: None,
) -> Accompanist:
    """Polish ``network``; returns the average of its weights over the updates."""
    torch.manual_seed(settings.seed)
    full = [item for item in train if item.voice == "all"]
    pool = pool_of(train)
    network, average = copy.deepcopy(network), copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.rate)
    for turn in range(settings.rounds):
        rng = np.random.default_rng([settings.seed, 31, turn])
        picked = [full[index] for index in rng.permutation(len(full))[: settings.takes_a_round]]
        rows = crops(episodes(picked, pool, settings.variation, rng), settings, rng)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (0.55 + 0.45 * math.cos(math.pi * turn / settings.rounds))
        paid = []
        for _ in range(settings.passes):
            order = rng.permutation(len(rows))
            for begin in range(0, len(order) - settings.lanes // 2, settings.lanes):
                batch = torch.from_numpy(rows[order[begin : begin + settings.lanes]]).transpose(0, 1).contiguous()
                mean, _, _ = network(batch[..., :N_SENSES])
                pay = (pay_of(settings.pay, batch, mean) * batch[..., -1]).sum() / batch[..., -1].sum()
                optimiser.zero_grad()
                (-pay).backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                with torch.no_grad():
                    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                        kept.lerp_(new, 1 - settings.average)
                paid.append(pay.item())
        say(f"polishing, round {turn + 1}: pay an onset {np.mean(paid):.4f}")
        bar("polishing", (turn + 1) / settings.rounds)
    return average
