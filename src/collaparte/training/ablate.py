"""What each choice of the practice is worth: one thing changed at a time, the same short budget, seed and clone.

Judged on the tuning pieces, cold and with three remembered takes: foresight, and the roughness of the orchestra. The
practised weights are judged as they are, not mixed with the clone's. The networks are cloned anew, since what a clone
lacks cannot be practised into it; they are told against a whole network cloned as shortly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from collaparte.training.clone import CloneSettings, clone, fit_scaling
from collaparte.training.episodes import Episode, Variation, episodes, pool_of
from collaparte.training.judge import Verdict, judge
from collaparte.training.network import Accompanist
from collaparte.training.pipeline import Ground, read_weights, tuning_sets
from collaparte.training.ppo import PpoSettings, practise

STEPS = 262_144
SHORT_CLONE = CloneSettings(rounds=6)


@dataclass(frozen=True)
class Finding:
    """One variant: what was changed, and how it does cold and with three remembered takes."""

    changed: str
    cold: Verdict
    three: Verdict


def variants(usual: PpoSettings) -> dict[str, PpoSettings]:
    """What is changed, by name."""
    pay = usual.pay
    return {
        "as shipped": usual,
        "pay for jerk: none": replace(usual, pay=replace(pay, jerk=0.0)),
        "pay for jerk: half": replace(usual, pay=replace(pay, jerk=pay.jerk / 2)),
        "pay for jerk: twice": replace(usual, pay=replace(pay, jerk=pay.jerk * 2)),
        "pay for jerk: only beyond the music's": replace(usual, pay=replace(pay, beyond=True)),
        "discount .5": replace(usual, gamma=0.5),
        "discount .65": replace(usual, gamma=0.65),
        "discount .8": replace(usual, gamma=0.8),
        "entropy .001": replace(usual, entropy=0.001),
        "log_std -3": replace(usual, log_std=-3.0),
        "log_std -4": replace(usual, log_std=-4.0),
        "the critic from the first step": replace(usual, critic_first=0),
    }


NETWORKS = {
    "whole, cloned shortly": (True, True),
    "without LSTM": (False, True),
    "without memory encoder": (True, False),
}


def ablate(
    ground: Ground,
    weights: Path,
    folder: Path,
    steps: int = STEPS,
    seed: int = 1,
    networks: bool = True,
    say: Callable[[str], None] = print,
) -> list[Finding]:
    """Practise each variant from ``weights`` (a clone's) and judge it; then the networks, if wanted."""
    sets = tuning_sets(ground.tune or ground.train[:8])
    found = [_judged("the clone itself", read_weights(weights), sets)]
    say(told(found[0]))
    for name, settings in variants(replace(PpoSettings(seed=seed), steps=steps)).items():
        room = folder / str(len(found))
        agent = practise(ground.train, read_weights(weights), settings, room, _silent)
        found.append(_judged(name, agent, sets))
        say(told(found[-1]))
    for finding in _networks(ground, folder, seed, sets) if networks else ():
        found.append(finding)
        say(told(finding))
    return found


def _networks(ground: Ground, folder: Path, seed: int, sets: dict[str, list[Episode]]) -> Iterator[Finding]:
    some = [item for item in ground.train if item.voice == "all"][:40]
    for name, (recurrent, remembers) in NETWORKS.items():
        torch.manual_seed(seed)
        network = Accompanist(recurrent, remembers)
        fit_scaling(network, episodes(some, pool_of(ground.train), Variation(), np.random.default_rng(seed)))
        room = folder / name.replace(" ", "-")
        network = clone(
            ground.train, ground.tune or ground.train[:8], replace(SHORT_CLONE, seed=seed), room, _silent, network
        )
        yield _judged(name, network, sets)


def _judged(name: str, network: Accompanist, sets: dict[str, list[Episode]]) -> Finding:
    cold, three = (judge(network, items) for items in sets.values())
    return Finding(name, cold, three)


def told(item: Finding) -> str:
    """One line of the table, as Markdown."""
    columns = [
        f"{verdict.mean_ms:.1f} / {verdict.median_ms:.1f} / {verdict.within_30:.3f} | {verdict.roughness:.4f}"
        for verdict in (item.cold, item.three)
    ]
    return f"| {item.changed} | {' | '.join(columns)} |"


def _silent(text: str) -> None:
    """The table speaks."""
