"""Notes heard in rendered soloists, one by one: onset F-measure, and how soon a note is known.

Conventions: see ``listen_rendered``. A note is found when one of its pitch was placed within ``TOLERANCE_S`` of its
true beginning, each once (mir_eval.transcription: Raffel et al., ISMIR 2014; ends are not judged). ``delay`` is from
the true beginning of a found note to its ``heard_s``. Notes of several soloists are counted together.

Every soloist is heard by the engine, which accompanies them: ``apart`` is the orchestra's asynchrony at
the onsets both play (see ``measure``), its size capped at 5 s, and NaN where there is no orchestra.

The soloists: etudes by Wohlfahrt as violinists played them, their intonation and vibrato included; melodies of
vienna4x22 and of held-out pieces of nasap, as pianists played them, by five instruments. Each dry and in two rooms, by
every soundfont; the melodies also with the orchestra in the microphone, in closed loop. There, ``growth`` is of the
mean asynchrony over that of the same soloists in the same room without the orchestra in their microphone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.virtual import measured_response
from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.engine.in_a_room import InRoom, gain_of, played_in_a_room
from collaparte.errors import MissingExtra
from collaparte.evaluate.listen_rendered import INSTRUMENTS, Playing, Rendered, etudes, melodies, render_in
from collaparte.events import OrchestraEvent, SoloEvent, Value
from collaparte.follow import make_follower
from collaparte.listen.recording import Made, RecordedSoloist
from collaparte.listen.simulated.room import ROOMS
from collaparte.measure import asynchrony, capped, group_onsets
from collaparte.predict import SHIPPED_POLICY, make_predictor

TOLERANCE_S = 0.05
PLACES = ("dry", "small", "hall")
BLEED_DB = (-20.0, -10.0, -6.0, 0.0)
BLEED_ROOM = "small"
ETUDES, MELODIES, SECONDS = 3, 1, 20.0  # playings of each corpus and instrument, and how much of each
QUICK_ETUDES, QUICK_SECONDS = 1, 10.0  # ... and then no nasap, and the orchestra with two of the instruments only
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
class Accompanied:
    """A soloist's notes as they were heard, and how far from each shared onset the orchestra was (m,), signed."""

    notes: Notes
    apart_s: Array

    @classmethod
    def of(cls, playing: Playing, values: Sequence[Value]) -> Accompanied:
        """From the values of a take."""
        heard = [value for value in values if isinstance(value, SoloEvent)]
        played = [(value.beat, value.due_s) for value in values if isinstance(value, OrchestraEvent) and value.on]
        beats, times_s = np.array(played, np.float64).reshape(-1, 2).T
        apart_s, _ = asynchrony(playing.truth, group_onsets(beats, times_s))
        return cls(Notes.of(playing.notes, heard), apart_s)


@dataclass(frozen=True)
class NotesRow:
    """One line of the table: shares 0..1, milliseconds; ``bleed_db`` None where the orchestra is not heard."""

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
    apart_median_ms: float = float("nan")
    apart_mean_ms: float = float("nan")
    growth_ms: float = float("nan")


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


def row_of(
    soloist: str,
    font: str,
    place: str,
    bleed_db: float | None,
    several: Sequence[Accompanied],
    clean: Sequence[Accompanied] = (),
) -> NotesRow:
    """The figures of several soloists together, beside ``clean``; NaN where nothing was found."""
    notes = [one.notes for one in several]
    found = [(one, matched(one)) for one in notes]
    count = sum(len(pairs) for _, pairs in found)
    played, placed = sum(len(one.played_s) for one in notes), sum(len(one.placed_s) for one in notes)
    delays = np.array([one.known_s[heard] - one.played_s[note] for one, pairs in found for note, heard in pairs])
    mean_ms = _mean_ms(several)
    apart = [capped(one.apart_s) for one in several if len(one.apart_s)]
    return NotesRow(
        soloist, font, place, bleed_db, played,
        count / placed if placed else float("nan"),
        count / played if played else float("nan"),
        2.0 * count / (played + placed) if played + placed else float("nan"),
        1000 * float(np.median(delays)) if count else float("nan"),
        1000 * float(np.percentile(delays, 99)) if count else float("nan"),
        1000 * float(np.median(np.concatenate(apart))) if apart else float("nan"),
        mean_ms,
        mean_ms - _mean_ms(clean),
    )  # fmt: skip


def _mean_ms(several: Sequence[Accompanied]) -> float:
    apart = [capped(one.apart_s) for one in several if len(one.apart_s)]
    return 1000 * float(np.concatenate(apart).mean()) if apart else float("nan")


