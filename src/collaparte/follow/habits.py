"""How this soloist errs: wrong pitches, notes too many, notes left out, counted as they play.

Costs are minus log likelihoods, and the likelihoods are this player's: who has struck no wrong note for a page is not
suspected of one now; who strikes one in ten is. A note left out and a note that was not awaited, between the same two
onsets, are one wrong pitch; the rest are what they seem. Counts are forgotten over about a hundred notes and begin
with what is ordinary, so a few notes settle nothing.
"""

from __future__ import annotations

from math import log

MEMORY = 100.0  # notes over which the counts are forgotten
ORDINARY = 40.0  # notes that the ordinary rate counts for
USUAL = 0.025  # share of notes that an ordinary player gets wrong (and adds, and leaves out)
SLIP_LEAST, SLIP_MOST = -1.5, 1.3  # nats that a wrong pitch may cost less or more than usual
STRAY_LEAST, STRAY_MOST = -1.5, 0.75


class Habits:
    """``slip`` and ``stray``: nats to add for a wrong pitch and for a note too many, beside the usual cost."""

    __slots__ = ("_notes", "_slips", "_strays", "slip", "stray")

    def __init__(self) -> None:
        self._notes, self._slips, self._strays = 0.0, 0.0, 0.0
        self.slip, self.stray = 0.0, 0.0

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
