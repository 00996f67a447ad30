"""Notes heard in rendered soloists, one by one: onset F-measure, and how soon a note is known.

Conventions: see ``listen_rendered``. A note is found when one of its pitch was placed within ``TOLERANCE_S`` of its
true beginning, each once (mir_eval.transcription: Raffel et al., ISMIR 2014; ends are not judged). ``delay`` is from
the true beginning of a found note to its ``heard_s``. Notes of several soloists are counted together.

The soloists: etudes by Wohlfahrt as violinists played them, their intonation and vibrato included; melodies of
vienna4x22 and of held-out pieces of nasap, as pianists played them, by five instruments. Each dry and in two rooms, by
every soundfont; the melodies also with the orchestra in the microphone, in closed loop, by the first soundfont.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.virtual import measured_response
from collaparte.engine import Engine, Settings
from collaparte.engine.in_a_room import InRoom, played_in_a_room
from collaparte.errors import MissingExtra
from collaparte.evaluate.listen_rendered import INSTRUMENTS, Playing, Rendered, etudes, melodies, render_playing
from collaparte.events import SoloEvent
from collaparte.follow import make_follower
from collaparte.listen.recording import Made, RecordedSoloist
from collaparte.listen.simulated.room import ROOMS
from collaparte.predict import make_predictor

TOLERANCE_S = 0.05
PLACES = ("dry", "small", "hall")
BLEED_DB = (-20.0, -10.0, -6.0, 0.0)
BLEED_ROOM = "small"
COUNT, SECONDS = 3, 30.0  # playings of each corpus, and of how much of each
QUICK_COUNT, QUICK_SECONDS = 1, 10.0  # ... and then no nasap, and the orchestra with two of the instruments only
QUICK_WITH_ORCHESTRA = ("violin", "flute")
LEAST_S = 0.01  # a note's length where none is known: mir_eval wants one

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Notes:
    """What was played and what was heard: begins in seconds and MIDI pitches, and when each was known."""

    played_s: Array
    played: NDArray[np.int64]
    placed_s: Array
    placed: NDArray[np.int64]
    known_s: Array

    @classmethod
    def of(cls, played: Iterable[SoloEvent], heard: Iterable[SoloEvent]) -> Notes:
        """From a soloist's events and an ear's."""
        begun, found = ([event for event in events if event.on] for events in (played, heard))
        return cls(
            np.array([event.time_s for event in begun], np.float64),
            np.array([event.pitch for event in begun], np.int64),
            np.array([event.time_s for event in found], np.float64),
            np.array([event.pitch for event in found], np.int64),
            np.array([event.heard_s for event in found], np.float64),
        )


@dataclass(frozen=True)
class NotesRow:
    """One line of the table: shares 0..1, milliseconds; ``bleed_db`` None without an orchestra."""

    soloist: str
    font: str
    place: str
    bleed_db: float | None
    notes: int
    precision: float
    recall: float
    f_measure: float
    delay_median_ms: float
    delay_p99_ms: float


def _mir_eval() -> Any:
    try:
        import mir_eval.transcription
    except ImportError as error:
        raise MissingExtra("The F-measure of notes needs mir_eval: pip install mir_eval") from error
    return mir_eval.transcription


def matched(notes: Notes) -> list[tuple[int, int]]:
    """(played, heard) pairs of one pitch, ``TOLERANCE_S`` apart at most; as many as can be. MissingExtra."""
    if not len(notes.played_s) or not len(notes.placed_s):
        return []
    both = []
    for times, pitches in ((notes.played_s, notes.played), (notes.placed_s, notes.placed)):
        both += [np.stack([times, times + LEAST_S], axis=1), 440.0 * 2.0 ** ((pitches - 69) / 12)]
    pairs: list[tuple[int, int]] = _mir_eval().match_notes(*both, onset_tolerance=TOLERANCE_S, offset_ratio=None)
    return pairs


def row_of(soloist: str, font: str, place: str, bleed_db: float | None, several: Sequence[Notes]) -> NotesRow:
    """The figures of several soloists together; NaN where nothing was found."""
    found = [(notes, matched(notes)) for notes in several]
    count = sum(len(pairs) for _, pairs in found)
    played, placed = sum(len(notes.played_s) for notes in several), sum(len(notes.placed_s) for notes in several)
    delays = np.array([notes.known_s[heard] - notes.played_s[note] for notes, pairs in found for note, heard in pairs])
    return NotesRow(
        soloist, font, place, bleed_db, played,
        count / placed if placed else float("nan"),
        count / played if played else float("nan"),
        2.0 * count / (played + placed) if played + placed else float("nan"),
        1000 * float(np.median(delays)) if count else float("nan"),
        1000 * float(np.percentile(delays, 99)) if count else float("nan"),
    )  # fmt: skip


def alone(rendered: Rendered) -> Notes:
    """A soloist heard by themselves."""
    heard = RecordedSoloist(Made(rendered.sound), rendered.playing.score).events()
    return Notes.of(rendered.playing.notes, heard)


def with_orchestra(rendered: Rendered, db: float, seed: int, font: Path | None) -> Notes:
    """A soloist heard while the orchestra plays with them, calibrated, in ``BLEED_ROOM``."""
    score = rendered.playing.score

    def engine() -> Engine:
        settings = Settings(first_onset_s=float(rendered.playing.truth.first_s[0]))
        return Engine(score, make_follower(None, score), make_predictor("steady", score), settings)

    given = InRoom(ROOMS[BLEED_ROOM], db, seed, "echo", measured_response)
    values = played_in_a_room(given, Made(rendered.sound), score, engine, font)
    return Notes.of(rendered.playing.notes, (value for value in values if isinstance(value, SoloEvent)))


def soloists(corpora: Path | None, seed: int, quick: bool) -> Iterator[tuple[str, str, list[Playing]]]:
    """(name, instrument, playings) of each group."""
    count, seconds = (QUICK_COUNT, QUICK_SECONDS) if quick else (COUNT, SECONDS)
    yield "etudes, violin", "violin", [one.cut(seconds) for one in etudes(count, seed, corpora)]
    for instrument in INSTRUMENTS:
        both = [*melodies("vienna4x22", instrument, count, seed, corpora)]
        if not quick:
            both += melodies("nasap", instrument, count, seed, corpora)
        yield f"melodies, {instrument}", instrument, [one.cut(seconds) for one in both]


def evaluate_notes(
    corpora: Path | None = None,
    fonts: Sequence[Path | None] = (None,),
    *,
    seed: int = 0,
    quick: bool = False,
    tell: Callable[[str], None] = lambda what: None,
) -> list[NotesRow]:
    """A row for each soundfont, place and group of soloists, then one for each level of the orchestra."""
    groups = list(soloists(corpora, seed, quick))
    rows, dry = [], []
    for font in fonts:
        name = font.stem if font is not None else "built-in"
        for place in PLACES:
            everything: list[Notes] = []
            for group, instrument, playings in groups:
                tell(f"{group}, {name}, {place}")
                rendered = [
                    render_playing(playing, instrument, font, room=place, seed=seed + index)
                    for index, playing in enumerate(playings)
                ]
                accompanied = not quick or instrument in QUICK_WITH_ORCHESTRA
                if font == fonts[0] and place == BLEED_ROOM and accompanied and not group.startswith("etudes"):
                    dry += rendered
                heard = [alone(one) for one in rendered]
                everything += heard
                rows.append(row_of(group, name, place, None, heard))
            rows.append(row_of("all", name, place, None, everything))
    name = fonts[0].stem if fonts[0] is not None else "built-in"
    for db in BLEED_DB:
        tell(f"with the orchestra at {db:+.0f} dB")
        heard = [with_orchestra(one, db, seed + index, fonts[0]) for index, one in enumerate(dry)]
        rows.append(row_of("melodies, with orchestra", name, BLEED_ROOM, db, heard))
    return rows