def _engine(playing: Playing, predictor: str) -> Engine:
    score = playing.score
    settings = Settings(first_onset_s=float(playing.truth.first_s[0]))
    return Engine(score, make_follower(None, score), make_predictor(predictor, score), settings)


def alone(rendered: Rendered, predictor: str = SHIPPED_POLICY) -> tuple[Accompanied, list[OrchestraEvent]]:
    """A soloist whose microphone hears nobody else, and what the orchestra plays with them."""
    playing = rendered.playing
    soloist = RecordedSoloist(Made(rendered.sound), playing.score)
    values = list(rehearse(_engine(playing, predictor), VirtualClock(), soloist))
    return Accompanied.of(playing, values), [value for value in values if isinstance(value, OrchestraEvent)]


def with_orchestra(
    rendered: Rendered,
    orchestra: list[OrchestraEvent],
    levels_db: Sequence[float],
    seed: int,
    font: Path | None,
    predictor: str = SHIPPED_POLICY,
) -> list[Accompanied]:
    """A soloist heard while the orchestra plays with them in ``BLEED_ROOM``, calibrated, at each of ``levels_db``.

    ``orchestra`` is what it played when it was not heard: from that the level is set.
    """
    playing, room, found = rendered.playing, ROOMS[BLEED_ROOM], []
    gain = gain_of(InRoom(room, 0.0, seed), rendered.sound, orchestra, playing.score, font)
    for db in levels_db:
        values = played_in_a_room(
            InRoom(room, db, seed, "echo", measured_response), Made(rendered.sound), playing.score,
            lambda: _engine(playing, predictor), font, gain=gain * float(10.0 ** (db / 20.0)),
        )  # fmt: skip
        found.append(Accompanied.of(playing, list(values)))
    return found


def soloists(corpora: Path | None, seed: int, quick: bool) -> Iterator[tuple[str, str, list[Playing]]]:
    """(name, instrument, playings) of each group."""
    seconds = QUICK_SECONDS if quick else SECONDS
    some = etudes(QUICK_ETUDES if quick else ETUDES, seed, corpora)
    yield "etudes, violin", "violin", [one.cut(seconds) for one in some]
    for place, instrument in enumerate(INSTRUMENTS):  # each instrument has pieces of its own
        both = [*melodies("vienna4x22", instrument, MELODIES, seed + place, corpora)]
        if not quick:
            both += melodies("nasap", instrument, MELODIES, seed + place, corpora)
        yield f"melodies, {instrument}", instrument, [one.cut(seconds) for one in both]


def evaluate_notes(
    corpora: Path | None = None,
    fonts: Sequence[Path | None] = (None,),
    *,
    seed: int = 0,
    quick: bool = False,
    predictor: str = SHIPPED_POLICY,
    tell: Callable[[str], None] = lambda what: None,
) -> list[NotesRow]:
    """For each soundfont: a row for each place and group of soloists, then one for each level of the orchestra."""
    groups = list(soloists(corpora, seed, quick))
    rows = []
    for font in fonts:
        name = font.stem if font is not None else "built-in"
        heard: dict[tuple[str, str], list[Accompanied]] = {}
        clean: list[Accompanied] = []
        bled: list[list[Accompanied]] = []
        for group, instrument, playings in groups:
            with_room = not group.startswith("etudes") and (not quick or instrument in QUICK_WITH_ORCHESTRA)
            for index, playing in enumerate(playings):
                for rendered in render_in(playing, instrument, font, PLACES, seed=seed + index):
                    tell(rendered.name)
                    one, orchestra = alone(rendered, predictor)
                    heard.setdefault((rendered.room, group), []).append(one)
                    if with_room and rendered.room == BLEED_ROOM:
                        tell(f"{rendered.name}, with the orchestra")
                        clean.append(one)
                        bled.append(with_orchestra(rendered, orchestra, BLEED_DB, seed + index, font, predictor))
        for place in PLACES:
            here = {group: heard[place, group] for group, _, _ in groups}
            rows += [row_of(group, name, place, None, several) for group, several in here.items()]
            rows.append(row_of("all", name, place, None, [one for several in here.values() for one in several]))
        title = "melodies, with orchestra"
        rows.append(row_of(title, name, BLEED_ROOM, None, clean))
        levels = zip(BLEED_DB, zip(*bled, strict=True), strict=True)
        rows += [row_of(title, name, BLEED_ROOM, db, several, clean) for db, several in levels]
    return rows
