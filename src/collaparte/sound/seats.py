"""Who sits where: a MIDI channel and a program for every part.

MIDI has 16 channels and keeps the tenth (index 9) for percussion, so 15 remain. Parts with one program share a
channel when seats run short (their notes mix without harm); past 15 programs, parts join a neighbour of their
General MIDI family (strings with strings), and in the end whoever is nearest by program number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collaparte.score.page import Part

PERCUSSION_CHANNEL = 9
CHANNELS = tuple(channel for channel in range(16) if channel != PERCUSSION_CHANNEL)
CLICK_STRONG, CLICK_WEAK = 76, 77  # high and low wood block
CLICK_LENGTH_S = 0.05


@dataclass(frozen=True, slots=True)
class Seat:
    """``channel`` 0..15 and the General MIDI ``program`` 0..127 it plays."""

    channel: int
    program: int


def allot(parts: Sequence[Part], channels: Sequence[int] = CHANNELS) -> dict[str, Seat]:
    """A seat for each part by name, as few parts to a channel as there is room for."""
    seats: dict[str, Seat] = {}
    pitched = [part for part in parts if not part.percussion]
    for part in parts:
        if part.percussion:
            seats[part.name] = Seat(PERCUSSION_CHANNEL, part.program)
    if len(pitched) <= len(channels):
        for part, channel in zip(pitched, channels, strict=False):
            seats[part.name] = Seat(channel, part.program)
        return seats
    taken: dict[int, Seat] = {}
    for part in pitched:
        if part.program not in taken:
            if len(taken) < len(channels):
                taken[part.program] = Seat(channels[len(taken)], part.program)
            else:
                nearest = min(taken, key=lambda other: (other // 8 != part.program // 8, abs(other - part.program)))
                taken[part.program] = taken[nearest]
        seats[part.name] = taken[part.program]
    return seats


def seat_of(name: str, seats: Mapping[str, Seat]) -> Seat:
    """The seat of a part; a part nobody announced sits down on the first channel as strings."""
    return seats.get(name) or Seat(CHANNELS[0], 48)


def allot_players(parts: Sequence[Part]) -> dict[str, tuple[int, Seat]]:
    """(player, seat) for each part by name, where players of 16 channels are free: nobody shares a channel."""
    pitched = [part for part in parts if not part.percussion]
    seats = {
        part.name: (index // len(CHANNELS), Seat(CHANNELS[index % len(CHANNELS)], part.program))
        for index, part in enumerate(pitched)
    }
    return seats | {part.name: (0, Seat(PERCUSSION_CHANNEL, part.program)) for part in parts if part.percussion}
