"""What the agent senses: the only place where an observation is made.

An observation answers one matched solo onset. It has three parts, in this order:

- **page** (``look``): what the score says around the onset; known before the take begins, one row for each onset;
- **take** (``dynamic``): how this take has gone so far, told relative to the steady model's plan, and what is
  remembered of the next interval from this take (the last places with the same notes) and from earlier ones;
- **own**: what the agent's own last plan did. All zero where nobody acts (the warm start by cloning).

``Senses`` (``live.py``) makes observations one by one at run time, ``observe`` (``whole.py``) those of a whole take at
once for training; a test holds them equal. What the page says is in ``page.py``, what single run-throughs advise in
``advice.py``. Every number is clipped into its range, so an observation never leaves its Box.

Version 2. ``log`` is natural; an *interval* lies between consecutive onsets of the page; *expected* is the steady
model's; a quantity that does not exist (no memory, nothing played yet, past the end) is 0.

{table}
"""

from __future__ import annotations

from collaparte.predict.features.live import Senses
from collaparte.predict.features.page import ONSET_FIELDS, Page, gather
from collaparte.predict.features.table import (
    DYNAMIC,
    HIGH,
    LOW,
    N_DYNAMIC,
    N_LOOK,
    N_OWN,
    N_SENSES,
    RECALL_AHEAD,
    SENSES,
    VERSION,
    describe,
)
from collaparte.predict.features.whole import RecalledLine, SteadyLine, observe

__doc__ = __doc__.replace("{table}", describe()) if __doc__ else __doc__

__all__ = [
    "DYNAMIC",
    "HIGH",
    "LOW",
    "N_DYNAMIC",
    "N_LOOK",
    "N_OWN",
    "N_SENSES",
    "ONSET_FIELDS",
    "RECALL_AHEAD",
    "SENSES",
    "VERSION",
    "Page",
    "RecalledLine",
    "Senses",
    "SteadyLine",
    "describe",
    "gather",
    "observe",
]
