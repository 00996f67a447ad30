"""The recursion: one heard note extends every path by its cheapest continuations.

A path is a hypothesis: the soloist is at onset ``place`` since ``since_s``, plays ``rate`` times as slowly as the page
(known to within ``doubt``, a variance), has struck the notes ``heard`` of that chord, and explaining everything so far
cost ``cost`` (minus a log likelihood, in nats). It is time warping still: a step stays in the column, goes on, leaves
columns out, or explains the note away; and it is a state-space model read by its cheapest path, with a term for pitch,
one for time and one for what was left out (Raphael, "Automatic segmentation of acoustic musical signals using hidden
Markov models", 1999; Nakamura et al., "Real-time audio-to-score alignment of music performances containing errors and
arbitrary repeats and skips", 2016; Arzt & Widmer, "Simple tempo models for real-time music tracking", 2010). What
intervals cost, and what they tell of the tempo, is in ``tempo``.

All times enter as ratios to the tempo, so that the same music, stretched, takes the same path.
"""

from __future__ import annotations

from bisect import bisect_right
from math import log1p

from collaparte.follow.habits import Habits
from collaparte.follow.onsets import CADENZA, REENTRY, RESTRIKE, Onsets
from collaparte.follow.tempo import DOUBT_FIRST, adapt, lateness, phase, spread

WIDTH = 8  # paths kept
DEPTH = 12.0  # nats behind the best at which a path is given up
REACH = 12.0  # nats of left-out onsets a single step may cost
CHOICES = 3  # places ahead that one step considers

LEAP, LEAP_FROM = 0.7, 3.0  # nats for each nat of left-out onsets beyond so many: that is no slip any more
REPEAT = 5.0  # nats for a repeat taken or left out against the page
RESTART, HESITATED = 6.0, 0.8  # ... for a bar, or the one before, begun again; share of lateness that makes it likelier
AGAIN = 2.0  # a note that advances nothing, struck a moment ago too: trills, tremolos
UNHEARD = 0.65  # nats for each note of a chord not struck when the music goes on (three at most)
OVERDUE = 4.0  # a note that advances nothing though the next onset wants it and is due
LATE_NOTE = 0.2  # a note of the chord before, after the music went on
DUE, DUE_FROM, DUE_BY = 1.1, -1.5, 0.5  # added to that when the next onset is due; between so many deviations it grows
FREE = 1.3  # a note during a tutti or in a cadenza, at least: playing from the page is likelier still
BUNCH = 0.68  # share of its cost that a note too many costs beside another, struck together
BESIDE = 0.5  # the same in a chord that is being struck is likelier by so many nats
CORRECTED = 1.5  # the right note after the wrong one, at most
NONSENSE = 1.1  # a wrong pitch in the place of the awaited one, the second time running
SUBSTITUTE, SLIP, ASTRAY = (
    3.0,
    2.2,
    4.0,
)  # a wrong pitch in the place of one three to seven, fewer or more semitones off
PUNCTUAL = 4.4  # a wrong note must come at the right time to stand for the awaited one
FORGOTTEN = 1.0  # quarters after which an extra note is no longer part of a trill
CHORD_SPREAD = 0.10  # quarters over which a chord is struck
SPREAD_COST = 0.7  # nats for an e-fold of the square of that

WRONG = 1 << 128  # in ``heard``: one of the chord's notes was struck with a wrong pitch
TWICE = 1 << 129  # ... the chord is being struck again


