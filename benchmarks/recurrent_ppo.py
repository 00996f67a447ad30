"""Steps a second of recurrent PPO: sb3-contrib's own way through sequences against ours, on the same work.

    python benchmarks/recurrent_ppo.py [--lanes 8] [--rollout 2048] [--rollouts 2] [--batch 2048] [--epochs 10]
                                       [--onsets 4200] [--pairs 3]

Episodes are whole takes of 4,200 onsets, as long as a long movement: the longer the sequences, the more there is to
win. Both learners have the same seed, network, environments, rollout, batch and epochs, and take turns in one process,
on one thread, after a little practice of each that is not timed (it imports what torch imports late). The pay of each
rollout is printed for both: the learning curves are the same. Figures are medians over the pairs, also in processor
time, which a busy machine distorts less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from collaparte.predict.features import Page, gather
from collaparte.training.data.onsets import Performance
from collaparte.training.episodes import Variation
from collaparte.training.lanes_env import Lanes
from collaparte.training.ppo import Dealer, LanesVec, PpoSettings, make_ppo


def takes(onsets: int, count: int = 8) -> list[Performance]:
    """Made-up performances of made-up pages."""
    out = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        length = rng.choice([0.25, 0.5, 0.5, 1.0], onsets)
        beat = np.concatenate([[0.0], np.cumsum(length)[:-1]])
        no = np.zeros(onsets, dtype=bool)
        page = Page(
            gather(beat, length, 60 + rng.integers(0, 12, onsets), no, np.zeros(0), np.arange(0.0, 5999.0, 4.0))
        )
        period = 0.5 * np.exp(0.2 * np.sin(beat[:-1] / 6) + rng.normal(0, 0.05, onsets - 1))
        time_s = 1.0 + np.concatenate([[0.0], np.cumsum(period * np.diff(beat))])
        out.append(Performance(f"piece {seed}", "somebody", "all", page, time_s))
    return out


class Watch(BaseCallback):
    """Notes the pay of each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.pay: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.pay.append(float(np.mean(self.model.rollout_buffer.rewards)))  # type: ignore[attr-defined]


def run(stock: bool, settings: PpoSettings, rollouts: int, performances: list[Performance]) -> dict[str, Any]:
    torch.manual_seed(settings.seed)
    dealer = Dealer(performances, Variation(), settings.seed, takes=8, size=10_000)
    model = make_ppo(LanesVec(Lanes(settings.lanes, dealer, settings.pay)), settings, stock=stock)
    watch = Watch()
    began, used = time.perf_counter(), time.process_time()
    model.learn(settings.lanes * settings.rollout * rollouts, callback=watch)
    steps = model.num_timesteps
    return {
        "steps": steps,
        "wall": steps / (time.perf_counter() - began),
        "cpu": steps / (time.process_time() - used),
        "pay": [round(value, 5) for value in watch.pay],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = (("lanes", 8), ("rollout", 2048), ("rollouts", 2), ("batch", 2048), ("epochs", 10))
    for name, value in (*defaults, ("onsets", 4200), ("pairs", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    settings = PpoSettings(
        lanes=given.lanes, rollout=given.rollout, batch=given.batch, epochs=given.epochs, target_kl=None
    )
    for stock in (False, True):
        run(stock, replace(settings, lanes=2, rollout=64, batch=64, epochs=1), 1, takes(100))
    performances = takes(given.onsets)
    pairs = []
    for turn in range(given.pairs):
        ours_first = turn % 2 == 0
        found = {stock: run(stock, settings, given.rollouts, performances) for stock in (not ours_first, ours_first)}
        pairs.append((found[False], found[True]))
        for name, row in zip(("ours", "stock"), pairs[-1], strict=True):
            print(
                f"{name:6} {row['wall']:8.0f} steps/s  {row['cpu']:8.0f} steps/s of processor time  pay {row['pay']}",
                flush=True,
            )
    wall, cpu = (statistics.median(ours[key] / stock[key] for ours, stock in pairs) for key in ("wall", "cpu"))
    print(f"ratio  {wall:8.1f}          {cpu:8.1f}   (medians of {len(pairs)} pairs)")


if __name__ == "__main__":
    main()
