"""The page: notes, bars, repeats, tempo marks, fermatas; which part is the soloist's, which the orchestra's."""

from collaparte.score.page import (
    GRACE,
    NOTE,
    NOTE_FIELDS,
    ORNAMENT,
    Bar,
    Fermata,
    Jump,
    Part,
    Passage,
    Score,
    TempoMark,
)
from collaparte.score.reading import read_score

__all__ = [
    "GRACE", "NOTE", "NOTE_FIELDS", "ORNAMENT",
    "Bar", "Fermata", "Jump", "Part", "Passage", "Score", "TempoMark",
    "read_score",
]  # fmt: skip
