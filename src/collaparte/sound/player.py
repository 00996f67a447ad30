"""A soundfont player, block by block, exact to the sample: the synthesiser of libsonare behind six verbs.

Audio is float32 of shape (frames, 2), roughly -1..1. Without a soundfont the library's own modelled General MIDI bank
plays: thinner, but a sound. Parts sit on as many players of 16 channels as they need, so none has to share.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import DeviceError, MissingExtra
from collaparte.score.page import Part
from collaparte.sound.balance import USUAL_A_HZ, tuning_messages
from collaparte.sound.seats import allot_players
from collaparte.sound.sf2 import PERCUSSION_BANK
from collaparte.sound.soundfont import cut_for
from collaparte.sound.voices import BEND, CONTROL, NOTE_OFF, NOTE_ON, PROGRAM, Raw

SAMPLE_RATE = 48000
BLOCK_FRAMES = 256
POLYPHONY = 128  # of each player of 16 channels
PAN = 10
STAGE = (36, 92)  # the orchestra sits between these pans, 64 being the middle


def presets_of(parts: Sequence[Part]) -> set[tuple[int, int]]:
    """The (bank, program) presets these parts play, with the wood block of the metronome."""
    return {(PERCUSSION_BANK, 0)} | {
        (PERCUSSION_BANK if part.percussion else 0, min(max(part.program, 0), 127)) for part in parts
    }


class Player:
    """Plays raw MIDI messages. ``seats`` gives each part's (player, channel); send notes there, then ``render``."""

    def __init__(
        self,
        parts: Sequence[Part],
        font: Path | None,
        *,
        sample_rate: int = SAMPLE_RATE,
        spread: bool = True,
        tuning_hz: float = USUAL_A_HZ,
        block_frames: int = BLOCK_FRAMES,
    ) -> None:
        try:
            import libsonare
        except ImportError as error:
            raise MissingExtra("The synthesiser needs libsonare: pip install 'libsonare>=1.9,<1.10'") from error
        self.sample_rate = sample_rate
        self.frame = 0  # how many have been rendered
        self.block_frames = block_frames
        self._silence = np.zeros(block_frames, np.float32)
        self._from = 0  # the synthesiser's own count at our frame 0
        self.seats = allot_players(parts)
        players = 1 + max((player for player, _ in self.seats.values()), default=0)
        self._engine: Any = libsonare.RealtimeEngine(
            float(sample_rate), block_frames, command_capacity=16384, max_channels=2
        )
        try:
            if font is not None:
                self._engine.load_soundfont(cut_for(font, presets_of(parts)).read_bytes())
            for player in range(players):
                self._engine.set_sf2_instrument(libsonare.Sf2InstrumentConfig(polyphony=POLYPHONY), player)
        except libsonare.SonareError as error:
            self._engine.close()
            raise DeviceError(f"The synthesiser cannot play the soundfont {font}: {error}") from error
        for index, (player, seat) in enumerate(self.seats.values()):
            self.push(player, (PROGRAM | seat.channel, min(max(seat.program, 0), 127)), 0)
            if spread:
                pan = round(STAGE[0] + (STAGE[1] - STAGE[0]) * (index + 0.5) / len(self.seats))
                self.push(player, (CONTROL | seat.channel, PAN, pan), 0)
        if tuning_hz != USUAL_A_HZ:
            for player, channel in {(player, seat.channel) for player, seat in self.seats.values()}:
                for message in tuning_messages(channel, tuning_hz):
                    self.push(player, message, 0)

    def push(self, player: int, message: Raw, frame: int) -> None:
        """Let ``message`` take effect at ``frame``; at most one rendered block ahead, at once when that is past."""
        status, channel = message[0] & 0xF0, message[0] & 0x0F
        frame = self._from + max(frame, self.frame)
        if status == NOTE_ON:
            self._engine.push_midi_note_on(player, 0, channel, message[1], message[2], frame)
        elif status == NOTE_OFF:
            self._engine.push_midi_note_off(player, 0, channel, message[1], 0, frame)
        elif status == PROGRAM:
            self._engine.push_midi_program(player, 0, channel, message[1], render_frame=frame)
        elif status == CONTROL:
            self._engine.push_midi_cc(player, 0, channel, message[1], message[2], frame)
        elif status == BEND:
            self._engine.push_midi_pitch_bend(player, 0, channel, message[1] | message[2] << 7, frame)

    def block(self) -> NDArray[np.float32]:
        """The next block of sound, (block_frames, 2)."""
        left, right = self._engine.process([self._silence, self._silence])
        self.frame += self.block_frames
        return np.stack([np.asarray(left, np.float32), np.asarray(right, np.float32)], axis=1)

    def restart(self) -> None:
        """Count frames from 0 again, from here on."""
        self._from += self.frame
        self.frame = 0

    def close(self) -> None:
        """Free the synthesiser."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
