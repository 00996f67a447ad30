"""An alignment as a match file (version 1.0.0), which ``partitura.load_match`` and our own readers read back.

Conventions of the format (Foscarin et al., "The match file format", MEC 2022): score times count beats of the written
metre, performed times are ticks; here a tick is half a millisecond, and the first bar's first beat is 0. Every note of
the page has one line, matched or deleted; a note played twice is matched the first time, and its second sounding is
written as an insertion, because the format has no word for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.score import Score
from collaparte.takes.align import Aligned

UNITS, RATE = 1000, 500000  # 1000 ticks a quarter of half a second: 2000 ticks a second
NAMES = ("C,n", "C,#", "D,n", "E,b", "E,n", "F,n", "F,#", "G,n", "A,b", "A,n", "B,b", "B,n")
SHORTEST_TICKS = 1


def write_match(
    path: Path | str,
    score: Score,
    lines: Sequence[Aligned],
    time_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    pitch: NDArray[np.integer],
    velocity: NDArray[np.integer],
) -> None:
    """Write the alignment of ``score.solo`` with performed notes, given as arrays (n,) of seconds, pitch, velocity."""
    tick = 1e6 * UNITS / RATE
    performed = [
        f"note(n{index},{int(pitch[index])},{round(float(time_s[index]) * tick)},"
        f"{max(round(float(end_s[index]) * tick), round(float(time_s[index]) * tick) + SHORTEST_TICKS)},"
        f"{int(velocity[index])},0,0)"
        for index in range(len(time_s))
    ]
    partner: dict[int, int] = {}
    for line in lines:
        if line.score is not None and line.performed is not None:
            partner.setdefault(line.score, line.performed)
    taken = set(partner.values())
    head = [
        "info(matchFileVersion,1.0.0).",
        f"info(piece,{_plain(score.title)}).",
        f"info(midiClockUnits,{UNITS}).",
        f"info(midiClockRate,{RATE}).",
        "scoreprop(keySignature,C,1:1,0,0.0000).",
        *_metres(score),
    ]
    body = []
    for row, note in enumerate(score.solo):
        where = performed[partner[row]] if row in partner else None
        body.append(_snote(score, note, row) + (f"-{where}." if where is not None else "-deletion."))
    body += [f"insertion-{text}." for index, text in enumerate(performed) if index not in taken]
    Path(path).write_text("\n".join([*head, *body]) + "\n", encoding="utf-8")


def _plain(title: str) -> str:
    return "".join(letter for letter in title if letter not in "(),.\n") or "untitled"


def _metres(score: Score) -> list[str]:
    lines, known = [], None
    for number, bar in enumerate(score.bars, start=1):
        metre = (bar.numerator, bar.denominator)
        if metre != known:
            known = metre
            beat = _beats(score, bar.beat)
            lines.append(f"scoreprop(timeSignature,{bar.numerator}/{bar.denominator},{number}:1,0,{beat:.4f}).")
    return lines or ["scoreprop(timeSignature,4/4,1:1,0,0.0000)."]


def _beats(score: Score, quarter: float) -> float:
    """Beats of the written metre from the beginning to ``quarter``."""
    beats = 0.0
    for index, bar in enumerate(score.bars):
        end = score.bars[index + 1].beat if index + 1 < len(score.bars) else max(quarter, bar.beat)
        if quarter <= end:
            return beats + (quarter - bar.beat) * bar.denominator / 4.0
        beats += (end - bar.beat) * bar.denominator / 4.0
    return quarter


def _snote(score: Score, note: np.void, row: int) -> str:
    starts = [bar.beat for bar in score.bars]
    number = max(int(np.searchsorted(starts, float(note["beat"]) + 1e-6, side="right")), 1)
    bar = score.bars[number - 1] if score.bars else None
    denominator = bar.denominator if bar else 4
    inside = (float(note["beat"]) - (bar.beat if bar else 0.0)) * denominator / 4.0
    whole = int(inside + 1e-6)
    offset = Fraction((inside - whole) / denominator).limit_denominator(960)
    length = Fraction(float(note["duration_beats"]) / 4.0).limit_denominator(960)
    begin = _beats(score, float(note["beat"]))
    end = begin + float(note["duration_beats"]) * denominator / 4.0
    octave, step = divmod(int(note["pitch"]), 12)
    identity = "".join(letter for letter in str(note["id"]) if letter not in "(),") or f"s{row}"
    marks = "v1,staff1,grace" if int(note["kind"]) else "v1,staff1"
    return (
        f"snote({identity},[{NAMES[step]}],{octave - 1},{number}:{whole + 1},{offset},{length},"
        f"{begin:.4f},{end:.4f},[{marks}])"
    )
