"""The tempo models others have accompanied with, restated, to be measured beside ours.

Reactive, moving average, linear and joint adaptation-anticipation are the models of ACCompanion (Cancino-Chacon et
al., "The ACCompanion", IJCAI 2023) and pymatchmaker, with those systems' parameters; the joint model is ADAM (van der
Steen & Keller 2013, Harry & Keller 2019) without its random noises, which would only add error to a prediction. The
beat-period Kalman filter there is ``BeatKalman``; the house's own Kalman model is ``steady``. ``NaiveMemory`` is what
anybody would try first: the mean of the earlier takes, scaled to the current tempo.

All are predictors: built with ``(score)``, ``plan(position, recalled)``. The first interval is taken at the page's
tempo; from the second onset on only what was heard counts. A beat is a quarter, seconds are seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping

from collaparte.events import Position, Recalled, TempoPlan
from collaparte.score import Score

EPS = 1e-6
SLOWEST_S, FASTEST_S = 3.0, 0.05  # seconds per quarter that count as a tempo
LONG_BEATS = 8.0


class TempoModel:
    """One method to override: ``_hear`` takes an onset in and sets ``period_s`` and ``from_s``."""

    def __init__(self, score: Score) -> None:
        self._onsets: list[float] = score.solo_onsets.tolist()
        self._end = score.end_beat
        self.period_s = score.beat_period_at(0.0)
        self.from_s = 0.0
        self._beat: float | None = None
        self._onset_s = 0.0

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        """Begin with a tempo somebody gave."""
        self.period_s, self.from_s, self._beat = beat_period_s, time_s, None
        self._begin(beat, time_s)
        return TempoPlan(time_s, time_s, beat, beat_period_s)

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        """Take one matched onset in; the line to the next one out."""
        beat, onset_s = position.beat, position.onset_s
        if self._beat is None or beat < self._beat - EPS:
            self.from_s = onset_s
            self._begin(beat, onset_s)
        elif beat > self._beat + EPS and onset_s > self._onset_s:
            self._hear(beat - self._beat, onset_s - self._onset_s, onset_s)
        self._beat, self._onset_s = beat, onset_s
        index = bisect_right(self._onsets, beat + EPS)
        awaited = self._onsets[index] if index < len(self._onsets) else max(self._end, beat + 1.0)
        period_s = max(self._period_to(awaited, recalled), FASTEST_S)
        return TempoPlan(position.time_s, self.from_s, beat, period_s)

    def _begin(self, beat: float, onset_s: float) -> None:
        """A new stretch begins at ``beat``."""

    def _hear(self, quarters: float, seconds: float, onset_s: float) -> None:
        """An interval of ``quarters`` took ``seconds`` and ended at ``onset_s``."""
        raise NotImplementedError

    def _period_to(self, awaited: float, recalled: Recalled | None) -> float:
        return self.period_s


class Reactive(TempoModel):
    """The next interval at the tempo of the last one."""

    def _hear(self, quarters: float, seconds: float, onset_s: float) -> None:
        self.from_s, self.period_s = onset_s, seconds / quarters


class MovingAverage(TempoModel):
    """The beat period moves half-way to the last interval's."""

    def _hear(self, quarters: float, seconds: float, onset_s: float) -> None:
        self.from_s, self.period_s = onset_s, 0.5 * self.period_s + 0.5 * seconds / quarters


class Linear(TempoModel):
    """Phase and period correction by shares of the asynchrony (after Mates 1994); slowing twice as readily."""

    ETA_TEMPO, ETA_PHASE = 0.3, 0.7

    def _begin(self, beat: float, onset_s: float) -> None:
        self._estimate_s, self._asynchrony_s = onset_s, 0.0

    def _hear(self, quarters: float, seconds: float, onset_s: float) -> None:
        self._estimate_s += self.period_s * quarters - self.ETA_PHASE * self._asynchrony_s
        self._asynchrony_s = self._estimate_s - onset_s
        eagerness = self.ETA_TEMPO if self._asynchrony_s < 0 else 2 * self.ETA_TEMPO
        period_s = self.period_s - eagerness * self._asynchrony_s
        if FASTEST_S < period_s <= SLOWEST_S:
            self.period_s = period_s
        self.from_s = self._estimate_s - self.ETA_PHASE * self._asynchrony_s


