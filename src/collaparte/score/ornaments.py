"""Ornament signs: which neighbours they mean, and the little notes they stand for.

Conventions
-----------
The written note itself sounds first, on its beat: it is the one the soloist is required to play and the one that
memory and measures know. ``realise`` gives what follows it within its length. Neighbours are the steps above and
below in the key signature, changed by an accidental at the sign or by the same step earlier in the bar. A trill goes
at about twelve notes a second whatever the tempo, the others are no slower. Signs are named as in MusicXML.
"""

from __future__ import annotations

from dataclasses import dataclass

STROKE_S = 0.085  # one note of a trill, mordent or turn
SHORTEST_S = 0.045  # faster than this nobody plays: the sign is left out
MOST_NOTES = 999

SIGNS = frozenset({
    "trill-mark", "mordent", "inverted-mordent", "turn", "inverted-turn", "delayed-turn", "delayed-inverted-turn",
    "tremolo",
})  # fmt: skip

_STEPS = "CDEFGAB"
_SEMITONES = (0, 2, 4, 5, 7, 9, 11)
_SHARPS = "FCGDAEB"  # in the order key signatures add them; flats come from the other end


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign over one note: its neighbours in semitones, and for a measured tremolo the length of one stroke.

    ``stroke_beats`` is in quarters; 0.0 where a tremolo is unmeasured or moves between two notes.
    """

    name: str
    above: int = 2
    below: int = 2
    stroke_beats: float = 0.0


class BarOfAccidentals:
    """The key signature and the accidentals met so far in a bar, in the order of the file."""

    def __init__(self) -> None:
        self.fifths = 0  # 2: two sharps, -3: three flats
        self._met: dict[tuple[str, int], int] = {}

    def begin(self) -> None:
        """A new bar: accidentals are forgotten."""
        self._met = {}

    def meet(self, step: str, octave: int, alter: int) -> None:
        """A note of the bar, altered by so many semitones."""
        self._met[step, octave] = alter

    def neighbour(self, step: str, octave: int, alter: int, way: int, printed: int | None = None) -> int:
        """Semitones, 1 to 3, from a written note to the step above (``way`` 1) or below (-1).

        ``printed`` is the alteration that an accidental at the sign gives the neighbour.
        """
        place = _STEPS.index(step) + way
        other, other_octave = _STEPS[place % 7], octave + place // 7
        flats = _SHARPS[7 + max(self.fifths, -7) :] if self.fifths < 0 else ""
        signature = 1 if other in _SHARPS[: max(self.fifths, 0)] else -1 if other in flats else 0
        altered = self._met.get((other, other_octave), signature) if printed is None else printed
        there = _SEMITONES[place % 7] + 12 * other_octave + altered
        here = _SEMITONES[_STEPS.index(step)] + 12 * octave + alter
        return min(max(way * (there - here), 1), 3)


def realise(sign: Sign, pitch: int, length_beats: float, beat_period_s: float) -> list[tuple[float, float, int]]:
    """(offset, length, pitch) of what sounds after the written note: quarters from its onset, ascending, no overlap.

    The written note is cut where the first of them begins; the last one ends where the written note would have. Empty
    where the sign asks for nothing to be struck, or where there is no time for it.
    """
    length_s = length_beats * beat_period_s
    up, down = pitch + sign.above, pitch - sign.below
    if sign.name == "tremolo":
        if sign.stroke_beats <= 0 or sign.stroke_beats * beat_period_s < SHORTEST_S:
            return []
        count = round(length_beats / sign.stroke_beats)
        return _evenly([pitch] * (min(count, MOST_NOTES) - 1), length_beats)
    if sign.name == "trill-mark":
        count = max(int(length_s / STROKE_S) // 2 * 2 + 1, 3)
        if length_s / count < SHORTEST_S:
            return []
        count = min(count, MOST_NOTES)
        return _evenly([up if place % 2 else pitch for place in range(1, count)], length_beats)
    little = {
        "mordent": [down, pitch], "inverted-mordent": [up, pitch],
        "turn": [up, pitch, down, pitch], "delayed-turn": [up, pitch, down, pitch],
        "inverted-turn": [down, pitch, up, pitch], "delayed-inverted-turn": [down, pitch, up, pitch],
    }.get(sign.name, [])  # fmt: skip
    step = min(STROKE_S / beat_period_s, length_beats / (len(little) + 1))
    if not little or step * beat_period_s < SHORTEST_S:
        return []
    first = length_beats - len(little) * step if sign.name.startswith("delayed") else step
    starts = [first + place * step for place in range(len(little))]
    ends = [*starts[1:], length_beats]
    return [(start, end - start, each) for start, end, each in zip(starts, ends, little, strict=True)]


def _evenly(following: list[int], length_beats: float) -> list[tuple[float, float, int]]:
    """The written note and those ``following`` it, equally long."""
    step = length_beats / (len(following) + 1)
    return [(step * place, step, pitch) for place, pitch in enumerate(following, 1)]