class Path:
    """One hypothesis; see the file's head.

    ``left`` are the notes of the chord before, begun at ``left_s``, that were not struck. ``steps`` counts the
    onsets since the path began, ``line`` numbers the jump it began with. ``matched``: the last heard note belongs
    to it; ``last_s`` is when the last that did was struck, ``line_s`` where the line of the tempo puts the onset.
    ``extra`` are the pitches lately explained away (bits), ``extra_s`` when the last of them was, ``strays`` how
    many since the onset.
    """

    __slots__ = (
        "cost",
        "doubt",
        "extra",
        "extra_s",
        "heard",
        "last_s",
        "left",
        "left_s",
        "line",
        "line_s",
        "matched",
        "place",
        "rate",
        "since_s",
        "steps",
        "strays",
    )

    def __init__(
        self,
        cost: float,
        place: int,
        since_s: float,
        rate: float,
        heard: int = 0,
        left: int = 0,
        steps: int = 0,
        matched: bool = False,
        line: int = 0,
        last_s: float = 0.0,
        extra: int = 0,
        extra_s: float = 0.0,
        doubt: float = DOUBT_FIRST,
        strays: int = 0,
        line_s: float | None = None,
        left_s: float = 0.0,
    ) -> None:
        self.cost = cost
        self.place = place
        self.since_s = since_s
        self.rate = rate
        self.heard = heard
        self.left = left
        self.steps = steps
        self.matched = matched
        self.line = line
        self.last_s = last_s
        self.extra = extra
        self.extra_s = extra_s
        self.doubt = doubt
        self.strays = strays
        self.line_s = since_s if line_s is None else line_s
        self.left_s = left_s


def extend(onsets: Onsets, paths: list[Path], pitch: int, time_s: float, habits: Habits) -> list[Path]:
    """The paths after one more note, cheapest first: at most WIDTH, one for each place, none DEPTH behind."""
    step = _Step(onsets, pitch, time_s, habits, paths[0].cost)
    for path in paths:
        step.extend(path)
    limit = step.cheapest + DEPTH
    kept = [path for path in step.best.values() if path.cost <= limit]
    kept.sort(key=_by_cost)
    return kept[:WIDTH]


