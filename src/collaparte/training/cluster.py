"""Many trainings at once on a Ray cluster: seeds, corpora, and populations that practise in competition.

One trial is one (corpus, seed) and, in a population, one member of it. A trial clones, then practises in turns; after
each turn it is judged on its tuning pieces, without noise, and reports. In a population (population-based training,
Jaderberg et al. 2017) the worst quarter then takes over the weights of the best and practises on with settings near
theirs: rate, discount, and what is paid for a smooth orchestra. What all are judged by stays the same: the pay an
onset as ``reward.py`` ships it.

folder/ray/...            what Ray keeps of the trials
folder/results.json       the table, best first
folder/policy.onnx        the best one's policy, with its passport
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from collaparte.errors import CollaparteError, MissingExtra
from collaparte.training.clone import CloneSettings
from collaparte.training.ppo import PpoSettings

CLONE, AGENT, PRACTICE = "clone.pt", "agent.pt", ("ppo.zip", "ppo.json")
MUTATIONS = {"rate": (0.3, 3.0), "jerk": (0.5, 2.0), "gamma": (0.9, 1.1)}  # factors of what the settings say


@dataclass(frozen=True)
class Trials:
    """What to run: every corpus with every seed, ``population`` members each (1: no competition), ``turns`` reports."""

    corpora: tuple[str, ...] = ("nasap",)
    seeds: tuple[int, ...] = (1,)
    population: int = 1
    turns: int = 4
    cpus: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """One trial's last report: the judgement on its tuning pieces (see ``judge.py``), and where its weights lie."""

    corpus: str
    seed: int
    member: int
    settings: Mapping[str, float]
    mean_ms: float
    median_ms: float
    within_30: float
    roughness: float
    pay: float
    weights: str


def run_many(
    trials: Trials,
    folder: Path,
    cloning: CloneSettings | None = None,
    practice: PpoSettings | None = None,
    *,
    corpora: Path | None = None,
    cache: Path | None = None,
    address: str | None = None,
    start: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[Outcome]:
    """Run them all, best first; writes the table and the best one's policy into ``folder``.

    ``address`` is a running cluster's ("auto": the one this machine belongs to); None starts one here and ends it
    afterwards. On a cluster, corpora, cache and folder must be on storage that all machines share. ``start``: weights
    to practise from instead of cloning. Raises MissingExtra without ray, CollaparteError when every trial failed.
    """
    try:
        import ray
        from ray import tune
    except ImportError as error:
        raise MissingExtra(f"--engine ray needs {error.name}. Install it: pip install 'collaparte[ray]'") from error
    cloning, practice = cloning or CloneSettings(), practice or PpoSettings()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {
        "turns": trials.turns,
        "cloning": cloning,
        "practice": practice,
        "corpora": None if corpora is None else str(corpora.resolve()),
        "cache": None if cache is None else str(cache.resolve()),
        "start": None if start is None else str(start.resolve()),
    }
    space: dict[str, Any] = {
        "corpus": tune.grid_search(
            [str(Path(name).resolve()) if Path(name).is_dir() else name for name in trials.corpora]
        ),
        "seed": tune.grid_search(list(trials.seeds)),
        "member": tune.grid_search(list(range(trials.population))),
        "rate": practice.rate,
        "jerk": practice.pay.jerk,
        "gamma": practice.gamma,
    }
    scheduler = None
    if trials.population > 1:
        scheduler = tune.schedulers.PopulationBasedTraining(
            time_attr="training_iteration",
            perturbation_interval=1,
            hyperparam_mutations={
                key: tune.uniform(
                    space[key] * low, min(space[key] * high, 0.95) if key == "gamma" else space[key] * high
                )
                for key, (low, high) in MUTATIONS.items()
            },
            synch=True,
        )
    ours = not ray.is_initialized()
    if ours:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(_trial, told=told), {"cpu": trials.cpus}),
            param_space=space,
            tune_config=tune.TuneConfig(metric="pay", mode="max", scheduler=scheduler),
            run_config=tune.RunConfig(name="ray", storage_path=str(folder), verbose=0),
        )
        found = _outcomes(tuner.fit(), folder)
    finally:
        if ours:
            ray.shutdown()
    for item in found:
        say(
            f"{item.corpus}, seed {item.seed}, member {item.member}: {item.mean_ms:.1f} / {item.median_ms:.1f} ms / "
            f"{item.within_30:.3f}, roughness {item.roughness:.4f}, pay {item.pay:.4f}"
        )
    _ship(found[0], folder, corpora, cache, say)
    return found


