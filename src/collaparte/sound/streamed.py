"""The orchestra as it sounds, pulled frame by frame while the music is still being decided: for simulated rooms.

Conventions: audio is mono float32 (frames,) at ``sample_rate``; frame 0 is clock zero of the take. What is sent must be
sent before the frame of its ``due_s`` is pulled; later it sounds at once, as in a concert.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.events import Click
from collaparte.score.page import Part
from collaparte.sound.face import Sound, Sounding
from collaparte.sound.player import Player
from collaparte.sound.seats import CLICK_LENGTH_S, CLICK_STRONG, CLICK_WEAK, PERCUSSION_CHANNEL, Seat
from collaparte.sound.voices import Voices

BLOCK_FRAMES = 64  # small, so that little more is decided than is pulled

Waiting = tuple[float, int, int, int, int, int, int, int]  # due_s, order, count, player, channel, pitch, velocity, note


class StreamedSound(Sound):
    """``send`` what is committed, ``pull`` what sounds. The same events give the same sound, to the sample."""

    def __init__(self, parts: Sequence[Part], font: Path | None, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        others = [part for part in parts if not part.solo]
        self._player = Player(others, font, sample_rate=sample_rate, spread=False, block_frames=BLOCK_FRAMES)
        self._waiting: list[Waiting] = []
        self._voices: dict[int, Voices] = {}
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._count = self._clicks = 0

    def send(self, events: Sequence[Sounding]) -> None:
        for event in events:
            if isinstance(event, Click):
                self._clicks -= 1
                pitch = CLICK_STRONG if event.accent else CLICK_WEAK
                for on, due_s in ((1, event.due_s), (0, event.due_s + CLICK_LENGTH_S)):
                    self._put(due_s, on, 0, PERCUSSION_CHANNEL, pitch, 100, self._clicks)
                continue
            player, seat = self._player.seats.get(event.part) or next(
                iter(self._player.seats.values()), (0, Seat(0, 48))
            )
            self._put(event.due_s, int(event.on), player, seat.channel, event.pitch, event.velocity, event.note)

    def _put(self, due_s: float, on: int, player: int, channel: int, pitch: int, velocity: int, note: int) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (due_s, on, self._count, player, channel, pitch, velocity, note))

    def pull(self, frames: int) -> NDArray[np.float32]:
        """The next ``frames`` of sound."""
        blocks, ready = [self._rest], len(self._rest)
        while ready < frames:
            horizon_s = (self._player.frame + BLOCK_FRAMES) / self.sample_rate
            while self._waiting and self._waiting[0][0] < horizon_s:
                due_s, on, _, player, channel, pitch, velocity, note = heapq.heappop(self._waiting)
                voices = self._voices.setdefault(player, Voices())
                frame = round(due_s * self.sample_rate)
                for message in voices.on(channel, pitch, velocity, note) if on else voices.off(channel, pitch, note):
                    self._player.push(player, message, frame)
            blocks.append(self._player.block().mean(axis=1, dtype=np.float32))
            ready += BLOCK_FRAMES
        sound = np.concatenate(blocks)
        self._rest = sound[frames:]
        return sound[:frames]

    def close(self) -> None:
        self._player.close()
