"""From nothing to a shipped policy: data, split, clone, practice, export. Each stage goes on from where it stopped.

folder/split.json     which pieces are trained on, tuned on, tested on
folder/clone.pt ...   the clone's training (see clone.py); clone-best.pt its best weights
folder/ppo.zip ...    the practice (see ppo.py)
folder/practised.pt   where the practice ended
folder/agent.pt       the agent's weights, between the clone's and those; also where fine-tuning begins
folder/policy.onnx, policy.json
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from collaparte.errors import PolicyError
from collaparte.predict.policy import load_policy
from collaparte.training.clone import CloneSettings, actions_of, clone, scores
from collaparte.training.data.corpus import Corpus, load
from collaparte.training.data.onsets import Performance
from collaparte.training.data.splits import Split, chosen, split
from collaparte.training.episodes import CLEAN, Variation, episodes, pool_of
from collaparte.training.export import export
from collaparte.training.network import Accompanist
from collaparte.training.ppo import Bar, PpoSettings, no_bar, practise

Say = Callable[[str], None]

PRACTISED = 0.5  # the share of practised weights: the most that cost under .005 of foresight on the tuning pieces


@dataclass(frozen=True)
class Ground:
    """What training stands on: a corpus, its split, and where the results go."""

    corpus: Corpus
    split: Split
    folder: Path

    @property
    def train(self) -> list[Performance]:
        return chosen(self.corpus, self.split.train)

    @property
    def tune(self) -> list[Performance]:
        return [item for item in chosen(self.corpus, self.split.tune) if item.voice == "all"]


def prepare(
    folder: Path, name: str = "nasap", corpora: Path | None = None, cache: Path | None = None, seed: int = 1
) -> Ground:
    """Read the corpus, split it, write the split."""
    corpus = load(name, corpora, cache)
    folder.mkdir(parents=True, exist_ok=True)
    parts = split(corpus, seed)
    parts.write(folder / "split.json")
    return Ground(corpus, parts, folder)


def read_weights(path: Path) -> Accompanist:
    """A network from its weights (.pt); raises PolicyError when they are not this program's."""
    network = Accompanist()
    try:
        network.load_state_dict(torch.load(path, weights_only=True))
    except (OSError, RuntimeError, KeyError, AttributeError) as error:
        raise PolicyError(f"{path} holds no weights of this program's network ({error}). Train anew.") from error
    return network


def run_clone(
    ground: Ground, settings: CloneSettings, say: Say = print, start: Path | None = None, bar: Bar = no_bar
) -> Accompanist:
    """Clone (or fine-tune the weights in ``start``)."""
    network = read_weights(start) if start is not None else None
    return clone(ground.train, ground.tune or ground.train[:8], settings, ground.folder, say, network, bar)


def run_practice(
    ground: Ground, settings: PpoSettings, say: Say = print, start: Path | None = None, bar: Bar = no_bar
) -> Accompanist:
    """Practise from the clone's best weights (or those in ``start``), and mix the two."""
    begin = start or ground.folder / "clone-best.pt"
    practised = practise(ground.train, read_weights(begin), settings, ground.folder, say, bar)
    torch.save(practised.state_dict(), ground.folder / "practised.pt")
    agent = mixed(read_weights(begin), practised, PRACTISED)
    torch.save(agent.state_dict(), ground.folder / "agent.pt")
    return agent


def mixed(clone: Accompanist, practised: Accompanist, share: float) -> Accompanist:
    """A network between two that began alike: ``share`` of the second one's weights, the rest of the first one's.

    Between a network and what fine-tuning made of it lies a line of good networks (Wortsman et al., "Robust
    fine-tuning of zero-shot models", 2022): one number trades smoothness for foresight after the practice.
    """
    one, other = clone.state_dict(), practised.state_dict()
    between = {
        key: one[key] * (1 - share) + other[key] * share if one[key].is_floating_point() else one[key] for key in one
    }
    network = Accompanist()
    network.load_state_dict(between)
    return network


def run_export(ground: Ground, weights: Path, path: Path, algorithm: str, say: Say = print) -> None:
    """Export weights, with scores on the tuning pieces in the passport, and let the run time read them once."""
    network = read_weights(weights)
    export(
        network,
        path,
        algorithm=algorithm,
        seed=ground.split.seed,
        pieces=ground.split.train,
        scores=tuning_scores(network, ground.tune),
        corpus=ground.corpus.name,
    )
    load_policy(path)
    say(f"{path}: {path.stat().st_size / 1024:.0f} KB")


def tuning_scores(network: Accompanist, performances: Sequence[Performance]) -> dict[str, Any]:
    """Next-onset scores on some performances, cold, without noise; nothing where there are none."""
    import numpy as np

    if not performances:
        return {}
    items = episodes(performances, pool_of(performances), CLEAN, np.random.default_rng(1))
    mean, median, share = scores(items, actions_of(network, items))
    steady = scores(items, [np.zeros(len(item), dtype=np.float32) for item in items])
    keys = ("mean_ms", "median_ms", "within_30ms")
    return {
        "tuning pieces, cold": dict(zip(keys, (round(value, 3) for value in (mean, median, share)), strict=True)),
        "steady model there": dict(zip(keys, (round(value, 3) for value in steady), strict=True)),
    }


def run_all(
    ground: Ground,
    cloning: CloneSettings | None = None,
    practice: PpoSettings | None = None,
    say: Say = print,
) -> Path:
    """Everything, in order; returns the policy's path."""
    run_clone(ground, cloning or CloneSettings(), say)
    run_export(ground, ground.folder / "clone-best.pt", ground.folder / "clone.onnx", "clone", say)
    run_practice(ground, practice or PpoSettings(), say)
    run_export(ground, ground.folder / "agent.pt", ground.folder / "policy.onnx", "clone, then recurrent PPO", say)
    return ground.folder / "policy.onnx"


def quick(settings: CloneSettings, rounds: int) -> CloneSettings:
    """The same, for fine-tuning: a few rounds at a small rate, no melodies."""
    return replace(settings, rounds=rounds, rate=3e-4, takes_a_round=32, passes=2, variation=Variation())
