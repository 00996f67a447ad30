"""The conductor: follows the plan, commits notes a short horizon ahead, and never takes one back.

A note is committed when its due time is at most ``horizon_s`` away; until then every new plan moves it, afterwards
nothing does. What is committed depends only on what was heard and when, never on when ``due`` is called.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator

from collaparte.conduct.desk import Desk, DeskNote
from collaparte.conduct.line import Line
from collaparte.conduct.pulse import Pulse
from collaparte.conduct.wishes import Wishes
from collaparte.events import Click, OrchestraEvent, TempoPlan
from collaparte.score import Score

EPS = 1e-6
JUMP_BACK_BEATS = 1.0  # a smaller step back is a slip of the finger: what has sounded is not repeated
SHORTEST_S = 0.03  # a note begun too late still lasts this long
CATCH_UP_S = 0.3  # a passed-over short note this late is still played
SUSTAIN_S = 8.0  # how long a chord is held for a soloist who does not come
LOUDNESS_MEMORY = 0.15  # weight of the newest solo note in the soloist's loudness
LOUDNESS_FOLLOWED = 0.6  # share of the soloist's louder or softer that the orchestra takes up


class Conductor:
    """Turns plans into committed notes. ``follow`` or a command changes the line; ``due`` collects what is ripe."""

    def __init__(
        self, score: Score, horizon_s: float = 0.005, end_beat: float = math.inf, wishes: Wishes | None = None
    ) -> None:
        self._score = score
        self.horizon_s = horizon_s
        self._line = Line(score)
        self._line.end_beat = end_beat  # of a practised passage; its own note belongs to what follows
        self._end_beat = end_beat
        self._desk = Desk(score)
        self._names = [part.name for part in score.parts]
        self._floor_s = 0.0  # nothing new sounds before this: the last change plus the horizon
        self._beat: float | None = None
        self._louder = 0.0
        self._vamping = True
        self._cut: list[tuple[int, DeskNote]] = []  # sounding notes to end at once
        self._solo_sounding: set[int] = set()
        self._released_s: float | None = None  # the soloist let the held note go
        self._begun_s = 0.0  # when the last note began
        self._pulse = Pulse(score)
        self._silent: list[tuple[float, float]] = []  # tuttis that are not played
        self._wish(wishes or Wishes(), 0.0)

    # -- what changes the line ---------------------------------------------------------------------------------------

    def follow(self, plan: TempoPlan) -> None:
        """Travel a new plan from now (``plan.time_s``) on."""
        before = self._beat
        reached = self._line.follow(plan)
        self._released_s = None
        if before is not None and plan.from_beat < before - EPS:
            if plan.from_beat <= before - JUMP_BACK_BEATS:
                self._go_to(plan.from_beat)
        elif self._line.passage_at(plan.from_beat).leads == "follow":
            self._desk.step_forward(min(reached, plan.from_beat), CATCH_UP_S / plan.beat_period_s)
            self._pulse.step_forward(min(reached, plan.from_beat))
        self._beat = plan.from_beat
        self._changed(plan.time_s)

    def seek(self, plan: TempoPlan) -> None:
        """Begin (again) at ``plan.from_beat``, whatever has sounded: after a start, a relocation, a loop."""
        self._go_to(plan.from_beat)
        self._beat = None
        self._line.follow(plan, afresh=True)
        self._beat = plan.from_beat
        self._changed(plan.time_s)

    def await_soloist(self, beat: float, time_s: float) -> None:
        """Fall silent and wait at ``beat`` for the soloist to play."""
        self._cut += self._desk.end_all()
        self._desk.jump(beat)
        self._pulse.jump(beat)
        self._line.await_soloist(beat)
        self._beat = beat
        self._changed(time_s)

    def lose(self, time_s: float) -> None:
        """The follower is lost: play on at the last tempo."""
        self._line.lose(time_s)
        self._changed(time_s)

    def stop(self, time_s: float) -> None:
        """Hold here until ``release``."""
        self._line.stop(time_s)
        self._changed(time_s)

    def release(self, time_s: float) -> float:
        """Let a fermata, a vamp or the player's hold go; answers the beat that sounds now."""
        beat = self._line.release(time_s)
        self._changed(time_s)
        return beat

    def wish(self, wishes: Wishes, time_s: float) -> None:
        """What the player wishes from ``time_s`` on; what is committed stays."""
        self._wish(wishes, time_s)
        self._changed(time_s)

    def _wish(self, wishes: Wishes, time_s: float) -> None:
        self._line.wish(wishes, time_s)
        self._pulse.choose(wishes.metronome, max(self._line.beat_at(time_s), 0.0))
        self._silent = list(self._muted(wishes.lead_in_bars)) if wishes.tuttis == "mute" else []

    @property
    def wishes(self) -> Wishes:
        """What the player wishes now."""
        return self._line.wishes

    def _muted(self, lead_in_bars: int) -> Iterator[tuple[float, float]]:
        bars = [bar.beat for bar in self._score.bars]
        for start, stop in self._score.tutti:
            end = stop
            if lead_in_bars and stop < self._score.end_beat - EPS:
                end = bars[max(bisect_right(bars, stop + EPS) - 1 - lead_in_bars, 0)]
            if end > start + EPS:
                yield start, end

    def leave_vamp(self, leave: bool = True) -> None:
        """Go on after the present round (or, with ``leave=False``, vamp again from the next one on)."""
        self._vamping = not leave

    def hear_note(self, time_s: float, on: bool, pitch: int, velocity: int) -> None:
        """The soloist's own notes: a sign of life, their loudness, and whether the held note still sounds."""
        self._line.heard(time_s)
        if on:
            self._louder += LOUDNESS_MEMORY * (velocity - 64 - self._louder)
            self._solo_sounding.add(pitch)
        else:
            self._solo_sounding.discard(pitch)
            hold = self._line.hold
            if hold is not None and hold.release == "note_off" and not self._solo_sounding:
                self._released_s = max(time_s, self._line.earliest_release_s())

    def hear_pedal(self, time_s: float) -> None:
        """A pedal pressed down lets go of a fermata that waits for it."""
        hold = self._line.hold
        if hold is not None and hold.release == "pedal":
            self._released_s = time_s

    # -- what is asked of it -----------------------------------------------------------------------------------------

    @property
    def beat_period_s(self) -> float:
        """Seconds per quarter as travelled now."""
        return self._line.beat_period_s

    def beat_at(self, time_s: float) -> float:
        """Where the orchestra is."""
        return self._line.beat_at(time_s)

    def release_due_s(self) -> float:
        """When the soloist's note-off or pedal frees the fermata; ``inf`` while it does not."""
        return math.inf if self._released_s is None else self._released_s

    def next_s(self) -> float:
        """When ``due`` has something to commit, if nothing is heard before; ``inf`` when only the soloist can move."""
        return min(self._next_due_s()[0], self._next_click_s()) - self.horizon_s

    def clicks(self, now_s: float) -> list[Click]:
        """Commit every stroke of the metronome due by ``now_s + horizon_s``, in order."""
        found: list[Click] = []
        while (due_s := self._next_click_s()) - self.horizon_s <= now_s + EPS * EPS:
            beat, accent = self._pulse.strike()
            found.append(Click(round(due_s, 6), beat, accent))
        return found

    def due(self, now_s: float) -> list[OrchestraEvent]:
        """Commit everything due by ``now_s + horizon_s``, in order."""
        events: list[OrchestraEvent] = []
        for number, note in self._cut:
            events.append(self._event(self._floor_s, number, note, on=False))
        self._cut = []
        while True:
            due_s, starts = self._next_due_s()
            if due_s - self.horizon_s > now_s + EPS * EPS:
                return events
            if not starts:
                number, note = self._desk.end()
                events.append(self._event(due_s, number, note, on=False))
                continue
            if self._vamp_again(due_s):
                continue
            if self._silent and any(a - EPS <= self._desk.next_beat() < b - EPS for a, b in self._silent):
                self._desk.skip()
                continue
            number, note, former = self._desk.begin()
            if former is not None:
                events.append(self._event(due_s, *former, on=False))
            self._begun_s = due_s
            events.append(self._event(due_s, number, note, on=True))

    def close(self, now_s: float) -> list[OrchestraEvent]:
        """Silence: end whatever sounds."""
        ended = self._cut + self._desk.end_all()
        self._cut = []
        due_s = max(now_s + self.horizon_s, self._floor_s)
        return [self._event(due_s, number, note, on=False) for number, note in ended]

    # -- within ------------------------------------------------------------------------------------------------------

    def _changed(self, now_s: float) -> None:
        self._floor_s = max(self._floor_s, now_s + self.horizon_s)

    def _go_to(self, beat: float) -> None:
        self._cut += self._desk.end_all(besides_beat=beat)
        self._desk.jump(beat)
        self._pulse.jump(beat)

    def _next_due_s(self) -> tuple[float, bool]:
        start, end = self._desk.next_start(), self._desk.next_end()
        start_s = math.inf if start >= self._end_beat - EPS else self._time_of(start)
        end_s = math.inf
        if math.isfinite(end):
            end_s = self._line.time_of(end)
            if math.isinf(end_s):
                end_s = self._line.blocked_from_s() + SUSTAIN_S
            end_s = max(end_s, self._floor_s, self._begun_s + SHORTEST_S if self._begun_s == self._floor_s else 0.0)
        if self._cut:
            return self._floor_s, False
        return (end_s, False) if end_s <= start_s else (start_s, True)

    def _next_click_s(self) -> float:
        beat = self._pulse.beat
        if math.isinf(beat) or beat >= self._end_beat - EPS:
            return math.inf
        return max(self._line.time_of(beat), self._floor_s)

    def _time_of(self, start_beat: float) -> float:
        return self._floor_s if math.isinf(start_beat) else max(self._line.time_of(start_beat), self._floor_s)

    def _vamp_again(self, due_s: float) -> bool:
        """When the next note lies beyond a vamp that goes on, return to its beginning."""
        start = self._desk.next_start()
        for passage in self._score.passages:
            ends_here = passage.vamp and self._vamping and passage.end_beat - EPS <= start
            inside = self._beat is not None and self._beat < passage.end_beat - EPS
            if ends_here and inside and self._line.passage_at(self._line.beat_at(due_s - 1e-4)) is passage:
                end_s = self._line.time_of(passage.end_beat)
                self._line.loop(end_s if math.isfinite(end_s) else due_s, passage.start_beat)
                self._go_to(passage.start_beat)
                return True
        return False

    def _event(self, due_s: float, number: int, note: DeskNote, on: bool) -> OrchestraEvent:
        velocity = 0
        if on:
            velocity = min(max(round(note.velocity + LOUDNESS_FOLLOWED * self._louder), 10), 120)
        return OrchestraEvent(
            round(due_s, 6), note.beat, self._names[note.part], on, note.pitch, velocity, note.ornament, number
        )