def _trial(config: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """One trial, on whatever machine Ray chose for it."""
    import torch
    from ray import tune

    from collaparte.training.episodes import CLEAN, episodes, pool_of
    from collaparte.training.judge import judge
    from collaparte.training.pipeline import prepare, read_weights, run_clone
    from collaparte.training.ppo import practise

    torch.set_num_threads(1)
    corpora, cache = (None if told[key] is None else Path(told[key]) for key in ("corpora", "cache"))
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        ground = prepare(room, str(config["corpus"]), corpora, cache)  # one split for all seeds: they are compared
        done = 0
        if (kept := tune.get_checkpoint()) is not None:
            with kept.as_directory() as held:
                for name in (CLONE, AGENT, *PRACTICE):
                    shutil.copy(Path(held) / name, room / name)
            done = int(json.loads((room / "ppo.json").read_text(encoding="utf-8"))["turn"])
        elif told["start"] is not None:
            shutil.copy(told["start"], room / CLONE)
        else:
            network = run_clone(ground, replace(told["cloning"], seed=int(config["seed"])), _silent)
            torch.save(network.state_dict(), room / CLONE)
        items = episodes(ground.tune or ground.train[:8], pool_of(ground.tune), CLEAN, np.random.default_rng(1))
        practice: PpoSettings = told["practice"]
        for turn in range(done, int(told["turns"])):
            steps = practice.steps * (turn + 1) // int(told["turns"])
            settings = replace(
                practice, seed=int(config["seed"]), steps=steps, rate=float(config["rate"]),
                gamma=float(config["gamma"]), pay=replace(practice.pay, jerk=float(config["jerk"])),
            )  # fmt: skip
            agent = practise(ground.train, read_weights(room / CLONE), settings, room, _silent)
            torch.save(agent.state_dict(), room / AGENT)
            state = json.loads((room / "ppo.json").read_text(encoding="utf-8"))
            (room / "ppo.json").write_text(json.dumps({**state, "turn": turn + 1}), encoding="utf-8")
            with tempfile.TemporaryDirectory() as kept_here:
                for name in (CLONE, AGENT, *PRACTICE):
                    shutil.copy(room / name, kept_here)
                tune.report(asdict(judge(agent, items)), checkpoint=tune.Checkpoint.from_directory(kept_here))


def _silent(text: str) -> None:
    """A trial speaks through its reports."""


def _outcomes(results: Any, folder: Path) -> list[Outcome]:
    found = []
    for place, result in enumerate(results):
        if result.error is not None or result.checkpoint is None or not math.isfinite(result.metrics["pay"]):
            continue
        config, metrics = result.config, result.metrics
        weights = folder / f"trial-{place}.pt"
        with result.checkpoint.as_directory() as held:
            shutil.copy(Path(held) / AGENT, weights)
        settings = {key: float(config[key]) for key in MUTATIONS}
        figures = {key: float(metrics[key]) for key in ("mean_ms", "median_ms", "within_30", "roughness", "pay")}
        found.append(
            Outcome(
                str(config["corpus"]),
                int(config["seed"]),
                int(config["member"]),
                settings,
                **figures,
                weights=str(weights),
            )
        )
    if not found:
        raise CollaparteError(
            f"Every trial failed: {[str(error) for error in results.errors][:1]}. See {folder / 'ray'}."
        )
    found.sort(key=lambda item: -item.pay)
    (folder / "results.json").write_text(json.dumps([asdict(item) for item in found], indent=1), encoding="utf-8")
    return found


def _ship(best: Outcome, folder: Path, corpora: Path | None, cache: Path | None, say: Callable[[str], None]) -> None:
    from collaparte.training.pipeline import prepare, run_export

    ground = prepare(folder, best.corpus, corpora, cache)
    shutil.copy(best.weights, folder / AGENT)
    run_export(ground, folder / AGENT, folder / "policy.onnx", "clone, then recurrent PPO; the best of many", say)


__all__: Sequence[str] = ["Outcome", "Trials", "run_many"]
