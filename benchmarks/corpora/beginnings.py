"""What begins a piece: the soloist, or somebody else before them? On openings of training melodies and shipped pieces.

python benchmarks/corpora/beginnings.py --corpora FOLDER [--pages tuned|reported] [--seeds 2] [--before KIND ...]
                                           [--cents -100]

Each page is heard after quiet, after noises, and after somebody else's instrument: scales and arpeggios that have the
page's first note or do not, warming up, tuning. Then comes the soloist's opening. `started`: trials in which something
was reported before it; `first`: of the others, milliseconds from the soloist's first note to the first report (median,
p90); `missed`: trials in which nothing was reported within three seconds of it; `found`: share of the notes of the
opening (4 s) placed within 100 ms of their beginning.
The constants of the ear may be chosen on the pages `tuned`; `reported` are others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from collaparte.evaluate.listen_rendered import Playing, melodies, render_playing
from collaparte.events import SoloEvent
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.measure import group_onsets
from collaparte.pieces import list_pieces, piece_path, solo_part
from collaparte.score import Score, read_score

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from noises import NOISES

PAGES = 12  # of each half; the shipped pieces are among those reported
SOLOISTS = ("violin", "flute", "clarinet")
OTHERS = ("violin", "flute", "clarinet", "cello", "piano")
MAJOR, TRIAD = (0, 2, 4, 5, 7, 9, 11), (0, 4, 7)
OPENING_S, MISSED_S = 4.0, 3.0
LOUDNESS = (0.01, 0.05)  # of somebody else, RMS; the soloist's is 0.05

Sound = np.ndarray
Line = list[tuple[float, float, int]]  # begin and length in seconds, pitch


@dataclass(frozen=True)
class Opening:
    """The beginning of a page as a soloist plays it; ``sound`` has a second of quiet first."""

    playing: Playing
    sound: Sound


@dataclass(frozen=True)
class Tried:
    """One trial: when the soloist began, and what was reported."""

    what: str
    page: str
    begins_s: float
    reports: list[SoloEvent]
    found: float


def shipped(name: str) -> Playing:
    """A shipped piece played a little unevenly, at the page's tempo."""
    page = read_score(piece_path(name), None, solo_part(name))
    solo = page.solo[page.solo["pitch"] >= 0]
    at_s = np.array([page.seconds_at(float(beat)) for beat in solo["beat"]])
    ends_s = np.array([page.seconds_at(float(row["beat"] + row["duration_beats"])) for row in solo])
    begins_s = 1.0 + at_s - at_s[0] + 0.03 * np.sin(np.arange(len(solo)))
    notes = line_of([(b, max(e - a, 0.05), int(p))
                     for a, b, e, p in zip(at_s, begins_s, ends_s, solo["pitch"], strict=True)])  # fmt: skip
    return Playing(name, page, notes, group_onsets(solo["beat"], begins_s), np.zeros((0, 3)))


def line_of(line: Line) -> tuple[SoloEvent, ...]:
    """Notes one after the other, as events in order."""
    events = []
    for index, (begin_s, length_s, pitch) in enumerate(line):
        end_s = begin_s + length_s
        if index + 1 < len(line):
            end_s = max(min(end_s, line[index + 1][0] - 0.001), begin_s + 0.01)
        events += [SoloEvent(begin_s, begin_s, True, pitch, 80), SoloEvent(end_s, end_s, False, pitch, 0)]
    return tuple(sorted(events, key=lambda event: (event.time_s, event.on)))


def openings(half: str, corpora: Path, font: Path | None, cents: float) -> Iterator[Opening]:
    """The pages of one half, each with its soloist, tuned ``cents`` from A = 440 Hz."""
    several = [*melodies("nasap", "violin", 2 * PAGES, 11, corpora, training=True)]
    playings = several[::2] if half == "tuned" else [*several[1::2], *map(shipped, list_pieces())]
    for number, playing in enumerate(playings):
        sound = render_playing(
            playing.cut(1.0 + OPENING_S + 1.0), SOLOISTS[number % 3], font, room="small", cents=cents
        ).sound
        yield Opening(playing, sound)


def others_line(what: str, first: int, rng: np.random.Generator) -> Line:
    """Five seconds of somebody else, who does not begin with the page's ``first`` pitch."""
    has = [tonic for tonic in range(12) if (first - tonic) % 12 in MAJOR]
    near = rng.choice([tonic for tonic in range(12) if (tonic in has) == ("near" in what)])
    lowest = int(np.clip(first, 60, 84)) - int(rng.integers(4, 14))
    if "scale" in what:
        steps = [p for p in range(lowest, lowest + 20) if (p - near) % 12 in MAJOR]
    elif "arpeggio" in what:
        roots = [root for root in range(12) if ((first - root) % 12 in TRIAD) == ("near" in what)]
        root = rng.choice(roots)
        steps = [p for p in range(lowest, lowest + 26) if (p - root) % 12 in TRIAD]
    elif what == "tuning":
        steps = list(rng.permutation([69, 57, 69, 81, 69, 62, 69, 64]))
    else:
        steps = [lowest + int(step) for step in np.abs(np.cumsum(rng.choice([-5, -4, -2, -1, 1, 2, 3, 7], 40)))]
    there = [p for p in steps + steps[-2::-1] if 40 <= p <= 100] * 3
    while there[0] == first:
        there = there[1:]
    usual_s = rng.uniform(0.15, 0.4) if what != "tuning" else rng.uniform(0.5, 1.2)
    line, now_s = [], 0.0
    for pitch in there:
        length_s = usual_s * float(np.exp(rng.normal(0.0, 0.1 if "scale" in what or "arpeggio" in what else 0.5)))
        line.append((now_s, length_s * rng.uniform(0.7, 1.0), int(pitch)))
        now_s += length_s + (rng.uniform(0.2, 0.6) if what == "warming up" and rng.random() < 0.15 else 0.0)
        if now_s > 5.0:
            break
    return line


