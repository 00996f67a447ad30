"""Teaches the chord ear's small network (``listen.hearing.strokes``) what a struck key looks like.

    python -m collaparte.training.strokes RENDERED --out strokes.npz
    python -m collaparte.training.strokes RENDERED --render --corpora DIR --font A.sf3 --font B.sf2

The first form trains, the second renders what is trained on: pieces of nasap's training part alone, one performance
of each, ``SECONDS`` from anywhere in it, by the fonts in turn. Rooms and noise are added while training. A view is
labelled with the keys whose notes began in the 10 ms that lie ``LATER`` views back; the views beside it are left out,
as nothing is decided by them. Few of the views and keys in which nothing begins are kept.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.evaluate.listen_rendered import in_room
from collaparte.evaluate.piano_rendered import performances, render
from collaparte.listen.hearing.bands import KEYS, LOWEST, Bands
from collaparte.listen.hearing.spectrum import HOP_S, SAMPLE_RATE
from collaparte.listen.hearing.strokes import FEATURES, LATER, Looking

SECONDS = 24.0
DETUNED = (0.0, 0.0, 0.0, -8.0, 8.0)  # cents
ROOMS = ("dry", "dry", "small", "small", "hall")
NOISES = (1e-4, 1e-2)  # RMS of added noise, between
ONLY_NOISE_S, ONLY_NOISES = 2.0, (1e-3, 0.2)  # every fourth sound is followed by nothing else; RMS, between
NEAR = 6  # views around a stroke in which ...
KEPT_NEAR, KEPT_FAR = 0.15, 0.03  # ... and outside which this share of the keys is kept
HIDDEN = (96, 32)
SOUNDS_S = 4.0  # after so long a note has died away, whatever the pedal
SOUNDING_WEIGHT = 0.1

Floats = NDArray[np.float64]


def render_training(folder: Path, corpora: Path | None, fonts: list[Path], seed: int = 5) -> None:
    """Write ``folder/NNN.npz`` (sound, notes, pedal), one for each training piece."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number, whole in enumerate(performances("nasap", corpora, players=1, training=True)):
        from_s = rng.uniform(0.0, max(float(whole.notes[-1, 0]) - SECONDS, 0.0))
        part = whole.cut(SECONDS, from_s)
        if len(part.notes) < 30:
            continue
        sound = render(part, fonts[number % len(fonts)], seed=number, cents=rng.choice(DETUNED))
        np.savez(folder / f"{number:03d}.npz", sound=sound, notes=part.notes, pedal=part.pedal)


def labels(notes: Floats, pedal: Floats, views: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(struck, sounding), each (views, KEYS): what a view must say of the moment ``LATER`` views back."""
    struck, sounding = np.zeros((views, KEYS), bool), np.zeros((views, KEYS), bool)
    for begin_s, end_s, pitch, _ in notes.tolist():
        key = int(pitch) - LOWEST
        if not 0 <= key < KEYS:
            continue
        last = pedal[pedal[:, 0] <= end_s] if len(pedal) else pedal
        if len(last) and last[-1, 1] >= 64:
            ups = pedal[(pedal[:, 0] > end_s) & (pedal[:, 1] < 64), 0]
            end_s = float(ups[0]) if len(ups) else end_s + SOUNDS_S
        end_s = min(end_s, begin_s + SOUNDS_S)
        at = int(begin_s / HOP_S) + LATER
        if at < views:
            struck[at, key] = True
            sounding[at + 3 : int(end_s / HOP_S) + LATER, key] = True
    return struck, sounding


def samples(folder: Path, seed: int = 0) -> Iterator[tuple[NDArray[np.float16], Floats]]:
    """For each file (seen (n, FEATURES), rows (n, 2): struck, sounding)."""
    for number, path in enumerate(sorted(folder.glob("*.npz"))):
        rng = np.random.default_rng((seed, number))
        with np.load(path) as data:
            sound, notes, pedal = data["sound"], data["notes"], data["pedal"]
        room = ROOMS[number % len(ROOMS)]
        if room != "dry":
            sound = in_room(sound, room, number)
        if number % 4 == 0:
            only = np.exp(rng.uniform(*np.log(ONLY_NOISES))) * rng.standard_normal(int(ONLY_NOISE_S * SAMPLE_RATE))
            sound = np.concatenate([sound, only])
        sound = sound + np.exp(rng.uniform(*np.log(NOISES))) * rng.standard_normal(len(sound))
        views = Bands(float(rng.choice(DETUNED))).hear(sound.astype(np.float32))
        struck, sounding = labels(notes, pedal, len(views))
        beside = np.zeros_like(struck)
        beside[1:] |= struck[:-1]
        beside[:-1] |= struck[1:]
        anything = np.convolve(struck.any(axis=1), np.ones(2 * NEAR + 1), "same") > 0
        share = np.where(anything, KEPT_NEAR, KEPT_FAR)[:, None]
        kept = (struck | (rng.random(struck.shape) < share)) & ~(beside & ~struck)
        looking, seen, rows = Looking(), [], []
        for at, view in enumerate(views):
            all_keys = looking.see(view.bands)
            keys = np.flatnonzero(kept[at])
            seen.append(all_keys[keys].astype(np.float16))
            rows.append(np.stack([struck[at, keys], sounding[at, keys]], axis=1))
        yield np.concatenate(seen), np.concatenate(rows)


def train(seen: NDArray[np.float16], rows: Floats, epochs: int = 14, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """The network's layers, its answers freed of the rarity of strokes."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    mean, spread = seen.astype(np.float32).mean(axis=0), seen.astype(np.float32).std(axis=0) + 1e-3
    sizes = (FEATURES, *HIDDEN, 2)
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    x, y = torch.from_numpy(seen), torch.from_numpy(rows.astype(np.float32))
    shift, scale = torch.from_numpy(mean), torch.from_numpy(1.0 / spread)
    batch = 512
    steps = epochs * (len(x) // batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    loss_of = nn.BCEWithLogitsLoss(reduction="none")
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        total = torch.zeros(2)
        for start in range(0, len(x) - batch + 1, batch):
            at = order[start : start + batch]
            said, wanted = net((x[at].float() - shift) * scale), y[at]
            loss = loss_of(said, wanted).mean(dim=0)
            (loss[0] + SOUNDING_WEIGHT * loss[1]).backward()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
            total += loss.detach()
        print(f"epoch {epoch}: struck {total[0] / steps * epochs:.4f}, sounding {total[1] / steps * epochs:.4f}")
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    weights = [layer.weight.detach().numpy().T.copy() for layer in linear]
    biases = [layer.bias.detach().numpy().copy() for layer in linear]
    weights[0] = weights[0] / spread[:, None]
    biases[0] = biases[0] - mean @ weights[0]
    for number in (0, 1):
        share = float(rows[:, number].mean())
        biases[-1][number] -= np.log(share / (1.0 - share))
    found = {f"w{n}": value for n, value in enumerate(weights)} | {f"b{n}": value for n, value in enumerate(biases)}
    return {name: value.astype(np.float32) for name, value in found.items()}


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--font", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=14)
    given = parser.parse_args()
    if given.render:
        render_training(given.rendered, given.corpora, given.font)
        return
    parts = list(samples(given.rendered))
    seen, rows = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    print(f"{len(seen)} samples, {int(rows[:, 0].sum())} strokes")
    np.savez_compressed(given.out, **train(seen, rows, given.epochs))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
