"""A soloist heard in a virtual room: played once dry, to know how loud the orchestra is, and once in the room.

The orchestra is rendered by the synthesiser as the engine commits it, and goes through the same canceller and ear as in
a concert (``listen.apart``). Everything is seeded: the same arguments give the same take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.clock import VirtualClock
from collaparte.engine.engine import Engine
from collaparte.engine.perform import rehearse
from collaparte.errors import SoloistError
from collaparte.events import OrchestraEvent, Value
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.audio import RATE
from collaparte.listen.recording import RecordedSoloist, Source
from collaparte.listen.simulated.room import Room, VirtualRoom, bleed_db
from collaparte.score import Score
from collaparte.sound.streamed import StreamedSound

Array = NDArray[np.float32]
Learn = Callable[[VirtualRoom], Array]  # what a canceller begins with


@dataclass
class InRoom:
    """How a soloist is heard: ``db`` is asked for, ``came_to_db`` what it was; ``way`` echo, pitches or nothing.

    ``gain`` of the direct sound is what ``db`` came to be.

    The logs (n,) are at RATE, of what the microphone heard: ``solo``, ``bleed``, and what was made of them.
    """

    room: Room
    db: float
    seed: int = 0
    way: str = "echo"
    learn: Learn | None = None
    gain: float = 1.0
    solo: list[Array] = field(default_factory=list)
    bleed: list[Array] = field(default_factory=list)
    cleaned: list[Array] = field(default_factory=list)

    @property
    def came_to_db(self) -> float:
        """Orchestra over soloist where both sounded, in the take itself."""
        if not self.bleed:
            return float("nan")
        bleed = np.concatenate(self.bleed)
        return bleed_db(bleed, np.concatenate(self.solo)[: len(bleed)])


class _Heard(VirtualRoom):
    """Keeps what it hands out."""

    def __init__(self, given: InRoom, orchestra: StreamedSound) -> None:
        super().__init__(given.room, orchestra, seed=given.seed, gain=given.gain)
        self._given = given

    def bleed(self, count: int) -> tuple[Array, Array]:
        bleed, reference = super().bleed(count)
        self._given.bleed.append(bleed)
        return bleed, reference


class _Kept(EchoCanceller):
    """Keeps what it gives out."""

    def __init__(self, given: InRoom) -> None:
        super().__init__()
        self._given = given

    def clean(self, microphone: Array, reference: Array) -> Array:
        cleaned = super().clean(microphone, reference)
        self._given.cleaned.append(cleaned)
        return cleaned


def gain_of(given: InRoom, solo: Array, events: list[OrchestraEvent], score: Score, font: Path | None) -> float:
    """The level at which ``events`` come to ``given.db`` beside ``solo``. Raises SoloistError when they never meet."""
    with StreamedSound(score.parts, font, RATE) as orchestra:
        room = VirtualRoom(given.room, orchestra, seed=given.seed)
        for event in events:
            room.sounds(event)
        here_db = bleed_db(room.bleed(len(solo))[0], solo)
    if not np.isfinite(here_db):
        raise SoloistError("Soloist and orchestra never sound together, so there is no level between them to set.")
    return float(10.0 ** ((given.db - here_db) / 20.0))


def played_in_a_room(
    given: InRoom,
    source: Source,
    score: Score,
    engine: Callable[[], Engine],
    font: Path | None,
    *,
    latency_s: float = 0.0,
    dry: list[OrchestraEvent] | None = None,
    hearing: str = "auto",
    gain: float | None = None,
) -> Iterator[Value]:
    """Every value of the take. ``engine`` makes one; ``dry`` is the orchestra of a take without the room, if known.

    ``gain``, if known, is what ``gain_of`` finds; then nothing is played before.
    """
    solo = np.concatenate([block for _, block in source.blocks()])
    given.solo, given.bleed, given.cleaned = [solo], [], []
    if dry is None and gain is None:
        first = rehearse(engine(), VirtualClock(), RecordedSoloist(source, score, latency_s=latency_s, hearing=hearing))
        dry = [value for value in first if isinstance(value, OrchestraEvent)]
    given.gain = gain if gain is not None else gain_of(given, solo, dry or [], score, font)
    with StreamedSound(score.parts, font, RATE) as orchestra:
        room = _Heard(given, orchestra)
        canceller = _Kept(given) if given.way == "echo" else None
        if canceller is not None and given.learn is not None:
            canceller.learn(given.learn(room))
        soloist = RecordedSoloist(
            source, score, latency_s=latency_s, room=room, canceller=canceller, pitches=given.way == "pitches",
            hearing=hearing,
        )  # fmt: skip
        yield from rehearse(engine(), VirtualClock(), soloist)
