"""A recording as the soloist: heard block by block, as a microphone would be, faster than real time.

The file is read while the music goes on; nothing that is said up to a time depends on what the file holds later. Its
first sample is the take's clock zero.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import SoloistError
from collaparte.events import Command, OrchestraEvent, SoloEvent
from collaparte.listen.apart import Apart
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.audio import RATE, Health, open_recording
from collaparte.listen.hearing import Ear, make_ear
from collaparte.listen.simulated.room import VirtualRoom
from collaparte.listen.tuner import Tuner
from collaparte.score import Score

Block = tuple[float, NDArray[np.float32]]
FEW = 0.1  # share of the page's onsets; a recording in which fewer are found is probably of something else
LIKE = 0.5  # ... and so is one that resembles the page less (``Ear.resemblance``)


class Source(Protocol):
    """Sound that comes block by block: a ``Recording``, or one made here."""

    def blocks(self, health: Health | None = None) -> Iterator[Block]:
        """(heard_s, mono audio at RATE) in order."""


@dataclass(frozen=True)
class Made:
    """Sound that was made here, mono (n,) at RATE, in blocks of 10 ms."""

    sound: NDArray[np.float32]

    def blocks(self, health: Health | None = None) -> Iterator[Block]:
        """(heard_s, block) in order."""
        for first in range(0, len(self.sound), RATE // 100):
            block = self.sound[first : first + RATE // 100]
            yield (first + len(block)) / RATE, (health.take(block[:, None])[:, 0] if health is not None else block)


class RecordedSoloist:
    """Plays a recording to the engine (see ``engine.perform.Listening``); ``health`` says what is wrong with it.

    ``latency_s`` is added to every ``heard_s``: what a live input would have taken. In a ``room`` the orchestra comes
    back into the microphone, and is told apart with ``canceller``, or by its ``pitches`` alone. ``a4_hz`` is the
    soloist's A where it is known. With ``tunes`` the orchestra is tuned to it as it is heard. ``hearing`` is one of
    ``hearing.HEARINGS``.
    """

    def __init__(
        self,
        recording: Source,
        score: Score,
        *,
        latency_s: float = 0.0,
        room: VirtualRoom | None = None,
        canceller: EchoCanceller | None = None,
        pitches: bool = False,
        a4_hz: float | None = None,
        tunes: bool = False,
        hearing: str = "auto",
    ) -> None:
        self.health = Health()
        self._room = room
        self.ear = make_ear(score, hearing, a4_hz=a4_hz)
        self._apart = Apart(self.ear, canceller, pitches=pitches)
        self._tuner = Tuner(self.ear) if tunes else None
        self._blocks: Iterator[Block] = recording.blocks(self.health)
        self._latency_s = latency_s
        self._pending: deque[SoloEvent | Command] = deque()
        self._block: Block | None = next(self._blocks, None)
        self.heard = 0  # onsets

    def next_s(self) -> float:
        """When the next block, or an event already found, can be heard; inf after the last."""
        if self._pending:
            return self._pending[0].heard_s
        return math.inf if self._block is None else self._block[0] + self._latency_s

    def next_event(self) -> SoloEvent | Command | None:
        """The next event, if the block due now holds one."""
        if not self._pending and self._block is not None:
            heard_s, block = self._block
            reference: NDArray[np.float32] | None = None
            if self._room is not None:
                bleed, reference = self._room.bleed(len(block))
                block = block + bleed
            self._pending.extend(self._apart.hear(block, heard_s + self._latency_s, reference))
            tuned = self._tuner.command(heard_s + self._latency_s) if self._tuner is not None else None
            if tuned is not None:
                self._pending.append(tuned)
            self._block = next(self._blocks, None)
        if not self._pending:
            return None
        event = self._pending.popleft()
        self.heard += isinstance(event, SoloEvent) and event.on
        return event

    def listen(self, event: OrchestraEvent) -> None:
        """A recorded soloist does not hear the orchestra; the microphone does, in a room."""
        if self._room is not None:
            self._room.sounds(event)
            self._apart.sounds(event)

    def events(self) -> list[SoloEvent]:
        """Everything that is still to be heard, at once."""
        found = []
        while math.isfinite(self.next_s()):
            event = self.next_event()
            if isinstance(event, SoloEvent):
                found.append(event)
        return found


def recorded_soloist(
    path: str | Path,
    score: Score,
    *,
    latency_s: float = 0.0,
    notice: Callable[[str], None] = lambda text: None,
    a4_hz: float | None = None,
    tunes: bool = False,
    hearing: str = "auto",
) -> tuple[RecordedSoloist, float]:
    """The soloist of a recording, and when (s) its first note was found to begin.

    The file is heard through once before, to find that note and to say, through ``notice``, what is wrong with it.
    Raises SoloistError when it cannot be read, holds no sound, or nothing of the page is found in it.
    """
    recording = open_recording(path)
    first = RecordedSoloist(recording, score, latency_s=latency_s, a4_hz=a4_hz, hearing=hearing)
    begun = [event for event in first.events() if event.on]
    for complaint in first.health.complaints():
        notice(f"{path}: {complaint}")
    if not begun:
        raise SoloistError(
            f"In {path} nothing of {score.title!r} was heard ({first.health.level_db:.0f} dB). "
            "Is it the right recording, and is the right part chosen with --solo?"
        )
    places = len({event.time_s for event in begun})
    ear = first.ear
    if isinstance(ear, Ear) and ear.resemblance < LIKE:
        notice(
            f"{path}: only {100 * ear.resemblance:.0f} % of what is heard in it resembles {score.title!r}. "
            "Is it a recording of this piece?"
        )
    elif places < FEW * len(score.solo_onsets):
        notice(
            f"{path}: only {places} of the {len(score.solo_onsets)} onsets of {score.title!r} were heard. "
            "Is it a recording of this piece?"
        )
    soloist = RecordedSoloist(recording, score, latency_s=latency_s, a4_hz=a4_hz, tunes=tunes, hearing=hearing)
    return soloist, begun[0].time_s
