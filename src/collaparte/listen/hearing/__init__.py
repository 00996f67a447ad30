"""Sound becomes SoloEvents, with the score at hand: ``spectrum``, ``templates``, ``decoder``, and the ``ear``."""

from __future__ import annotations

from collaparte.listen.hearing.ear import SAMPLE_RATE, Ear

__all__ = ["SAMPLE_RATE", "Ear"]
