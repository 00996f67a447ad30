"""The practice room: the engine with the predictor's chair empty, as a Gymnasium environment.

One step for each soloist onset. The observation is that of ``predict/features``; the action is the log ratio of
the plan's beat period to the steady model's; the orchestra is a ghost that plays one note on every onset of the
soloist's page. What is rehearsed is an ``Episode``: a recorded (or simulated) take, with the noise, the misses, the
stretch and the memory dealt to it. The reward is that of ``reward.py``.

The ghost has no fermatas of its own and always waits at an awaited onset: the conductor's other rules concern music
that a ghost has not got.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from collaparte.engine.engine import Engine, Settings
from collaparte.events import OrchestraEvent, Position, Recalled, SoloEvent, SoloFrame, TempoPlan
from collaparte.predict.features import HIGH, LOW, N_SENSES, Page, RecalledLine, Senses
from collaparte.predict.steady import Steady
from collaparte.score import Fermata, Passage, Score
from collaparte.training.episodes import ACTION_LIMIT, Episode
from collaparte.training.lanes_env import HORIZON_S
from collaparte.training.reward import Pay, log_period, reward

GHOST_PITCH, SOLO_PITCH = 48, 72


def page_score(page: Page, beat_period_s: float) -> Score:
    """A score with the page's onsets as the solo part, as ``Steady`` and ``Page.of_score`` read them.

    Only rhythm, fermatas and bar lines matter here; an episode brings its own page for the senses.
    """
    rows = page.onsets
    solo = [
        (float(beat), float(end - beat), int(pitch))
        for beat, end, pitch in zip(rows["beat"], rows["end_beat"], rows["top"], strict=True)
    ]
    fermatas = tuple(Fermata(float(beat)) for beat in rows["beat"][rows["fermata"]])
    return Score.from_notes(solo, beat_period_s=beat_period_s, fermatas=fermatas)


def ghost_score(page: Page, beat_period_s: float) -> Score:
    """The same onsets for soloist and orchestra; the orchestra waits at every one of them."""
    notes = [(float(beat), 0.05) for beat in page.beat]
    waits = (Passage(0.0, math.inf, silence="hold"),)
    return Score.from_notes(
        [(beat, length, SOLO_PITCH) for beat, length in notes],
        [(beat, length, GHOST_PITCH) for beat, length in notes],
        beat_period_s=beat_period_s,
        passages=waits,
    )


class _Chair:
    """The predictor's chair: the plan that was put on it."""

    def __init__(self) -> None:
        self.plan_made: TempoPlan | None = None

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        assert self.plan_made is not None
        return self.plan_made

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        return TempoPlan(time_s, time_s, beat, beat_period_s)


class _Told:
    """A follower who is told the place: what is practised here is prediction."""

    def __init__(self) -> None:
        self.beat = 0.0

    def hear(self, event: SoloEvent | SoloFrame, plan: TempoPlan | None) -> Position | None:
        if isinstance(event, SoloEvent) and not event.on:
            return None
        return Position(event.heard_s, event.time_s, self.beat, 1.0, "playing")

    def relocate(self, beat: float, time_s: float) -> Position:
        self.beat = beat
        return Position(time_s, time_s, beat, 1.0, "waiting")


