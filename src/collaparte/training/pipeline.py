"""From nothing to a shipped policy: data, split, clone, polish, practice, export; each goes on from where it stopped.

folder/split.json     which pieces are trained on, tuned on, tested on
folder/clone.pt ...   the clone's training (see clone.py); clone-best.pt its best weights
folder/polished.pt    the clone polished (see polish.py), and polished.json how
folder/ppo.zip ...    the practice (see ppo.py)
folder/practised.pt   where the practice ended
folder/agent.pt       the agent's weights, between the clone's and those; also where fine-tuning begins
folder/policy.onnx, policy.json
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from collaparte.errors import CollaparteError, PolicyError
from collaparte.predict.policy import SHIPPED, load_policy
from collaparte.training.clone import CloneSettings, actions_of, clone, scores
from collaparte.training.data.corpus import Corpus, load
from collaparte.training.data.onsets import Performance
from collaparte.training.data.splits import Split, chosen, split
from collaparte.training.episodes import CLEAN, Episode, episodes, pool_of
from collaparte.training.export import export
from collaparte.training.judge import judge
from collaparte.training.network import Accompanist
from collaparte.training.polish import PolishSettings, polish
from collaparte.training.ppo import Bar, PpoSettings, no_bar, practise
from collaparte.training.recover import weights_of

Say = Callable[[str], None]

ALGORITHM = "clone, polished, then recurrent PPO"

SHARES = (1.0, 0.85, 0.7, 0.55, 0.4)  # of practised weights that are tried, the rest being the clone's ...
COSTS = (
    0.0,
    0.002,
)  # ... and the most of the share within 30 ms that it may cost the tuning pieces: on average, anywhere
SLOWER = 1.8  # the tuning pieces are also judged so much slower: there 30 ms are as narrow as on the freest music


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
    """A network from its weights (.pt) or out of a policy (.onnx); raises PolicyError when it is not this program's."""
    if path.suffix == ".onnx":
        return weights_of(path)
    network = Accompanist()
    try:
        network.load_state_dict(torch.load(path, weights_only=True))
    except (OSError, RuntimeError, KeyError, AttributeError) as error:
        raise PolicyError(f"{path} holds no weights of this program's network ({error}). Train anew.") from error
    return network


def run_clone(
    ground: Ground, settings: CloneSettings, say: Say = print, start: Path | None = None, bar: Bar = no_bar
) -> Accompanist:
    """Clone (or go on from the weights in ``start``)."""
    network = read_weights(start) if start is not None else None
    return clone(ground.train, ground.tune or ground.train[:8], settings, ground.folder, say, network, bar)


def run_polish(
    ground: Ground, settings: PolishSettings, say: Say = print, start: Path | None = None, bar: Bar = no_bar
) -> Accompanist:
    """Polish the clone's best weights (or those in ``start``); what is polished already, and so, is not done again."""
    begin = start or ground.folder / "clone-best.pt"
    done, told = ground.folder / "polished.pt", ground.folder / "polished.json"
    how = json.dumps({"from": hashlib.sha256(begin.read_bytes()).hexdigest(), **asdict(settings)}, indent=1)
    if done.exists() and told.exists() and told.read_text(encoding="utf-8") == how:
        say(f"polished already: {done}")
        return read_weights(done)
    network = polish(ground.train, read_weights(begin), settings, say, bar)
    torch.save(network.state_dict(), done)
    told.write_text(how, encoding="utf-8")
    return network


def run_practice(
    ground: Ground, settings: PpoSettings, say: Say = print, start: Path | None = None, bar: Bar = no_bar
) -> Accompanist:
    """Practise from the polished clone (or the weights in ``start``), and mix with the clone."""
    begin = start or ground.folder / "polished.pt"
    practised = practise(ground.train, read_weights(begin), settings, ground.folder, say, bar)
    torch.save(practised.state_dict(), ground.folder / "practised.pt")
    clone = ground.folder / "clone-best.pt"
    first = read_weights(clone if clone.exists() else begin)
    agent = chosen_mixture(first, practised, ground.tune or ground.train[:8], say)
    torch.save(agent.state_dict(), ground.folder / "agent.pt")
    return agent


def tuning_sets(performances: Sequence[Performance], slower: float = 1.0) -> dict[str, list[Episode]]:
    """The tuning pieces as choices are judged on them: cold and with three remembered takes, clean; always the same.

    ``slower``: every time so many times as long.
    """
    rng = np.random.default_rng([1, 7])
    cold = replace(CLEAN, stretch=(slower, slower))
    recalling = replace(cold, recall_share=1.0, most_takes=3)
    pool = pool_of(performances)
    return {"cold": episodes(performances, pool, cold, rng), "k=3": episodes(performances, pool, recalling, rng)}


