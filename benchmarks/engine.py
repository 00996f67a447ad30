"""How fast the engine is: from an event to its plan, whole pieces against real time, memory.

    python benchmarks/engine.py [--notes 10000] [--score FILE --accompaniment FILE]

Prints a table in Markdown. Times are wall times of this process; run it on an idle machine. The score is a long
melody over an orchestra made here, or the piece that is named.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.events import SoloEvent
from collaparte.follow import FOLLOWERS, make_follower
from collaparte.listen.simulated import simulate_solo
from collaparte.predict import PREDICTORS, make_predictor
from collaparte.score import Score, read_score


def long_score(notes: int) -> Score:
    """A solo of a fifth of the notes, over an orchestra in four parts of chords."""
    rng = np.random.default_rng(0)
    count = notes // 5
    lengths = rng.choice([0.25, 0.5, 0.5, 1.0], count)
    beats = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    pitches = np.clip(67 + np.cumsum(rng.integers(-3, 4, count)), 55, 95)
    solo = [(float(b), float(d), int(p)) for b, d, p in zip(beats, lengths, pitches, strict=True)]
    step = beats[-1] / max(count, 1)
    orchestra = [(index * float(step), float(step), 36 + 7 * voice) for index in range(count) for voice in range(4)]
    return Score.from_notes(solo, orchestra)


def event_to_plan_us(score: Score, follower: str, predictor: str, events: list[SoloEvent]) -> np.ndarray:
    """Microseconds (n,) from handing a note-on over to having its plan and what is ripe of the orchestra."""
    engine = Engine(score, make_follower(follower, score), make_predictor(predictor, score), Settings())
    spent = []
    for event in events:
        engine.step(event.heard_s - 1e-4)
        began = time.perf_counter()
        engine.step(event.heard_s, [event])
        if event.on:
            spent.append((time.perf_counter() - began) * 1e6)
    return np.array(spent[20:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--notes", type=int, default=10_000)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--accompaniment", type=Path)
    chosen = parser.parse_args()
    score = read_score(chosen.score, chosen.accompaniment) if chosen.score else long_score(chosen.notes)
    take = simulate_solo(score, 0, "middle")
    events = [event for event in take.events if isinstance(event, SoloEvent)]
    print(f"{len(score.notes)} notes, {len(score.solo_onsets)} solo onsets, {take.end_s:.0f} s of music\n")
    print("| follower | predictor | event to plan: median us | p99 us | max us | whole piece, times real time |")
    print("|---|---|---|---|---|---|")
    for follower in FOLLOWERS:
        for predictor in PREDICTORS:
            spent = event_to_plan_us(score, follower, predictor, events)
            engine = Engine(score, make_follower(follower, score), make_predictor(predictor, score), Settings())
            began = time.perf_counter()
            for _ in rehearse(engine, VirtualClock(events)):
                pass
            speed = take.end_s / (time.perf_counter() - began)
            print(
                f"| {follower} | {predictor} | {np.median(spent):.0f} | {np.percentile(spent, 99):.0f} "
                f"| {spent.max():.0f} | {speed:.0f} |"
            )
    unit = 1 if sys.platform == "darwin" else 1024
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(f"\nPeak memory of the process, interpreter and NumPy included: {peak_mb:.0f} MB.")


if __name__ == "__main__":
    main()