class Rehearsal(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """``deal(rng)`` gives (episode, page, page_period_s, what is remembered of the page or None).

    Episodes end with the last onset that has a next one. ``info`` carries ``error_s``, ``sounded_s``, ``beat``.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (Gymnasium declares it so)

    def __init__(
        self,
        deal: Callable[[np.random.Generator], tuple[Episode, Page, float, RecalledLine | None]],
        pay: Pay | None = None,
    ) -> None:
        self._deal = deal
        self._pay = pay or Pay()
        self.observation_space = gymnasium.spaces.Box(LOW, HIGH, (N_SENSES,), np.float32)
        self.action_space = gymnasium.spaces.Box(-ACTION_LIMIT, ACTION_LIMIT, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self._episode, self._page, period_s, self._recalled = self._deal(self.np_random)
        self._began_s = float(self._episode.heard_s[0]) - 1.0  # the engine's clock begins a second before the music
        self._steady = Steady(page_score(self._page, period_s))
        self._senses = Senses(self._page)
        self._chair, self._told = _Chair(), _Told()
        self._engine = Engine(ghost_score(self._page, period_s), self._told, self._chair, Settings(HORIZON_S))
        self._sounded: dict[float, float] = {}
        self._place = 0
        self._last = (self._heard(0), math.nan, math.nan)  # sounded, orchestra's log period, soloist's
        self._own = (0.0, 0.0)
        return self._sense(), {"name": self._episode.name}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        item, place = self._episode, self._place
        chosen = float(np.clip(np.asarray(action, dtype=np.float64).reshape(-1)[0], -ACTION_LIMIT, ACTION_LIMIT))
        period_s = self._plan.beat_period_s * math.exp(chosen)
        plan = replace(self._plan, beat_period_s=period_s, hold_beat=None)
        self._chair.plan_made, self._told.beat = plan, float(item.beat[place])
        heard_s = self._heard(place)
        known_s, next_known_s = self._known(place), self._known(place + 1)
        self._listen(self._engine.step(known_s, [SoloEvent(heard_s, known_s, True, SOLO_PITCH)]))
        self._listen(self._engine.step(next_known_s))
        whole = int(item.visited[place + 1]) == int(item.visited[place]) + 1
        self._place += 1
        observation = self._sense_after(plan, chosen)
        awaited = float(self._page.beat[item.visited[place] + 1])
        predicted = plan.time_of(awaited)
        at_once = max(next_known_s + HORIZON_S, self._plan.from_s)
        sounded = self._sounded.get(round(awaited, 6), at_once)
        length = float(item.length[place])
        nan = math.nan
        true_s, true_next_s = (float(when) - self._began_s for when in (item.true_s[place], item.next_s[place]))
        orchestra = float(log_period(np.array(sounded - self._last[0]), np.array(length))) if whole else nan
        solo = float(log_period(np.array(true_next_s - true_s), np.array(length))) if whole else nan
        error = predicted - true_next_s if whole else nan
        stood = next_known_s - predicted if whole else nan
        paid = reward(
            self._pay, *(np.array(value) for value in (error, orchestra, self._last[1], solo, self._last[2], stood))
        )
        self._last = (sounded if whole else at_once, orchestra, solo)
        info = {"error_s": error, "sounded_s": sounded + self._began_s if whole else nan, "beat": awaited}
        return observation, float(paid), self._place >= len(item) - 1, False, info

    def _heard(self, place: int) -> float:
        """When an onset is heard, on the engine's clock, to the microsecond like everything the engine hears."""
        return round(float(self._episode.heard_s[place]) - self._began_s, 6)

    def _known(self, place: int) -> float:
        """When the engine learns of it."""
        return round(self._heard(place) + self._episode.latency_s, 6)

    def _listen(self, values: list[Any]) -> None:
        for value in values:
            if isinstance(value, OrchestraEvent) and value.on:
                self._sounded[round(value.beat, 6)] = value.due_s

    def _sense_after(self, plan: TempoPlan, action: float) -> NDArray[np.float32]:
        beat = float(self._episode.beat[self._place])
        self._own = (plan.time_of(beat) - self._heard(self._place), action)
        return self._sense()

    def _sense(self) -> NDArray[np.float32]:
        """Let the steady model take the present onset in, and look."""
        beat, heard_s = float(self._episode.beat[self._place]), self._heard(self._place)
        self._plan = self._steady.plan(Position(heard_s, heard_s, beat, 1.0, "playing"))
        return self._senses.sense(heard_s, self._plan, self._remembered(), self._own)

    def _remembered(self) -> Recalled | None:
        if self._recalled is None:
            return None
        at = int(self._episode.visited[self._place])
        line, ahead = self._recalled, np.arange(at, min(at + self._recalled.log_ratio.shape[1], len(self._page)))
        count = len(ahead)
        weight = np.full(count, line.weight[at])
        return Recalled(
            self._page.beat[ahead], line.log_ratio[at, :count], np.full(count, line.spread[at]), weight,
            float(line.local_beat_period_s[at]), line.each_log_period[at, :, :count], line.each_weight,
        )  # fmt: skip
