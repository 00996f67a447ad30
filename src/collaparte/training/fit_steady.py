"""The four noises of the steady model, fitted on the training pieces: random search, then hill climbing, seeded.

    python -m collaparte.training.fit_steady [--pieces 60] [--trials 80] [--corpora FOLDER]

The score to minimise is the mean over pieces of the log of the median next-onset error plus that of the mean error,
after the first ten onsets: a model good in the middle that also keeps its head.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping

import numpy as np
from rich.progress import track

from collaparte.events import Position
from collaparte.predict import steady
from collaparte.score import Score
from collaparte.training.data import corpus
from collaparte.training.data.onsets import Performance
from collaparte.training.data.splits import split

NOISES = {"SHIFT": 0.12, "DRIFT": 0.07, "MOTOR_S": 0.008, "MOTOR": 0.04}
WARM_UP = 10


def errors_s(performance: Performance) -> np.ndarray:
    """Signed next-onset errors (n,) in seconds of the steady model on one performance."""
    played = performance.played
    beats, times = performance.page.beat[played], performance.time_s[played]
    score = Score.from_notes([(float(beat), 0.25, 60) for beat in beats - beats[0]])
    model, found = steady.Steady(score), []
    for index in range(len(beats) - 1):
        time_s = float(times[index])
        plan = model.plan(Position(time_s, time_s, float(beats[index] - beats[0]), 1.0, "playing"))
        found.append(plan.time_of(float(beats[index + 1] - beats[0])) - float(times[index + 1]))
    return np.array(found[WARM_UP:])


def loss(performances: list[Performance], noises: Mapping[str, float]) -> float:
    """What the search minimises, for one set of noises."""
    for name, value in noises.items():
        setattr(steady, name, value)
    errors = [np.abs(errors_s(performance)) for performance in performances]
    return float(np.mean([math.log(np.median(item)) + math.log(np.mean(np.minimum(item, 1.0))) for item in errors]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pieces", type=int, default=60)
    parser.add_argument("--trials", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpora")
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    found = corpus.load("nasap", chosen.corpora).voice("all")
    training = set(split(found).train)
    pieces = [takes for piece, takes in found.by_piece.items() if piece in training]
    picked = [pieces[index] for index in rng.permutation(len(pieces))[: chosen.pieces]]
    performances = [takes[int(rng.integers(len(takes)))] for takes in picked]
    best, least = dict(NOISES), loss(performances, NOISES)
    print(f"start {least:.4f} {best}")
    for trial in track(range(chosen.trials), description="Fitting"):
        width = 0.8 if trial < chosen.trials // 2 else 0.25
        wanted = {name: value * math.exp(rng.normal(0, width)) for name, value in best.items()}
        reached = loss(performances, wanted)
        if reached < least:
            best, least = wanted, reached
            print(f"{trial:3d} {least:.4f} " + " ".join(f"{name}={value:.4f}" for name, value in best.items()))


if __name__ == "__main__":
    main()
