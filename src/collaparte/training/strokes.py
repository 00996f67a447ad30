"""Teaches the chord ear's small network (``listen.hearing.chords.strokes``) what a struck key looks like.

    python -m collaparte.training.strokes RENDERED --render --corpora DIR --font A.sf3 --font B.sf3
    python -m collaparte.training.strokes RENDERED --out strokes.npz

The first form renders what is learnt from (``strokes_sounds``), the second learns, and writes beside the weights their
passport ``strokes.json``: what they were learnt from, how, how well, and the digest of the weights it belongs to. On
one machine and one core the same files give the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.hearing.chords.strokes import FEATURES
from collaparte.training.strokes_sounds import render_training, samples

HIDDEN = (96, 32)
SOUNDING_WEIGHT = 0.1
BATCH, RATE, DECAY = 512, 3e-3, 1e-4
LICENCE = "CC BY-NC-SA 4.0, as the corpus (n)ASAP: https://github.com/CPJKU/asap-dataset"

Floats = NDArray[np.float64]
Layers = dict[str, NDArray[np.float32]]


def train(seen: NDArray[np.float16], rows: Floats, epochs: int, seed: int) -> Layers:
    """The network's layers, its answers freed of the rarity of strokes."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    mean, spread = seen.mean(axis=0, dtype=np.float32), seen.std(axis=0, dtype=np.float32) + 1e-3
    layers: list[nn.Module] = []
    for wide, narrow in pairwise((FEATURES, *HIDDEN, 2)):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    x, y = torch.from_numpy(seen), torch.from_numpy(rows.astype(np.float32))
    shift, scale = torch.from_numpy(mean), torch.from_numpy(1.0 / spread)
    steps = epochs * (len(x) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1)
    loss_of = nn.BCEWithLogitsLoss(reduction="none")
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        total = torch.zeros(2)
        for start in range(0, len(x) - BATCH + 1, BATCH):
            at = order[start : start + BATCH]
            said, wanted = net((x[at].float() - shift) * scale), y[at]
            loss = loss_of(said, wanted).mean(dim=0)
            (loss[0] + SOUNDING_WEIGHT * loss[1]).backward()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
            total += loss.detach()
        mean_loss = total / steps * epochs
        print(f"epoch {epoch}: struck {mean_loss[0]:.4f}, sounding {mean_loss[1]:.4f}", flush=True)
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    weights = [layer.weight.detach().numpy().T.copy() for layer in linear]
    biases = [layer.bias.detach().numpy().copy() for layer in linear]
    weights[0] = weights[0] / spread[:, None]
    biases[0] = biases[0] - mean @ weights[0]
    biases[-1] -= _rarity(rows)
    found = {f"w{n}": value for n, value in enumerate(weights)} | {f"b{n}": value for n, value in enumerate(biases)}
    return {name: value.astype(np.float32) for name, value in found.items()}


def _rarity(rows: Floats) -> Floats:
    share = rows.mean(axis=0)
    return np.asarray(np.log(share / (1.0 - share)), np.float64)


def judged(layers: Layers, seen: NDArray[np.float16], rows: Floats) -> dict[str, float]:
    """How well strokes are told in these samples: cross entropy in nats, and where precision and recall are equal."""
    values = seen.astype(np.float32)
    for number in range(len(layers) // 2):
        values = values @ layers[f"w{number}"] + layers[f"b{number}"]
        if number < len(layers) // 2 - 1:
            values = np.maximum(values, 0.0)
    struck, odds = rows[:, 0] > 0, values[:, 0] + _rarity(rows)[0]
    nats = np.logaddexp(0.0, np.where(struck, -odds, odds))
    likeliest = np.argsort(-odds, kind="stable")[: int(struck.sum())]
    return {
        "cross_entropy_nats": round(float(nats.mean()), 5),
        "even_recall": round(float(struck[likeliest].mean()), 4),
    }


def passport(weights: Path, rendered: Path, figures: dict[str, object], epochs: int, seed: int) -> dict[str, object]:
    """What stands in ``strokes.json``."""
    import torch

    return {
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "made_by": "python -m collaparte.training.strokes RENDERED --out strokes.npz, after --render",
        "learnt_from": json.loads((rendered / "rendered.json").read_text(encoding="utf-8")),
        "epochs": epochs,
        "seed": seed,
        "figures": figures,
        "versions": {
            "python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__,
            "machine": f"{sys.platform} {platform.machine()}",
        },
        "licence": LICENCE,
    }  # fmt: skip


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--font", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.render:
        if not given.font:
            parser.error("--render wants one --font or more.")
        render_training(given.rendered, given.corpora, given.font, given.seed)
        return
    if given.out is None:
        parser.error("Either --render, or --out FILE.")
    taken = list(samples(given.rendered, given.seed))
    if not taken:
        parser.error(f"There is nothing rendered in {given.rendered}. First: --render.")
    seen, rows = (np.concatenate([part[n] for part in taken if not part[2]]) for n in (0, 1))
    checked = [np.concatenate([part[n] for part in taken if part[2]]) for n in (0, 1)]
    print(f"{len(seen)} samples, {int(rows[:, 0].sum())} strokes", flush=True)
    layers = train(seen, rows, given.epochs, given.seed)
    np.savez_compressed(given.out, **layers)  # type: ignore[arg-type]
    figures = {"samples": len(seen), "strokes": int(rows[:, 0].sum()), "checked": judged(layers, *checked)}
    told = passport(given.out, given.rendered, figures, given.epochs, given.seed)
    given.out.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
