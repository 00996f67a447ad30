"""When each beat of the orchestra sounds: the soloist's predicted line, and the rules that bend it.

Between the last matched onset and the next awaited one the orchestra travels the plan's line in full; a note that
shares the awaited beat sounds at its predicted time. Only later beats wait for the soloist: at most one beat or three
spreads of the prediction, whichever is longer. Then, unless the passage says ``hold``, the orchestra goes on to the
next resting point (the next bar line, or the soloist's next entry when a tutti lies between) and waits there. Within
the line, the page's own tempo marks are kept. Dannenberg (1984) and Raphael (2001) describe accompaniment by the next
awaited onset; the bounded wait is ours.

Beats and seconds as everywhere. ``inf`` means: not before something is heard.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from collaparte.conduct.wishes import Wishes
from collaparte.events import TempoPlan
from collaparte.score import NOTE, Fermata, Passage, Score

EPS = 1e-6
TUTTI_BEATS = 6.0  # a gap this long between solo onsets belongs to the orchestra
LEADING_GIVES_WAY = 0.3  # of each asynchrony, where the orchestra leads but listens
LOST_PATIENCE_BEATS = 8.0  # a lost soloist who plays nothing for so long has stopped
FERMATA_STRETCH = 2.0  # an orchestral fermata lasts twice its value
KEPT_FERMATA = 4.0  # who keeps going leaves a fermata after so many times its value
GIVE_S = 0.08  # under a limit of tempo the line still leaps so far to the soloist
SKIP_BEATS = 4.0  # who goes so far past the awaited onset, or back by more than BACK_BEATS, has gone elsewhere,
BACK_BEATS = 1.0  # and the limit is no matter
FALL_BACK = Passage(0.0, math.inf)


class Line:
    """The orchestra's time line. ``time_of`` answers; everything else bends it."""

    def __init__(self, score: Score) -> None:
        self.wishes = Wishes()
        self._score = score
        self._onsets: list[float] = score.solo_onsets.tolist()
        self._bars: list[float] = [bar.beat for bar in score.bars]
        self._fermatas = {fermata.beat: fermata for fermata in score.fermatas}
        self._all_onsets: list[float] = sorted(set(score.notes["beat"][score.notes["kind"] == NOTE].tolist()))
        self._started = False
        self._s, self._beat = 0.0, 0.0  # the anchor
        self._factor = 1.0  # seconds per second on the page, from the anchor to the awaited onset
        self._pace = 1.0  # the same, from the last plan without a hold
        self._plan_beat = 0.0  # where the soloist was in the last plan
        self._awaited = math.inf
        self._spread_s = 0.05
        self._hold: Fermata | None = None
        self.end_beat = math.inf  # the end of a practised passage: nothing sounds from there on
        self._stopped_at: float | None = None  # by the player's hand
        self._lost_since: float | None = None
        self._heard_s = -math.inf

    # -- bending ---------------------------------------------------------------------------------------------------

    def follow(self, plan: TempoPlan, afresh: bool = False) -> float:
        """A new plan: travel its line, unless the orchestra leads here and the soloist is near.

        Answers the beat the line goes on from; ``afresh``: wherever it was before.
        """
        passage = self.passage_at(plan.from_beat)
        leads = "follow" if self.wishes.mode == "wait" else passage.leads
        if self._started and self._lost_since is None and leads != "follow" and plan.hold_beat is None:
            own_s = self.time_of(plan.from_beat)
            late_s = plan.from_s - own_s
            if math.isfinite(own_s) and abs(late_s) < self._pace * self._score.beat_period_at(plan.from_beat):
                self._s += LEADING_GIVES_WAY * late_s if leads == "lead" else 0.0
                self._awaited = self._next_onset(max(plan.from_beat, passage.end_beat - 2 * EPS))
                self._spread_s = plan.spread_s
                return plan.from_beat
        awaited = self._next_onset(plan.from_beat)
        end = awaited if math.isfinite(awaited) else plan.from_beat + 1.0
        pace = (plan.time_of(end) - plan.from_s) / self._page_s(plan.from_beat, end)
        s, beat = self._anchor(plan, pace, afresh)
        self._plan_beat = plan.from_beat
        if beat != plan.from_beat and beat < end - EPS:
            pace = (plan.time_of(end) - s) / self._page_s(beat, end)
        self._started, self._lost_since = True, None
        self._s, self._beat, self._awaited, self._spread_s = s, beat, awaited, plan.spread_s
        self._hold = None if plan.hold_beat is None else self._fermata(plan.hold_beat)
        if self._hold is None:
            self._pace = self.wishes.within(pace)
        self._factor = self._pace
        if leads != "follow":
            self._awaited = self._next_onset(passage.end_beat - 2 * EPS)
        return beat

    def _anchor(self, plan: TempoPlan, pace: float, afresh: bool) -> tuple[float, float]:
        """(seconds, beat) the line goes on from: the plan's own, or where the limits of tempo keep it."""
        wishes, its_own = self.wishes, (plan.from_s, plan.from_beat)
        if afresh or not self._started or plan.hold_beat is not None or self._hold is not None:
            return its_own
        here, last = self.beat_at(plan.time_s), self._plan_beat
        ahead = plan.beat_at(plan.time_s) - here
        limit = wishes.fastest if ahead > 0 else wishes.slowest if wishes.mode == "keep going" else None
        elsewhere = not last - BACK_BEATS <= plan.from_beat <= self._next_onset(last) + SKIP_BEATS
        if limit is None or elsewhere:
            return its_own
        near = abs(ahead) * plan.beat_period_s <= GIVE_S
        return its_own if near and wishes.within(pace) == pace else (plan.time_s, here)

    def wish(self, wishes: Wishes, time_s: float) -> None:
        """Other wishes from ``time_s`` on; the line goes on from where it is."""
        if self._started and self._hold is None and self._stopped_at is None:
            beat = self.beat_at(time_s)
            self._s, self._beat = time_s, beat
            self._pace = wishes.within(self._pace)
            self._factor = self._pace
        if wishes.mode == "wait":
            self._lost_since = None
        self.wishes = wishes

    def release(self, time_s: float) -> float:
        """Let a fermata or the player's hold go at ``time_s``; answers the beat that sounds then."""
        beat = self.beat_at(time_s)
        if self._hold is not None:
            beat = self._after(self._hold.beat)
            self._hold = None
        self._stopped_at = None
        self._s, self._beat, self._factor = time_s, beat, self._pace
        self._awaited = self._next_onset(beat - 2 * EPS)
        return beat

    def stop(self, time_s: float) -> None:
        """The player's hand: nothing later than the beat reached at ``time_s`` until ``release``."""
        self._stopped_at = self.beat_at(time_s)

    def heard(self, time_s: float) -> None:
        """The soloist gave a sign of life."""
        self._heard_s = time_s

    def lose(self, time_s: float) -> None:
        """The soloist cannot be placed: keep playing at the last tempo, without waiting, while they play."""
        if self._lost_since is None and self.wishes.mode != "wait":
            beat = self.beat_at(time_s)
            self._s, self._beat, self._factor = time_s, beat, self._pace
            self._lost_since = time_s

    def loop(self, time_s: float, beat: float) -> None:
        """A vamp begins again: ``beat`` sounds at ``time_s``."""
        self._s, self._beat, self._factor = time_s, beat, self._pace
        self._awaited = self._next_onset(beat - 2 * EPS)

    def await_soloist(self, beat: float) -> None:
        """Nothing sounds from ``beat`` on until a plan comes."""
        self._started, self._hold, self._stopped_at, self._lost_since = False, None, None, None
        self._beat = beat

    # -- answering -------------------------------------------------------------------------------------------------

    @property
    def hold(self) -> Fermata | None:
        """The fermata that restrains the orchestra now."""
        return self._hold

    @property
    def beat_period_s(self) -> float:
        """Seconds per quarter, as travelled now."""
        return self._pace * self._score.beat_period_at(max(self._beat, 0.0))

    def earliest_release_s(self) -> float:
        """A held note lasts at least its written value."""
        assert self._hold is not None
        return self._free(self._after(self._hold.beat))

    def time_of(self, beat: float) -> float:
        """Seconds at which the orchestra sounds ``beat``; ``inf`` when that awaits the soloist or a hand."""
        if not self._started or (self._stopped_at is not None and beat > self._stopped_at + EPS):
            return math.inf
        if beat > self.end_beat + EPS:
            return math.inf
        if self._hold is not None and beat > self._hold.beat + EPS:
            return self._after_hold(self._hold, beat)
        keep = self.wishes.mode == "keep going"
        if self._lost_since is not None:
            time_s = self._free(beat)
            patience_s = LOST_PATIENCE_BEATS * self.beat_period_s
            return time_s if keep or time_s <= self._heard_s + patience_s else math.inf
        if self.wishes.mode == "wait":
            return self._free(beat) if beat < self._awaited - EPS else math.inf
        if beat <= self._awaited + EPS:
            return self._free(beat)
        passage = self.passage_at(self._awaited)
        if keep:
            return math.inf if passage.cadenza else self._free(beat)
        if passage.silence == "hold" or passage.cadenza or beat > self._resting_point(passage) + EPS:
            return math.inf
        return self._free(beat) + self.wait_s

    @property
    def wait_s(self) -> float:
        """How long later beats wait for the awaited onset: one beat, or three spreads if that is longer."""
        return max(self.beat_period_s, 3 * self._spread_s)

    def blocked_from_s(self) -> float:
        """When the line reaches the place it cannot pass; ``inf`` when nothing blocks it."""
        if not self._started:
            return -math.inf
        if self._stopped_at is not None:
            return self._free(self._stopped_at)
        if self._hold is not None:
            return self._free(self._hold.beat)
        if self._lost_since is not None:
            return self._heard_s + LOST_PATIENCE_BEATS * self.beat_period_s
        if not math.isfinite(self._awaited):
            return math.inf
        passage = self.passage_at(self._awaited)
        if self._blocks(passage):
            return self._free(self._awaited)
        if self.wishes.mode == "keep going":
            return math.inf
        return self._free(self._resting_point(passage)) + self.wait_s

    def _blocks(self, passage: Passage) -> bool:
        """Whether the awaited onset itself cannot be passed."""
        if self.wishes.mode == "follow":
            return passage.silence == "hold" or passage.cadenza
        return self.wishes.mode == "wait" or passage.cadenza

    def beat_at(self, time_s: float) -> float:
        """Where the orchestra is at ``time_s``, every wait and hold included."""
        if not self._started:
            return self._beat
        page_s = self._score.seconds_at(self._beat) + (time_s - self._s) / self._factor
        beat = self._score.beat_at_seconds(page_s)
        if self._stopped_at is not None:
            beat = min(beat, self._stopped_at)
        if self._hold is not None:
            return min(beat, self._hold.beat)
        if self._lost_since is None and beat > self._awaited:
            passage = self.passage_at(self._awaited)
            if self._blocks(passage):
                return self._awaited
            if self.wishes.mode == "keep going":
                return beat
            waited_s = max(time_s - self._free(self._awaited) - self.wait_s, 0.0)
            on = self._score.beat_at_seconds(self._score.seconds_at(self._awaited) + waited_s / self._factor)
            return min(on, self._resting_point(passage))
        return beat

    def passage_at(self, beat: float) -> Passage:
        """The marked passage ``beat`` lies in, or plain following."""
        for passage in self._score.passages:
            if passage.start_beat - EPS <= beat < passage.end_beat - EPS:
                return passage
        return FALL_BACK

    # -- within ----------------------------------------------------------------------------------------------------

    def _page_s(self, start_beat: float, end_beat: float) -> float:
        return max(self._score.seconds_at(end_beat) - self._score.seconds_at(start_beat), 1e-6)

    def _free(self, beat: float) -> float:
        return self._s + self._factor * (self._score.seconds_at(beat) - self._score.seconds_at(self._beat))

    def _next_onset(self, beat: float) -> float:
        index = bisect_right(self._onsets, beat + EPS)
        return self._onsets[index] if index < len(self._onsets) else math.inf

    def _resting_point(self, passage: Passage) -> float:
        if passage is not FALL_BACK:
            return passage.end_beat
        index = bisect_right(self._bars, self._awaited + EPS)
        rest = self._bars[index] if index < len(self._bars) else self._score.end_beat
        first, last = bisect_left(self._onsets, self._awaited - EPS), bisect_right(self._onsets, rest + EPS)
        for onset in self._onsets[first:last]:
            following = self._next_onset(onset)
            if following - onset >= TUTTI_BEATS:
                return following  # a tutti (or the ending): the orchestra needs nobody
        return rest

    def _after(self, beat: float) -> float:
        index = bisect_right(self._all_onsets, beat + EPS)
        return self._all_onsets[index] if index < len(self._all_onsets) else beat + 1.0

    def _fermata(self, beat: float) -> Fermata:
        fermata = self._fermatas.get(beat, Fermata(beat, "note_off"))
        solo = self._score.solo
        sounding = (solo["beat"] <= beat + EPS) & (solo["beat"] + solo["duration_beats"] > beat + EPS)
        if fermata.release == "length" or (not sounding.any() and fermata.release != "pedal"):
            value = self._after(beat) - beat
            return Fermata(beat, "length", fermata.length_beats or FERMATA_STRETCH * value)
        if fermata.release == "onset" and self._after(beat) < self._next_onset(beat) - EPS:
            return Fermata(beat, "note_off")  # the orchestra moves first
        return fermata

    def _after_hold(self, hold: Fermata, beat: float) -> float:
        after, keep = self._after(hold.beat), self.wishes.mode == "keep going"
        length = hold.length_beats or 0.0
        if hold.release != "length":
            if not keep:
                return math.inf
            length = KEPT_FERMATA * (after - hold.beat)
        goes_on_s = self._free(hold.beat) + length * self._pace * self._score.beat_period_at(hold.beat)
        if beat > max(self._awaited, after) + EPS and not keep:
            return math.inf
        if self.wishes.mode == "wait" and beat >= self._awaited - EPS:
            return math.inf
        return goes_on_s + self._pace * (self._score.seconds_at(beat) - self._score.seconds_at(after))
