"""No sound at all: for simulations, tests, and rehearsing where others sleep."""

from __future__ import annotations

from collections.abc import Sequence

from collaparte.sound.face import Sound, Sounding


class Silent(Sound):
    """Takes every event and discards it; ``sent`` counts them, ``panics`` counts calls of ``all_notes_off``."""

    def __init__(self) -> None:
        self.sent = 0
        self.panics = 0
        self.closed = False

    def send(self, events: Sequence[Sounding]) -> None:
        self.sent += len(events)

    def all_notes_off(self) -> None:
        self.panics += 1

    def close(self) -> None:
        self.closed = True
