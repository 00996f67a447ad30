"""What the follower's constants are worth: ``python -m collaparte.evaluate.follow_tune [CORPORA] [NAME=VALUE,...] ...``

Every group of values is tried on beginnings and middles (300 notes each) of training pieces, after the values as they
are; without any group, each constant of ``TRIED`` is tried a fifth smaller and a fifth larger. A line says how many
onsets in a hundred are missed, the mean over 25, 50 and 100 ms, for both halves of the pieces and for each variant: a
gain in one half alone is luck. Held-out pieces are not touched. The first line is no follower's: the share of onsets
that no running position can get right, because hands are out of order against the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from collaparte.evaluate.follow import run_follower
from collaparte.evaluate.follow_cases import Case, nasap_cases
from collaparte.evaluate.follow_rows import TOLERANCES_S, Job
from collaparte.evaluate.follow_variants import VARIANTS
from collaparte.follow import habits, onsets, paths, search, tempo, tracker
from collaparte.measure import capped, following_errors
from collaparte.training.data.corpus import unpack

PIECES, NOTES, SEED = 100, 300, 5
VARIED = ("clean", "10 % wrong", "10 % omitted, 10 % added", "amateur 3")
ROOMS = (habits, onsets, paths, search, tempo, tracker)
TRIED = (
    "SKIP", "LEAP", "REPEAT", "RESTART", "AGAIN", "UNHEARD", "DUE", "FREE", "BUNCH", "SUBSTITUTE", "PUNCTUAL",
    "SPREAD_COST", "JITTER", "RUBATO", "LATE_COST", "EARLY_COST", "DOUBT_OUTLIER", "RESTRIKE", "STRANGER", "JUMP",
    "MARGIN", "DOUBT",
)  # fmt: skip


def jobs_of(cases: Sequence[Case]) -> dict[str, list[Job]]:
    """Beginnings and middles of the cases in every variant."""
    parts = [part for case in cases for part in (case.cut(NOTES), case.cut(NOTES, len(case.playing) // 2))]
    return {
        name: [
            (case, VARIANTS[name](case.playing, case.score, np.random.default_rng([SEED, number])))
            for number, case in enumerate(parts)
        ]
        for name in VARIED
    }


def missed(jobs: Sequence[Job]) -> list[float]:
    """Onsets missed in a hundred, mean over the tolerances, of the first and the other pieces (two jobs each)."""
    errors: list[list[float]] = [[], []]
    for number, (case, playing) in enumerate(jobs):
        run = run_follower("paths", case.score, playing)
        errors[number // 2 % 2].extend(capped(following_errors(run.track, playing.truth.onsets)))
    return [
        100.0 * float(np.mean([np.greater(half, limit + 1e-4).mean() for limit in TOLERANCES_S])) for half in errors
    ]


def out_of_order(jobs: Sequence[Job]) -> float:
    """Share of the onsets before which a later one sounds, by more than the smallest tolerance; in a hundred."""
    late = []
    for _, playing in jobs:
        first_s = playing.truth.onsets.first_s
        late.append(first_s - np.minimum.accumulate(first_s[::-1])[::-1] > TOLERANCES_S[0])
    return 100.0 * float(np.concatenate(late).mean())


def value_of(name: str) -> float:
    """The constant of that name, in whichever file it stands."""
    return next(float(getattr(room, name)) for room in ROOMS if hasattr(room, name))


def put(values: dict[str, float]) -> dict[str, float]:
    """Set constants wherever they are known by name; returns what they were."""
    before = {name: value_of(name) for name in values}
    for name, value in values.items():
        for room in ROOMS:
            if hasattr(room, name):
                setattr(room, name, type(getattr(room, name))(value))
    return before


def groups(words: Sequence[str]) -> Iterator[dict[str, float]]:
    """What is to be tried, the present values first."""
    yield {}
    for word in words:
        yield {name: float(value) for name, _, value in (part.partition("=") for part in word.split(","))}
    if not words:
        for name in TRIED:
            yield {name: value_of(name) / 1.2}
            yield {name: value_of(name) * 1.2}


def main(words: Sequence[str]) -> None:
    corpora = Path(words[0]) if words and "=" not in words[0] else None
    jobs = jobs_of(nasap_cases(unpack("nasap", corpora), PIECES, SEED, training=True))
    print(f"out of order {out_of_order(jobs['clean']):.2f}")
    for values in groups([word for word in words if "=" in word]):
        before = put(values)
        found = {name: missed(varied) for name, varied in jobs.items()}
        put(before)
        one, other = np.mean(list(found.values()), axis=0)
        each = ", ".join(f"{name} {np.mean(halves):.2f}" for name, halves in found.items())
        label = ", ".join(f"{name} {value:g}" for name, value in values.items()) or "as they are"
        print(f"{label}: {one:.3f} and {other:.3f}; {each}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
