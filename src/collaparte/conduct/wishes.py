"""What the player wishes of the orchestra: whether it waits, how far it lets itself be driven, what it does in tuttis.

Ratios are of the page's own tempo: ``fastest`` 1.1 is a tenth faster than written, wherever one is on the page, so
that a written ritardando or a slow introduction stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from collaparte.errors import CollaparteError

Mode: TypeAlias = Literal["follow", "wait", "keep going"]
Tuttis: TypeAlias = Literal["play", "mute"]
Metronome: TypeAlias = Literal["off", "rests", "always"]

MODES: tuple[Mode, ...] = ("follow", "wait", "keep going")
TUTTIS: tuple[Tuttis, ...] = ("play", "mute")
METRONOMES: tuple[Metronome, ...] = ("off", "rests", "always")
SLOWEST, FASTEST = 0.2, 4.0  # the ratios that may be asked for
MOST_LEAD_IN_BARS = 16


@dataclass(frozen=True, slots=True)
class Wishes:
    """``mode``: "follow" waits a little and then goes on to the next resting point; "wait" never passes the soloist's
    next note; "keep going" goes on in tempo. ``slowest`` and ``fastest``: ratios to the page's tempo that the
    orchestra's own keeps within, None for no limit. ``tuttis`` "mute" leaves the long rests of the soloist silent but
    for ``lead_in_bars`` before the entry. ``metronome``: where clicks mark the beat.

    Raises CollaparteError for what cannot be.
    """

    mode: Mode = "follow"
    slowest: float | None = None
    fastest: float | None = None
    tuttis: Tuttis = "play"
    lead_in_bars: int = 1
    metronome: Metronome = "off"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mode", self.mode, MODES), ("tuttis", self.tuttis, TUTTIS), ("metronome", self.metronome, METRONOMES)
        ):  # fmt: skip
            if value not in known:
                raise CollaparteError(f"{name} {value!r} is not known. Choose one of {', '.join(map(repr, known))}.")
        for name, ratio in (("slowest", self.slowest), ("fastest", self.fastest)):
            if ratio is not None and not SLOWEST <= ratio <= FASTEST:
                raise CollaparteError(
                    f"{name} is {ratio:g} times the written tempo; it lies between {SLOWEST:g} and {FASTEST:g}."
                )
        if self.slowest is not None and self.fastest is not None and self.slowest > self.fastest:
            raise CollaparteError(
                f"The slowest tempo ({self.slowest:g} of the written one) is above the fastest ({self.fastest:g})."
            )
        if not 0 <= self.lead_in_bars <= MOST_LEAD_IN_BARS:
            raise CollaparteError(f"The lead-in has 0 to {MOST_LEAD_IN_BARS} bars, not {self.lead_in_bars}.")

    def within(self, pace: float) -> float:
        """``pace`` (seconds for each second on the page) brought within the limits."""
        if self.fastest is not None:
            pace = max(pace, 1.0 / self.fastest)
        if self.slowest is not None:
            pace = min(pace, 1.0 / self.slowest)
        return pace
