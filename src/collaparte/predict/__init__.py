"""Positions and memory become a TempoPlan: what the soloist will do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from collaparte.errors import CollaparteError
from collaparte.events import Position, Recalled, TempoPlan
from collaparte.score import Score


class Predictor(Protocol):
    """Built with ``(score)``; one method to override, ``plan``."""

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        """The soloist's line from ``position`` to the next awaited onset.

        Called for every position that matched (beat or onset moved) and whose state is playing, in order.
        """

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        """Begin (or begin again) at ``beat`` with a known tempo: before the first note, after a tap or relocation."""


def _steady(score: Score) -> Predictor:
    from collaparte.predict.steady import Steady

    return Steady(score)


def _policy(score: Score) -> Predictor:
    from collaparte.predict.policy import PolicyPredictor

    return PolicyPredictor(score)


PREDICTORS: Mapping[str, Callable[[Score], Predictor]] = {"steady": _steady, "policy": _policy}


def make_predictor(name: str, score: Score) -> Predictor:
    """The predictor called ``name``, for ``score``.

    Raises CollaparteError, naming the predictors there are, for an unknown name; PolicyError when a trained policy
    cannot be honoured (the caller then takes "steady" and says so).
    """
    if name not in PREDICTORS:
        raise CollaparteError(f"There is no predictor {name!r}. Choose with --predictor: {', '.join(PREDICTORS)}.")
    return PREDICTORS[name](score)


__all__ = ["PREDICTORS", "Predictor", "make_predictor"]
