"""A virtual room measured as a real one is: with the clicks, over the noise of a quiet microphone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.clicks import clicks, measure
from collaparte.calibrate.response import RESPONSE_LEAD_S
from collaparte.listen.audio import RATE
from collaparte.listen.simulated.room import BLOCK, Convolver, VirtualRoom

NOISE = 2e-4  # of full scale, RMS
LOUD = 0.1  # the clicks' direct sound at the microphone, of full scale


def measured_response(room: VirtualRoom) -> NDArray[np.float32]:
    """What a canceller should begin with in ``room`` (n,), from its reference on, as the clicks found it."""
    played = clicks(RATE)
    played = np.pad(played, (0, -len(played) % BLOCK))
    gain = LOUD / 0.4
    convolver = Convolver(room.response * np.float32(gain / room.gain))
    heard = np.concatenate([convolver.through(played[at : at + BLOCK]) for at in range(0, len(played), BLOCK)])
    heard += (NOISE * np.random.default_rng((room.seed, 43)).standard_normal(len(heard))).astype(np.float32)
    found = measure(heard, played, RATE)
    begins = round((found.round_trip_s - RESPONSE_LEAD_S) * RATE)
    response = np.concatenate([np.zeros(max(begins, 0), np.float32), found.response[max(-begins, 0) :]])
    return np.asarray(response * (room.gain / gain), np.float32)
