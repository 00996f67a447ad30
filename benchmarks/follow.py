"""What a note costs the follower, whatever the length of the score: ``python benchmarks/follow.py``.

Plays seeded chorale-like music (chords of one to four notes) with 3 % wrong notes, and prints CPU microseconds for
each note (mean, median, p99), set-up time and the memory of the follower, for scores of 1,000 to 100,000 notes.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np

from collaparte.events import SoloEvent
from collaparte.follow import FOLLOWERS, make_follower
from collaparte.score import Score

LENGTHS = (1_000, 10_000, 100_000)
HEARD = 4_000
PERIOD_S = 0.5


def music(notes: int, seed: int = 1) -> Score:
    """About ``notes`` notes: melody by steps, now and then a chord below it."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[float, float, int]] = []
    beat, top = 0.0, 72
    while len(rows) < notes:
        length = float(rng.choice([0.25, 0.5, 0.5, 1.0]))
        top = int(np.clip(top + rng.integers(-4, 5), 60, 88))
        size = int(rng.choice([1, 1, 2, 3, 4]))
        chord = {top} | {top - int(step) for step in rng.choice([3, 4, 7, 8, 12, 15, 19], size - 1, replace=False)}
        rows += [(beat, length, pitch) for pitch in sorted(chord)]
        beat += length
    return Score.from_notes(rows)


def playing(score: Score, seed: int = 2) -> list[SoloEvent]:
    """The middle of the piece, from its beginning, with fingers and a few slips."""
    rng = np.random.default_rng(seed)
    rows = score.solo[:HEARD]
    times = rows["beat"] * PERIOD_S + rng.normal(0.0, 0.01, len(rows)) + 0.5
    pitches = rows["pitch"] + (rng.random(len(rows)) < 0.03) * rng.integers(1, 4, len(rows))
    order = np.argsort(times, kind="stable")
    return [SoloEvent(float(times[row]), float(times[row]), True, int(pitches[row])) for row in order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--follower", default=None, choices=sorted(FOLLOWERS))
    name = parser.parse_args().follower
    print(f"{'notes':>8} {'set-up ms':>10} {'MB':>7} {'mean us':>8} {'median':>7} {'p99':>7}")
    for length in LENGTHS:
        score = music(length)
        score.solo  # noqa: B018  (the page's own cache is not the follower's doing)
        tracemalloc.start()
        kept = make_follower(name, score)
        memory = tracemalloc.get_traced_memory()[0] / 1e6
        tracemalloc.stop()
        del kept
        began = time.process_time()
        follower = make_follower(name, score)
        setup_s = time.process_time() - began
        cost_us = []
        for event in playing(score):
            start = time.process_time_ns()
            follower.hear(event, None)
            cost_us.append((time.process_time_ns() - start) / 1000.0)
        p99 = np.percentile(cost_us, 99)
        mean, median = np.mean(cost_us), np.median(cost_us)
        print(f"{length:8d} {1e3 * setup_s:10.1f} {memory:7.1f} {mean:8.1f} {median:7.1f} {p99:7.1f}")


if __name__ == "__main__":
    main()
