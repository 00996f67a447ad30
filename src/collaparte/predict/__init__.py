"""Positions and memory become a TempoPlan: what the soloist will do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from collaparte.errors import CollaparteError, PolicyError
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


BASELINE = "steady"
SHIPPED_POLICY = "policy"
PREDICTORS: Mapping[str, Callable[[Score], Predictor]] = {"steady": _steady, "policy": _policy}


def make_predictor(name: str, score: Score) -> Predictor:
    """The predictor called ``name``, for ``score``; a name that ends in .onnx is a policy's file.

    Raises CollaparteError, naming the predictors there are, for an unknown name; PolicyError when a trained policy
    cannot be honoured (see ``playable``).
    """
    if name.endswith(".onnx"):
        from collaparte.predict.policy import PolicyPredictor, load_policy

        return PolicyPredictor(score, load_policy(name))
    if name not in PREDICTORS:
        raise CollaparteError(
            f"There is no predictor {name!r}. Choose with --predictor: {', '.join(PREDICTORS)}, or an .onnx file."
        )
    return PREDICTORS[name](score)


def playable(name: str | None, say: Callable[[str], None]) -> str:
    """The name of the predictor that will play where ``name`` (None: the best there is) was asked for.

    A shipped policy that cannot be honoured gives way to the steady model, and ``say`` is told why. A policy file that
    somebody named is never replaced in silence or aloud: PolicyError.
    """
    chosen = name or SHIPPED_POLICY
    if chosen != SHIPPED_POLICY and not chosen.endswith(".onnx"):
        return chosen
    from collaparte.predict.policy import load_policy

    try:
        load_policy(None if chosen == SHIPPED_POLICY else chosen)
    except PolicyError as error:
        if chosen != SHIPPED_POLICY:
            raise
        say(f"{error} The plain tempo model ({BASELINE}) plays instead.")
        return BASELINE
    return chosen if chosen == SHIPPED_POLICY else str(Path(chosen).resolve())


__all__ = ["BASELINE", "PREDICTORS", "SHIPPED_POLICY", "Predictor", "make_predictor", "playable"]
