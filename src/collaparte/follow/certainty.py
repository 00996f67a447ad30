"""How sure a position is: a logistic model of what the follower can see, fitted on training pieces alone.

``python -m collaparte.evaluate.follow_certainty`` fits it again and prints the numbers below.
"""

from __future__ import annotations

from math import exp
from typing import NamedTuple

# The most that each piece of evidence can say; without limits the worst of the data, where no line fits, would tilt it.
LEAD_MOST, TRAIL_MOST = 6.0, 3.0  # nats
SPENT_MOST, LATELY_MOST = 3.0, 4.0  # nats
IDLE_MOST, SETTLED_MOST = 6, 20


class Evidence(NamedTuple):
    """What certainty is made of.

    ``lead``: nats by which the cheapest path elsewhere is behind the cheapest here, 0..LEAD_MOST; ``trail``: by which
    it is ahead, -TRAIL_MOST..0. ``spent``, ``lately``: mean cost in nats of the last eight and the last three notes.
    ``idle``: notes since one matched, 0..IDLE_MOST. ``settled``: log (1 + onsets since the path began or jumped), of
    SETTLED_MOST at most.
    """

    lead: float
    trail: float
    spent: float
    lately: float
    idle: int
    settled: float


# Fitted on 100 training pieces of nasap-train in all the variants with and without jumps; seed 9.
INTERCEPT = -2.010
WEIGHTS = (0.763, -0.150, -1.205, -0.146, -0.229, 1.305)  # in the order of Evidence


def certainty(evidence: Evidence) -> float:
    """Probability (0.01 to 0.995) that the position is within half a quarter of the truth."""
    score = INTERCEPT + sum(weight * value for weight, value in zip(WEIGHTS, evidence, strict=True))
    return min(max(1.0 / (1.0 + exp(-score)), 0.01), 0.995)
