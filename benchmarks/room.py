"""What telling the soloist from the orchestra costs: microseconds for each 10 ms block, beside the ear alone.

python benchmarks/room.py [--seconds 30]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from hearing import PERIOD_S, sound_of, tune

from collaparte.events import OrchestraEvent
from collaparte.listen.apart import Apart
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.score import Score

BLOCK = SAMPLE_RATE // 100


def spent_us(apart: Apart, sound: np.ndarray, sent: np.ndarray) -> np.ndarray:
    """CPU microseconds (n,) of each block."""
    took = []
    for first in range(0, len(sound) - BLOCK + 1, BLOCK):
        here = slice(first, first + BLOCK)
        began_ns = time.process_time_ns()
        apart.hear(sound[here], (first + BLOCK) / SAMPLE_RATE, sent[here])
        took.append((time.process_time_ns() - began_ns) / 1000)
    return np.array(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of sound")
    given = parser.parse_args()
    pitches = tune(600)
    page = Score.from_notes([(float(beat), 1.0, pitch) for beat, pitch in enumerate(pitches)], beat_period_s=PERIOD_S)
    sound, _ = sound_of(pitches, given.seconds)
    sent, _ = sound_of(pitches[::-1], given.seconds)
    heard = (sound + 0.3 * np.roll(sent, 400)).astype(np.float32)
    known = Apart(Ear(page), pitches=True)
    for number, pitch in enumerate(pitches[::-1][: int(given.seconds / PERIOD_S) + 1]):
        for below in (0, 4, 7, 12):  # a chord to every note
            for on, beat in ((True, number), (False, number + 0.9)):
                note = 16 * number + below
                known.sounds(OrchestraEvent(beat * PERIOD_S, beat, "Strings", on, pitch - below, 64, note=note))
    print("| what | median | p99 |\n|---|---|---|")
    for name, apart in (
        ("ear alone", Apart(Ear(page))),
        ("canceller and ear", Apart(Ear(page), EchoCanceller())),
        ("known pitches and ear", known),
    ):
        took = spent_us(apart, heard, sent)
        print(f"| {name} | {np.median(took):.0f} us | {np.percentile(took, 99):.0f} us |")


if __name__ == "__main__":
    main()
