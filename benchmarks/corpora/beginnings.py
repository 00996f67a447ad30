"""What begins a piece: the soloist, or somebody else before them? On openings of training melodies and shipped pieces.

python benchmarks/corpora/beginnings.py --corpora FOLDER [--pages tuned|reported] [--seeds 2] [--before KIND ...]
                                           [--cents -100]

Each page is heard after quiet, after noises, and after somebody else's instrument: scales and arpeggios that have the
page's first note or do not, warming up, tuning. Then comes the soloist's opening. `introduction`: the orchestra plays
what precedes the soloist on the page, in a loudspeaker of which nothing is known, so loud against the soloist, and
stops as they enter; `another's`: that of another page, with a pause. The pages are the songs of the corpus `lieder` and
the shipped pieces, or (`tuned`) melodies that enter after some seconds of their page.
`started`: trials in which something was reported before it; `first`: of the others, milliseconds from the soloist's
first note to the first report (median, p90); `missed`: trials in which nothing was reported within three seconds of it;
`found`: share of the notes of the opening (4 s) placed within 100 ms of their beginning.
The constants of the ear may be chosen on the pages `tuned`; `reported` are others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from collaparte.errors import CollaparteError
from collaparte.evaluate.listen_rendered import Playing, in_room, melodies, render_playing
from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.listen.hearing import SAMPLE_RATE, Ear
from collaparte.measure import group_onsets
from collaparte.pieces import list_pieces, piece_path, solo_part
from collaparte.score import Score, read_score
from collaparte.sound.render import loudness, render

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from noises import NOISES

PAGES = 12  # of each half; the shipped pieces are among those reported
SOLOISTS = ("violin", "flute", "clarinet")
OTHERS = ("violin", "flute", "clarinet", "cello", "piano")
MAJOR, TRIAD = (0, 2, 4, 5, 7, 9, 11), (0, 4, 7)
OPENING_S, MISSED_S = 4.0, 3.0
INTRODUCTION_S = 2.0, 8.0  # the shortest that counts, and how much is played: the last seconds of it
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
    return unevenly(name, read_score(piece_path(name), None, solo_part(name)))


def unevenly(name: str, page: Score) -> Playing:
    """A page's solo part, at about its tempo."""
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


def entries(half: str, corpora: Path, font: Path | None) -> Iterator[Opening]:
    """Soloists before whom the orchestra plays."""
    if half == "tuned":
        several = [entering(playing) for playing in melodies("nasap", "violin", 2 * PAGES, 11, corpora, training=True)]
        playings = several[::2]
    else:
        playings = [*songs(corpora), *map(shipped, list_pieces())]
    for number, playing in enumerate(playings):
        if introduced_s(playing.score) >= INTRODUCTION_S[0]:
            cut = playing.cut(1.0 + OPENING_S + 1.0)
            yield Opening(playing, render_playing(cut, SOLOISTS[number % 3], font, room="small").sound)


def songs(corpora: Path) -> Iterator[Playing]:
    """The songs for a voice and a piano."""
    for path in sorted((corpora / "lieder").glob("*.mxl")):
        with suppress(CollaparteError):
            yield unevenly(path.stem, read_score(path, solo="Voice"))


def introduced_s(page: Score) -> float:
    """For how long the orchestra plays before the soloist, in seconds, at the page's tempo."""
    first, entry = float(page.orchestra["beat"].min(initial=np.inf)), float(page.solo_onsets[0])
    return page.seconds_at(entry) - page.seconds_at(first) if first < entry else 0.0


