"""How loud each note is written: dynamics, hairpins and accents as MIDI velocities.

Letters stand for the velocities most notation programs play them with; a hairpin leads in a straight line from the
dynamic before it to the one at its end, or one step further where none stands there. Accents add to the one note.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

LETTERS = {
    "pppp": 16, "ppp": 24, "pp": 36, "p": 48, "mp": 58, "mf": 70, "f": 84, "ff": 100, "fff": 114, "ffff": 122,
    "n": 8, "pf": 76,
    "fp": 48, "sfp": 48, "sfpp": 36, "sf": 92, "sfz": 92, "sffz": 104, "fz": 92, "rf": 88, "rfz": 88, "sforzando": 92,
    "piano": 48, "pianissimo": 36, "forte": 84, "fortissimo": 100, "mezzoforte": 70, "mezzo forte": 70,
    "mezzopiano": 58, "mezzo piano": 58, "sotto voce": 42, "mezza voce": 54,
}  # fmt: skip
_SUDDEN = {"sf", "sfz", "sffz", "fz", "rf", "rfz", "sforzando"}
_ACCENTS = {"accent": 12, "strong-accent": 18, "tenuto": 2, "staccato": 0, "marcato": 14, "soft-accent": 6}
STEP = 14  # one dynamic letter, as a velocity
DEFAULT = 64


class Loudness:
    """The loudness of one part over its written quarters."""

    def __init__(self) -> None:
        self._levels: list[tuple[Fraction, float]] = []
        self._sudden: dict[Fraction, float] = {}
        self._hairpins: list[tuple[Fraction, Fraction, int]] = []

    @classmethod
    def of_part(cls, ps: Any, part: Any, quarter: Callable[[int], Fraction]) -> Loudness:
        """Read from a partitura part; ``quarter`` turns its divisions into quarters."""
        loudness = cls()
        for mark in part.iter_all(ps.LoudnessDirection, include_subclasses=True):
            start = quarter(mark.start.t)
            text = str(mark.text or "").strip().casefold()
            if isinstance(mark, (ps.IncreasingLoudnessDirection, ps.DecreasingLoudnessDirection)):
                end = quarter(mark.end.t) if mark.end is not None else start + 4
                way = 1 if isinstance(mark, ps.IncreasingLoudnessDirection) else -1
                loudness._hairpins.append((start, min(max(end, start + 1), start + 32), way))
            elif text in _SUDDEN:
                loudness._sudden[start] = LETTERS[text]
            elif text in LETTERS:
                loudness._levels.append((start, float(LETTERS[text])))
        loudness._levels.sort()
        loudness._hairpins.sort()
        loudness._apply_hairpins()
        return loudness

    def _apply_hairpins(self) -> None:
        """A hairpin without a dynamic at its end leaves the part one step louder or softer."""
        for start, end, way in self._hairpins:
            if not any(start < place <= end + 1 for place, _ in self._levels):
                reached = min(max(self._level(start) + way * STEP, 20.0), 118.0)
                self._levels.append((end, reached))
                self._levels.sort()

    def _level(self, place: Fraction) -> float:
        index = bisect_right(self._levels, (place, 1000.0)) - 1
        return self._levels[index][1] if index >= 0 else float(DEFAULT)

    def velocity(self, place: Fraction, staff: int | None, articulations: Sequence[str]) -> int:
        """The velocity 1..127 of a note at ``place`` with these articulations."""
        level = self._sudden.get(place, self._level(place))
        for start, end, _ in self._hairpins:
            if start <= place < end:
                reached = self._level(end + 1) if any(end <= at <= end + 1 for at, _ in self._levels) else level
                base = self._level(start)
                level = base + (reached - base) * float((place - start) / (end - start))
                break
        level += max((_ACCENTS.get(str(sign), 0) for sign in articulations), default=0)
        return int(min(max(round(level), 1), 127))
