"""How a network does in the practice room, nothing dealt at random: foresight and smoothness, quickly, for choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from collaparte.training.episodes import Episode
from collaparte.training.lanes_env import Lanes
from collaparte.training.network import Accompanist, zero_state

SKIP = 10
TOLERANCE_S = 0.030


@dataclass(frozen=True)
class Verdict:
    """Means over takes: error in ms (mean, median), share within 30 ms, roughness of the orchestra, pay an onset;

    ``together_30``: the share of the orchestra's notes that sounded within 30 ms of the soloist's.
    """

    mean_ms: float
    median_ms: float
    within_30: float
    roughness: float
    pay: float
    together_30: float

    def __str__(self) -> str:
        return (
            f"{self.mean_ms:.1f} / {self.median_ms:.1f} ms / {self.within_30:.3f}, "
            f"roughness {self.roughness:.4f}, pay {self.pay:.4f}"
        )


def judge(network: Accompanist | None, items: Sequence[Episode], lanes_per_run: int = 64) -> Verdict:
    """Let ``network`` (None: the steady model) play whole episodes, deterministically."""
    rows = []
    order = sorted(range(len(items)), key=lambda index: len(items[index]))
    for begin in range(0, len(order), lanes_per_run):
        rows += _play(network, [items[index] for index in order[begin : begin + lanes_per_run]])
    mean = np.mean([row for row in rows if np.isfinite(row).all()], axis=0).tolist()
    return Verdict(*mean)


def _play(network: Accompanist | None, items: list[Episode]) -> list[tuple[float, ...]]:
    dealt = iter([*items, *items])
    lanes = Lanes(len(items), lambda: next(dealt))
    observation = lanes.reset()
    steps = np.array([len(item) - 1 for item in items])
    error = np.full((len(items), steps.max()), np.nan)
    sounded, paid = error.copy(), error.copy()
    state = zero_state(len(items))
    for step in range(int(steps.max())):
        live = np.flatnonzero(step < steps)
        action = np.zeros(len(items), dtype=np.float32)
        if network is not None:
            with torch.no_grad():
                mean, _, state = network(torch.from_numpy(observation)[None], state)
            action = mean[0].numpy()
        if step + 1 in steps:  # lanes that end now would be dealt anew: an endless supply of what is not looked at
            dealt = iter([*items, *items])
            lanes._deal = lambda supply=dealt: next(supply)  # type: ignore[misc]
        observation, pay, _, _ = lanes.step(action)
        for lane in live.tolist():
            item = items[lane]
            predicted = item.steady.from_s[step] + item.steady.beat_period_s[step] * item.length[step] * np.exp(
                np.clip(action[lane], -1, 1)
            )
            error[lane, step] = predicted - item.next_s[step]
            sounded[lane, step] = lanes.sounded_s[lane]
            paid[lane, step] = pay[lane]
    return [_figures(item, error[row], sounded[row], paid[row]) for row, item in enumerate(items)]


def _figures(
    item: Episode, error: NDArray[np.float64], sounded: NDArray[np.float64], paid: NDArray[np.float64]
) -> tuple[float, ...]:
    count = len(item) - 1
    size = np.abs(error[SKIP:count])
    size = size[np.isfinite(size)]
    heard = np.isfinite(sounded[:count])
    heard[:SKIP] = False
    places = np.flatnonzero(heard)
    beat, when = item.beat[places] + item.length[places], sounded[places]
    if len(size) < 3 or len(places) < 4:
        return (float("nan"),) * 6
    away = np.abs(when - item.next_s[places])
    period = np.log(np.maximum(np.diff(when), 0.010) / np.diff(beat))
    return (
        float(1e3 * size.mean()),
        float(1e3 * np.median(size)),
        float((size <= TOLERANCE_S).mean()),
        float(np.abs(np.diff(period)).mean()),
        float(paid[:count].mean()),
        float((away[np.isfinite(away)] <= TOLERANCE_S).mean()),
    )
