"""The practice room for hundreds of takes at once: what ``env.py`` does with the engine, in a few lines of NumPy.

A recorded soloist does not react, so all that is sensed except the agent's own doings is known when an episode is
made; a step looks it up, works out when the orchestra's note sounds, and pays. The rule for the sounding (a test
compares it with the engine, step by step): a note that shares the awaited onset sounds when predicted, but not before
the plan was made; if the soloist is heard more than the conductor's horizon before that, it sounds at once, but not
before the smoothed onset. The soloist is heard the episode's latency after the onset.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from collaparte.predict.features import HIGH, LOW, N_DYNAMIC, N_LOOK, N_SENSES
from collaparte.training.episodes import ACTION_LIMIT, Episode
from collaparte.training.reward import Pay, log_period, reward

HORIZON_S = 0.005
OWN = slice(N_LOOK + N_DYNAMIC, N_SENSES)

Floats = NDArray[np.float64]


class Lanes:
    """``deal()`` gives the next episode of a lane; ``reset`` and ``step`` work on all lanes at once.

    Times inside an episode are absolute seconds of that take. An episode ends with the last onset that has a next one.
    """

    def __init__(self, count: int, deal: Callable[[], Episode], pay: Pay | None = None) -> None:
        self.count = count
        self.pay = pay or Pay()
        self._deal = deal
        self._episodes: list[Episode] = []
        self._width = 0
        self._place = np.zeros(count, dtype=np.int64)
        self.sounded_s = np.full(count, np.nan)

    def reset(self) -> NDArray[np.float32]:
        """First observations (count, N_SENSES)."""
        self._episodes = [self._deal() for _ in range(self.count)]
        self._width = max(len(item) for item in self._episodes)
        shape = (self.count, self._width)
        self._observation = np.zeros((*shape, N_SENSES), dtype=np.float32)
        self._table = np.full((9, *shape), np.nan)
        self._length = np.zeros(self.count, dtype=np.int64)
        for lane in range(self.count):
            self._seat(lane)
        return self._sense()

    def _seat(self, lane: int) -> None:
        item = self._episodes[lane]
        count = len(item)
        if count > self._width:
            extra = count - self._width
            self._observation = np.pad(self._observation, ((0, 0), (0, extra), (0, 0)))
            self._table = np.pad(self._table, ((0, 0), (0, 0), (0, extra)), constant_values=np.nan)
            self._width = count
        self._observation[lane, :count] = item.observation
        rows = self._table[:, lane]
        rows[0, :count] = item.steady.from_s
        rows[1, :count] = item.steady.beat_period_s
        rows[2, :count] = item.length
        rows[3, :count] = item.next_s
        rows[4, :count] = item.true_s
        rows[5, :count] = item.heard_s
        rows[6, :count] = np.append(np.diff(item.visited) == 1, False)
        rows[7, :count] = np.append(np.diff(item.beat), item.length[-1])
        rows[8, :count] = item.heard_s + item.latency_s
        self._length[lane] = count
        self._place[lane] = 0
        self._own = getattr(self, "_own", np.zeros((self.count, 3), dtype=np.float32))
        self._own[lane] = 0.0
        self._last = getattr(self, "_last", np.full((3, self.count), np.nan))
        self._last[:, lane] = (item.heard_s[0], np.nan, np.nan)  # sounded, orchestra's log period, soloist's

    def _sense(self) -> NDArray[np.float32]:
        lanes = np.arange(self.count)
        out = self._observation[lanes, self._place].copy()
        out[:, OWN] = self._own
        return out

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], Floats, NDArray[np.bool_], dict[int, NDArray[np.float32]]]:
        """(observations, rewards, dones, last observations of the lanes that ended); ended lanes begin anew."""
        lanes, place = np.arange(self.count), self._place
        action = np.clip(np.asarray(action, dtype=np.float64).reshape(-1), -ACTION_LIMIT, ACTION_LIMIT)
        from_s, period, length, next_s, true_s, _, whole, span, known = self._table[:, lanes, place]
        following = np.minimum(place + 1, self._width - 1)
        heard_next, from_next, known_next = self._table[[5, 0, 8]][:, lanes, following]
        predicted = from_s + period * np.exp(action) * length
        at_once = np.maximum(known_next + HORIZON_S, from_next)
        planned = np.maximum(predicted, known + HORIZON_S)
        sounded = np.where(planned - HORIZON_S <= known_next, planned, at_once)
        whole = whole > 0
        orchestra = np.where(whole, log_period(sounded - self._last[0], length), np.nan)
        solo = np.where(whole, log_period(next_s - true_s, length), np.nan)
        error = np.where(whole, predicted - next_s, np.nan)
        stood = np.where(whole, known_next - predicted, np.nan)
        paid = reward(self.pay, error, orchestra, self._last[1], solo, self._last[2], stood)
        self._last[0] = np.where(whole, sounded, at_once)
        self._last[1], self._last[2] = orchestra, solo
        self.sounded_s = np.where(whole, sounded, np.nan)
        late = from_s + period * np.exp(action) * span - heard_next
        expected = self._table[1, lanes, following] * self._table[2, lanes, following]
        self._own[:, 0] = np.clip(late / expected, LOW[OWN][0], HIGH[OWN][0])
        self._own[:, 1] = np.clip(late / 0.1, LOW[OWN][1], HIGH[OWN][1])
        self._own[:, 2] = np.clip(action, LOW[OWN][2], HIGH[OWN][2])
        self._place = place + 1
        done = self._place >= self._length - 1
        ended: dict[int, NDArray[np.float32]] = {}
        if done.any():
            final = self._sense()
            for lane in np.flatnonzero(done).tolist():
                ended[lane] = final[lane]
                self._episodes[lane] = self._deal()
                self._seat(lane)
        return self._sense(), paid, done, ended
