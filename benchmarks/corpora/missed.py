"""A soloist whose first notes were not heard: how soon is the ear at the right place? On melodies of two corpora.

python benchmarks/corpora/missed.py --corpora FOLDER [--pages tuned|reported] [--seed 41] [--melodies 12]
                                    [--missed 0 6 24]

Each melody is rendered in a small room, and heard from just after so many of its notes have begun, out of half a second
of quiet; `0` is the whole of it, which must not be thrown off. `right`: of all notes that were there to be heard, those
said at their own place of the page within 100 ms of their beginning, and the mean of that share over melodies; `after`:
seconds from the first note there to the third in a row that is right (median, p90); `never`: melodies without those.
`tuned` are melodies of nasap-train, on which the constants of the ear may be chosen; `reported` are pieces held out of
it, and vienna4x22.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from collaparte.evaluate.listen_rendered import Rendered, melodies, render_playing
from collaparte.events import SoloEvent
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.listen.hearing.decoder import Reached
from collaparte.listen.hearing.ear import DETECTOR_S
from collaparte.listen.hearing.spectrum import Frame

SOLOISTS = ("violin", "flute", "clarinet")
SECONDS, QUIET_S, FEWEST, SHORTEST_S = 24.0, 0.5, 12, 8.0
IN_A_ROW, NEAR_S = 3, 0.1

Array = np.ndarray


def soloists(half: str, count: int, seed: int, corpora: Path, font: Path | None) -> Iterator[Rendered]:
    """The melodies of one half, by three instruments in turn."""
    several = [*melodies("nasap", "violin", count, seed, corpora, training=half == "tuned")]
    if half == "reported":
        several += melodies("vienna4x22", "violin", 4, seed, corpora)
    for number, playing in enumerate(several):
        yield render_playing(playing.cut(SECONDS), SOLOISTS[number % 3], font, room="small", seed=number)


class Listener(Ear):
    """An ear that remembers the ``places`` it said, as events name pitches, and when they began, on its clock."""

    said: list[tuple[int, float]]

    def _struck(self, reached: Reached, frame: Frame, heard_s: float) -> list[SoloEvent]:
        self.said.append((reached.place, reached.time_s + self.origin_s))
        return super()._struck(reached, frame, heard_s)


def heard(rendered: Rendered, from_s: float) -> tuple[Array, list[tuple[int, float]]]:
    """The beat of every place, and the places said of the sound after ``from_s`` with their seconds in the sound."""
    quiet = np.zeros(round(QUIET_S * SAMPLE_RATE), np.float32)
    sound = np.concatenate([quiet, rendered.sound[int(from_s * SAMPLE_RATE) :]])
    sound += (2e-4 * np.random.default_rng(1).standard_normal(len(sound))).astype(np.float32)
    ear = Listener(rendered.playing.score, origin_s=from_s - QUIET_S - DETECTOR_S)
    ear.said = []
    for first in range(0, len(sound), 160):
        part = sound[first : first + 160]
        ear.hear(part, (first + len(part)) / SAMPLE_RATE)
    return ear.places.beat, ear.said


def right_of(rendered: Rendered, missed: int) -> tuple[float, float, int] | None:
    """Share of the notes that are right, after how many seconds (inf: never), of how many; None: too few are left."""
    onsets_s, beats = rendered.playing.truth.first_s, rendered.playing.truth.beat
    if missed and (missed > len(onsets_s) - FEWEST or onsets_s[-1] - onsets_s[missed] < SHORTEST_S):
        return None
    from_s = float(onsets_s[missed]) + 0.03 if missed else 0.0
    places, said = heard(rendered, from_s)
    there = onsets_s > from_s
    right = np.array([
        any(abs(said_s - time_s) <= NEAR_S and abs(places[place] - beat) < 1e-3 for place, said_s in said)
        for time_s, beat in zip(onsets_s[there], beats[there], strict=True)
    ])  # fmt: skip
    row = np.convolve(right, np.ones(IN_A_ROW), "valid") > IN_A_ROW - 0.5
    after_s = onsets_s[there][IN_A_ROW - 1 :][row][:1] - onsets_s[there][0]
    return float(right.mean()), float(after_s[0]) if row.any() else np.inf, len(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="the folder of the corpora")
    parser.add_argument("--pages", choices=("tuned", "reported"), default="reported")
    parser.add_argument("--seed", type=int, default=41, help="of the choice of melodies (default 41)")
    parser.add_argument("--melodies", type=int, default=12, help="of nasap (default 12)")
    parser.add_argument("--missed", type=int, nargs="+", default=(0, 6, 24), help="notes that are not heard")
    parser.add_argument("--font", type=Path, help="another soundfont than the built-in one")
    given = parser.parse_args()
    several = list(soloists(given.pages, given.melodies, given.seed, given.corpora, given.font))
    print("| missed | melodies | notes | right | mean | after | never |\n|---|---|---|---|---|---|---|")
    for missed in given.missed:
        rows = [row for row in (right_of(one, missed) for one in several) if row is not None]
        shares, after_s, counts = (np.array(column) for column in zip(*rows, strict=True))
        known = after_s[np.isfinite(after_s)]
        print(f"| {missed} | {len(rows)} | {counts.sum()} | {float(shares @ counts) / counts.sum():.2f} | "
              f"{shares.mean():.2f} | {np.median(known):.1f} s, {np.percentile(known, 90):.1f} | "
              f"{len(rows) - len(known)} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
