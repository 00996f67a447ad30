"""What a page holds and what looks wrong with it: the data behind ``collaparte score FILE``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from collaparte.score.page import GRACE, NOTE, Score

_LOWEST, _HIGHEST = 21, 108  # a piano's keyboard; beyond it a note is possible, and usually a mistake


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part: its numbers for a table."""

    number: int
    name: str
    program: int
    percussion: bool
    solo: bool
    notes: int
    grace_notes: int
    lowest: int | None
    highest: int | None
    first_beat: float | None


@dataclass(frozen=True, slots=True)
class Description:
    """A page in numbers; ``troubles`` are sentences, the worst first; beats as everywhere."""

    title: str
    parts: tuple[PartRow, ...]
    bars: int
    first_bar: str
    last_bar: str
    end_beat: float
    duration_s: float
    metres: tuple[tuple[str, str], ...]  # (bar, "3/4")
    tempi: tuple[tuple[str, float], ...]  # (bar, quarters a minute)
    repeats: tuple[tuple[str, str, int], ...]  # (first bar, last bar, pass) of every stretch played again
    fermatas: tuple[tuple[str, float, str], ...]  # (bar, beat in bar from 1, release)
    entries: tuple[str, ...]  # bars of the soloist's entries
    tutti: tuple[tuple[str, str], ...]  # bars the orchestra plays alone
    troubles: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and dictionaries, for JSON."""
        return asdict(self)


def describe(score: Score) -> Description:
    """Look a page over."""
    metres: list[tuple[str, str]] = []
    for bar in score.bars:
        metre = f"{bar.numerator}/{bar.denominator}"
        if not metres or metres[-1][1] != metre:
            metres.append((bar.number, metre))
    fermatas = []
    for fermata in score.fermatas:
        bar = score.bar_at(fermata.beat)
        fermatas.append((bar.number, round((fermata.beat - bar.beat) * bar.denominator / 4 + 1, 3), fermata.release))
    return Description(
        title=score.title,
        parts=_parts(score),
        bars=len(score.bars),
        first_bar=score.bars[0].number,
        last_bar=score.bars[-1].number,
        end_beat=score.end_beat,
        duration_s=score.seconds_at(score.end_beat),
        metres=tuple(metres),
        tempi=tuple((score.bar_at(mark.beat).number, round(60 / mark.beat_period_s, 2)) for mark in score.tempi),
        repeats=_repeats(score),
        fermatas=tuple(fermatas),
        entries=tuple(score.bar_at(float(beat)).number for beat in score.solo_entries),
        tutti=tuple((score.bar_at(start).number, score.bar_at(end - 1e-3).number) for start, end in score.tutti),
        troubles=_troubles(score),
    )


def _parts(score: Score) -> tuple[PartRow, ...]:
    rows = []
    for index, part in enumerate(score.parts):
        notes = score.notes[score.notes["part"] == index]
        some = len(notes) > 0
        rows.append(PartRow(
            part.number, part.name, part.program, part.percussion, part.solo, int(np.sum(notes["kind"] == NOTE)),
            int(np.sum(notes["kind"] == GRACE)), int(notes["pitch"].min()) if some else None,
            int(notes["pitch"].max()) if some else None, float(notes["beat"].min()) if some else None,
        ))  # fmt: skip
    return tuple(rows)


def _repeats(score: Score) -> tuple[tuple[str, str, int], ...]:
    """Stretches of bars on a second or later pass."""
    found: list[tuple[str, str, int]] = []
    before = 1
    for bar in score.bars:
        if bar.passing > 1:
            if found and before == bar.passing:
                found[-1] = (found[-1][0], bar.number, bar.passing)
            else:
                found.append((bar.number, bar.number, bar.passing))
        before = bar.passing
    return tuple(found)


def _troubles(score: Score) -> tuple[str, ...]:
    troubles: list[str] = []
    for row in _parts(score):
        if row.notes == 0:
            troubles.append(f"part {row.number} {row.name} has no notes")
            continue
        low, high = row.lowest or 0, row.highest or 0
        if not row.percussion and (low < _LOWEST or high > _HIGHEST):
            troubles.append(
                f"part {row.number} {row.name} has notes beyond a piano's keyboard: MIDI {low} to {high}; "
                "is its transposition right?"
            )
    troubles += _odd_bars(score)
    numbers = [(bar.number, bar.passing) for bar in score.bars]
    twice = sorted({number for number, passing in numbers if numbers.count((number, passing)) > 1}) if len(
        set(numbers)) < len(numbers) else []  # fmt: skip
    if twice:
        shown = ", ".join(twice[:6]) + (", ..." if len(twice) > 6 else "")
        troubles.append(f"more than one bar is printed with the number {shown}")
    return tuple(troubles) + score.warnings


def _odd_bars(score: Score) -> list[str]:
    """Bars that do not fill their metre: a pick-up and the bar that completes it are right."""
    odd = []
    for place, bar in enumerate(score.bars):
        full = 4.0 * bar.numerator / bar.denominator
        if abs(bar.duration_beats - full) < 1e-6 or place in (0, len(score.bars) - 1):
            continue
        beside = [other.duration_beats for other in score.bars[place - 1 : place] + score.bars[place + 1 : place + 2]]
        if bar.duration_beats < full and any(abs(bar.duration_beats + other - full) < 1e-6 for other in beside):
            continue  # cut in two by a repeat sign or a double bar
        odd.append(f"{bar.number} ({bar.duration_beats:g} of {full:g} quarters)")
    if not odd:
        return []
    return [f"{len(odd)} bars do not fill their metre: {', '.join(odd[:6])}{', ...' if len(odd) > 6 else ''}"]
