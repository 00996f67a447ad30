"""How this soloist errs, wrong pitches, notes too many, notes left out, and how evenly they play: learnt as they do.

Costs are minus log likelihoods, and the likelihoods are this player's: who has struck no wrong note for a page is not
suspected of one now; who strikes one in ten is. A note left out and a note that was not awaited, between the same two
onsets, are one wrong pitch; the rest are what they seem. Counts are forgotten over about a hundred notes and begin
with what is ordinary, so a few notes settle nothing. Of one who keeps time a note at another moment says more than of
one who does not: deviations are measured by this player's own.
"""

from __future__ import annotations

from math import log

MEMORY = 100.0  # notes over which the counts are forgotten
ORDINARY = 40.0  # notes that the ordinary rate counts for
USUAL = 0.025  # share of notes that an ordinary player gets wrong (and adds, and leaves out)
SLIP_LEAST, SLIP_MOST = -1.5, 1.3  # nats that a wrong pitch may cost less or more than usual
STRAY_LEAST, STRAY_MOST = -1.5, 0.75
OFF_USUAL, OFF_MOST = 0.32, 1.0  # deviations that an ordinary player's onset is off; that a pause counts for
OFF_MEMORY = 60.0  # onsets over which these are forgotten
EVEN, UNEVEN = 0.5, 1.5  # how many times an ordinary player's the deviations can be


class Habits:
    """``slip`` and ``stray``: nats to add for a wrong pitch and for a note too many, beside the usual cost.

    ``uneven``: the standard deviation of this player's intervals, in those of an ordinary player.
    """

    __slots__ = ("_notes", "_off", "_slips", "_strays", "slip", "stray", "uneven")

    def __init__(self) -> None:
        self._notes, self._slips, self._strays = 0.0, 0.0, 0.0
        self.slip, self.stray = 0.0, 0.0
        self._off, self.uneven = OFF_USUAL, 1.0

    def count(self, notes: int, unheard: int, strays: int) -> None:
        """The music went on: of ``notes`` on the page, ``unheard`` were not struck; ``strays`` notes matched none."""
        keep = max(1.0 - notes / MEMORY, 0.0)
        slips = min(unheard, strays)
        self._notes = self._notes * keep + notes
        self._slips = self._slips * keep + slips
        self._strays = self._strays * keep + strays - slips
        among = USUAL * (self._notes + ORDINARY)
        self.slip = min(max(-log((self._slips + USUAL * ORDINARY) / among), SLIP_LEAST), SLIP_MOST)
        self.stray = min(max(-log((self._strays + USUAL * ORDINARY) / among), STRAY_LEAST), STRAY_MOST)

    def time(self, off: float) -> None:
        """An onset came ``off`` standard deviations, as they are believed so far, late or early."""
        self._off += (min(abs(off), OFF_MOST) * self.uneven - self._off) / OFF_MEMORY
        self.uneven = min(max(self._off / OFF_USUAL, EVEN), UNEVEN)
