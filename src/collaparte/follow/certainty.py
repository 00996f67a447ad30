"""How sure a position is: a logistic model of four things the follower can see, fitted on training pieces alone.

``python -m collaparte.evaluate.follow_certainty`` fits it again and prints the numbers below.
"""

from __future__ import annotations

from math import exp

# Fitted on 40 training pieces of nasap-train, in all the variants of the evaluation; seed 9.
INTERCEPT = 3.051
LEAD, TRAIL = 0.177, 0.910  # for each nat by which the best path elsewhere is behind; or ahead
SPENT = -0.573  # for each nat a note cost, over the last eight notes
LATELY = -0.371  # ... over the last three
IDLE = -0.387  # for each note since one was matched
FAR = 12.0  # a lead or trail counts no more than this


def certainty(lead: float, spent: float, lately: float, idle: int) -> float:
    """Probability (0.01 to 0.995) that the position is within half a quarter of the truth.

    ``lead``: nats by which the cheapest path elsewhere is more expensive than the cheapest one here.
    ``spent``, ``lately``: mean cost in nats of the last eight and the last three notes. ``idle``: notes unmatched.
    """
    ahead, behind = min(max(lead, 0.0), FAR), max(min(lead, 0.0), -FAR)
    score = INTERCEPT + LEAD * ahead + TRAIL * behind + SPENT * spent + LATELY * lately + IDLE * min(idle, 6)
    return min(max(1.0 / (1.0 + exp(-score)), 0.01), 0.995)
