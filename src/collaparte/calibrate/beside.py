"""A live microphone beside a live loudspeaker: what it needs to tell the soloist from the orchestra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.response import RESPONSE_LEAD_S
from collaparte.calibrate.store import Calibration
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.apart.reference import Reference
from collaparte.listen.audio import RATE
from collaparte.sound import Sound
from collaparte.sound.audio import DEVICE_LATENCY_S
from collaparte.sound.player import SAMPLE_RATE

SLACK_S = 0.010  # a session's buffers may be fuller or emptier than when they were measured
SURE = 0.1  # ... and the room is only roughly what it was


def without_orchestra(sound: Sound, origin_s: Callable[[], float], calibration: Calibration | None) -> dict[str, Any]:
    """What a ``Microphone`` is given to tell the soloist from ``sound``: its samples, or at least its pitches.

    ``origin_s`` is the monotonic time of the take's clock zero. What was measured (``calibration``) says when the sound
    comes back, and what the room makes of it.
    """
    tap = getattr(sound, "tap", None)
    if tap is None:
        return {"pitches": True}
    canceller, delay_s = EchoCanceller(), DEVICE_LATENCY_S
    response = calibration.load_response() if calibration is not None else None
    if calibration is not None:
        delay_s = max(calibration.round_trip_s - RESPONSE_LEAD_S - SLACK_S, DEVICE_LATENCY_S / 2)
    if calibration is not None and response is not None:
        early = round(max(calibration.round_trip_s - RESPONSE_LEAD_S - delay_s, 0.0) * RATE)
        canceller.learn(np.concatenate([np.zeros(early, np.float32), response]), sure=SURE)
    followed = Reference(tap, SAMPLE_RATE, delay_s)

    def beside(count: int, time_s: float) -> NDArray[np.float32]:
        return followed.beside(count, time_s + origin_s())

    return {"reference": beside, "canceller": canceller}
