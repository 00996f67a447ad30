"""How sure a position is: a logistic model of what the follower can see, fitted on training pieces alone.

``python -m collaparte.evaluate.follow_certainty`` fits it again and prints the numbers below.
"""

from __future__ import annotations

from math import exp
from typing import NamedTuple

FAR = 12.0  # nats: a lead or a trail counts no more than this
IDLE_MOST, SETTLED_MOST = 6, 20


class Evidence(NamedTuple):
    """What certainty is made of.

    ``lead``: nats by which the cheapest path elsewhere is behind the cheapest here, 0..FAR; ``trail``: by which it is
    ahead, -FAR..0. ``spent``, ``lately``: mean cost in nats of the last eight and the last three notes. ``idle``:
    notes since one matched, 0..6. ``settled``: onsets since the path began or jumped, 0..20.
    """

    lead: float
    trail: float
    spent: float
    lately: float
    idle: int
    settled: int


# Fitted on 40 training pieces of nasap-train in all the variants with and without jumps; seed 9.
INTERCEPT = 2.463
WEIGHTS = (0.129, 0.615, -0.710, -0.385, -0.253, 0.048)  # in the order of Evidence


def certainty(evidence: Evidence) -> float:
    """Probability (0.01 to 0.995) that the position is within half a quarter of the truth."""
    score = INTERCEPT + sum(weight * value for weight, value in zip(WEIGHTS, evidence, strict=True))
    return min(max(1.0 / (1.0 + exp(-score)), 0.01), 0.995)
