"""The warm start: supervised cloning of what would have been right.

The target of each onset is the action that would have met the next one; the loss is the negative log likelihood of a
Laplace distribution (so the mean is trained as a median), plus a share of the absolute error in seconds, which is
what is measured in the end. Sequences are cut into crops; a crop that begins inside a take is not judged for its
first onsets, until its state has warmed up. The weights kept are an exponential average over updates.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collaparte.predict.features import N_OWN, N_SENSES
from collaparte.training.data.onsets import Performance
from collaparte.training.episodes import CLEAN, Episode, Variation, episodes, pool_of
from collaparte.training.network import Accompanist


@dataclass(frozen=True)
class CloneSettings:
    """How long and how to clone; ``melody_share`` of the takes in a round are melody lines alone."""

    seed: int = 1
    minutes: float = 45.0
    rounds: int = 36
    takes_a_round: int = 160
    melody_share: float = 0.2
    crop: int = 256
    warm_up: int = 12
    lanes: int = 48
    rate: float = 2.5e-3
    rate_end: float = 1e-4
    seconds_weight: float = 1.0
    average: float = 0.99
    passes: int = 3
    threads: int = 1
    variation: Variation = field(default_factory=Variation)


def crops(items: Sequence[Episode], settings: CloneSettings, rng: np.random.Generator) -> NDArray[np.float32]:
    """(n_crops, crop, N_SENSES + 3): observation, target, weight (0: not judged), expected seconds."""
    size, out = settings.crop, []
    for item in items:
        expected = item.steady.beat_period_s * item.length
        rows = np.concatenate(
            [item.observation, np.stack([item.target, np.isfinite(item.target), expected], axis=1)], axis=1
        ).astype(np.float32)
        rows[:, N_SENSES] = np.nan_to_num(rows[:, N_SENSES])
        start = -int(rng.integers(0, size // 2))
        while start < len(rows):
            piece = np.zeros((size, N_SENSES + 3), dtype=np.float32)
            begin = max(start, 0)
            part = rows[begin : start + size]
            if len(part) > 8:
                piece[: len(part)] = part
                if begin > 0:
                    piece[: settings.warm_up, N_SENSES + 1] = 0.0
                out.append(piece)
            start += size
    return np.stack(out)


def loss_of(network: Accompanist, batch: Tensor, seconds_weight: float) -> Tensor:
    """Mean over judged onsets; ``batch`` (time, lanes, N_SENSES + 3)."""
    target, weight, expected = batch[..., N_SENSES], batch[..., N_SENSES + 1], batch[..., N_SENSES + 2]
    mean, log_spread, _ = network(batch[..., :N_SENSES])
    likelihood = (mean - target).abs() * torch.exp(-log_spread) + log_spread
    seconds = (torch.exp(mean) - torch.exp(target)).abs() * expected.clamp(max=1.5)
    total: Tensor = ((likelihood + seconds_weight * 10.0 * seconds) * weight).sum()
    return total / weight.sum().clamp(min=1.0)


def fit_scaling(network: Accompanist, items: Sequence[Episode]) -> None:
    """Set the scaling from some episodes; the own senses, all zero here, keep theirs."""
    rows = np.concatenate([item.observation for item in items])
    deviation = np.maximum(rows.std(axis=0), 0.05)
    mean = rows.mean(axis=0)
    mean[-N_OWN:], deviation[-N_OWN:] = 0.0, 0.5
    network.encoder.scaling.mean.copy_(torch.from_numpy(mean))
    network.encoder.scaling.deviation.copy_(torch.from_numpy(deviation))


def actions_of(network: Accompanist, items: Sequence[Episode]) -> list[NDArray[np.float32]]:
    """The network's actions over whole episodes, from a zero state each."""
    order = sorted(range(len(items)), key=lambda index: len(items[index]))
    out: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(items)
    with torch.no_grad():
        for begin in range(0, len(order), 32):
            lanes = order[begin : begin + 32]
            longest = max(len(items[index]) for index in lanes)
            batch = np.zeros((longest, len(lanes), N_SENSES), dtype=np.float32)
            for column, index in enumerate(lanes):
                batch[: len(items[index]), column] = items[index].observation
            mean, _, _ = network(torch.from_numpy(batch))
            for column, index in enumerate(lanes):
                out[index] = mean[: len(items[index]), column].numpy().copy()
    return out


def errors_of(item: Episode, action: NDArray[np.float32], skip: int = 10) -> NDArray[np.float64]:
    """Absolute next-onset errors in seconds after the first ``skip`` onsets, where the next onset was played."""
    predicted = item.steady.from_s + item.steady.beat_period_s * item.length * np.exp(action)
    judged = np.isfinite(item.next_s)
    judged[:skip] = False
    return np.asarray(np.abs(predicted - item.next_s)[judged])


