"""Steps a second of recurrent PPO: sb3-contrib's own way through sequences against ours, on the same work.

    python benchmarks/recurrent_ppo.py [--lanes 8] [--rollout 2048] [--rollouts 2] [--batch 2048] [--epochs 10]

Episodes are whole takes of 4,200 onsets, as long as a long movement: the longer the stretches between resets, the more
there is to win. Both learners have the same seed, network, environments, rollout, batch and epochs; one after the
other in one process, on one thread. The pay of each rollout is printed for both: the learning curves are the same.
Figures are also given in processor time, which a busy machine distorts less.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from collaparte.predict.features import Page, gather
from collaparte.training.data.onsets import Performance
from collaparte.training.episodes import Variation
from collaparte.training.lanes_env import Lanes
from collaparte.training.ppo import Dealer, LanesVec, PpoSettings, make_ppo


def takes(count: int = 8, onsets: int = 4200) -> list[Performance]:
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
    for name, value in (("lanes", 8), ("rollout", 2048), ("rollouts", 2), ("batch", 2048), ("epochs", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    settings = PpoSettings(
        lanes=given.lanes, rollout=given.rollout, batch=given.batch, epochs=given.epochs, target_kl=None
    )
    performances = takes()
    ours = run(False, settings, given.rollouts, performances)
    stock = run(True, settings, given.rollouts, performances)
    for name, found in (("ours", ours), ("stock", stock)):
        print(
            f"{name:6} {found['wall']:8.0f} steps/s  {found['cpu']:8.0f} steps/s of processor time  pay {found['pay']}"
        )
    print(f"ratio  {ours['wall'] / stock['wall']:8.1f}          {ours['cpu'] / stock['cpu']:8.1f}")


if __name__ == "__main__":
    main()
