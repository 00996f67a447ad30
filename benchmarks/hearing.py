"""What hearing costs: microseconds for each 10 ms block, memory, set-up, and how soon a note is known.

python benchmarks/hearing.py [--seconds 60] [--places 600] [--chords]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np

from collaparte.listen.hearing import SAMPLE_RATE, Hears, make_ear
from collaparte.score import Score

BLOCK = SAMPLE_RATE // 100
PERIOD_S = 0.25


def tune(places: int) -> list[int]:
    """A walk over two and a half octaves of the violin."""
    steps = np.random.default_rng(1).choice([-4, -3, -2, -1, 1, 2, 3, 4], places)
    return [int(pitch) for pitch in 57 + np.abs(np.cumsum(steps)) % 30]


def sound_of(pitches: list[int], seconds: float, below: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic tones with an attack of 15 ms, over a little noise; and when each begins. ``below``: chords instead."""
    sound = 0.001 * np.random.default_rng(2).standard_normal(int(seconds * SAMPLE_RATE))
    lengths_s = PERIOD_S * np.random.default_rng(3).normal(1.08, 0.08, len(pitches)).clip(1.0, 1.4)
    begins_s = 0.5 + np.concatenate([[0.0], np.cumsum(lengths_s[:-1])])
    begins_s = begins_s[begins_s < seconds - 1.0]
    clock = np.arange(int(PERIOD_S * SAMPLE_RATE)) / SAMPLE_RATE
    shape = np.minimum(clock / 0.015, 1.0) * np.minimum((PERIOD_S - clock) / 0.02, 1.0)
    for pitch, begin_s in zip(pitches, begins_s, strict=False):
        first = int(begin_s * SAMPLE_RATE)
        for step in (0, *below):
            phase = 2 * np.pi * 440.0 * 2 ** ((pitch - step - 69) / 12) * clock
            sound[first : first + len(clock)] += 0.1 * shape * sum(0.7**n * np.sin((n + 1) * phase) for n in range(10))
    return sound.astype(np.float32), begins_s


def spent_us(ear: Hears, sound: np.ndarray) -> np.ndarray:
    """CPU microseconds (n,) of each block."""
    took_us = []
    for first in range(0, len(sound) - BLOCK + 1, BLOCK):
        began_ns = time.thread_time_ns()
        ear.hear(sound[first : first + BLOCK], (first + BLOCK) / SAMPLE_RATE)
        took_us.append((time.thread_time_ns() - began_ns) / 1000)
    return np.array(took_us)


def waiting_us(page: Score, pitches: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """CPU microseconds of each block before the beginning: ten seconds of silence, and of somebody else's tones."""
    others, _ = sound_of([pitch + 1 for pitch in pitches[::-1]], 10.0)
    room = (2e-4 * np.random.default_rng(4).standard_normal(10 * SAMPLE_RATE)).astype(np.float32)
    return spent_us(make_ear(page, "melody"), room), spent_us(make_ear(page, "melody"), others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of sound")
    parser.add_argument("--places", type=int, default=600, help="onsets on the page")
    parser.add_argument("--chords", action="store_true", help="chords of four, by the chord ear")
    given = parser.parse_args()
    below = (4, 9, 12) if given.chords else ()
    pitches = tune(given.places)
    notes = [(float(beat), 1.0, pitch - step) for beat, pitch in enumerate(pitches) for step in (0, *below)]
    page = Score.from_notes(notes, beat_period_s=PERIOD_S)
    sound, begins_s = sound_of(pitches, given.seconds, below)
    began = time.process_time()
    ear = make_ear(page, "chords" if given.chords else "melody")
    set_up_ms = 1000 * (time.process_time() - began)
    took_us, known_ms = [], []
    began = time.process_time()
    for first in range(0, len(sound) - BLOCK + 1, BLOCK):
        heard_s = (first + BLOCK) / SAMPLE_RATE
        began_ns = time.thread_time_ns()
        events = ear.hear(sound[first : first + BLOCK], heard_s)
        took_us.append((time.thread_time_ns() - began_ns) / 1000)
        known_ms += [1000 * (heard_s - begins_s[np.argmin(np.abs(begins_s - one.time_s))]) for one in events if one.on]
    cpu_s = time.process_time() - began
    took = np.array(took_us)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print("| what | figure |\n|---|---|")
    print(f"| a 10 ms block, median, p99 | {np.median(took):.0f} us, {np.percentile(took, 99):.0f} us |")
    print(f"| CPU, of real time | {cpu_s / given.seconds:.3f} |")
    print(f"| from a note's beginning to its SoloEvent, median, p90 | {np.median(known_ms):.0f} ms, "
          f"{np.percentile(known_ms, 90):.0f} ms |")  # fmt: skip
    if not given.chords:
        silent, others = waiting_us(page, pitches)
        print(f"| a 10 ms block before the beginning, in silence, median, p99 | {np.median(silent):.0f} us, "
              f"{np.percentile(silent, 99):.0f} us |")  # fmt: skip
        print(f"| ... while somebody else plays | {np.median(others):.0f} us, {np.percentile(others, 99):.0f} us |")
    print(f"| set-up for {given.places} onsets | {set_up_ms:.0f} ms |")
    print(f"| memory of the process | {memory_mb:.0f} MB |")


if __name__ == "__main__":
    main()
