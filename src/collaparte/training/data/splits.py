"""Pieces, not performances, are split: and music under another name stays on its own side.

Pieces that share music (a sonata with and without its repeats, a movement found twice) are one group. Sharing is
measured on runs of eight onsets (top voice by steps, and rhythm): groups join when over a quarter of the smaller
piece's runs are also in the other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from collaparte.predict.features import Page
from collaparte.training.data.corpus import Corpus
from collaparte.training.data.onsets import Performance

RUN = 8
SHARED = 0.25


@dataclass(frozen=True)
class Split:
    """Names of pieces to train on, to tune on (early stopping, choices), and to test on; ``groups`` of shared music."""

    seed: int
    train: tuple[str, ...]
    tune: tuple[str, ...]
    test: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]

    def write(self, path: Path) -> None:
        """As JSON, for people and for the next run."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def runs_of(page: Page) -> frozenset[bytes]:
    """The runs of RUN onsets of a page, transposition forgotten."""
    rows = page.onsets
    if len(rows) <= RUN:
        return frozenset()
    step = np.diff(rows["top"].astype(np.int16)).astype(np.int16)
    length = np.round(np.diff(rows["beat"]) * 48).astype(np.int16)
    both = np.stack([step, length], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(both, RUN - 1, axis=0)
    return frozenset(row.tobytes() for row in np.ascontiguousarray(windows))


def same_music(corpus: Corpus) -> tuple[tuple[str, ...], ...]:
    """Groups of pieces that share music, each group and the list of them in order of name."""
    pieces = corpus.voice("all").by_piece
    names = list(pieces)
    runs = [runs_of(max((item.page for item in pieces[name]), key=len)) for name in names]
    home: dict[bytes, list[int]] = {}
    for index, found in enumerate(runs):
        for run in found:
            home.setdefault(run, []).append(index)
    shared: dict[tuple[int, int], int] = {}
    for owners in home.values():
        if 1 < len(owners) <= 12:  # a run that a dozen pieces know is a scale, not a theme
            for place, first in enumerate(owners):
                for second in owners[place + 1 :]:
                    shared[first, second] = shared.get((first, second), 0) + 1
    parent = list(range(len(names)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for (first, second), count in shared.items():
        if count > SHARED * max(min(len(runs[first]), len(runs[second])), 1):
            parent[root(second)] = root(first)
    groups: dict[int, list[str]] = {}
    for index, name in enumerate(names):
        groups.setdefault(root(index), []).append(name)
    return tuple(sorted(tuple(sorted(group)) for group in groups.values()))


def split(corpus: Corpus, seed: int = 1, tune_share: float = 0.08, test_share: float = 0.15) -> Split:
    """Groups dealt to train, tune and test by a seeded shuffle; shares are of groups."""
    groups = same_music(corpus)
    order = np.random.default_rng(seed).permutation(len(groups))
    n_test, n_tune = round(test_share * len(groups)), round(tune_share * len(groups))
    sides: list[list[str]] = [[], [], []]
    for rank, index in enumerate(order.tolist()):
        side = 2 if rank < n_test else 1 if rank < n_test + n_tune else 0
        sides[side] += groups[index]
    return Split(seed, tuple(sorted(sides[0])), tuple(sorted(sides[1])), tuple(sorted(sides[2])), groups)


def chosen(corpus: Corpus, pieces: tuple[str, ...]) -> list[Performance]:
    """The performances of some pieces."""
    wanted = set(pieces)
    return [item for item in corpus.performances if item.piece in wanted]
