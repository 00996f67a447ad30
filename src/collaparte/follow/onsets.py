"""The soloist's page as a follower reads it: a row of onsets, and two indexes over them.

An onset is one beat with every required pitch that begins there (a chord, or a single note); grace notes and
ornaments are not required, they are remembered as likely visitors. ``places_of`` finds the onsets that hold a pitch;
``pairs`` finds, anywhere in the score, the onsets where pitch b sounds together with or one or two onsets after
pitch a, which is where a search for a jump begins (hashed local contexts, as in Arzt, Böck & Widmer, "Fast
identification of piece and score position via symbolic fingerprinting", ISMIR 2012). All is sorted once; a look-up
costs the same in a long score as in a short one.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import ScoreError
from collaparte.score import NOTE, Score

PAIR_REACH = 16  # a note is paired with so many that follow it on the page
PAIR_ONSETS = 2  # ... and no more than so many onsets later

RESTRIKE = 2.5  # costs, in nats, of a note that advances nothing: struck again in the same chord
VISITOR = 0.3  # a written grace note or ornament
NEIGHBOUR = 3.2  # within two semitones of what is sounding: a trill, a turn, a slip
OCTAVE = 3.7
STRANGER = 3.7
SKIP, SKIP_MORE = 1.5, 0.35  # leaving out an onset; for each further note of it, to five

STROKES_BEATS = 0.26  # a pitch that comes again so soon, another between, belongs to a trill or tremolo written out
STROKES = 4  # ... when it comes so often
STROKE_SKIP = 0.3  # nats for leaving out a stroke: how many there are is the player's choice

TUTTI_BEATS = 6.0  # a gap between onsets that is the orchestra's
TUTTI, CADENZA = 1, 2  # where notes that are not on the page are no surprise
WRITTEN_OUT_BEATS = 2.0  # a cadenza with an onset at least every so many quarters stands on the page
REENTRY = 6.0  # nats for leaving a cadenza: a few notes of evidence


class Onsets:
    """``beat``, ``clock`` and ``pitches`` of the n onsets, as lists: one look-up is far quicker than in an array.

    ``clock[i]`` is when the page's own tempo marks would have onset i begin, seconds; ``quarter_s[i]`` its seconds
    per quarter there. ``pitches[i]`` maps each required pitch to its bit; ``size[i]`` counts them. ``skip_sum[i]``
    is the summed cost of leaving out all onsets before i. ``ways[i]`` are the onsets to which another reading of the
    repeats leads from i, and how many of the page's seconds later they would come; ``restarts[i]`` the beginnings of
    its bar and of the one before.
    """

    def __init__(self, score: Score) -> None:
        solo = score.solo
        required = solo[solo["kind"] == NOTE]
        if len(required) == 0:
            raise ScoreError(f"The soloist of {score.title!r} has no notes to follow. Choose another part with --solo.")
        keys = np.unique(np.stack([np.round(required["beat"] * 1e6), required["pitch"]], axis=1), axis=0)
        _, onset = np.unique(keys[:, 0], return_inverse=True)
        _, first = np.unique(np.round(required["beat"] * 1e6), return_index=True)
        beats = required["beat"][first]
        self.count = len(beats)
        self.beat: list[float] = [float(beat) for beat in beats]
        self.clock = _clock(score, beats)
        self.quarter_s = (
            [score.beat_period_at(beat) for beat in self.beat]
            if len(score.tempi) > 1
            else ([score.beat_period_at(0.0)] * self.count)
        )
        pitch = keys[:, 1].astype(np.int64)
        self.pitches: list[dict[int, int]] = [{} for _ in self.beat]
        for place, key in zip(onset.tolist(), pitch.tolist(), strict=True):
            chord = self.pitches[place]
            chord[key] = 1 << len(chord)
        self.size = [len(chord) for chord in self.pitches]
        skips = [SKIP + SKIP_MORE * (min(size, 5) - 1) for size in self.size]
        self.stroke = _strokes(self.beat, self.pitches)
        skips = [STROKE_SKIP if stroke else cost for stroke, cost in zip(self.stroke, skips, strict=True)]
        self.gap_s = [later - now for now, later in pairwise(self.clock)] + [0.0, 0.0]  # the last is place -1's
        gaps = [later - now for now, later in pairwise(self.beat)]
        self.free = [TUTTI if gap >= TUTTI_BEATS else 0 for gap in gaps] + [0, 0]
        for passage in score.passages:
            if passage.cadenza:
                inside = [
                    place
                    for place, beat in enumerate(self.beat)
                    if passage.start_beat - 1e-6 <= beat < passage.end_beat - 1e-6
                ]
                if len(inside) * WRITTEN_OUT_BEATS > passage.end_beat - passage.start_beat:
                    continue  # written out: followed like any other music
                for place in inside:
                    self.free[place] = CADENZA
                    skips[place] = 0.1
        self.skip_sum: list[float] = np.concatenate([[0.0], np.cumsum(skips)]).tolist()
        self.ways: dict[int, list[tuple[int, float]]] = {}
        for jump in score.jumps:
            place, target = self.at_or_after(jump.from_beat), self.at_or_after(jump.to_beat)
            place -= self.beat[place] >= jump.from_beat - 1e-6
            away = jump.from_beat - self.beat[place] + self.beat[target] - jump.to_beat
            if place >= 0 and self.beat[target] >= jump.to_beat - 1e-6:
                self.ways.setdefault(place, []).append((target, away * self.quarter_s[place]))
        bars = sorted({self.at_or_after(bar.beat) for bar in score.bars} | {0})
        self.restarts = [
            [
                start
                for start in bars[max(bisect_right(bars, place) - 2, 0) : bisect_right(bars, place)]
                if start < place
            ]
            for place in range(self.count)
        ]
        self.places_of: list[list[int]] = [[] for _ in range(128)]
        for place, chord in enumerate(self.pitches):
            for key in chord:
                if 0 <= key < 128:
                    self.places_of[key].append(place)
        self._visitors: dict[int, set[int]] = {}
        for row in solo[solo["kind"] != NOTE]:
            place = min(int(np.searchsorted(beats, row["beat"] - 1e-6)), self.count - 1)
            self._visitors.setdefault(place, set()).add(int(row["pitch"]))
        self._pairs, self._pair_places = _pairs(onset.astype(np.int64), pitch)

    def strange(self, place: int, pitch: int) -> float:
        """What a note costs that advances nothing while the soloist is at ``place`` (-1: not begun)."""
        if self._visitors:
            for index in (place - 1, place, place + 1):
                if pitch in self._visitors.get(index, ()):  # unless the next onset wants this very pitch
                    awaited = place + 1 < self.count and pitch in self.pitches[place + 1]
                    return RESTRIKE if awaited else VISITOR
        cost = STRANGER
        if place >= 0:
            chord = self.pitches[place]
            if pitch in chord:
                return RESTRIKE
            for other in chord:
                step = other - pitch
                if -2 <= step <= 2:
                    return NEIGHBOUR
                if step in (12, -12):
                    cost = OCTAVE
        return cost

    def pairs(self, earlier: int, later: int) -> NDArray[np.int32]:
        """Onsets (k,), ascending, that hold ``later`` with ``earlier`` in them or up to two onsets before."""
        first, last = self._pairs.get(earlier * 128 + later, (0, 0))
        return self._pair_places[first:last]

    def at_or_after(self, beat: float) -> int:
        """The first onset not before ``beat`` (the last one, when there is none)."""
        low, high = 0, self.count - 1
        while low < high:
            middle = (low + high) // 2
            if self.beat[middle] < beat - 1e-6:
                low = middle + 1
            else:
                high = middle
        return low


def _clock(score: Score, beats: NDArray[np.float64]) -> list[float]:
    marks = np.array([mark.beat for mark in score.tempi])
    periods = np.array([mark.beat_period_s for mark in score.tempi])
    seconds = np.concatenate([[0.0], np.cumsum(np.diff(marks) * periods[:-1])])
    index = np.maximum(np.searchsorted(marks, beats, side="right") - 1, 0)
    clock: list[float] = (seconds[index] + (beats - marks[index]) * periods[index]).tolist()
    return clock


def _strokes(beats: list[float], pitches: list[dict[int, int]]) -> list[bool]:
    """True (n,) for the onsets that are nothing but strokes of a trill or tremolo written out, its beginning left out.

    A trill is begun at its beginning, whatever is then made of it: the first strokes are onsets like any other.
    """
    marked: list[set[int]] = [set() for _ in beats]
    runs: dict[int, list[int]] = {}  # the places of each pitch's present run
    for place, chord in enumerate(pitches):
        for pitch in chord:
            run = runs.get(pitch)
            if run is None or beats[place] - beats[run[-1]] > STROKES_BEATS or place == run[-1] + 1:
                runs[pitch] = [place]
                continue
            run.append(place)
            if len(run) == STROKES:
                for earlier in run[1:]:
                    marked[earlier].add(pitch)
            elif len(run) > STROKES:
                marked[place].add(pitch)
    return [len(those) == len(chord) for those, chord in zip(marked, pitches, strict=True)]


def _pairs(onset: NDArray[np.int64], pitch: NDArray[np.int64]) -> tuple[dict[int, tuple[int, int]], NDArray[np.int32]]:
    """Who sounds shortly before whom: for each pair's code the part (first, last) of the places, ascending in it."""
    codes, places = [], []
    for ahead in range(1, min(PAIR_REACH, len(onset) - 1) + 1):
        gap = onset[ahead:] - onset[:-ahead]
        first, second, at = pitch[:-ahead], pitch[ahead:], onset[ahead:]
        close = gap <= PAIR_ONSETS
        codes.append((first * 128 + second)[close])
        places.append(at[close])
        together = gap == 0
        codes.append((second * 128 + first)[together])
        places.append(at[together])
    if not codes:
        return {}, np.zeros(0, dtype=np.int32)
    table = np.unique(np.concatenate(codes) * (int(onset[-1]) + 1) + np.concatenate(places))
    code = table // (int(onset[-1]) + 1)
    place = (table % (int(onset[-1]) + 1)).astype(np.int32)
    known, starts = np.unique(code, return_index=True)
    parts = pairwise([*starts.tolist(), len(code)])
    return dict(zip(known.tolist(), parts, strict=True)), place