def chosen_mixture(
    clone: Accompanist, practised: Accompanist, tune: Sequence[Performance], say: Say = print
) -> Accompanist:
    """The largest of SHARES of practised weights that costs at most COSTS of foresight on the tuning pieces.

    They are judged in time and SLOWER (every second one), cold and with three remembered takes. Where none is so cheap
    it is the smallest.
    """
    slow = tuning_sets(tune[::2], SLOWER)
    sets = {**tuning_sets(tune), **{f"{name}, slower": items for name, items in slow.items()}}
    before = {name: judge(clone, items) for name, items in sets.items()}
    say("clone: " + "; ".join(f"{name} {verdict}" for name, verdict in before.items()))
    network = clone
    for share in SHARES:
        network = mixed(clone, practised, share)
        after = {name: judge(network, items) for name, items in sets.items()}
        say(f"{share:.0%} practised: " + "; ".join(f"{name} {verdict}" for name, verdict in after.items()))
        costs = [before[name].within_30 - after[name].within_30 for name in sets]
        if np.mean(costs) <= COSTS[0] and max(costs) <= COSTS[1]:
            return network
    return network


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
    bar: Bar = no_bar,
    polishing: PolishSettings | None = None,
) -> Path:
    """Everything, in order; returns the policy's path."""
    run_clone(ground, cloning or CloneSettings(), say, bar=bar)
    run_export(ground, ground.folder / "clone-best.pt", ground.folder / "clone.onnx", "clone", say)
    run_polish(ground, polishing or PolishSettings(), say, bar=bar)
    run_practice(ground, practice or PpoSettings(), say, bar=bar)
    run_export(ground, ground.folder / "agent.pt", ground.folder / "policy.onnx", ALGORITHM, say)
    return ground.folder / "policy.onnx"


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning did on the takes kept aside: mean ms, median ms, share within 30 ms, before and after."""

    policy: Path
    learnt_from: int
    judged_on: int
    before: tuple[float, float, float]
    after: tuple[float, float, float]


TUNING = CloneSettings(
    rounds=8, minutes=15.0, rate=4e-4, rate_end=2e-5, takes_a_round=48, melody_share=0.0, average=0.9
)
KEPT_ASIDE = 5  # every so many takes one is kept aside


def run_tune(
    corpus: Corpus, folder: Path, settings: CloneSettings = TUNING, start: Path = SHIPPED, say: Say = print,
    bar: Bar = no_bar,
) -> Tuned:  # fmt: skip
    """Go on cloning with a genre, a piece, or one soloist's takes, from the weights in ``start`` (.onnx or .pt).

    Every fifth take is kept aside, and the weights kept are the best on those, the first ones included: so what comes
    out is never worse there than what went in. A single take is judged on itself. Raises PolicyError for weights that
    cannot be honoured, CollaparteError when there is no take to learn from.
    """
    takes = list(corpus.voice("all").performances)
    if not takes:
        raise CollaparteError(
            f"There is no take to learn from in {corpus.name}. Name a folder of match files, or takes."
        )
    network = read_weights(start)
    order = np.random.default_rng([settings.seed, 3]).permutation(len(takes)).tolist()
    aside = [takes[index] for index in order[::KEPT_ASIDE]]
    learnt = [item for item in takes if not any(item is other for other in aside)] or takes
    folder.mkdir(parents=True, exist_ok=True)
    items = episodes(aside, pool_of(takes), CLEAN, np.random.default_rng(1))
    before = scores(items, actions_of(network, items))
    network = clone(learnt, aside, settings, folder, say, network, bar)
    after = scores(items, actions_of(network, items))
    known = load_policy(start).passport["training_pieces"] if start.suffix == ".onnx" else []
    keys = ("mean_ms", "median_ms", "within_30ms")
    told = {
        label: dict(zip(keys, (round(value, 3) for value in row), strict=True))
        for label, row in (("kept aside, before tuning", before), ("kept aside, tuned", after))
    }
    path = folder / "policy.onnx"
    export(
        network, path, algorithm=f"fine-tuned from {start.name}", seed=settings.seed,
        pieces=sorted({*known, *(item.piece for item in learnt)}), scores=told, corpus=corpus.name,
    )  # fmt: skip
    load_policy(path)
    return Tuned(path, len(learnt), len(aside), before, after)
