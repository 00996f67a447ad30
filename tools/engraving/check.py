"""What a harmony teacher would mark: sonorities beat by beat, parallels, ranges.

python tools/engraving/check.py greensleeves
"""

from __future__ import annotations

import importlib
import sys
from itertools import combinations, pairwise

from notation import Piece

RANGES = {
    "Solo Violin": (55, 93), "Violins I": (55, 93), "Violins II": (55, 88), "Violas": (48, 79), "Cellos": (36, 69),
    "Double Basses": (28, 55), "Flute": (60, 93), "Oboe": (58, 86), "Clarinet in B♭": (50, 84), "Bassoon": (34, 67),
}  # fmt: skip
NAMES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"]
CHORDS = {
    frozenset({0, 4, 7}): "", frozenset({0, 3, 7}): "m", frozenset({0, 4, 7, 10}): "7", frozenset({0, 3, 6}): "dim",
    frozenset({0, 3, 7, 10}): "m7", frozenset({0, 4}): "(3)", frozenset({0, 3}): "m(3)", frozenset({0, 7}): "(5)",
    frozenset({0, 4, 10}): "7", frozenset({0, 3, 6, 9}): "dim7", frozenset({0}): "(1)",
}  # fmt: skip


def lines(piece: Piece) -> dict[str, list[tuple[float, float, int]]]:
    """Each part's notes as (beat, end, pitch), tied notes joined, grace notes left out."""
    found: dict[str, list[tuple[float, float, int]]] = {}
    for staff in piece.staves:
        notes: list[tuple[float, float, int]] = []
        tied = False
        for index, bar in enumerate(staff.bars):
            at = index * piece.bar_quarters
            for sign in bar:
                if sign.kind == "note":
                    if tied:
                        notes[-1] = (notes[-1][0], at + sign.length, sign.pitch)
                    else:
                        notes.append((at, at + sign.length, sign.pitch))
                    tied = "~" in sign.marks
                at += sign.length
        found[staff.name] = notes
    return found


def at(notes: list[tuple[float, float, int]], beat: float) -> int | None:
    return next((pitch for start, end, pitch in notes if start <= beat + 1e-9 < end), None)


def sonority(pitches: list[int]) -> str:
    """A chord's name with its bass, or the bare pitch classes with a question mark."""
    classes = {pitch % 12 for pitch in pitches}
    for root in [min(pitches) % 12, *sorted(classes)]:
        name = CHORDS.get(frozenset((pitch - root) % 12 for pitch in classes))
        if name is not None:
            bass = min(pitches) % 12
            return NAMES[root] + name + (f"/{NAMES[bass]}" if bass != root else "")
    return "? " + " ".join(NAMES[pitch] for pitch in sorted(classes))


def report(piece: Piece, step: float = 1.5) -> tuple[list[tuple[int, float, str]], list[str], list[str]]:
    """(bar, quarter in the bar, sonority) for every pulse; parallels between parts; notes out of range."""
    parts = lines(piece)
    length = max(end for notes in parts.values() for _, end, _ in notes)
    chords, parallels = [], []
    pulses = [index * step for index in range(round(length / step))]
    for beat in pulses:
        pitches = [pitch for notes in parts.values() if (pitch := at(notes, beat)) is not None]
        bar, place = int(beat // piece.bar_quarters) + 1, beat % piece.bar_quarters
        chords.append((bar, place, sonority(pitches) if pitches else "-"))
    for (one, first), (two, second) in combinations(parts.items(), 2):
        sounding = [(at(first, beat), at(second, beat)) for beat in pulses]
        alike = [None not in pair and (pair[0] - pair[1]) % 12 == 0 for pair in sounding]
        for index, ((a, b), (c, d)) in enumerate(pairwise(sounding)):
            after = pulses[index + 1]
            if None in (a, b, c, d) or a == c or b == d:
                continue
            if sum(alike[max(index - 3, 0) : index + 6]) >= 4:
                continue  # not two voices but one, doubled
            if (a - b) % 12 == (c - d) % 12 and (a - b) % 12 in (0, 7) and (c - a) * (d - b) > 0:
                kind = "octaves" if (a - b) % 12 == 0 else "fifths"
                parallels.append(f"bar {int(after // piece.bar_quarters) + 1}: parallel {kind}, {one} and {two}")
    strays = [
        f"{name} {pitch} at beat {start}"
        for name, notes in parts.items()
        for start, _, pitch in notes
        if not RANGES[name][0] <= pitch <= RANGES[name][1]
    ]
    return chords, parallels, strays


def main() -> None:
    piece = importlib.import_module(sys.argv[1]).piece()
    chords, parallels, strays = report(piece)
    row: list[str] = []
    for bar, place, name in chords:
        row.append(f"{bar if place == 0 else ''}:{name}")
    print("  ".join(row))
    print("\n".join(parallels + strays))


if __name__ == "__main__":
    main()
