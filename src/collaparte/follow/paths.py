"""The recursion: one heard note extends every path by its cheapest continuations.

A path is a hypothesis: the soloist is at onset ``place`` since ``since_s``, plays ``rate`` times as slowly as the page
(known to within ``doubt``, a variance), has struck the notes ``heard`` of that chord, and explaining everything so far
cost ``cost`` (minus a log likelihood, in nats). It is time warping still: a step stays in the column, goes on, leaves
columns out, or explains the note away; and it is a state-space model read by its cheapest path, with a term for pitch,
one for time and one for what was left out (Raphael, "Automatic segmentation of acoustic musical signals using hidden
Markov models", 1999; Nakamura et al., "Real-time audio-to-score alignment of music performances containing errors and
arbitrary repeats and skips", 2016; Arzt & Widmer, "Simple tempo models for real-time music tracking", 2010). Each path
has a Kalman filter of its tempo's logarithm, with a heavy tail (after Cemgil et al., "On tempo tracking: tempogram
representation and Kalman filtering", 2000): how far off an onset is counts the less, the less the tempo is known.

All times enter as ratios to the tempo, so that the same music, stretched, takes the same path.
"""

from __future__ import annotations

from bisect import bisect_right
from math import exp, log, log1p, sqrt

from collaparte.follow.habits import Habits
from collaparte.follow.onsets import CADENZA, REENTRY, RESTRIKE, Onsets

WIDTH = 5  # paths kept
DEPTH = 12.0  # nats behind the best at which a path is given up
REACH = 12.0  # nats of left-out onsets a single step may cost
CHOICES = 3  # places ahead that one step considers

AGAIN = 2.0  # a note that advances nothing, struck a moment ago too: trills, tremolos
UNHEARD = 0.65  # nats for each note of a chord not struck when the music goes on (three at most)
OVERDUE = 4.0  # a note that advances nothing though the next onset wants it and is due
LATE_NOTE = 1.0  # a note of the chord before, after the music went on
DUE, DUE_FROM, DUE_BY = 1.1, -1.5, 0.5  # added to that when the next onset is due; between so many deviations it grows
BUNCH = 0.68  # share of its cost that a note too many costs beside another, struck together
CORRECTED = 1.5  # the right note after the wrong one, at most
NONSENSE = 1.1  # a wrong pitch in the place of the awaited one, the second time running
SUBSTITUTE, SLIP = 3.0, 2.2  # a wrong pitch in the place of the awaited one; the same, two semitones off at most
PUNCTUAL = 4.4  # a wrong note must come at the right time to stand for the awaited one
FORGOTTEN = 1.0  # quarters after which an extra note is no longer part of a trill
CHORD_SPREAD = 0.10  # quarters over which a chord is struck
SPREAD_COST = 0.7

JITTER, RUBATO = 0.06, 0.11  # standard deviation of an interval: quarters, and share of the interval
LATE_COST, LATE, LATEST = 1.1, 0.15, 2.3
EARLY_COST, EARLY, EARLIEST = 2.0, 0.25, 8.0
DOUBT_FIRST, DOUBT_MOST = 0.5, 0.5  # variance of the log tempo when only the page has said it; and at most
DOUBT_GROWS = 0.005  # ... more for every quarter
OUTLIER = 2.0  # deviations from which an interval tells of something else than the tempo
DOUBT_OUTLIER = 0.15  # share of an outlier's square that the tempo is doubted for
KEEP, STROKE_KEEP, STROKE_OUTLIER = 0.0, 0.9, 3.0


WRONG = 1 << 128  # in ``heard``: one of the chord's notes was struck with a wrong pitch