WHAT = ("quiet", "scale, near", "scale, away", "arpeggio, near", "arpeggio, away", "warming up", "tuning", *NOISES)


def before(what: str, first: int, rng: np.random.Generator, font: Path | None) -> Sound:
    """What is heard before the soloist."""
    loudness = float(np.exp(rng.uniform(*np.log(LOUDNESS))))
    if what == "quiet":
        return np.zeros(SAMPLE_RATE, np.float32)
    if what in NOISES:
        return NOISES[what](5.0, loudness, int(rng.integers(1000)))
    line = others_line(what, first, rng)
    nowhere = Score.from_notes([(0.0, 1.0, 60)])
    playing = Playing(what, nowhere, line_of(line), group_onsets(np.zeros(1), np.zeros(1)), np.zeros((0, 3)))
    sound = render_playing(playing, str(rng.choice(OTHERS)), font, room="small", seed=int(rng.integers(1000))).sound
    return sound * (loudness / 0.05)


def trial(what: str, opening: Opening, rng: np.random.Generator, font: Path | None) -> tuple[Sound, float]:
    """The sound, and when the soloist begins in it: .3 to 2 s after the last of what was before has died away."""
    first = next(event.pitch for event in opening.playing.notes if event.on)
    other = before(what, first, rng, font)
    begins_s = 0.5 + len(other) / SAMPLE_RATE + rng.uniform(0.0, 2.0)
    start = round((begins_s - 1.0) * SAMPLE_RATE)
    sound = np.zeros(start + len(opening.sound), np.float32)
    sound[start:] = opening.sound
    sound[SAMPLE_RATE // 2 :][: len(other)] += other
    sound[:start] += (2e-4 * rng.standard_normal(start)).astype(np.float32)
    return sound, begins_s


def tried(what: str, opening: Opening, sound: Sound, begins_s: float) -> Tried:
    """What the ear says to it."""
    ear, reports = Ear(opening.playing.score), []
    for first in range(0, len(sound), 160):
        part = sound[first : first + 160]
        reports += ear.hear(part, (first + len(part)) / SAMPLE_RATE)
    reports = [event for event in reports if event.on]
    wanted = [(event.time_s - 1.0 + begins_s, event.pitch) for event in opening.playing.notes
              if event.on and event.time_s < 1.0 + OPENING_S]  # fmt: skip
    hits = [any(one.pitch == pitch and abs(one.time_s - time_s) < 0.1 for one in reports) for time_s, pitch in wanted]
    return Tried(what, opening.playing.name, begins_s, reports, float(np.mean(hits)))


def row_of(what: str, trials: list[Tried]) -> str:
    """One line of the table."""
    started = [one for one in trials if any(event.heard_s < one.begins_s - 0.05 for event in one.reports)]
    after = [one for one in trials if one not in started]
    late_s = [one.reports[0].heard_s - one.begins_s if one.reports else np.inf for one in after]
    known = [1000 * late for late in late_s if late < MISSED_S]
    first = f"{np.median(known):.0f} ms, {np.percentile(known, 90):.0f}" if known else "-"
    found = np.mean([one.found for one in trials])
    return f"| {what} | {len(trials)} | {len(started)} | {first} | {len(after) - len(known)} | {found:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="the folder of the corpora")
    parser.add_argument("--pages", choices=("tuned", "reported"), default="reported")
    parser.add_argument("--seeds", type=int, default=2, help="trials of each kind on each page")
    parser.add_argument("--before", nargs="+", choices=WHAT, default=WHAT, metavar="KIND", help="only these rows")
    parser.add_argument("--font", type=Path, help="another soundfont than the built-in one")
    parser.add_argument("--cents", type=float, default=0.0, help="the soloist's tuning from A = 440 Hz (default 0)")
    given = parser.parse_args()
    print("| before | trials | started | first | missed | found |\n|---|---|---|---|---|---|")
    several = list(openings(given.pages, given.corpora, given.font, given.cents))
    for what in given.before:
        trials = []
        for number, opening in enumerate(several):
            for seed in range(given.seeds):
                rng = np.random.default_rng((seed, number, WHAT.index(what)))
                trials.append(tried(what, opening, *trial(what, opening, rng, given.font)))
        print(row_of(what, trials), flush=True)


if __name__ == "__main__":
    main()
