"""The orchestra tunes to the soloist: what the ear says of the A becomes a command, and again when it has drifted."""

from __future__ import annotations

from collaparte.events import Command
from collaparte.listen.hearing import Hears

LOWEST_HZ, HIGHEST_HZ = 415.0, 466.2  # what an orchestra can be tuned to
DRIFT_HZ = 1.0  # from what the orchestra was last told, before it is told again


class Tuner:
    """Asked after each block; ``a4_hz`` is what the orchestra plays now."""

    def __init__(self, ear: Hears, a4_hz: float = 440.0) -> None:
        self._ear, self.a4_hz = ear, a4_hz

    def command(self, heard_s: float) -> Command | None:
        """The command that tunes the orchestra, when it is not in tune with the soloist as heard at ``heard_s``."""
        heard_hz = round(min(max(self._ear.a4_hz, LOWEST_HZ), HIGHEST_HZ), 1)
        if not self._ear.tuned or abs(heard_hz - self.a4_hz) <= DRIFT_HZ:
            return None
        self.a4_hz = heard_hz
        return Command(heard_s, heard_s, "tuning", heard_hz)