class Path:
    """One hypothesis. ``matched``: the last heard note belongs to it. ``steps``: onsets since it began.
    ``line`` numbers the jump it began with, ``last_s`` is when its last note was struck.
    """

    __slots__ = (
        "cost",
        "doubt",
        "extra",
        "extra_s",
        "heard",
        "last_s",
        "left",
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


def extend(onsets: Onsets, paths: list[Path], pitch: int, time_s: float, habits: Habits) -> list[Path]:
    """The paths after one more note, cheapest first: at most WIDTH, one for each place, none DEPTH behind."""
    best: dict[int, Path] = {}
    best_cost = 1e18
    places_of = onsets.places_of[pitch]
    chords, clock, skip_sum = onsets.pitches, onsets.clock, onsets.skip_sum
    last = onsets.count - 1
    this = 1 << pitch
    for path in paths:
        cost, place, since_s, rate = path.cost, path.place, path.since_s, path.rate
        elapsed_s = time_s - path.line_s
        quarter_s = onsets.quarter_s[place] * rate
        share = sqrt(RUBATO * RUBATO + path.doubt)
        # the note changes nothing: a visitor, a slip, something extra
        extra = path.extra if time_s - path.extra_s < quarter_s * FORGOTTEN else 0
        if extra & this:
            stay = AGAIN
        else:
            stay = onsets.strange(place, pitch)
            if stay > RESTRIKE:
                stay += habits.stray
                if path.strays and time_s - path.extra_s < quarter_s * CHORD_SPREAD:
                    stay *= BUNCH
        awaited = False  # in this very chord: then it is not explained away
        if place >= 0:
            chord = chords[place]
            bit = chord.get(pitch, 0)
            awaited = bool(bit and not path.heard & bit)
            if awaited:  # another note of this chord
                spread = (time_s - path.last_s) / (quarter_s * CHORD_SPREAD)  # from note to note: chords are rolled
                put_right = path.heard == WRONG and spread > 1.0  # the right note, after a wrong one
                total = cost + min(SPREAD_COST * log1p(spread * spread), CORRECTED if put_right else 99.0) * (path.steps > 1)
                if total < best_cost + DEPTH:
                    known = best.get(place)
                    if known is None or total < known.cost:
                        best[place] = Path(
                            total,
                            place,
                            time_s if put_right else since_s,
                            rate,
                            path.heard | bit,
                            path.left,
                            path.steps,
                            True,
                            path.line,
                            time_s,
                            extra,
                            path.extra_s,
                            path.doubt,
                            path.strays,
                            time_s if put_right else path.line_s,
                        )
                        if total < best_cost:
                            best_cost = total
            elif path.left and place > 0:
                bit = chords[place - 1].get(pitch, 0)
                if path.left & bit:  # a note of the chord before comes late
                    stay = min(stay, LATE_NOTE)
            leave = UNHEARD * min(onsets.size[place] - path.heard.bit_count(), 3)
        else:
            leave = 0.0
        gap_s = rate * onsets.gap_s[place]
        if 0 <= place < last:
            if stay < OVERDUE and elapsed_s > 0.7 * gap_s and pitch in chords[place + 1]:
                stay = OVERDUE
            if path.steps > 1 and not extra & this:
                off = (elapsed_s - gap_s) / (JITTER * quarter_s + share * gap_s)
                if off > DUE_FROM:
                    stay += DUE * min((off - DUE_FROM) / (DUE_BY - DUE_FROM), 1.0)
        if onsets.free[place] and (onsets.free[place] == CADENZA or elapsed_s < 0.8 * gap_s):
            stay *= 0.35
        total = cost + stay
        if not awaited and total < best_cost + DEPTH:
            known = best.get(place)
            if known is None or total < known.cost:
                left = path.left
                if place > 0 and left:
                    left &= ~chords[place - 1].get(pitch, 0)
                best[place] = Path(
                    total,
                    place,
                    since_s,
                    rate,
                    path.heard,
                    left,
                    path.steps,
                    False,
                    path.line,
                    path.last_s,
                    extra | this,
                    time_s,
                    path.doubt,
                    path.strays + 1,
                    path.line_s,
                )
                if total < best_cost:
                    best_cost = total
        # the music goes on to an onset that holds this pitch
        index = bisect_right(places_of, place)
        for target in places_of[index : index + CHOICES]:
            skipped = skip_sum[target] - skip_sum[place + 1]
            total = cost + leave + skipped
            if onsets.free[place] == CADENZA and onsets.free[target] != CADENZA:
                total += REENTRY
            if skipped > REACH or total > best_cost + DEPTH:
                break
            next_rate, doubt = rate, path.doubt
            if path.steps:
                nominal_s = clock[target] - clock[place]
                total += _lateness(elapsed_s, nominal_s * rate, quarter_s, share)
                next_rate, doubt = _adapt(path, time_s - since_s, nominal_s, onsets.quarter_s[place])
            known = best.get(target)
            if known is None or total < known.cost:
                left = 0
                if target == place + 1 and place >= 0:
                    left = ((1 << onsets.size[place]) - 1) & ~path.heard
                best[target] = Path(
                    total,
                    target,
                    time_s,
                    next_rate,
                    chords[target][pitch],
                    left,
                    path.steps + 1,
                    True,
                    path.line,
                    time_s,
                    extra,
                    path.extra_s,
                    doubt,
                    0,
                    _phase(path, time_s, clock[target] - clock[place], quarter_s, onsets.stroke[target]),
                )
                if total < best_cost:
                    best_cost = total
        # a wrong pitch struck in the place of the awaited one, which may still come
        if place < last and (path.steps > 1 or place < 0) and pitch not in chords[place + 1]:
            off = SLIP if abs(pitch - onsets.lowest[place + 1]) <= 2 else SUBSTITUTE
            if path.heard & WRONG:
                off += NONSENSE
            total = cost + leave + off + habits.slip
            if path.steps:
                total += PUNCTUAL * _lateness(elapsed_s, gap_s, quarter_s, share)
            known = best.get(place + 1)
            if total < best_cost + DEPTH and (known is None or total < known.cost):
                left = 0
                if place >= 0:
                    left = ((1 << onsets.size[place]) - 1) & ~path.heard
                best[place + 1] = Path(
                    total,
                    place + 1,
                    time_s,
                    rate,
                    WRONG,
                    left,
                    path.steps + 1,
                    True,
                    path.line,
                    time_s,
                    extra,
                    path.extra_s,
                    path.doubt,
                    0,
                    _phase(path, time_s, gap_s / rate, quarter_s, onsets.stroke[place + 1]),
                )
                if total < best_cost:
                    best_cost = total
    limit = best_cost + DEPTH
    kept = [path for path in best.values() if path.cost <= limit]
    kept.sort(key=_by_cost)
    return kept[:WIDTH]


def _by_cost(path: Path) -> tuple[float, int]:
    return path.cost, path.place


def _lateness(elapsed_s: float, expected_s: float, quarter_s: float, share: float) -> float:
    """What an interval costs: a pause is a pause, so lateness has a heavy tail; rushing is rarer.

    Of two intervals that are too short, the ratio counts: when the tempo is unknown, a half is likely, a tenth is not.
    """
    jitter_s = JITTER * quarter_s
    deviation_s = jitter_s + share * expected_s
    if elapsed_s >= expected_s:
        off = (elapsed_s - expected_s) / deviation_s
        return min(LATE_COST * log1p(LATE * off * off), LATEST)
    whole_s = expected_s + jitter_s
    off = log((max(elapsed_s, 0.0) + jitter_s) / whole_s) * whole_s / deviation_s
    return min(EARLY_COST * log1p(EARLY * off * off), EARLIEST)


def _phase(path: Path, time_s: float, nominal_s: float, quarter_s: float, stroke: bool) -> float:
    """Where the line of the tempo puts an onset that sounded at ``time_s``: between there and where it was expected."""
    if path.steps < 2:
        return time_s
    expected_s = nominal_s * path.rate
    off_s = time_s - path.line_s - expected_s
    off = off_s / (JITTER * quarter_s + RUBATO * expected_s)
    keep = (STROKE_KEEP if stroke else KEEP) / (1.0 + (off / STROKE_OUTLIER) ** 4)
    return time_s - keep * off_s


def _adapt(path: Path, elapsed_s: float, nominal_s: float, nominal_quarter_s: float) -> tuple[float, float]:
    """The path's rate after one more interval, and how much it is in doubt (variance of its logarithm).

    Long intervals say more. An outlier (a pause, an ornament) says little of the tempo, but leaves it in doubt, so that
    the next intervals, if they agree, set a new one at once.
    """
    if elapsed_s <= 0.0 or nominal_s <= 0.0:
        return path.rate, path.doubt
    surprise = log(elapsed_s / (nominal_s * path.rate))
    quarters = nominal_s / nominal_quarter_s
    spread = RUBATO + JITTER / quarters
    spread *= spread
    doubt = path.doubt
    gain = doubt / (doubt + spread)
    square = surprise * surprise
    trust = 1.0 / (1.0 + square / ((doubt + spread) * OUTLIER * OUTLIER))
    rate = path.rate * exp(gain * trust * surprise)
    doubt += DOUBT_GROWS * quarters - doubt * gain * trust + DOUBT_OUTLIER * (1.0 - trust) * min(square, 1.0)
    return rate, min(doubt, DOUBT_MOST)
