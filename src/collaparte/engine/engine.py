"""One step of the music: what was heard goes in, what happens comes out.

``Engine.step(now, heard)`` waits for nothing and touches no device. What it returns depends only on what was heard
and when, never on when it was woken: work that falls between two heard values is done in the order of its own times.
Times are rounded to microseconds on entry, as a take writes them, so that a take replays exactly.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from collaparte.conduct import Conductor, Metronome, Mode, Tuttis, Wishes
from collaparte.engine.commands import Commands
from collaparte.engine.count_in import CountIn
from collaparte.errors import CollaparteError
from collaparte.events import (
    Click,
    Command,
    Heard,
    Notice,
    OrchestraEvent,
    Pedal,
    Position,
    Recalled,
    SoloEvent,
    SoloFrame,
    TempoPlan,
    Value,
)
from collaparte.follow import Follower
from collaparte.predict import Predictor
from collaparte.score import NOTE, Score

SUSTAIN_PEDAL = 64
EPS = 1e-6
REJOIN_BEATS = 2.0  # the orchestra that keeps going has gone on alone once it is so far past the awaited onset,
REJOIN_WITHIN_BEATS = 1.0  # and the soloist comes in again no farther than this from where it is


@dataclass(frozen=True, slots=True)
class Settings:
    """How a performance begins and what restrains it; everything a replay needs besides the rooms.

    ``first_onset_s``: a recorded soloist's first note is known, and the orchestral introduction is timed back from
    it; None live. ``beat_period_s``: the tempo somebody asked for, None for the page's. ``loop``: the beats (a, b)
    of a passage to be practised; each round is ``loop_speed`` times as fast as the last. ``horizon_s``: how long
    before it sounds a note is committed. ``mode`` to ``metronome``: what the player wishes to begin with
    (``conduct.wishes``). ``balance``: (section or part, level) pairs, and ``tuning_hz``: the orchestra's A; the engine
    only keeps both for whoever sounds (``sound.balance``).
    """

    horizon_s: float = 0.005
    first_onset_s: float | None = None
    from_beat: float | None = None
    beat_period_s: float | None = None
    count_in_bars: int = 0
    loop: tuple[float, float] | None = None
    loop_speed: float = 1.0
    mode: Mode = "follow"
    slowest: float | None = None
    fastest: float | None = None
    tuttis: Tuttis = "play"
    lead_in_bars: int = 1
    metronome: Metronome = "off"
    balance: tuple[tuple[str, float], ...] = ()
    tuning_hz: float = 440.0

    @property
    def wishes(self) -> Wishes:
        """Mode, limits, tuttis and metronome. Raises CollaparteError for what cannot be."""
        return Wishes(self.mode, self.slowest, self.fastest, self.tuttis, self.lead_in_bars, self.metronome)


class Engine:
    """Follower, predictor and conductor in a row. The sound, the listener and the take are its caller's."""

    def __init__(
        self,
        score: Score,
        follower: Follower,
        predictor: Predictor,
        settings: Settings | None = None,
        recall: Callable[[float], Recalled | None] | None = None,
    ) -> None:
        self.score = score
        self.settings = settings or Settings()
        self.follower = follower
        self.predictor = predictor
        end_beat = self.settings.loop[1] if self.settings.loop is not None else math.inf
        self.conductor = Conductor(score, self.settings.horizon_s, end_beat, self.settings.wishes)
        self.balance: dict[str, float] = dict(self.settings.balance)
        self.tuning_hz = self.settings.tuning_hz
        self.position: Position | None = None
        self.last_plan: TempoPlan | None = None
        self.finished = False
        self._recall = recall
        self._now_s = 0.0
        self._begun = False
        self._lost = False
        self._loop_at_s = math.inf
        self._rounds = 0
        self._onsets: list[float] = score.solo_onsets.tolist()
        self._clicks = CountIn()
        self._commands = Commands(self)

    # -- the one step ------------------------------------------------------------------------------------------------

    def step(self, now_s: float, heard: Iterable[Heard] = ()) -> list[Value]:
        """Everything that happens until ``now_s``, given what was ``heard`` (any order); in order of its times."""
        values: list[Value] = [] if self._begun else self._begin()
        for value in sorted(heard, key=lambda value: value.heard_s):
            heard_s = max(round(value.heard_s, 6), self._now_s)
            value = replace(value, heard_s=heard_s, time_s=round(value.time_s, 6))
            values += self._advance(heard_s)
            if self.finished:
                break
            values += self._hear(value)
        if not self.finished:
            values += self._advance(now_s)
        return values

    def next_s(self) -> float:
        """When ``step`` has something to do, if nothing is heard before; ``inf`` when only the soloist can move."""
        if not self._begun:
            return self._now_s
        return min(self.conductor.next_s(), self.conductor.release_due_s(), self._loop_at_s, self._clicks.next_s())

    def close(self) -> list[Value]:
        """Silence at the present moment; the last values of the take."""
        self.finished = True
        return [*self.conductor.close(self._now_s)]

    @property
    def now_s(self) -> float:
        """How far the music has been worked out."""
        return self._now_s

    # -- beginning ---------------------------------------------------------------------------------------------------

    def _begin(self) -> list[Value]:
        self._begun = True
        settings = self.settings
        if settings.from_beat is not None:
            self.follower.relocate(settings.from_beat, 0.0)
            self.conductor.await_soloist(settings.from_beat, 0.0)
        if settings.count_in_bars:
            return self.begin_at(settings.from_beat or 0.0, self._now_s, settings.count_in_bars)
        if settings.first_onset_s is not None and self._onsets and settings.from_beat is None:
            first = self._onsets[0]
            factor = self._wanted_period_s(first) / self.score.beat_period_at(first)
            start_s = settings.first_onset_s - factor * (self.score.seconds_at(first) - self.score.seconds_at(0.0))
            plan = self.predictor.start(0.0, self._wanted_period_s(0.0), start_s)
            return self.adopt(replace(plan, time_s=0.0), seek=True)
        if settings.beat_period_s is not None:
            beat = settings.from_beat or 0.0
            self.last_plan = self.predictor.start(beat, settings.beat_period_s, 0.0)
        return []

    def begin_at(self, beat: float, time_s: float, count_in_bars: int = 0) -> list[Value]:
        """The orchestra begins at ``beat``, after a count-in, without waiting for the soloist's first note."""
        period_s = self._wanted_period_s(beat)
        begins_s = time_s
        if count_in_bars:
            begins_s = self._clicks.count(self.score.bar_at(beat), beat, time_s, period_s, count_in_bars)
        plan = self.predictor.start(beat, period_s, begins_s)
        return self.adopt(replace(plan, time_s=time_s), seek=True)

    def _wanted_period_s(self, beat: float) -> float:
        """The tempo that was asked for, or the page's; each round of a loop faster, within the limits of tempo."""
        speed = self.settings.loop_speed**self._rounds
        page_s = self.score.beat_period_at(beat)
        pace = 1.0
        if self.settings.beat_period_s is not None:
            pace = self.settings.beat_period_s / self.score.beat_period_at(self.settings.from_beat or 0.0)
        return page_s * self.conductor.wishes.within(pace / speed)

    # -- hearing -----------------------------------------------------------------------------------------------------

    def _hear(self, value: Heard) -> list[Value]:
        if isinstance(value, Command):
            return [value, *self._commands.obey(value)]
        if isinstance(value, Pedal):
            if value.controller == SUSTAIN_PEDAL and value.value >= 64:
                self.conductor.hear_pedal(value.heard_s)
            return [value]
        heard: list[Value] = []
        if isinstance(value, SoloEvent):
            heard.append(value)
            self.conductor.hear_note(value.heard_s, value.on, value.pitch, value.velocity)
            if value.on and self.conductor.wishes.mode == "keep going":
                self._rejoin(value)
        return heard + self._follow(value)

    def _rejoin(self, event: SoloEvent) -> None:
        """The orchestra went on without the soloist: a note of the page where it is now is taken up from there."""
        here = self.conductor.beat_at(event.heard_s)
        last = self.last_plan.from_beat if self.last_plan is not None else 0.0
        place = bisect_right(self._onsets, last + EPS)
        if place == len(self._onsets) or here - self._onsets[place] < REJOIN_BEATS:
            return
        near = self.score.solo[np.abs(self.score.solo["beat"] - here) <= REJOIN_WITHIN_BEATS]
        same = near["beat"][(near["pitch"] == event.pitch) & (near["kind"] == NOTE)]
        if len(same):
            self.follower.relocate(float(same[np.argmin(np.abs(same - here))]), event.heard_s)

    def _follow(self, value: SoloEvent | SoloFrame) -> list[Value]:
        position = self.follower.hear(value, self.last_plan)
        if position is None:
            return []
        former, self.position = self.position, position
        if position.state == "lost":
            self.conductor.lose(value.heard_s)
            notices = [] if self._lost else [Notice(value.heard_s, "The soloist cannot be placed; playing on.")]
            self._lost = True
            return [position, *notices]
        if position.state == "waiting":
            return [position]
        found, self._lost = self._lost, False
        moved = former is None or (position.beat, position.onset_s) != (former.beat, former.onset_s)
        if not moved and not found:
            return [position]
        recalled = self._recall(position.beat) if self._recall is not None else None
        plan = self.predictor.plan(position, recalled)
        self._watch_loop(plan)
        return [position, *self.adopt(plan)]

    def adopt(self, plan: TempoPlan, seek: bool = False) -> list[Value]:
        """Make ``plan`` the present one and let the conductor travel it."""
        if not all(map(math.isfinite, (plan.from_s, plan.beat_period_s, plan.spread_s))) or plan.beat_period_s <= 0:
            raise CollaparteError(f"The predictor {type(self.predictor).__name__} made an impossible plan: {plan}")
        self.last_plan = plan
        if seek:
            self.conductor.seek(plan)
        else:
            self.conductor.follow(plan)
        return [plan]

    # -- time passing ------------------------------------------------------------------------------------------------

    def _advance(self, until_s: float) -> list[Value]:
        values: list[Value] = []
        while True:
            release_s, loop_s = self.conductor.release_due_s(), self._loop_at_s
            next_s = min(release_s, loop_s)
            if next_s > until_s:
                break
            values += self._sounded(next_s)
            self._now_s = max(self._now_s, next_s)
            if release_s <= loop_s:
                values += self._commands.release(next_s)
            else:
                values += self._repeat_loop(next_s)
        values += self._sounded(until_s)
        self._now_s = max(self._now_s, until_s)
        return values

    def _sounded(self, until_s: float) -> list[OrchestraEvent | Click]:
        notes: list[OrchestraEvent | Click] = [*self.conductor.due(until_s)]
        clicks = [*self._clicks.due(until_s + self.settings.horizon_s), *self.conductor.clicks(until_s)]
        return sorted([*notes, *clicks], key=lambda event: event.due_s) if clicks else notes

    def _watch_loop(self, plan: TempoPlan) -> None:
        loop = self.settings.loop
        if loop is not None:
            rest = [onset for onset in self._onsets if plan.from_beat + EPS < onset < loop[1] - EPS]
            self._loop_at_s = math.inf if rest else max(plan.time_of(loop[1]), plan.time_s)

    def _repeat_loop(self, time_s: float) -> list[Value]:
        assert self.settings.loop is not None
        self._loop_at_s = math.inf
        self._rounds += 1
        start = self.settings.loop[0]
        self.follower.relocate(start, time_s)
        if self.settings.count_in_bars:
            return self.begin_at(start, time_s, self.settings.count_in_bars)
        self.last_plan = self.predictor.start(start, self._wanted_period_s(start), time_s)
        self.conductor.await_soloist(start, time_s)
        return []
