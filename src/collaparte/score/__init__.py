"""The page: notes, bars, repeats, tempo marks, fermatas; which part is the soloist's, which the orchestra's."""

from collaparte.score.describe import Description, describe
from collaparte.score.marked import apply_marks
from collaparte.score.marks import Marks, find_marks, read_marks
from collaparte.score.page import (
    CUE,
    GRACE,
    LONG_REST_BEATS,
    NOTE,
    NOTE_FIELDS,
    ORNAMENT,
    WRITTEN_FIELDS,
    Bar,
    Fermata,
    Jump,
    Ornament,
    Part,
    Passage,
    Score,
    TempoMark,
)
from collaparte.score.practice import HANDS, Hand, shorten_tuttis, take_hand, transpose
from collaparte.score.reading import read_score
from collaparte.score.sections import SECTIONS, section_of, sections
from collaparte.score.starter import start_marks

__all__ = [
    "CUE",
    "GRACE",
    "HANDS",
    "LONG_REST_BEATS",
    "NOTE",
    "NOTE_FIELDS",
    "ORNAMENT",
    "SECTIONS",
    "WRITTEN_FIELDS",
    "Bar",
    "Description",
    "Fermata",
    "Hand",
    "Jump",
    "Marks",
    "Ornament",
    "Part",
    "Passage",
    "Score",
    "TempoMark",
    "apply_marks",
    "describe",
    "find_marks",
    "read_marks",
    "read_score",
    "section_of",
    "sections",
    "shorten_tuttis",
    "start_marks",
    "take_hand",
    "transpose",
]
