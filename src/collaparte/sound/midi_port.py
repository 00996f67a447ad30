"""The orchestra on a MIDI port: a keyboard, a sampler, another program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from collaparte.score.page import Part
from collaparte.sound.live import LiveSound
from collaparte.sound.seats import allot


class MidiPort(LiveSound):
    """Plays ``parts`` on ``port``: a name, its unique beginning, None for the only one, ``virtual:NAME`` to open a port
    of our own, or ``log:FILE`` to have the messages written down instead.

    ``origin_s`` is ``time.monotonic()`` at the take's clock zero; ``latency_s`` is what the instrument itself needs
    from message to sound, which is sent that much earlier.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        port: str | None = None,
        *,
        origin_s: float,
        latency_s: float = 0.0,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        seats = allot([part for part in parts if not part.solo])
        super().__init__(
            {
                "output": "port",
                "port": port,
                "programs": sorted({(seat.channel, min(max(seat.program, 0), 127)) for seat in seats.values()}),
            },
            {name: (0, seat) for name, seat in seats.items()},
            origin_s=origin_s,
            latency_s=latency_s,
            notice=notice,
        )