def entering(playing: Playing) -> Playing:
    """The same page, whose soloist enters after some seconds; what they played before is the orchestra's."""
    page, truth = playing.score, playing.truth
    begun_s = page.seconds_at(float(truth.beat[0])) + INTRODUCTION_S[1]
    entry = next(place for place, beat in enumerate(truth.beat) if page.seconds_at(float(beat)) >= begun_s)
    notes = page.notes.copy()
    notes["part"][notes["beat"] < truth.beat[entry] - 1e-6] = 1
    entry_s, entry_beat = float(truth.first_s[entry:].min()), truth.beat[entry:]
    events = tuple(replace(event, time_s=event.time_s - entry_s + 1.0, heard_s=event.heard_s - entry_s + 1.0)
                   for event in playing.notes if event.time_s >= entry_s)  # fmt: skip
    truth = group_onsets(entry_beat, truth.first_s[entry:] - entry_s + 1.0)
    return Playing(playing.name, replace(page, notes=notes), events, truth, np.zeros((0, 3)))


def introduction(page: Score, level_db: float, font: Path | None) -> tuple[Sound, float]:
    """The orchestra before the soloist, in a small room, and for how long it plays."""
    entry_s = page.seconds_at(float(page.solo_onsets[0]))
    seconds = min(introduced_s(page), INTRODUCTION_S[1])
    events = []
    for number, row in enumerate(page.orchestra[page.orchestra["beat"] < page.solo_onsets[0] - 1e-6]):
        begin, end = float(row["beat"]), float(row["beat"] + row["duration_beats"])
        begin_s, end_s = (page.seconds_at(beat) - entry_s + seconds for beat in (begin, end))
        if begin_s >= -1e-6 and row["pitch"] >= 0:
            part, pitch = page.parts[int(row["part"])].name, int(row["pitch"])
            events += [OrchestraEvent(begin_s, begin, part, True, pitch, 80, note=number),
                       OrchestraEvent(max(end_s, begin_s + 0.05), end, part, False, pitch, 0, note=number)]  # fmt: skip
    events.sort(key=lambda event: (event.due_s, event.on))
    sound = in_room(render(events, page.parts, font, sample_rate=SAMPLE_RATE, spread=False).mean(axis=1), "small", 0)
    return sound * (0.05 * 10 ** (level_db / 20) / loudness(sound[:, None], SAMPLE_RATE)), seconds


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


INTRODUCTIONS = {"introduction, -6 dB": -6.0, "introduction, 0 dB": 0.0, "another's, 0 dB": 0.0}
OTHER = ("scale, near", "scale, away", "arpeggio, near", "arpeggio, away", "warming up", "tuning", *NOISES)
WHAT = ("quiet", *OTHER, *INTRODUCTIONS)


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


def trial(what: str, opening: Opening, page: Score, rng: np.random.Generator, font: Path | None) -> tuple[Sound, float]:
    """The sound, and when the soloist begins in it: in time after their own introduction, else after up to 2 s more.

    ``page`` is whose introduction it is.
    """
    if what in INTRODUCTIONS:
        other, seconds = introduction(page, INTRODUCTIONS[what], font)
    else:
        other = before(what, next(event.pitch for event in opening.playing.notes if event.on), rng, font)
        seconds = len(other) / SAMPLE_RATE
    in_time = what in INTRODUCTIONS and page is opening.playing.score
    begins_s = 0.5 + seconds + (0.0 if in_time else rng.uniform(0.0, 2.0))
    start = max(round((begins_s - 1.0) * SAMPLE_RATE), 0)
    sound = np.zeros(start + len(opening.sound), np.float32)
    sound[start:] = opening.sound
    there = sound[SAMPLE_RATE // 2 :][: len(other)]
    there += other[: len(there)]
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
    introduced = list(entries(given.pages, given.corpora, given.font)) if {*given.before} & {*INTRODUCTIONS} else []
    for what in given.before:
        trials = []
        pages = introduced if what in INTRODUCTIONS else several
        for number, opening in enumerate(pages):
            page = pages[number - (what == "another's, 0 dB")].playing.score
            for seed in range(1 if what in INTRODUCTIONS else given.seeds):
                rng = np.random.default_rng((seed, number, WHAT.index(what)))
                trials.append(tried(what, opening, *trial(what, opening, page, rng, given.font)))
        print(row_of(what, trials), flush=True)


if __name__ == "__main__":
    main()
