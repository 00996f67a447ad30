"""The orchestra from the synthesiser: live here, and as a recording in ``sound.render``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from collaparte.score.page import Part
from collaparte.sound.attack import MOST_LIVE_S, leads_s
from collaparte.sound.live import LiveSound
from collaparte.sound.render import mix, render, render_solo, write_wav
from collaparte.sound.seats import allot_players
from collaparte.sound.soundfont import find_soundfont
from collaparte.sound.tap import Tap


class SynthSound(LiveSound):
    """Plays ``parts`` through the sound device, each attack sent as early as its preset speaks late.

    ``soundfont`` is a path, or None for the one ``find_soundfont`` finds; with none at all the synthesiser's own
    modelled bank plays. ``origin_s`` is ``time.monotonic()`` at the take's clock zero; ``latency_s`` is what the
    loudspeaker adds to the device's own buffers (Bluetooth: a fifth of a second and more). ``backend`` is one of
    miniaudio's names (ALSA, PULSEAUDIO, JACK, COREAUDIO, NULL), ``device`` the beginning of a device's name.
    With ``tapped`` all that sounds can be read from ``tap``, and sounds the same from both loudspeakers.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        soundfont: str | Path | None = None,
        *,
        origin_s: float,
        latency_s: float = 0.0,
        backend: str | None = None,
        device: str | None = None,
        notice: Callable[[str], None] = lambda text: None,
        tapped: bool = False,
    ) -> None:
        self.tap = Tap() if tapped else None
        others = [part for part in parts if not part.solo]
        self.font = find_soundfont(soundfont)
        super().__init__(
            {
                "output": "synth",
                "parts": [[part.name, part.program, part.percussion] for part in others],
                "font": str(self.font) if self.font is not None else None,
                "backend": backend,
                "device": device,
                "tap": str(self.tap.path) if self.tap is not None else None,
            },
            allot_players(others),
            origin_s=origin_s,
            latency_s=latency_s,
            leads_s=leads_s(others, self.font, MOST_LIVE_S),
            notice=notice,
        )

    def close(self) -> None:
        super().close()
        if self.tap is not None:
            self.tap.close()


__all__ = ["SynthSound", "mix", "render", "render_solo", "write_wav"]
