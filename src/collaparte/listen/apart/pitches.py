"""The soloist told from an orchestra of which only the notes are known: an external MIDI instrument plays them.

Conventions: a frame's ``magnitude`` is (BINS,), of a window that ends at sample ``end`` (see ``hearing.spectrum``);
``_s`` are seconds of sound heard, as the ear counts them.

What is usual of the orchestra (``expected``) is taken off what the ear sees (Boll, Suppression of acoustic noise in
speech using spectral subtraction, IEEE ASSP 27, 1979). By what is left the ear goes along the page, which may be the
orchestra on the soloist's pitches. Whose each note is, is asked of its own partials: by how many decibels they are
beyond the usual there. One note says little, the notes of the last seconds much: a sum of log odds, bounded, so that
somebody who begins or stops is soon believed to (Page, Continuous inspection schemes, Biometrika 41, 1954), and
forgotten in time. What is not the soloist's is not said.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collaparte.events import OrchestraEvent
from collaparte.listen.apart.expected import Expected
from collaparte.listen.audio import RATE
from collaparte.listen.hearing.spectrum import HOP_S

LEFT = 0.06  # share of the power that is left where the orchestra usually has it all
MARGIN_DB = 8.0  # partials differ: at most so much over the usual, where its level is known
SMOOTH = 0.75  # of shares, from frame to frame
ALONE = 0.003  # share that must be beyond it where nobody is believed to play; twice: surely
SEEN_S = (0.035, 0.075)  # after a note began: middles of the windows in which it is judged
KEPT = 600  # frames: as long as a beginning may be in doubt
AT_ONCE_DB, AT_ONCE_NATS_PER_DB = 1.0, 0.2  # beyond the usual, when noticed: likely as not; what each dB more says
AFTERWARDS_DB, AFTERWARDS_NATS_PER_DB = -1.0, 0.3  # ... and once it has sounded for a while
MOST_EACH = 3.0  # nats that one note says
UNKNOWN, LEAST, MOST = -1.0, -2.0, 3.0  # nats, of all: while nothing is heard, at least, at most
FORGET_S = 3.0
TINY = 1e-12

Array = NDArray[np.float32]
Bins = NDArray[np.bool_]


class KnownPitches:
    """Told what ``sounds``, and when it is ``tune``d; shown every spectrum, and asked who ``plays`` a note."""

    def __init__(self) -> None:
        self.origin_s = 0.0  # of sample 0 on the take's clock
        self._expected = Expected()
        self._frames: deque[tuple[float, Array, Array]] = deque(maxlen=KEPT)  # middle, power, of which is usual
        self._waiting: list[tuple[float, Bins]] = []  # notes to be judged once more, when they have sounded for a while
        self._beyond = 0.0  # share of the power, of late, that is more than the orchestra has at most
        self._believed = UNKNOWN  # log odds that the notes of late were the soloist's

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed. Safe from another thread."""
        self._expected.sounds(event)

    def tune(self, a4_hz: float) -> None:
        """The orchestra's A. Safe from another thread."""
        self._expected.a4_hz = a4_hz

    def without(self, magnitude: Array, end: int, shape: Array) -> tuple[Array, float]:
        """(magnitude, own): weakened where the orchestra sounds, and how surely 0..1 there may be a soloist.

        ``shape`` is the window that the frame was seen through.
        """
        power = magnitude * magnitude
        usual = self._expected.in_frame(power, end / RATE + self.origin_s, len(shape))
        middle_s = (end - len(shape) / 2) / RATE
        self._frames.append((middle_s, power, usual))
        self._believed += (UNKNOWN - self._believed) * HOP_S / FORGET_S
        while self._waiting and self._waiting[0][0] + SEEN_S[1] <= middle_s:
            began_s, ridges = self._waiting.pop(0)
            said = self._said(ridges, began_s, AFTERWARDS_DB, AFTERWARDS_NATS_PER_DB)
            self._believed = min(max(self._believed + said, LEAST), MOST)
        own = self._own(power, usual)
        if not self._expected.learnt:
            return magnitude, own
        return np.sqrt(np.maximum(power - usual, np.float32(LEFT) * power)), own

    def _own(self, power: Array, usual: Array) -> float:
        """Until somebody is believed to play, a little must be beyond the most that the orchestra may be."""
        most = usual * np.float32(10.0 ** ((MARGIN_DB + self._expected.doubt_db) / 10.0))
        beyond = float(np.maximum(power - most, 0.0).sum() / (power.sum() + TINY))
        self._beyond += (1.0 - SMOOTH) * (beyond - self._beyond)
        return 1.0 if self._believed > 0.0 else min(max(self._beyond / ALONE - 1.0, 0.0), 1.0)

    def plays(self, pitches: Sequence[int], began_s: float) -> bool:
        """Whether it was the soloist who struck ``pitches``. Asked once for each note, in order."""
        ridges = self._expected.partials(pitches)
        self._waiting.append((began_s, ridges))
        self._expected.spared = ridges
        return self._believed + self._said(ridges, began_s, AT_ONCE_DB, AT_ONCE_NATS_PER_DB) > 0.0

    def _said(self, ridges: Bins, began_s: float, neutral_db: float, nats_per_db: float) -> float:
        """Log odds, in nats, of how far what sounded at ``ridges`` (BINS,) is above the usual.

        ``neutral_db`` above it is as likely the orchestra as the soloist; each dB more says ``nats_per_db``.
        As far as it has been heard. What is in doubt of the orchestra's level speaks neither for nor against.
        """
        first_s, last_s = began_s + SEEN_S[0], began_s + SEEN_S[1]
        seen = [frame for frame in self._frames if first_s <= frame[0] <= last_s] or list(self._frames)[-1:]
        there = sum(float(power[ridges].sum()) for _, power, _ in seen)
        usual = sum(float(expected[ridges].sum()) for _, _, expected in seen)
        beyond_db = 10.0 * math.log10((there + TINY) / (usual + TINY)) - neutral_db
        doubt_db = self._expected.doubt_db if usual > 0.0 else 0.0
        return min(max(nats_per_db * (beyond_db - min(max(beyond_db, -doubt_db), doubt_db)), -MOST_EACH), MOST_EACH)