class _Step:
    """One heard note, and the cheapest path to each place that it leads to."""

    __slots__ = ("best", "bit", "cheapest", "habits", "least", "onsets", "pitch", "time_s")

    def __init__(self, onsets: Onsets, pitch: int, time_s: float, habits: Habits, least: float) -> None:
        self.onsets, self.pitch, self.time_s, self.habits, self.least = onsets, pitch, time_s, habits, least
        self.bit = 1 << pitch
        self.best: dict[int, Path] = {}
        self.cheapest = 1e18

    def wants(self, place: int, cost: float) -> bool:
        """Whether a path to ``place`` at this cost is any better than what there is."""
        if cost >= self.cheapest + DEPTH:
            return False
        known = self.best.get(place)
        return known is None or cost < known.cost

    def take(self, path: Path) -> None:
        self.best[path.place] = path
        if path.cost < self.cheapest:
            self.cheapest = path.cost

    def extend(self, path: Path) -> None:
        """All that this note can mean to ``path``."""
        onsets, place = self.onsets, path.place
        quarter_s = onsets.quarter_s[place] * path.rate
        jitter_s, share = spread(quarter_s, path.doubt, self.habits.uneven)
        extra = path.extra if self.time_s - path.extra_s < quarter_s * FORGOTTEN else 0
        leave = 0.0
        if place >= 0 and not path.heard & TWICE:
            leave = UNHEARD * min(onsets.size[place] - path.heard.bit_count(), 3)
        if place < 0 or not self._another(path, quarter_s, extra):
            self._explain_away(path, quarter_s, jitter_s, share, extra)
        self._go_on(path, quarter_s, jitter_s, share, extra, path.cost + leave)
        if place >= 0:
            self._elsewhere(path, jitter_s, share, path.cost + leave)
        if place < onsets.count - 1 and (path.steps or place < 0):
            self._substitute(path, quarter_s, jitter_s, share, extra, path.cost + leave)

    def _another(self, path: Path, quarter_s: float, extra: int) -> bool:
        """Another note of this chord, if it is one that was awaited: then it is not explained away."""
        bit = self.onsets.pitches[path.place].get(self.pitch, 0)
        if not bit or path.heard & bit:
            return False
        time_s = self.time_s
        apart_s = time_s - path.last_s  # from note to note: chords are rolled
        # the right note, after a wrong one
        put_right = path.heard == WRONG and apart_s > quarter_s * CHORD_SPREAD and not path.strays
        cost = path.cost
        if path.steps > 1:
            price = _apart(apart_s, quarter_s)
            cost += min(price, CORRECTED) if put_right else price
        if self.wants(path.place, cost):
            self.take(Path(
                cost, path.place, time_s if put_right else path.since_s, path.rate, path.heard | bit,
                path.left, path.steps, True, path.line, time_s, extra, path.extra_s, path.doubt,
                path.strays, time_s if put_right else path.line_s, path.left_s,
            ))  # fmt: skip
        return True

    def _due(self, path: Path, jitter_s: float, share: float) -> float:
        """How far the next onset is due, 0 to 1."""
        gap_s = path.rate * self.onsets.gap_s[path.place]
        off = (self.time_s - path.line_s - gap_s) / (jitter_s + share * gap_s)
        return min(max((off - DUE_FROM) / (DUE_BY - DUE_FROM), 0.0), 1.0)

    def _explain_away(self, path: Path, quarter_s: float, jitter_s: float, share: float, extra: int) -> None:
        """The note changes nothing: a visitor, a slip, something extra."""
        onsets, pitch, time_s, place = self.onsets, self.pitch, self.time_s, path.place
        left, heard, last_s = path.left, path.heard, path.last_s
        if place >= 0 and (bit := onsets.pitches[place].get(pitch, 0)):
            heard, last_s = bit | TWICE, time_s  # struck again: so may be the others of the chord
        if extra & self.bit:
            price = AGAIN
        else:
            price = onsets.strange(place, pitch)
            if price > RESTRIKE:
                price += self.habits.stray
                if path.strays and time_s - path.extra_s < quarter_s * CHORD_SPREAD:
                    price *= BUNCH
        strays = path.strays + 1
        if place >= 0 and not heard & (TWICE | WRONG) and heard.bit_count() < onsets.size[place]:
            slip = self._beside(onsets.pitches[place]) - BESIDE + self.habits.slip
            slip += _apart(time_s - path.last_s, quarter_s)
            if slip < price:  # the wrong key for one of this chord's
                price, heard, strays = slip, heard | WRONG, path.strays
        if left and place > 0:
            late = onsets.pitches[place - 1].get(pitch, 0)
            if left & late:  # a note of the chord before comes late
                price = min(price, LATE_NOTE + _apart(time_s - path.left_s, quarter_s))
                left &= ~late
        elapsed_s, gap_s = time_s - path.line_s, path.rate * onsets.gap_s[place]
        if 0 <= place < onsets.count - 1:
            if price < OVERDUE and elapsed_s > 0.7 * gap_s and pitch in onsets.pitches[place + 1]:
                price = OVERDUE
            if path.steps > 1 and not extra & self.bit:
                price += DUE * self._due(path, jitter_s, share)
        if onsets.free[place] and (onsets.free[place] == CADENZA or elapsed_s < 0.8 * gap_s):
            price = max(0.35 * price, FREE)
        if self.wants(place, path.cost + price):
            self.take(Path(
                path.cost + price, place, path.since_s, path.rate, heard, left, path.steps, False,
                path.line, last_s, extra | self.bit, time_s, path.doubt, strays,
                path.line_s, path.left_s,
            ))  # fmt: skip

    def _go_on(self, path: Path, quarter_s: float, jitter_s: float, share: float, extra: int, cost: float) -> None:
        """The music goes on to an onset that holds this pitch; ``cost`` is that of leaving the present one."""
        onsets, pitch, time_s, place = self.onsets, self.pitch, self.time_s, path.place
        clock, skip_sum, places_of = onsets.clock, onsets.skip_sum, onsets.places_of[pitch]
        index = bisect_right(places_of, place)
        for target in places_of[index : index + CHOICES]:
            skipped = skip_sum[target] - skip_sum[place + 1]
            total = cost + skipped
            if skipped > LEAP_FROM:
                total += LEAP * (skipped - LEAP_FROM)
            if onsets.free[place] == CADENZA and onsets.free[target] != CADENZA:
                total += REENTRY
            if skipped > REACH or total > self.cheapest + DEPTH:
                break
            rate, doubt, line_s = path.rate, path.doubt, time_s
            if path.steps:
                nominal_s = clock[target] - clock[place]
                total += lateness(time_s - path.line_s, nominal_s * rate, jitter_s, share)
                line_s = self._line_s(path, target, nominal_s, quarter_s)
                rate, doubt = adapt(
                    path.rate, path.doubt, time_s - path.since_s, nominal_s, onsets.quarter_s[place], self.habits.uneven
                )
            if self.wants(target, total):
                self.take(Path(
                    total, target, time_s, rate, onsets.pitches[target][pitch],
                    _unheard(onsets, path) if target == place + 1 else 0, path.steps + 1, True, path.line,
                    time_s, extra, path.extra_s, doubt, 0, line_s, path.since_s,
                ))  # fmt: skip

    def _elsewhere(self, path: Path, jitter_s: float, share: float, cost: float) -> None:
        """Where a player may well go on instead: another way through the repeats, or a bar begun again.

        Who begins a bar again has mostly stopped before it. The likeliest path alone is asked that.
        """
        onsets, place = self.onsets, path.place
        for target, nominal_s in onsets.ways.get(place, ()):
            late = lateness(self.time_s - path.line_s, nominal_s * path.rate, jitter_s, share)
            self._land(path, target, cost + REPEAT + late)
        if path.cost <= self.least and onsets.restarts[place]:
            late_s, gap_s = self.time_s - path.line_s, path.rate * onsets.gap_s[place]
            hesitated = HESITATED * lateness(late_s, gap_s, jitter_s, share) if late_s > gap_s else 0.0
            for target in onsets.restarts[place]:
                self._land(path, target, path.cost + RESTART - hesitated)

    def _land(self, path: Path, target: int, cost: float) -> None:
        """A new line begins at ``target``, if this pitch stands there."""
        bit = self.onsets.pitches[target].get(self.pitch, 0)
        if bit and self.wants(target, cost):
            steps, line = path.steps + 1, -1 - target
            self.take(
                Path(cost, target, self.time_s, path.rate, bit, 0, steps, True, line, self.time_s, doubt=path.doubt)
            )

    def _substitute(self, path: Path, quarter_s: float, jitter_s: float, share: float, extra: int, cost: float) -> None:
        """A wrong pitch struck in the place of the awaited one, which may still come."""
        onsets, time_s, target = self.onsets, self.time_s, path.place + 1
        if self.pitch in onsets.pitches[target]:
            return
        total = cost + self._beside(onsets.pitches[target]) + self.habits.slip
        if path.heard == WRONG:
            total += NONSENSE
        line_s = time_s
        if path.steps:
            nominal_s = onsets.gap_s[path.place]
            total += PUNCTUAL * lateness(time_s - path.line_s, nominal_s * path.rate, jitter_s, share)
            line_s = self._line_s(path, target, nominal_s, quarter_s)
        if self.wants(target, total):
            self.take(Path(
                total, target, time_s, path.rate, WRONG, _unheard(onsets, path), path.steps + 1, True,
                path.line, time_s, extra, path.extra_s, path.doubt, 0, line_s, path.since_s,
            ))  # fmt: skip

    def _beside(self, chord: dict[int, int]) -> float:
        """What a wrong pitch in place of one of the chord's costs: the nearer the key, the likelier."""
        away = min(abs(self.pitch - other) for other in chord)
        return SLIP if away <= 2 else SUBSTITUTE if away <= 7 else ASTRAY

    def _line_s(self, path: Path, target: int, nominal_s: float, quarter_s: float) -> float:
        """Where the line of the tempo puts ``target``, struck now: there, or for a stroke where it was due."""
        if not self.onsets.stroke[target] or path.steps < 2:
            return self.time_s
        return phase(path.line_s, path.rate, self.time_s, nominal_s, quarter_s)


def _by_cost(path: Path) -> tuple[float, int]:
    return path.cost, path.place


def _apart(apart_s: float, quarter_s: float) -> float:
    """What it costs two notes of one chord to be so far apart."""
    far = apart_s / (quarter_s * CHORD_SPREAD)
    return SPREAD_COST * log1p(far * far)


def _unheard(onsets: Onsets, path: Path) -> int:
    """The notes of the path's chord that were not struck, as bits."""
    return ((1 << onsets.size[path.place]) - 1) & ~path.heard if path.place >= 0 else 0
