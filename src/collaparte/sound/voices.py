"""What sounds on each channel, so that every note that starts, stops, and a pitch struck again sounds again.

Several notes may hold one key of one channel: a pitch struck again before its end, or two parts in unison on a
shared channel. A new one ends what sounds and strikes; the key is released with the last of them.
"""

from __future__ import annotations

from collections.abc import Iterator

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0
VOLUME = 7
SUSTAIN, ALL_SOUND_OFF, ALL_NOTES_OFF = 64, 120, 123

Raw = tuple[int, ...]  # the bytes of one MIDI message


class Voices:
    """Turns notes that begin and end, in order of time, into MIDI messages."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], set[int]] = {}
        self._channels: set[int] = set()

    def on(self, channel: int, pitch: int, velocity: int, note: int) -> list[Raw]:
        """Note number ``note`` begins; ``velocity`` is brought into 1..127, a pitch MIDI has no key for is left out."""
        if not 0 <= pitch <= 127:
            return []
        self._channels.add(channel)
        strike = (NOTE_ON | channel, pitch, min(max(velocity, 1), 127))
        held = self._held.setdefault((channel, pitch), set())
        again = bool(held)
        held.add(note)
        return [(NOTE_OFF | channel, pitch, 0), strike] if again else [strike]

    def off(self, channel: int, pitch: int, note: int) -> list[Raw]:
        """Note number ``note`` ends; nothing where it does not sound, or another still holds its key."""
        held = self._held.get((channel, pitch))
        if held is None or note not in held:
            return []
        held.discard(note)
        if held:
            return []
        del self._held[channel, pitch]
        return [(NOTE_OFF | channel, pitch, 0)]

    def release(self) -> list[Raw]:
        """Ends every note by its own note-off, then all notes and sounds on every channel that was used."""
        messages: list[Raw] = [(NOTE_OFF | channel, pitch, 0) for channel, pitch in sorted(self._held)]
        for channel in sorted(self._channels):
            messages += [(CONTROL | channel, number, 0) for number in (SUSTAIN, ALL_NOTES_OFF, ALL_SOUND_OFF)]
        self._held.clear()
        return messages

    @property
    def sounding(self) -> int:
        """How many keys are down."""
        return len(self._held)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(sorted(self._held))
