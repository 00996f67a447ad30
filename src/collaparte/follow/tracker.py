"""The follower that is used: several paths through the page, and a search for the soloist when they fail.

Every note extends the paths (``paths``); the cheapest one is where the soloist is. When the last few notes cost more
than ordinary mistakes do, the last few pitches are looked up in the whole score (``search``); each place found is
played through again from a few notes back and joins the paths with the price of a jump. It is believed once it
explains what was heard better than everything else, by a margin: for ordinary material after three to five notes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from math import log1p

from collaparte.events import Position, SoloEvent, SoloFrame, State, TempoPlan
from collaparte.follow.certainty import (
    IDLE_MOST,
    LATELY_MOST,
    LEAD_MOST,
    SETTLED_MOST,
    SPENT_MOST,
    TRAIL_MOST,
    Evidence,
    certainty,
)
from collaparte.follow.habits import Habits
from collaparte.follow.onsets import TUTTI, Onsets
from collaparte.follow.paths import TWICE, WRONG, Path, extend
from collaparte.follow.search import Search
from collaparte.follow.tempo import deviation, spread
from collaparte.score import Score

PLANNED = 0.5  # how far a path goes to meet the tempo of the plan, as an exponent
MEMORY = 8  # notes looked back on
DOUBT = 6.5  # nats the last four notes may cost before the whole score is searched
CALM = 6  # notes without doubt after which the search rests
LINKS = 3.0  # length of a chain that is tried
TRIALS = 3  # places considered for one note; one of them is tried
LOOKED_UP = 5  # notes that are looked up at once when a search begins
REPLAYED = 8  # notes that are played through again there
SEEDS = 2  # ways of doing so
HOPE = 6.0  # nats behind the best path at which it is given up
JUMP = 9.0  # nats for having jumped at all
DISTANCE = 2.2  # ... and for each e-fold of the distance
FARTHEST = 17.0  # ... together no more than this
AHEAD = 1.0  # ... landing later on the page
OFF_BAR = 0.8  # ... landing elsewhere than on a bar
START = 4.0  # instead of JUMP, before anything was matched
RIVAL = 0.4  # nats a line that is not shown pays for each note
STRAY = 8.0  # added while the orchestra has a tutti
PROVEN = 4  # onsets a new line must have gone through before it is shown
CONTESTED = 2  # onsets that the old line may go on at once while a new one is cheaper
SETTLED = 5  # onsets after which a path's times tell how even the player is
LOST = 0.4  # certainty below which a position is called a guess
MARGIN = 1.5  # nats by which a new line must be better to be shown


class PathFollower:
    """Where the soloist is, by the cheapest of a handful of paths; see the file's head."""

    def __init__(self, score: Score) -> None:
        self._onsets = Onsets(score)
        self._search = Search(self._onsets)
        self._habits = Habits()
        self._bars = {round(bar.beat, 4) for bar in score.bars}
        self._targets = {round(jump.to_beat, 4) for jump in score.jumps}
        self._begin(Path(0.0, -1, 0.0, 1.0), "waiting")
        self._beat, self._onset_s = 0.0, 0.0

    def _begin(self, path: Path, state: State) -> None:
        self._paths = [path]
        self._state: State = state
        self._heard: deque[tuple[int, float, float]] = deque(maxlen=MEMORY)  # pitch, time_s, best cost before it
        self._calm = CALM
        self._lines = 0  # jumps tried since the last calm
        self._last_line = 0
        self._line = 0
        self._place = path.place  # that was shown
        self._idle = 0  # notes since one belonged to the path shown
        self._sure = 0.0

    def relocate(self, beat: float, time_s: float) -> Position:
        place = self._onsets.at_or_after(beat)
        rate = self._paths[0].rate
        everything = (1 << self._onsets.size[place - 1]) - 1 if place else 0
        self._begin(Path(0.0, place - 1, time_s, rate, everything), "playing")
        self._beat, self._onset_s = beat, time_s
        return Position(time_s, time_s, beat, 1.0, "playing")

    def hear(self, event: SoloEvent | SoloFrame, plan: TempoPlan | None) -> Position | None:
        if isinstance(event, SoloFrame) or not event.on or not 0 <= event.pitch < 128:
            return None
        if plan is not None:
            self._take_tempo(plan)
        self._heard.append((event.pitch, event.time_s, self._paths[0].cost))
        before = self._paths[0]
        self._paths = extend(self._onsets, self._paths, event.pitch, event.time_s, self._habits)
        self._learn(before, self._paths[0])
        self._look_around()
        self._show()
        return Position(event.heard_s, self._onset_s, self._beat, self._sure, self._state)

    def _learn(self, before: Path, now: Path) -> None:
        """Count the slips of the onsets that the likeliest path has just left, and how far off the next one came."""
        if now.place <= before.place or before.place < 0 or now.line != before.line or self._calm < CALM:
            return
        onsets, habits = self._onsets, self._habits
        notes = sum(onsets.size[before.place : now.place])
        heard = (before.heard & (WRONG - 1)).bit_count() if not before.heard & TWICE else notes
        habits.count(notes, notes - heard, before.strays + (1 if before.heard & WRONG else 0))
        if now.place == before.place + 1 and now.steps == before.steps + 1 > SETTLED and now.heard != WRONG:
            expected_s = onsets.gap_s[before.place] * before.rate
            jitter_s, share = spread(onsets.quarter_s[before.place] * before.rate, before.doubt, habits.uneven)
            habits.time(deviation(now.since_s - before.line_s, expected_s, jitter_s, share))

    def _take_tempo(self, plan: TempoPlan) -> None:
        """Let the paths at the plan's place go half way to its tempo, unless it is far off."""
        onsets = self._onsets
        if plan.from_beat != self._beat:
            return
        for path in self._paths:
            if path.steps > 2 and path.line == self._line and onsets.beat[path.place] == plan.from_beat:
                ratio = plan.beat_period_s / (onsets.quarter_s[path.place] * path.rate)
                if 0.5 < ratio < 2.0:
                    path.rate *= ratio**PLANNED

    def _look_around(self) -> None:
        """Search the whole score while the last notes are not explained."""
        best = self._paths[0]
        heard = self._heard
        doubtful = best.cost - heard[max(len(heard) - 4, 0)][2] > DOUBT or best.steps < 3
        if not doubtful and self._calm >= CALM:
            if self._lines:  # the doubt is over: rivals elsewhere, kept alive by a passage like this one, are dropped
                self._paths = [path for path in self._paths if path.line == self._line] or self._paths
                self._lines = 0
            return
        for path in self._paths:
            if path.line != self._line:
                path.cost += RIVAL
        if self._calm >= CALM:  # the search begins: tell it what was heard before
            self._search.restart()
            for pitch, _, _ in list(heard)[-LOOKED_UP:]:
                self._search.hear(pitch)
        else:
            self._search.hear(heard[-1][0])
        self._calm = 0 if doubtful else self._calm + 1
        if not doubtful:
            return
        known = {path.place for path in self._paths if path.matched and path.cost < best.cost + MARGIN}
        for place, links in self._search.best(LINKS, TRIALS, best.place):
            if place not in known and self._try(place, min(round(links), REPLAYED, len(heard))):
                break  # one is enough for one note: the others, if they are any good, come next time
        self._paths.sort(key=lambda path: (path.cost, path.place))

    def _try(self, place: int, back: int) -> bool:
        """Play the last ``back`` notes through again, ending around ``place``; keep the path if it is new or better.

        False when the price alone puts the place out of the question.
        """
        onsets, heard, main = self._onsets, self._heard, self._paths[0]
        pitch, time_s, base = heard[-back]
        seeds = []
        holding = onsets.places_of[pitch]
        for start in holding[_range(holding, place - 2 * back, place)][-SEEDS:]:
            cost = base + self._price(main, start, time_s)
            if cost < main.cost + HOPE:
                heard_bit = onsets.pitches[start][pitch]
                seeds.append(Path(cost, start, time_s, main.rate, heard_bit, 0, 1, True, self._last_line + 1, time_s))
        if not seeds:
            return False
        self._lines += 1
        self._last_line += 1
        for pitch, time_s, _ in list(heard)[len(heard) - back + 1 :]:
            seeds = extend(onsets, seeds, pitch, time_s, self._habits)[:SEEDS]
            if seeds[0].cost > main.cost + HOPE:
                return True
        for path in seeds:
            if not path.matched:
                continue
            rival = next((index for index, other in enumerate(self._paths) if other.place == path.place), None)
            if rival is None:
                self._paths.append(path)
            elif path.cost < self._paths[rival].cost:
                self._paths[rival] = path
        return True

    def _price(self, main: Path, start: int, time_s: float) -> float:
        """What it costs to believe that the soloist went from the main path to ``start``."""
        onsets = self._onsets
        beat = round(onsets.beat[start], 4)
        price = 0.0 if beat in self._bars else OFF_BAR
        if main.place < 0 or main.steps == 0:
            return price + START
        away = beat - onsets.beat[main.place]
        price += min(JUMP + DISTANCE * log1p(abs(away) / 2.0), FARTHEST) + (AHEAD if away > 0 else 0.0)
        if beat in self._targets:
            price -= 2.0
        resting = onsets.free[main.place] == TUTTI
        if resting and time_s - main.since_s < 0.8 * main.rate * onsets.gap_s[main.place]:
            price += STRAY
        return price

    def _show(self) -> None:
        """Choose the path that is reported; another line than before only by a margin."""
        best, farthest = self._paths[0], self._onsets.count
        if best.line != self._line and self._state != "waiting":
            own = next((path for path in self._paths if path.line == self._line), None)
            if own is not None and (own.cost < best.cost + MARGIN or best.steps < PROVEN):
                best, farthest = own, self._place + CONTESTED
        self._line = best.line
        if best.place < 0:
            return
        if self._state == "waiting" and (best.heard == WRONG or (best.place > 1 and best.steps < 3)):
            return
        if best.matched and best.place <= farthest:
            self._place = best.place
            self._beat, self._onset_s = self._onsets.beat[best.place], best.since_s
        self._idle = 0 if best.matched else self._idle + 1
        self._sure = certainty(self.evidence)
        if best.place == self._onsets.count - 1 and best.matched:
            self._state = "finished"
        else:
            self._state = "lost" if self._sure < LOST else "playing"

    @property
    def evidence(self) -> Evidence:
        """What speaks for and against the position last reported."""
        beats, shown = self._onsets.beat, self._beat
        here, elsewhere, settled = 1e18, 1e18, 0
        for path in self._paths:
            if path.place >= 0:
                if abs(beats[path.place] - shown) <= 0.5:
                    if path.cost < here:
                        here = path.cost
                        settled = path.steps
                elif path.cost < elsewhere:
                    elsewhere = path.cost
        lead = min(max(elsewhere - here, -TRAIL_MOST), LEAD_MOST)
        heard = self._heard
        now = self._paths[0].cost
        return Evidence(
            max(lead, 0.0),
            min(lead, 0.0),
            min((now - heard[0][2]) / len(heard), SPENT_MOST),
            min((now - heard[max(len(heard) - 3, 0)][2]) / min(len(heard), 3), LATELY_MOST),
            min(self._idle, IDLE_MOST),
            log1p(min(settled, SETTLED_MOST)),
        )


def _range(ascending: list[int], low: int, high: int) -> slice:
    """The part of an ascending list from ``low`` to ``high``, both included."""
    return slice(bisect_left(ascending, low), bisect_right(ascending, high))
