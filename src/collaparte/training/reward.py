"""What the agent is paid for, in the ruler's own numbers: predicting well, a smooth orchestra, little waiting.

    reward = - SYNC   x robust(next-onset error)
             - JERK   x (|change of log beat period| of the sounded orchestra - the soloist's own)
             - WAIT   x seconds the orchestra stood at the awaited note beyond WAIT_FREE_S, at most 1

``robust(e) = logistic((|e| - 30 ms) / 6 ms) + |e| / 0.25 s``, at most 2: most of the pay is for being within the
tolerance that a listener allows, a little for not being far off. Inside the tolerance the agent is free to be smooth.
An earlier form, e^2 / (e^2 + (30 ms)^2), pays for every last millisecond; the two were not compared on equal terms.
Jerk is counted beyond what the music asks: a soloist who lurches drags everybody along. The music's own is the same
whatever the agent does, so this takes noise from the pay and leaves what is best unchanged. Onsets nobody played pay
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_INTERVAL_S = 0.010  # as in measure/together.py
MOST_JERK = 2.0
TOLERANCE_S, EDGE_S = 0.030, 0.006
WAIT_FREE_S = 0.1


@dataclass(frozen=True)
class Pay:
    """The weights of the three terms; ``beyond``: jerk below the music's own is worth nothing instead of paid."""

    sync: float = 1.0
    jerk: float = 0.5
    wait: float = 0.2
    beyond: bool = False


def robust(error_s: Floats) -> Floats:
    """Near 0 within the tolerance, about 1 beyond it, at most 2."""
    size = np.abs(error_s)
    beyond = 1.0 / (1.0 + np.exp(np.clip((TOLERANCE_S - size) / EDGE_S, -50.0, 50.0)))
    return np.asarray(np.minimum(beyond + size / 0.25, 2.0))


def reward(
    pay: Pay,
    error_s: Floats,
    orchestra_log_period: Floats,
    orchestra_before: Floats,
    solo_log_period: Floats,
    solo_before: Floats,
    stood_s: Floats,
) -> Floats:
    """One step's pay, lane by lane; NaN in ``error_s`` or in a log period leaves that term out."""
    sync = np.where(np.isfinite(error_s), robust(np.nan_to_num(error_s)), 0.0)
    lurch = np.minimum(np.abs(orchestra_log_period - orchestra_before), MOST_JERK)
    music = np.minimum(np.abs(solo_log_period - solo_before), MOST_JERK)
    jerk = np.nan_to_num(np.maximum(lurch - music, 0.0) if pay.beyond else lurch - music)
    wait = np.clip(np.nan_to_num(stood_s) - WAIT_FREE_S, 0.0, 1.0)
    return np.asarray(-pay.sync * sync - pay.jerk * jerk - pay.wait * wait)


def log_period(seconds: Floats, quarters: Floats) -> Floats:
    """Log seconds per quarter of an interval, which lasts at least 10 ms."""
    return np.asarray(np.log(np.maximum(seconds, LEAST_INTERVAL_S) / quarters))
