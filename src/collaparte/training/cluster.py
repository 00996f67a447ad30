"""Many trainings at once on a Ray cluster: seeds, corpora, and populations that practise in competition.

One trial is one corpus, one seed and, in a population, one rival. A trial clones, polishes, then practises in turns;
after each turn it is judged on the corpus' tuning pieces, without noise, and reports. Trials of one corpus run side by
side, the corpora one after the other: what was judged on different pieces cannot compete. In a population
(population-based training, Jaderberg et al. 2017) the worst quarter takes over the weights of the best after every
turn, and practises on with settings near theirs: rate, discount, and what is paid for a smooth orchestra. What all are
judged by stays the same: the pay an onset as ``reward.py`` ships it.

folder/results.json               the table: by corpus, best first
folder/<corpus>/policy.onnx       the best one's policy, with its passport
folder/<corpus>/ray/...           what Ray keeps of the trials
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
from collaparte.training.polish import PolishSettings
from collaparte.training.ppo import PpoSettings

CLONE, AGENT, PRACTICE = "clone.pt", "agent.pt", ("ppo.zip", "ppo.json")
MUTATIONS = {"rate": (0.3, 3.0), "jerk": (0.5, 2.0), "gamma": (0.9, 1.1)}  # factors of what the settings say
MOST_GAMMA = 0.95


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
    trial: int
    seed: int
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
    polishing: PolishSettings | None = None,
) -> list[Outcome]:
    """Run them all; corpus by corpus, best first. Writes the table and the best ones' policies into ``folder``.

    ``address`` is a running cluster's ("auto": the one this machine belongs to); None starts one here and ends it
    afterwards. On a cluster, corpora, cache and folder must be on storage that all machines share. ``start``: weights
    to practise from instead of cloning and polishing. Raises MissingExtra without ray, CollaparteError when every trial
    failed.
    """
    try:
        import ray
        from ray import tune
    except ImportError as error:
        raise MissingExtra(f"--engine ray needs {error.name}. Install it: pip install 'collaparte[ray]'") from error
    cloning, practice = cloning or CloneSettings(), practice or PpoSettings()
    folder = folder.resolve()
    told: dict[str, Any] = {
        "turns": trials.turns,
        "cloning": cloning,
        "polishing": polishing or PolishSettings(),
        "practice": practice,
        "corpora": None if corpora is None else str(corpora.resolve()),
        "cache": None if cache is None else str(cache.resolve()),
        "start": None if start is None else str(start.resolve()),
    }
    space: dict[str, Any] = {
        "seed": tune.grid_search(list(trials.seeds)),
        "rival": tune.grid_search(list(range(trials.population))),
        **(_ranges(practice) if trials.population > 1 else _usual(practice)),
    }
    ours = not ray.is_initialized()
    if ours:
        ray.init(address=address, include_dashboard=False, log_to_driver=False)
    found: list[Outcome] = []
    try:
        for name in trials.corpora:
            room = folder / Path(name).name
            corpus = str(Path(name).resolve()) if Path(name).is_dir() else name
            tuner = tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(_trial, told={**told, "corpus": corpus}), {"cpu": trials.cpus}
                ),
                param_space=space,
                tune_config=tune.TuneConfig(
                    metric="pay", mode="max", scheduler=_rivalry(practice) if trials.population > 1 else None,
                    search_alg=tune.search.BasicVariantGenerator(random_state=trials.seeds[0]), reuse_actors=True,
                ),
                run_config=tune.RunConfig(name="ray", storage_path=str(room), verbose=0),
            )  # fmt: skip
            outcomes = _outcomes(tuner.fit(), name, room)
            found += outcomes
            _ship(outcomes[0], room, corpus, corpora, cache, say)
    finally:
        if ours:
            ray.shutdown()
    (folder / "results.json").write_text(json.dumps([asdict(item) for item in found], indent=1), encoding="utf-8")
    for item in found:
        say(
            f"{item.corpus}, trial {item.trial}, seed {item.seed}: {item.mean_ms:.1f} / {item.median_ms:.1f} ms / "
            f"{item.within_30:.3f}, roughness {item.roughness:.4f}, pay {item.pay:.4f}"
        )
    return found


def _usual(practice: PpoSettings) -> dict[str, float]:
    return {"rate": practice.rate, "jerk": practice.pay.jerk, "gamma": practice.gamma}


def _ranges(practice: PpoSettings) -> dict[str, Any]:
    """Where rivals begin, and what they may try."""
    from ray import tune

    usual = _usual(practice)
    spans = {key: (usual[key] * low, usual[key] * high) for key, (low, high) in MUTATIONS.items()}
    return {
        key: tune.uniform(low, min(high, MOST_GAMMA) if key == "gamma" else high) for key, (low, high) in spans.items()
    }


def _rivalry(practice: PpoSettings) -> Any:
    from ray import tune

    return tune.schedulers.PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=1,
        hyperparam_mutations=_ranges(practice),
        synch=True,
    )


def _trial(config: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """One trial, on whatever machine Ray chose for it."""
    import torch
    from ray import tune

    from collaparte.training.episodes import CLEAN, episodes, pool_of
    from collaparte.training.judge import judge
    from collaparte.training.pipeline import prepare, read_weights, run_clone
    from collaparte.training.polish import polish
    from collaparte.training.ppo import practise

    torch.set_num_threads(1)
    corpora, cache = (None if told[key] is None else Path(told[key]) for key in ("corpora", "cache"))
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        ground = prepare(room, str(told["corpus"]), corpora, cache)  # one split for all seeds: they are compared
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
            network = polish(ground.train, network, replace(told["polishing"], seed=int(config["seed"])), _silent)
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


def _outcomes(results: Any, corpus: str, room: Path) -> list[Outcome]:
    """Those that came to an end, best first; their weights as ``room/trial-N.pt``."""
    found = []
    for place, result in enumerate(results):
        if result.error is not None or result.checkpoint is None or not math.isfinite(result.metrics["pay"]):
            continue
        weights = room / f"trial-{place}.pt"
        with result.checkpoint.as_directory() as held:
            shutil.copy(Path(held) / AGENT, weights)
        settings = {key: float(result.config[key]) for key in MUTATIONS}
        figures = {key: float(result.metrics[key]) for key in ("mean_ms", "median_ms", "within_30", "roughness", "pay")}
        found.append(Outcome(corpus, place, int(result.config["seed"]), settings, **figures, weights=str(weights)))
    if not found:
        raise CollaparteError(f"Every trial on {corpus} failed: {str(results.errors[:1])[:500]}. See {room / 'ray'}.")
    return sorted(found, key=lambda item: -item.pay)


def _ship(
    best: Outcome, room: Path, corpus: str, corpora: Path | None, cache: Path | None, say: Callable[[str], None]
) -> None:
    from collaparte.training.pipeline import ALGORITHM, prepare, run_export

    ground = prepare(room, corpus, corpora, cache)
    shutil.copy(best.weights, room / AGENT)
    run_export(ground, room / AGENT, room / "policy.onnx", f"{ALGORITHM}; the best of many", say)


__all__: Sequence[str] = ["Outcome", "Trials", "run_many"]
