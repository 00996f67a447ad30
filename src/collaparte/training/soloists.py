"""Simulated soloists on a corpus' pages: what they play is exactly known, and nobody has to have played it."""

from __future__ import annotations

import numpy as np

from collaparte.listen.simulated import simulate_solo
from collaparte.predict.features import Page
from collaparte.score import Score
from collaparte.training.data.onsets import Performance, forward
from collaparte.training.lanes import PAGE_PERIOD_S

LEVELS = ("low", "middle", "high")


def simulated(page: Page, piece: str, rng: np.random.Generator) -> Performance:
    """A simulated soloist of a random level plays the top line of ``page``, at a random tempo."""
    seed, level = int(rng.integers(2**31)), LEVELS[int(rng.integers(len(LEVELS)))]
    rows = page.onsets
    notes = zip(rows["beat"].tolist(), (rows["end_beat"] - rows["beat"]).tolist(), rows["top"].tolist(), strict=True)
    score = Score.from_notes(list(notes), beat_period_s=PAGE_PERIOD_S * float(np.exp(rng.uniform(-0.4, 0.4))))
    take = simulate_solo(score, seed, level)
    return Performance(piece, f"simulated, {level}, {seed}", "all", page, forward(np.round(take.onset_s, 6)))
