"""Microseconds an onset: the steady model, the agent, and the agent with memory, observation included.

python benchmarks/predict.py [--onsets 4000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from collaparte.events import Position, Recalled
from collaparte.predict import make_predictor
from collaparte.score import Score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onsets", type=int, default=4000)
    count = parser.parse_args().onsets
    rng = np.random.default_rng(0)
    length = rng.choice([0.25, 0.5, 1.0], count)
    beat = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    score = Score.from_notes(
        [
            (float(at), float(long), 60 + (index * 7) % 12)
            for index, (at, long) in enumerate(zip(beat, length, strict=True))
        ]
    )
    time_s = np.cumsum(np.concatenate([[1.0], np.diff(beat) * 0.5 * np.exp(rng.normal(0, 0.05, count - 1))])).tolist()
    takes = np.log(0.5) + rng.normal(0, 0.1, (6, count))  # six remembered run-throughs
    memory = [
        Recalled(
            beat[place : place + 16],
            np.zeros(ahead),
            np.full(ahead, 0.1),
            np.full(ahead, 2.0),
            0.5,
            takes[:, place : place + ahead],
            np.full(6, 0.8),
        )
        for place in range(count)
        for ahead in (min(16, count - place),)
    ]
    print(f"{'':16} {'set-up ms':>10} {'p10 us':>10} {'median us':>10} {'p99 us':>10}")
    for name, kind, recalled in (
        ("steady", "steady", False),
        ("policy", "policy", False),
        ("policy, memory", "policy", True),
    ):
        began = time.perf_counter()
        predictor = make_predictor(kind, score)
        ready_ms = 1e3 * (time.perf_counter() - began)
        spent = []
        for place in range(count):
            position = Position(time_s[place], time_s[place], float(beat[place]), 1.0, "playing")
            began = time.perf_counter()
            predictor.plan(position, memory[place] if recalled else None)
            spent.append(time.perf_counter() - began)
        low, median, high = 1e6 * np.percentile(spent, [10, 50, 99])
        print(f"{name:16} {ready_ms:10.0f} {low:10.0f} {median:10.0f} {high:10.0f}")


if __name__ == "__main__":
    main()
