"""From tempo marks and words to seconds per quarter.

Metronome numbers and a file's playback tempi are taken as they are. Where a word such as "Allegro" stands alone it is
given the middle of the range usual on metronomes, in quarters of a simple metre; "più mosso" and its like change the
tempo by a seventh. A change such as "rit." has no number: it becomes two steps of 8 %, until a mark or "a tempo"
restores the tempo before it, or eight quarters have passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

DEFAULT_PERIOD_S = 0.6  # 100 quarters a minute, where the page says nothing at all

_WORDS: tuple[tuple[str, float], ...] = (
    ("larghetto", 63), ("larghissimo", 30), ("largo", 48), ("grave", 42), ("lento", 54), ("adagietto", 70),
    ("adagissimo", 44), ("adagio", 60), ("andantino", 84), ("andante", 76), ("moderato", 104), ("allegretto", 112),
    ("allegro", 132), ("vivacissimo", 168), ("vivace", 152), ("vivo", 152), ("prestissimo", 192), ("presto", 176),
    ("langsam", 56), ("sehr langsam", 46), ("mäßig", 92), ("mässig", 92), ("massig", 92), ("bewegt", 108),
    ("lebhaft", 126), ("sehr lebhaft", 144), ("schnell", 144), ("sehr schnell", 168), ("rasch", 138), ("ruhig", 66),
    ("feierlich", 60), ("innig", 72), ("zart", 72), ("etwas bewegt", 100), ("frisch", 120), ("munter", 120),
    ("lent", 54), ("modéré", 92), ("modere", 92), ("animé", 120), ("anime", 120), ("vif", 144), ("vite", 144),
    ("rapide", 152), ("tempo di valse", 160), ("tempo di marcia", 112), ("tempo di menuetto", 116),
    ("fast", 140), ("slowly", 58), ("slow", 56), ("lively", 126), ("moderately", 96), ("quick", 138),
)  # fmt: skip
_BACK = re.compile(
    r"\b(a tempo|tempo (i|1|primo|1°|1o)\b|1° tempo|im tempo|in tempo|au mouv|1er mouv|zeitma(ß|ss))", re.I
)
_THAN = re.compile(r"\b(più|piu|meno|plus|moins|mehr|weniger|immer|nach und nach|poco a poco|allmählich)\b", re.I)
_THAN_SLOWER = re.compile(r"meno (mosso|vivo|allegro|presto)|(più|piu) (lento|tranquillo|adagio|sostenuto|largo)|"
                          r"plus lent|moins vite|weniger|langsamer|ruhiger", re.I)  # fmt: skip
_THAN_FASTER = re.compile(r"(più|piu) (mosso|vivo|animato|allegro|presto|moto)|plus (vite|anim|vif)|bewegter|schneller|"
                          r"rascher|lebhafter", re.I)  # fmt: skip
_RECOVERS = 8  # quarters after which a "rit." without "a tempo" is over
_SLOWER = re.compile(r"\b(rit(\.|ard|en|\b)|rall|allarg|slentando|calando|smorz|morendo|zurückhalt|langsamer|verbreit|"
                     r"retenu|ced(ez|er)|cédez|verzögern)", re.I)  # fmt: skip
_FASTER = re.compile(r"\b(accel|string(endo|\.)|stretto|affrett|schneller|eilen|pressez|animando)", re.I)

#: Lengths of MusicXML's and partitura's beat units in quarters.
_UNITS = {
    "1024th": 1 / 256, "512th": 1 / 128, "256th": 1 / 64, "128th": 1 / 32, "64th": 1 / 16, "32nd": 1 / 8,
    "16th": 1 / 4, "eighth": 1 / 2, "quarter": 1.0, "half": 2.0, "whole": 4.0, "breve": 8.0, "long": 16.0,
    "h": 2.0, "q": 1.0, "e": 0.5, "s": 0.25, "w": 4.0, "t": 0.125,
}  # fmt: skip


def unit_quarters(unit: str | None, dots: int = 0) -> float | None:
    """How many quarters a beat unit ("half", "q.", ...) lasts, or None for an unknown one."""
    if not unit:
        return 1.0
    name = unit.strip()
    dots += len(name) - len(name.rstrip("."))
    length = _UNITS.get(name.rstrip("."))
    return None if length is None else length * (2.0 - 0.5**dots)


def quarters_per_minute(bpm: float, unit: str | None = None, dots: int = 0) -> float | None:
    """A metronome mark in quarters a minute; None when it is no playable tempo (below 5 or above 1000)."""
    length = unit_quarters(unit, dots)
    if length is None:
        return None
    tempo = bpm * length
    return tempo if 5 <= tempo <= 1000 else None


def period_of_words(text: str) -> float | None:
    """Seconds per quarter for a tempo word, or None. The longest word found counts: "sehr langsam" before "langsam"."""
    plain = " ".join(text.casefold().split())
    best = max(((len(word), tempo) for word, tempo in _WORDS if re.search(rf"\b{re.escape(word)}\b", plain)),
               default=None)  # fmt: skip
    return None if best is None else 60.0 / best[1]


def with_words(stated: Mapping[Fraction, float], words: Iterable[tuple[Fraction, str]]) -> list[tuple[Fraction, float]]:
    """Stated tempi plus what the words ask for where no number stands, ascending, no two at one place.

    ``stated`` maps places (quarters) to seconds per quarter. A number at or within a quarter of a word wins over it.
    """
    marks = dict(stated)
    numbers = sorted(stated)
    steady: float | None = None
    changes: list[tuple[Fraction, float]] = []
    for place, text in sorted(set(words)):
        near = [other for other in numbers if abs(other - place) <= 1]
        current = [period for other, period in sorted(marks.items()) if other <= place]
        now = current[-1] if current else DEFAULT_PERIOD_S
        if _BACK.search(text):
            if not near and steady is not None:
                marks[place] = steady
            steady = None
        elif _THAN_SLOWER.search(text) or _THAN_FASTER.search(text):
            if not near:
                marks[place] = now * (7 / 6 if _THAN_SLOWER.search(text) else 6 / 7)
            steady = None
        elif not _THAN.search(text) and (found := period_of_words(text)) is not None:
            if not near:
                marks[place] = found
            steady = None
        elif _SLOWER.search(text) or _FASTER.search(text):
            until = next((other for other in numbers if other > place), None)
            if until is not None and until <= place + 4:
                continue  # the file itself plays this change
            factor = 1.08 if _SLOWER.search(text) else 1 / 1.08
            steady = steady if steady is not None else now
            marks.setdefault(place + 1, now * factor)
            marks.setdefault(place + 2, now * factor * factor)
            changes.append((place, steady))
    for place, before in changes:
        later = [other for other in marks if place + 2 < other <= place + _RECOVERS]
        if not later:
            marks[place + _RECOVERS] = before
    return sorted(marks.items())
