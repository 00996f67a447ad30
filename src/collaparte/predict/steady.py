"""A plain tempo model: a Kalman filter on phase and tempo. The baseline to beat, the fallback, the first thing to read.

State, after each solo onset: ``t`` the smoothed time of that onset (s) and ``f`` the tempo factor, seconds played per
second on the page (1: as the page asks; the page's own tempo marks are therefore never mistaken for rubato). Between
two onsets that lie ``d`` page-seconds apart:

    t <- t + f d        + noise of standard deviation  SHIFT f d      (rubato: time given is not given back)
    f <- f              + noise of standard deviation  DRIFT f sqrt(d) (the tempo wanders)
    heard onset = t     + noise of standard deviation  MOTOR_S + MOTOR f d (fingers, detection: taken back at once)

after the two-level timing of Wing & Kristofferson (1973) and the linear dynamical tempo models of Cemgil et al.
(2000) and Raphael (2001). Every noise but the smallest is relative, so that a slower performance of the same music
is the same music. An onset far outside what the filter believes is a pause, a fermata or a slip: it moves the phase
and leaves the tempo alone. Not so the first interval: where nothing but the page said how fast, it is the tempo.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from collaparte.events import Position, Recalled, TempoPlan
from collaparte.score import Score

# Round numbers near the flat optimum that training/fit_steady.py finds on the training pieces of nasap-train.
SHIFT = 0.12
DRIFT = 0.07
MOTOR_S = 0.008
MOTOR = 0.04
START_SPREAD = 0.25  # of the tempo factor, before the first interval
PAUSE_SPREADS = 4.0  # an innovation beyond this many of its standard deviations ...
PAUSE_RATIO = 0.6  # ... and beyond this share of the interval is a pause, not a tempo
EPS = 1e-6

TUTTI_BEATS = 6.0  # a gap this long between solo onsets belongs to the orchestra
LOOK_BACK_BEATS = 16.0  # the tempo before a closing ritardando is the median over these beats ...
CLOSING_BEATS = 3.0  # ... but the last of them
SLOWEST, FASTEST = 6.0, 1 / 6.0  # emergency bounds of the tempo factor

FERMATA_STRETCH = 2.0  # a held note lasts about twice its value, when nothing better is known


class Steady:
    """The Kalman tempo and phase model. Causal, deterministic, ignores memory."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._onsets: list[float] = score.solo_onsets.tolist()
        self._fermatas: list[float] = sorted(fermata.beat for fermata in score.fermatas)
        self._beat: float | None = None
        self._t_s = 0.0
        self._f = 1.0
        self._p_tt, self._p_tf, self._p_ff = MOTOR_S**2, 0.0, START_SPREAD**2
        self._known = False  # an interval was heard that is a tempo: before, none can be a pause
        self._past: list[tuple[float, float]] = []  # (beat, f), the last LOOK_BACK_BEATS of them
        self._told = False  # the line was begun by somebody's word and no onset has been heard since

    @property
    def tempo_factor(self) -> float:
        """Seconds played per second on the page."""
        return self._f

    def start(self, beat: float, beat_period_s: float, time_s: float) -> TempoPlan:
        """Begin at ``beat``, sounding at ``time_s``, with a tempo somebody gave."""
        self._f = self._bounded(beat_period_s / self._score.beat_period_at(beat))
        self._begin_at(beat, time_s)
        self._told = True
        return self._line(time_s)

    def plan(self, position: Position, recalled: Recalled | None = None) -> TempoPlan:
        """Take one matched onset in; the line to the next one out."""
        beat, onset_s = position.beat, position.onset_s
        if self._beat is None or self._told or beat < self._beat - EPS:
            self._begin_at(beat, onset_s)  # the first note heard, or a jump back: the tempo is kept
        elif beat > self._beat + EPS:
            self._observe(beat, onset_s)
        return self._line(position.time_s)

    def _begin_at(self, beat: float, onset_s: float) -> None:
        self._beat, self._t_s = beat, onset_s
        self._p_tt, self._p_tf, self._p_ff = MOTOR_S**2, 0.0, max(self._p_ff, (START_SPREAD * self._f) ** 2 / 4)
        self._past = []
        self._told = False

    def _observe(self, beat: float, onset_s: float) -> None:
        assert self._beat is not None
        page_s = self._score.seconds_at(beat) - self._score.seconds_at(self._beat)
        f, interval_s = self._f, self._f * page_s
        drift = DRIFT * f
        p_ff = self._p_ff + drift * drift * page_s
        p_tf = self._p_tf + self._p_ff * page_s
        p_tt = self._p_tt + 2 * page_s * self._p_tf + page_s**2 * self._p_ff + (SHIFT * interval_s) ** 2
        noise = (MOTOR_S + MOTOR * interval_s) ** 2
        spread = p_tt + noise
        innovation_s = onset_s - (self._t_s + interval_s)
        held = bisect_left(self._fermatas, beat - EPS) > bisect_left(self._fermatas, self._beat - EPS)
        skipped = bisect_left(self._onsets, beat - EPS) - bisect_right(self._onsets, self._beat + EPS) > 8
        pause = abs(innovation_s) > max(PAUSE_SPREADS * math.sqrt(spread), PAUSE_RATIO * interval_s)
        if pause and not self._known and not held and not skipped:  # the page's tempo is not the soloist's
            doubt = (innovation_s / page_s) ** 2
            p_tt, p_tf, p_ff = p_tt + page_s**2 * doubt, p_tf + page_s * doubt, p_ff + doubt
            spread, pause = p_tt + noise, False
        if held or pause or skipped:
            self._t_s, self._p_tt, self._p_tf, self._p_ff = onset_s, noise, 0.0, p_ff
        else:
            gain_t, gain_f = p_tt / spread, p_tf / spread
            self._t_s += interval_s + gain_t * innovation_s
            self._f = self._bounded(f + gain_f * innovation_s)
            self._p_tt, self._p_tf, self._p_ff = (1 - gain_t) * p_tt, (1 - gain_t) * p_tf, p_ff - gain_f * p_tf
            self._known = True
            self._past.append((beat, self._f))
            while self._past[0][0] < beat - LOOK_BACK_BEATS:
                self._past.pop(0)
        self._beat = beat

    def _line(self, now_s: float) -> TempoPlan:
        assert self._beat is not None
        beat = self._beat
        index = bisect_right(self._onsets, beat + EPS)
        awaited = self._onsets[index] if index < len(self._onsets) else max(self._score.end_beat, beat + 1.0)
        page_s = self._score.seconds_at(awaited) - self._score.seconds_at(beat)
        f = self._f
        if awaited - beat >= TUTTI_BEATS:
            f = self._tempo_before_closing(f)
        interval_s = f * page_s
        held = bisect_left(self._fermatas, beat - EPS)
        hold_beat = None
        if held < len(self._fermatas) and self._fermatas[held] < awaited - EPS:
            hold_beat = self._fermatas[held]
            interval_s *= FERMATA_STRETCH
        period_s = max(interval_s, 1e-3) / (awaited - beat)
        spread = self._p_tt + 2 * page_s * self._p_tf + page_s**2 * self._p_ff + (SHIFT * interval_s) ** 2
        spread_s = math.sqrt(max(spread, 0.0)) + MOTOR_S + MOTOR * interval_s
        return TempoPlan(now_s, self._t_s, beat, period_s, hold_beat, spread_s)

    def _tempo_before_closing(self, f: float) -> float:
        """The soloist broadens into their rest; the orchestra takes up the tempo from before that."""
        assert self._beat is not None
        before = sorted(past for beat, past in self._past if beat <= self._beat - CLOSING_BEATS)
        return min(f, before[len(before) // 2]) if before else f

    @staticmethod
    def _bounded(f: float) -> float:
        return min(max(f, FASTEST), SLOWEST)
