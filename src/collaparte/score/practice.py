"""The page as it is practised: in another key, with its long tuttis shortened, one hand alone.

Each answers a new page; places on the paper (``written_beat``) stay, so that memory and engraving find them. The
digest of a transposed or shortened page is that of the page itself; a hand alone is another solo part.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import ScoreError
from collaparte.score.marked import cut
from collaparte.score.page import Part, Score

Hand: TypeAlias = Literal["both", "right", "left"]

HANDS: tuple[Hand, ...] = ("both", "right", "left")
MOST_SEMITONES = 24
EPS = 1e-9


def transpose(score: Score, semitones: int, *, only_solo: bool = False) -> Score:
    """Everything ``semitones`` higher (or lower), but the percussion. ``written`` stays: it is the same piece.

    With ``only_solo`` the solo part alone: written for a transposing instrument, in a file that does not say so.

    Raises ScoreError when a note would leave MIDI's range, or for more than two octaves.
    """
    if abs(semitones) > MOST_SEMITONES:
        raise ScoreError(f"{semitones} semitones are too many: at most {MOST_SEMITONES} up or down.")
    if not semitones:
        return score
    pitched = np.array([not part.percussion and (part.solo or not only_solo) for part in score.parts])
    notes = score.notes.copy()
    moved = pitched[notes["part"]]
    notes["pitch"][moved] += semitones
    if len(notes) and (notes["pitch"].min() < 0 or notes["pitch"].max() > 127):
        raise ScoreError(f"{semitones:+d} semitones bring a note of {score.title!r} out of MIDI's range.")
    ornaments = tuple(
        replace(sign, pitch=sign.pitch + semitones) if pitched[sign.part] else sign for sign in score.ornaments
    )
    return replace(score, notes=notes, ornaments=ornaments)


def shorten_tuttis(score: Score, bars: int) -> Score:
    """Leave of every long tutti the bar in which the soloist ends and the last whole ``bars`` before the next entry.

    The ending stays whole. Raises ScoreError for fewer than no bars.
    """
    if bars < 0:
        raise ScoreError(f"A tutti cannot be shortened to {bars} bars.")
    starts = [bar.beat for bar in score.bars]
    for start, stop in reversed(score.tutti):
        if stop >= score.end_beat - EPS:
            continue
        entry = starts[bisect_right(starts, stop + EPS) - 1] if bars or stop < starts[-1] else stop
        first = 0.0 if start <= EPS else next((at for at in starts if at >= start - EPS), stop)
        last = starts[max(starts.index(entry) - bars, 0)]
        if last > first + EPS:
            score = cut(score, first, last)
    return score


def take_hand(score: Score, hand: Hand, staves: NDArray[np.int16] | None) -> Score:
    """The soloist plays the "right" (upper) or "left" (lower) of the solo part's two staves; the other is played by
    the orchestra. ``staves`` (n,) names the staff of each row of ``score.notes``, 0 where unknown.

    Raises ScoreError where the solo part has not two staves with notes on both.
    """
    if hand == "both":
        return score
    solo = np.array([part.solo for part in score.parts])[score.notes["part"]] if len(score.notes) else np.zeros(0, bool)
    known = [] if staves is None else sorted({int(staff) for staff in staves[solo]} - {0})
    if staves is None or len(known) != 2:
        names = ", ".join(part.name for part in score.parts if part.solo) or "nobody's part"
        raise ScoreError(
            f"There are no two staves to tell the hands of {names} apart. Play both hands, or another part."
        )
    mine = solo & (staves == known[0 if hand == "right" else 1])
    source = next(part for part in score.parts if part.solo)
    notes = score.notes.copy()
    notes["part"][mine] = len(score.parts)
    others = tuple(
        replace(part, name=f"{part.name} ({'left' if hand == 'right' else 'right'} hand)", solo=False)
        if part.solo
        else part
        for part in score.parts
    )
    own = Part(f"{source.name} ({hand} hand)", len(score.parts) + 1, source.program, source.percussion, solo=True)
    moved = {(float(note["beat"]), int(note["pitch"])) for note in notes[mine]}
    solo_parts = [index for index, part in enumerate(score.parts) if part.solo]
    ornaments = tuple(
        replace(sign, part=len(score.parts)) if sign.part in solo_parts and (sign.beat, sign.pitch) in moved else sign
        for sign in score.ornaments
    )
    page = replace(score, notes=notes, parts=(*others, own), ornaments=ornaments)
    return page.with_solo([own.name])
