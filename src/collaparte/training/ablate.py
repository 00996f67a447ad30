"""What each choice of polishing and practice is worth: one thing changed at a time, the same budget, seed and clone.

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
from collaparte.training.polish import PolishSettings, polish
from collaparte.training.ppo import PpoSettings, practise
from collaparte.training.reward import Pay

STEPS, ROUNDS = 65_536, 4
SHORT_CLONE = CloneSettings(rounds=6)
IN_TIME = (0.8, 1.25)


@dataclass(frozen=True)
class Finding:
    """One variant: what was changed, and how it does cold and with three remembered takes."""

    changed: str
    cold: Verdict
    three: Verdict


Recipe = tuple[PolishSettings | None, PpoSettings | None]


def variants(polishing: PolishSettings, practice: PpoSettings) -> dict[str, Recipe]:
    """What is changed, by name; None leaves a stage out."""

    def paid(**changed: float | bool) -> Recipe:
        pay: Pay = replace(practice.pay, **changed)  # type: ignore[arg-type]
        return replace(polishing, pay=pay), replace(practice, pay=pay)

    jerk = practice.pay.jerk
    return {
        "as shipped": (polishing, practice),
        "polished only": (polishing, None),
        "practised only": (None, practice),
        "pay for jerk: none": paid(jerk=0.0),
        "pay for jerk: half": paid(jerk=jerk / 2),
        "pay for jerk: twice": paid(jerk=jerk * 2),
        "in time only, none slower": (
            replace(polishing, variation=replace(polishing.variation, stretch=IN_TIME)),
            replace(practice, variation=replace(practice.variation, stretch=IN_TIME)),
        ),
        "discount .5": (polishing, replace(practice, gamma=0.5)),
        "discount .6": (polishing, replace(practice, gamma=0.6)),
        "entropy .001": (polishing, replace(practice, entropy=0.001)),
        "log_std -3": (polishing, replace(practice, log_std=-3.0)),
        "log_std -4": (polishing, replace(practice, log_std=-4.0)),
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
    rounds: int = ROUNDS,
    seed: int = 1,
    networks: bool = True,
    say: Callable[[str], None] = print,
) -> list[Finding]:
    """Polish and practise each variant from ``weights`` (a clone's) and judge it; then the networks, if wanted."""
    sets = tuning_sets(ground.tune or ground.train[:8])
    found = [_judged("the clone itself", read_weights(weights), sets)]
    say(told(found[0]))
    polished: dict[str, Accompanist] = {}  # by how: most variants begin with the same one
    recipes = variants(PolishSettings(seed=seed, rounds=rounds), PpoSettings(seed=seed, steps=steps))
    for name, (polishing, practice) in recipes.items():
        agent = read_weights(weights)
        if polishing is not None:
            how = repr(polishing)
            if how not in polished:
                polished[how] = polish(ground.train, agent, polishing, _silent)
            agent.load_state_dict(polished[how].state_dict())
        if practice is not None:
            agent = practise(ground.train, agent, practice, folder / str(len(found)), _silent)
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