def scores(items: Sequence[Episode], actions: Sequence[NDArray[np.float32]]) -> tuple[float, float, float]:
    """Mean over performances of: mean absolute ms, median ms, share within 30 ms."""
    rows = [errors_of(item, action) for item, action in zip(items, actions, strict=True)]
    rows = [row for row in rows if len(row)]
    table = [(1e3 * row.mean(), 1e3 * float(np.median(row)), float((row <= 0.03).mean())) for row in rows]
    mean, median, share = np.mean(table, axis=0).tolist()
    return mean, median, share


def clone(
    train: Sequence[Performance],
    tune: Sequence[Performance],
    settings: CloneSettings,
    folder: Path,
    say: Callable[[str], None] = print,
    network: Accompanist | None = None,
    bar: Callable[[str, float], None] = lambda what, share: None,
) -> Accompanist:
    """Train (or, where ``folder`` holds a checkpoint, go on training) and return the averaged network.

    Writes ``clone.pt`` (to go on), ``clone-best.pt`` (best on ``tune``) and TensorBoard events into ``folder``.
    """
    from torch.utils.tensorboard import SummaryWriter

    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    full, lines = ([item for item in train if item.voice == voice] for voice in ("all", "melody"))
    pool = pool_of(train)
    tuned = network is not None
    if network is None:  # weights that are fine-tuned keep the scaling they were learnt with
        network = Accompanist()
        fit_scaling(network, episodes(full[:40] + lines[:10], pool, Variation(), np.random.default_rng(settings.seed)))
    average = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.rate)
    first, best, spent = 0, math.inf, 0.0
    checkpoint = folder / "clone.pt"
    if checkpoint.exists():
        held = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(held["network"])
        average.load_state_dict(held["average"])
        optimiser.load_state_dict(held["optimiser"])
        first, best, spent = held["round"], held["best"], held["spent_s"]
        say(f"going on from round {first}")
    rng = np.random.default_rng([settings.seed, 7])
    tests = {
        "cold": episodes(tune, pool_of(tune), CLEAN, rng),
        "k=3": episodes(tune, pool_of(tune), replace(CLEAN, recall_share=1.0, most_takes=3), rng),
    }

    def judged(found: dict[str, tuple[float, float, float]]) -> float:
        return float(np.mean([row[0] / 2 + row[1] - 100 * row[2] for row in found.values()]))

    if tuned and not checkpoint.exists():  # what is fine-tuned must become better than it was
        found = {name: scores(items, actions_of(average, items)) for name, items in tests.items()}
        best = judged(found)
        torch.save(average.state_dict(), folder / "clone-best.pt")
    writer = SummaryWriter(str(folder / "tensorboard"))
    began = time.monotonic()
    for turn in range(first, settings.rounds):
        if spent + time.monotonic() - began > 60 * settings.minutes:
            say(f"the time is up after {turn} of {settings.rounds} rounds; go on with more --minutes")
            break
        gone = turn / settings.rounds  # of the rounds, not of the time: the same seed gives the same weights
        rng = np.random.default_rng([settings.seed, 11, turn])
        n_lines = round(settings.melody_share * settings.takes_a_round)
        picked = [full[index] for index in rng.permutation(len(full))[: settings.takes_a_round - n_lines]]
        picked += [lines[index] for index in rng.permutation(len(lines))[:n_lines]]
        rows = crops(episodes(picked, pool, settings.variation, rng), settings, rng)
        total, count = 0.0, 0
        for _ in range(settings.passes):
            order = rng.permutation(len(rows))
            for begin in range(0, len(order) - settings.lanes // 2, settings.lanes):
                rate = settings.rate_end + 0.5 * (settings.rate - settings.rate_end) * (1 + math.cos(math.pi * gone))
                for group in optimiser.param_groups:
                    group["lr"] = rate
                batch = torch.from_numpy(rows[order[begin : begin + settings.lanes]]).transpose(0, 1).contiguous()
                loss = loss_of(network, batch, settings.seconds_weight)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                with torch.no_grad():
                    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                        kept.lerp_(new, 1 - settings.average)
                total, count = total + loss.item(), count + 1
        found = {name: scores(items, actions_of(average, items)) for name, items in tests.items()}
        now = spent + time.monotonic() - began
        text = "  ".join(f"{name} {row[0]:.1f}/{row[1]:.1f}/{row[2]:.3f}" for name, row in found.items())
        say(f"round {turn + 1}: loss {total / max(count, 1):.4f}  tune {text}  {now:.0f} s")
        bar("cloning", (turn + 1) / settings.rounds)
        writer.add_scalar("clone/loss", total / max(count, 1), turn)
        for name, row in found.items():
            for label, value in zip(("mean_ms", "median_ms", "within_30ms"), row, strict=True):
                writer.add_scalar(f"clone/{name}/{label}", value, turn)
        if judged(found) < best:
            best = judged(found)
            torch.save(average.state_dict(), folder / "clone-best.pt")
        torch.save(
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "round": turn + 1,
                "best": best,
                "spent_s": now,
            },
            checkpoint,
        )
    writer.close()
    (folder / "clone.json").write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
    if not (folder / "clone-best.pt").exists():
        torch.save(average.state_dict(), folder / "clone-best.pt")
    average.load_state_dict(torch.load(folder / "clone-best.pt", weights_only=True))
    return average