class BeatKalman(TempoModel):
    """A Kalman filter on the beat period alone, observing intervals; from the onset as played."""

    DRIFT_VARIANCE, NOISE_VARIANCE = 0.03, 0.0213

    def _begin(self, beat: float, onset_s: float) -> None:
        self._variance = 1.0

    def _hear(self, quarters: float, seconds: float, onset_s: float) -> None:
        variance = self._variance + self.DRIFT_VARIANCE
        gain = variance * quarters / (quarters**2 * variance + self.NOISE_VARIANCE)
        self.period_s += gain * (seconds - quarters * self.period_s)
        self._variance = (1 - gain * quarters) * variance
        self.from_s = onset_s


class JointAdaptation(TempoModel):
    """Adaptation (phase and period correction) joined with anticipation (the tempo's trend carried on)."""

    ALPHA, BETA, DELTA, GAMMA = 0.5, 0.2, 0.8, 0.1

    def _begin(self, beat: float, onset_s: float) -> None:
        self._estimate_s, self._asynchrony_s = onset_s, 0.0
        self._periods: deque[float] = deque([self.period_s, self.period_s], maxlen=2)
        self._heard_s = onset_s

    def _hear(self, quarters: float, seconds: float, onset_s: float) -> None:
        self._estimate_s = self._expected_s(quarters)
        self.period_s = min(max(self.period_s - self.BETA * self._asynchrony_s, FASTEST_S), SLOWEST_S)
        heard = seconds / quarters
        self._periods.append(heard if FASTEST_S <= heard <= SLOWEST_S else self._periods[-1])
        self._heard_s = onset_s
        self._asynchrony_s = self._estimate_s - onset_s

    def _expected_s(self, quarters: float) -> float:
        """When the onset so many quarters on is expected, by both modules together."""
        adapted_s = self._estimate_s + self.period_s * quarters - self.ALPHA * self._asynchrony_s
        before, last = self._periods
        period_s = self.DELTA * (2 * last - before) + (1 - self.DELTA) * last
        anticipated_s = self._heard_s + period_s * quarters
        return adapted_s - self.GAMMA * (adapted_s - anticipated_s)

    def _period_to(self, awaited: float, recalled: Recalled | None) -> float:
        assert self._beat is not None
        quarters = awaited - self._beat
        self.from_s = self._expected_s(quarters) - self.period_s * quarters
        return self.period_s


class NaiveMemory(TempoModel):
    """The remembered interval, scaled by how this take's last eight quarters compare with the remembered ones."""

    def _begin(self, beat: float, onset_s: float) -> None:
        self._heard: deque[tuple[float, float, float, float]] = deque()  # beat, quarters, seconds, remembered seconds
        self._remembered_s: float | None = None  # per quarter, of the interval now being played

    def _hear(self, quarters: float, seconds: float, onset_s: float) -> None:
        assert self._beat is not None
        remembered_s = self._remembered_s * quarters if self._remembered_s is not None else math.nan
        self._heard.append((self._beat, quarters, seconds, remembered_s))
        while len(self._heard) > 1 and self._heard[0][0] < self._beat + quarters - LONG_BEATS - EPS:
            self._heard.popleft()
        self.from_s = onset_s
        self.period_s = sum(row[2] for row in self._heard) / sum(row[1] for row in self._heard)

    def _period_to(self, awaited: float, recalled: Recalled | None) -> float:
        self._remembered_s = None
        if recalled is None or not len(recalled.beat) or recalled.weight[0] <= 0:
            return self.period_s
        self._remembered_s = recalled.local_beat_period_s * math.exp(float(recalled.log_ratio[0]))
        both = [row for row in self._heard if math.isfinite(row[3])]
        if not both:
            return self.period_s * math.exp(float(recalled.log_ratio[0]))
        return self._remembered_s * sum(row[2] for row in both) / sum(row[3] for row in both)


TEMPO_MODELS: Mapping[str, Callable[[Score], TempoModel]] = {
    "reactive": Reactive,
    "moving average": MovingAverage,
    "linear": Linear,
    "beat kalman": BeatKalman,
    "joint": JointAdaptation,
    "naive memory": NaiveMemory,
}
