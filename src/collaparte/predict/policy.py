"""The agent at run time: a trained network that bends the steady model's plan, run by onnxruntime on one thread.

Two files make a policy. ``policy.onnx`` maps (observation (1, N_SENSES), hidden (1, 1, 64), cell (1, 1, 64)) to
(action (1,), log spread (1,), hidden, cell); scaling is inside. ``policy.json`` is its passport: what it senses, what
its actions mean, what it learnt from, how it scored. A passport that cannot be honoured is refused by name
(PolicyError); the engine then takes the steady model and says so.

The action is the log of (the plan's beat period / the steady model's), so action zero is the steady model's plan.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import PolicyError
from collaparte.events import Position, Recalled, TempoPlan
from collaparte.predict import features
from collaparte.predict.features import Page, Senses
from collaparte.predict.steady import TUTTI_BEATS, Steady
from collaparte.score import Score

FORMAT = 1
HIDDEN = 64
SHIPPED = Path(__file__).parent / "policy.onnx"

State = tuple[NDArray[np.float32], NDArray[np.float32]]


def senses_digest() -> str:
    """Names the table of senses: its version, names, ranges and units."""
    return hashlib.sha256(f"{features.VERSION}\n{features.describe()}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Policy:
    """A policy that was let in: its session and its passport."""

    session: Any
    passport: Mapping[str, Any]

    @property
    def action_limit(self) -> float:
        """Actions lie within plus and minus this."""
        return float(self.passport["action_limit"])

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[float, float, State]:
        """(action, log spread, next state) for one observation (N_SENSES,)."""
        action, spread, hidden, cell = self.session.run(
            None, {"observation": observation[None], "hidden": state[0], "cell": state[1]}
        )
        limit = self.action_limit
        value = float(action[0])
        value = min(max(value, -limit), limit) if math.isfinite(value) else 0.0
        return value, float(spread[0]), (hidden, cell)


def rest() -> State:
    """The state before the first onset."""
    return np.zeros((1, 1, HIDDEN), dtype=np.float32), np.zeros((1, 1, HIDDEN), dtype=np.float32)


def load_policy(path: Path | str | None = None) -> Policy:
    """Read ``path`` (an .onnx file with its .json beside it; None: the shipped one).

    Raises PolicyError, naming the file and what is wrong with it.
    """
    return _load(Path(path) if path is not None else SHIPPED)


@lru_cache(maxsize=4)
def _load(path: Path) -> Policy:
    passport_path = path.with_suffix(".json")
    for file in (path, passport_path):
        if not file.is_file():
            raise PolicyError(f"The policy file {file} is missing. Use --predictor steady, or train one.")
    try:
        passport = json.loads(passport_path.read_text(encoding="utf-8"))
        wanted = {"format": FORMAT, "feature_version": features.VERSION, "senses": senses_digest(), "hidden": HIDDEN}
        found = {key: passport[key] for key in wanted}
        limit, digest = float(passport["action_limit"]), str(passport["onnx_sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"The passport {passport_path} is damaged ({error!r}). Use --predictor steady.") from error
    for key, value in wanted.items():
        if found[key] != value:
            raise PolicyError(
                f"The policy {path} cannot be honoured: its {key} is {found[key]!r}, this program's is {value!r}. "
                "Train it anew (collaparte train all), or use --predictor steady."
            )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise PolicyError(f"The policy {path} is not the file its passport describes. Use --predictor steady.")
    if not 0.0 < limit <= 2.0:
        raise PolicyError(f"The passport {passport_path} allows actions up to {limit}, which is no tempo.")
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise PolicyError(
            "Running a policy needs onnxruntime, which is not installed: pip install onnxruntime, "
            "or use --predictor steady."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        policy = Policy(session, passport)
        policy.act(np.zeros(features.N_SENSES, dtype=np.float32), rest())
    except Exception as error:  # onnxruntime raises classes of its own, one for each kind of damage
        raise PolicyError(f"The policy {path} does not run: {error}. Use --predictor steady.") from error
    return policy


class PolicyPredictor:
    """The agent in the predictor's chair. Causal, deterministic; uses memory when it is given."""

    def __init__(self, score: Score, policy: Policy | None = None, page: Page | None = None) -> None:
        self._policy = policy or load_policy()
        self._score = score
        self._steady = Steady(score)
        self._senses = Senses(page if page is not None else Page.of_score(score))
        self._onsets: list[float] = score.solo_onsets.tolist()
        self._state = rest()
        self._plan: TempoPlan | None = None
        self._action = 0.0

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        """Begin at ``beat`` with a tempo somebody gave; the places of this take that were heard stay remembered."""
        self._state = rest()
        self._plan, self._action = None, 0.0
        return self._steady.start(beat, beat_period_s, time_s)

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        """The steady model's plan, its beat period multiplied by exp(action)."""
        before = self._plan
        steady = self._steady.plan(position, recalled)
        beat = position.beat
        place = self._senses.place_of(beat)
        if place is None:
            return steady
        if before is None or before.from_beat != beat:
            if before is not None and before.from_beat > beat:
                before, self._state, self._action = None, rest(), 0.0  # back to an earlier place: a new stretch
            late_s = before.time_of(beat) - position.onset_s if before is not None else 0.0
            observation = self._senses.sense(position.onset_s, steady, recalled, (late_s, self._action))
            self._action, _, self._state = self._policy.act(observation, self._state)
            if self._gap(place) >= TUTTI_BEATS:
                self._action = 0.0  # in a tutti the orchestra decides
        self._plan = replace(steady, beat_period_s=steady.beat_period_s * math.exp(self._action))
        return self._plan

    def _gap(self, place: int) -> float:
        after = self._onsets[place + 1] if place + 1 < len(self._onsets) else math.inf
        return after - self._onsets[place]
