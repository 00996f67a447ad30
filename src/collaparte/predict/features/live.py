"""The observations of one take as it is played, one by one."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from collaparte.events import Recalled, TempoPlan
from collaparte.predict.features.advice import Advice, Advised
from collaparte.predict.features.page import Page, lengths
from collaparte.predict.features.table import (
    EPS,
    HIGH,
    KEYS,
    LOCAL_BEATS,
    LONG,
    LONG_BEATS,
    LOW,
    N_ADVISED,
    N_DYNAMIC,
    N_LOOK,
    N_SENSES,
    PAST,
    RECALL_AHEAD,
    RECENT,
)


class Senses:
    """The observations of one take, made one by one. ``forget`` begins again; jumps begin a new stretch."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._beat: list[float] = page.beat.tolist()
        self._index = {round(beat, 4): place for place, beat in enumerate(self._beat)}
        self._length: list[float] = lengths(page).tolist()
        self._keys: list[list[int]] = page.likeness.tolist()
        self._look = page.look
        self._low: list[float] = LOW[N_LOOK : N_LOOK + N_DYNAMIC].tolist()
        self._high: list[float] = HIGH[N_LOOK : N_LOOK + N_DYNAMIC].tolist()
        self.forget()

    def forget(self) -> None:
        """As before the first note of a take."""
        self._memory: list[dict[int, list[float]]] = [{} for _ in range(KEYS)]
        self._break()

    def _break(self) -> None:
        self._trail: deque[tuple[float, float, int]] = deque(maxlen=17)  # time_s, beat, page index
        self._bar: deque[tuple[float, float]] = deque()  # (time_s, beat) over the last LOCAL_BEATS
        self._ratios: deque[float] = deque([0.0] * PAST, maxlen=PAST)
        self._doubts: deque[float] = deque(maxlen=PAST)
        # heard and remembered seconds of the last intervals (0, 0: neither), and the beat where each began
        self._pairs: deque[tuple[float, float, float]] = deque(maxlen=LONG)
        self._misses: deque[float] = deque(maxlen=PAST)
        self._plan: TempoPlan | None = None  # the steady model's last one
        self._local = 0.0
        self._remembered: tuple[float, float] | None = None  # log s per quarter: as it was, and by local tempo
        self._advisers: Advice | None = None
        self._advised: Advised | None = None

    def place_of(self, beat: float) -> int | None:
        """The page index of an onset; None where the soloist has no note to play."""
        return self._index.get(round(beat, 4))

    def expected_s(self, place: int, steady: TempoPlan) -> float:
        """Seconds from the smoothed onset to the next one, by the steady model."""
        return steady.beat_period_s * self._length[place]

    def sense(
        self,
        onset_s: float,
        steady: TempoPlan,
        recalled: Recalled | None = None,
        own: tuple[float, float] = (0.0, 0.0),
    ) -> NDArray[np.float32]:
        """The observation (N_SENSES,) at one matched onset, its steady plan already made.

        ``own``: (own predicted time of this onset - onset_s, own last action). Raises KeyError off the page's onsets.
        """
        beat = steady.from_beat
        place = self._index[round(beat, 4)]
        trail, log = self._trail, math.log
        if trail and (place <= trail[-1][2] or onset_s < trail[-1][0] or place - trail[-1][2] > 64):
            self._break()
            trail = self._trail
        period, length = steady.beat_period_s, self._length[place]
        expected = period * length
        step, ratio, miss, missed, advice_miss = 0.0, 0.0, 0.0, 0.0, 0.0
        if trail:
            before_s, before_beat, before = trail[-1]
            last = self._plan
            assert last is not None
            span = beat - before_beat
            ratio = log(max(onset_s - last.from_s, 0.005) / max(last.beat_period_s * span, 0.005))
            ratio = min(max(ratio, -1.5), 1.5)
            self._ratios.appendleft(ratio)
            self._doubts.append(abs(ratio))
            step = log(period / last.beat_period_s)
            whole = place == before + 1
            missed = 0.0 if whole else 1.0
            heard = max(onset_s - before_s, 0.005)
            if whole:
                by_local = log(heard / max(self._local * span, 0.005))
                for way, memory in zip(self._keys, self._memory, strict=True):
                    entry = memory.setdefault(way[before], [0.0, 0.0, 0.0, 0.0])
                    entry[0] = ratio
                    entry[1] += ratio
                    entry[2] += by_local
                    entry[3] += 1.0
            if whole and self._advisers is not None:
                log_heard = log(heard / span)
                self._advisers.tell(log_heard, span)
                advice_miss = log_heard - self._advised.quick if self._advised is not None else 0.0
            if whole and self._remembered is not None:
                absolute, scaled = self._remembered
                self._pairs.append((heard, math.exp(absolute) * span, before_beat))
                miss = min(max(log(heard / span) - scaled, -1.5), 1.5)
                self._misses.append(abs(miss))
            else:
                self._pairs.append((0.0, 0.0, before_beat))
                self._misses.append(-1.0)
        trail.append((onset_s, beat, place))
        bar = self._bar
        bar.append((onset_s, beat))
        while len(bar) > 1 and bar[1][1] <= beat - LOCAL_BEATS + EPS:
            bar.popleft()
        local = period
        if len(bar) > 1:
            local = max(onset_s - bar[0][0], 0.005) / (beat - bar[0][1])
        log_local = log(local / period)

        values = [(onset_s - steady.from_s) / expected, log(expected / 0.25) / 2]
        values += [log(steady.spread_s / expected) / 2, step, *self._ratios]
        newest, log_recent = len(trail) - 1, 0.0
        for width in (1, 2, 4, 8, 16):
            if newest:
                then_s, then_beat, _ = trail[max(newest - width, 0)]
                value = log(max(onset_s - then_s, 0.005) / max(period * (beat - then_beat), 0.005))
            else:
                value = 0.0
            values.append(value)
            if width == RECENT:
                log_recent = value
        values += [log_local, missed]
        for way, memory in zip(self._keys, self._memory, strict=True):
            found = memory.get(way[place])
            if found is None:
                values += [0.0, 0.0, 0.0, 0.0]
            else:
                count = found[3]
                values += [found[0], found[1] / count, found[2] / count + log_local, math.log1p(count) / 2]
        remembered, long_ago = self._recall(recalled, beat, log_recent, period)
        values += remembered
        counted = [item for item in self._misses if item >= 0]
        values += [miss, sum(counted) / len(counted) if counted else 0.0]
        values.append(sum(self._doubts) / len(self._doubts) if self._doubts else 0.0)
        values += long_ago
        values += self._ask(recalled, beat, log(period), advice_miss)

        self._plan, self._local = steady, local
        out = np.empty(N_SENSES, dtype=np.float32)
        out[:N_LOOK] = self._look[place]
        out[N_LOOK : N_LOOK + N_DYNAMIC] = [
            low if value < low else high if value > high else value
            for value, low, high in zip(values, self._low, self._high, strict=True)
        ]
        late_s, action = own
        out[N_LOOK + N_DYNAMIC :] = (
            min(max(late_s / expected, -1.0), 1.0),
            min(max(late_s / 0.1, -2.0), 2.0),
            min(max(action, -1.0), 1.0),
        )
        return out

    def _ask(self, recalled: Recalled | None, beat: float, log_period: float, miss: float) -> list[float]:
        self._advised = None
        if recalled is None or not len(recalled.each_weight) or abs(recalled.beat[0] - beat) > 1e-3:
            return _told(None, log_period, miss)
        if self._advisers is None or len(recalled.each_weight) != self._advisers.count:
            self._advisers = Advice(recalled.each_weight)
        self._advised = self._advisers.ask(recalled.each_log_period[:, :RECALL_AHEAD])
        return _told(self._advised, log_period, miss)

    def _recall(
        self, recalled: Recalled | None, beat: float, log_recent: float, period: float
    ) -> tuple[list[float], list[float]]:
        self._remembered = None
        if (
            recalled is None
            or not len(recalled.beat)
            or recalled.weight[0] <= 0
            or abs(recalled.beat[0] - beat) > 1e-3
            or recalled.local_beat_period_s <= 0
        ):
            return [0.0] * (5 + RECALL_AHEAD - 1), [0.0, 0.0, 0.0]
        ratios = [float(item) for item in recalled.log_ratio[:RECALL_AHEAD]]
        weights = recalled.weight[:RECALL_AHEAD]
        absolute = math.log(recalled.local_beat_period_s) + ratios[0]
        first = log_recent + ratios[0]
        log_period = math.log(period)
        heard = remembered = 0.0
        sums = [(0.0, 0.0)] * 4  # heard and remembered over the last 2, 8, 32 intervals, and the last 8 quarters
        edge = beat - LONG_BEATS - EPS
        for count, (one, other, began) in enumerate(reversed(self._pairs), 1):
            heard += one
            remembered += other
            if count <= 2:
                sums[0] = (heard, remembered)
            if count <= PAST:
                sums[1] = (heard, remembered)
            if began >= edge:
                sums[3] = (heard, remembered)
        sums[2] = (heard, remembered)
        level_log = absolute - log_period
        scaled = [math.log(up / down) + level_log if down > 1e-9 else first for up, down in sums]
        values = [first, scaled[0], scaled[1]]
        values += [float(recalled.spread[0]), math.log1p(float(recalled.weight[0]))]
        for k in range(1, RECALL_AHEAD):
            there = k < len(ratios) and weights[k] > 0
            values.append(ratios[k] - ratios[0] if there else 0.0)
        self._remembered = (absolute, log_period + first)
        level = log_recent + log_period - math.log(recalled.local_beat_period_s)
        return values, [scaled[2], scaled[3], level]


def _told(said: Advised | None, log_expected: float, miss: float) -> list[float]:
    """The senses of what was advised; ``log_expected`` seconds per quarter, ``miss`` the last interval's."""
    if said is None:
        return [0.0] * (N_ADVISED - 1) + [miss]
    values = [said.quick - log_expected, said.slow - log_expected, said.best - log_expected]
    return [*values, said.spread, said.miss, math.log(said.voices), *said.ahead, miss]
