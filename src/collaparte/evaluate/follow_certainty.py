"""Fits the follower's certainty again: ``python -m collaparte.evaluate.follow_certainty [CORPORA]``.

Pieces are the four fifths that are not held out (``follow_cases.held_out``). A position is right when it is within
half a quarter of the truth, as ``measure.reliability`` judges it. Plain logistic regression by Newton's method.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.evaluate.follow_cases import Playing, nasap_cases
from collaparte.evaluate.follow_variants import VARIANTS
from collaparte.follow.certainty import Evidence
from collaparte.follow.tracker import PathFollower
from collaparte.score import Score
from collaparte.training.data.corpus import unpack

PIECES, NOTES, SEED = 100, 2000, 9
HALF = 0.5


def examples(score: Score, playing: Playing) -> Iterator[tuple[Evidence, bool]]:
    """Evidence and whether the position was right, for each note once the follower has begun."""
    onsets = playing.whereabouts.onsets
    order = np.argsort(onsets.first_s, kind="stable")
    when, beat = onsets.first_s[order], onsets.beat[order]
    follower = PathFollower(score)
    for event in playing.events[:NOTES]:
        position = follower.hear(event, None)
        if position is None or position.state == "waiting":
            continue
        here = int(np.clip(np.searchsorted(when, event.time_s + 1e-6, side="right") - 1, 0, len(when) - 1))
        after = min(here + 1, len(when) - 1)
        share = np.clip((event.time_s - when[here]) / max(when[after] - when[here], 1e-9), 0.0, 1.0)
        reached = beat[here] + share * max(beat[after] - beat[here], 0.0)
        yield follower.evidence, bool(max(beat[here] - position.beat, position.beat - reached, 0.0) <= HALF + 1e-4)


def fit(seen: NDArray[np.float64], right: NDArray[np.bool_], rounds: int = 25) -> NDArray[np.float64]:
    """Weights (1 + columns,), the intercept first."""
    rows = np.column_stack([np.ones(len(seen)), seen])
    weights = np.zeros(rows.shape[1])
    for _ in range(rounds):
        said = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30, 30)))
        curvature = (rows * (said * (1.0 - said))[:, None]).T @ rows + 1e-3 * np.eye(rows.shape[1])
        weights += np.linalg.solve(curvature, rows.T @ (right - said) - 1e-3 * weights)
    return weights


def main(corpora: Path | None) -> None:
    seen: list[Evidence] = []
    right: list[bool] = []
    for number, case in enumerate(nasap_cases(unpack("nasap", corpora), PIECES, SEED, training=True)):
        for turn, variant in enumerate(VARIANTS.values()):
            if (turn + number) % 3 == 0:
                playing = variant(case.playing, case.score, np.random.default_rng([SEED, number]))
                for evidence, good in examples(case.score, playing):
                    seen.append(evidence)
                    right.append(good)
    weights = fit(np.array(seen, dtype=np.float64), np.array(right))
    print(f"positions {len(right)}, right {np.mean(right):.4f}")
    print(f"INTERCEPT = {weights[0]:.3f}")
    print("WEIGHTS = (" + ", ".join(f"{weight:.3f}" for weight in weights[1:]) + ")")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
