"""OrchestraEvents become sound: a MIDI port, a MIDI file, a synthesiser, or silence.

``Silent``, ``MidiFile``, ``MidiPort`` and ``SynthSound`` share one face (``sound.face.Sound``) and live in files of
their own, so that nothing imports a device library before it is used.
"""

from __future__ import annotations

from collaparte.sound.face import Sound, Sounding
from collaparte.sound.silent import Silent

__all__ = ["Silent", "Sound", "Sounding"]
