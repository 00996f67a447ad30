"""How well a soloist is told from the orchestra that sounds in the same room, in closed loop.

Conventions: see ``engine.in_a_room``. Soloists are melodies of real piano performances played by sampled instruments
(``listen_rendered``: vienna4x22 and held-out pieces of nasap), the orchestra plays the rest of the page; or primos of
the duets as they were played, on the piano, with the secondo, another piano, as orchestra. Asynchrony is
of every orchestra note at a beat that the soloist plays, sizes capped at 5 s; ``growth`` is over the same soloist
without the orchestra in the microphone. ``found`` is the share of the soloist's onsets with a heard note of their own
within 50 ms, ``extra`` the share of heard onsets that are no such onset's. ``echo_less_db`` and ``si_sdr_db`` are of
what the canceller gives after 5 s. ``silent_events``: notes heard in 11 s of a silent soloist while the orchestra
plays, of all soloists together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.virtual import measured_response
from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.engine.in_a_room import InRoom, gain_of, played_in_a_room
from collaparte.evaluate.listen_rendered import Playing, Rendered, melodies, render_playing
from collaparte.evaluate.listen_whole import as_sound, cut
from collaparte.evaluate.orchestra import duets
from collaparte.events import OrchestraEvent, SoloEvent, Value
from collaparte.follow import make_follower
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.audio import RATE
from collaparte.listen.recording import Made, RecordedSoloist
from collaparte.listen.simulated.room import ROOMS, Room, VirtualRoom, with_faults
from collaparte.measure import Onsets, group_onsets
from collaparte.predict import SHIPPED_POLICY, make_predictor
from collaparte.sound.soundfont import find_soundfont
from collaparte.sound.streamed import StreamedSound
from collaparte.training.data.corpus import corpora_folder

SECONDS = 20.0
SILENT_S = 11.0
SETTLED = 5 * RATE
CAP_S = 5.0
MATCH_S = 0.05
LEVELS_DB = {"small": (-20.0, -10.0, -6.0, 0.0), "dry": (-6.0, 0.0), "hall": (-20.0, -10.0, -6.0, 0.0)}
PLAYERS = ("violin", "flute", "clarinet")  # of each corpus, each another piece
CORPORA = ("vienna4x22", "nasap")
PRIMOS, PRIMO_SECONDS = {"Schubert, Rondo in A": 2, "Grieg, Åses Tod": 1}, 30.0  # takes of each

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Condition:
    """One row of the table."""

    name: str
    room: Room
    db: float
    way: str = "echo"
    measured: bool = True
    font: Path | None = None  # another than the soloist's, for the orchestra


@dataclass(frozen=True)
class RoomRow:
    """Milliseconds and decibels over all soloists; NaN where there is no canceller."""

    condition: str
    db: float
    notes: int
    dry_median_ms: float
    median_ms: float
    dry_mean_ms: float
    mean_ms: float
    dry_found: float
    found: float
    extra: float
    echo_less_db: float
    si_sdr_db: float
    silent_events: int

    @property
    def growth_ms(self) -> float:
        """By how much the mean asynchrony grew."""
        return self.mean_ms - self.dry_mean_ms


def conditions(kind: str, second: Path | None = None) -> list[Condition]:
    """Rooms and levels; for violins, then what can go wrong in the small room at -6 dB. ``second``: a soundfont."""
    rows = [Condition(name, room, db) for name, room in ROOMS.items() for db in LEVELS_DB[name]]
    if kind == "piano":
        return rows
    small = ROOMS["small"]
    other = [Condition("small, pitches alone, other soundfont", small, -6.0, "pitches", font=second)] if second else []
    return [
        *rows,
        Condition("small, not calibrated", small, -6.0, measured=False),
        Condition("small, moved after 8 s", with_faults(small, moves_s=8.0), -6.0),
        Condition("small, clocks 50 ppm apart", with_faults(small, drift_ppm=50.0), -6.0),
        Condition("small, loudspeaker distorts", with_faults(small, drive=1.0), -6.0),
        Condition("small, pitches alone", small, -6.0, "pitches"),
        *other,
        Condition("small, not told apart", small, -6.0, "nothing"),
    ]


@dataclass
class _Soloist:
    """One soloist with what is the same in every room."""

    rendered: Rendered
    dry: list[OrchestraEvent]
    font: Path | None
    predictor: str
    dry_matched: tuple[int, int, int] = (0, 0, 0)
    gains: dict[tuple[object, ...], float] = field(default_factory=dict)  # at 0 dB, by soundfont and size of the room

    def gain(self, given: InRoom, font: Path | None) -> float:
        """The level of the orchestra in a room without faults of the same size."""
        key = (font, given.room.size_m)
        if key not in self.gains:
            plain = replace(given, room=with_faults(given.room), db=0.0)
            score = self.rendered.playing.score
            self.gains[key] = gain_of(plain, self.rendered.sound, self.dry, score, font)
        return self.gains[key] * float(10.0 ** (given.db / 20.0))

    def matched(self, values: Sequence[Value]) -> tuple[int, int, int]:
        """(found, heard, onsets): onsets with a heard one of their own within MATCH_S; all heard; all there are."""
        heard = np.unique([value.time_s for value in values if isinstance(value, SoloEvent) and value.on])
        free, found = np.ones(len(heard), bool), 0
        for onset_s in self.rendered.playing.truth.first_s:
            apart = np.where(free, np.abs(heard - onset_s), np.inf)
            if len(heard) and apart.min() <= MATCH_S:
                free[int(np.argmin(apart))] = False
                found += 1
        return found, len(heard), len(self.rendered.playing.truth.first_s)

    def engine(self) -> Engine:
        playing = self.rendered.playing
        settings = Settings(first_onset_s=float(playing.truth.first_s[0]))
        score = playing.score
        return Engine(score, make_follower(None, score), make_predictor(self.predictor, score), settings)

    def apart_s(self, values: Sequence[Value]) -> Array:
        truth: Onsets = self.rendered.playing.truth
        at_s = dict(zip(np.round(truth.beat, 4).tolist(), truth.first_s.tolist(), strict=True))
        found = [
            abs(value.due_s - at_s[round(value.beat, 4)])
            for value in values
            if isinstance(value, OrchestraEvent) and value.on and round(value.beat, 4) in at_s
        ]
        return np.asarray(np.minimum(np.array(found), CAP_S), np.float64)


def melodists(corpora: Path | None, font: Path | None, seed: int) -> Iterator[Rendered]:
    """Melodies on the violin and on winds."""
    for number, instrument in enumerate(PLAYERS):
        for corpus in CORPORA:
            *_, playing = melodies(corpus, instrument, number + 1, seed, corpora)
            yield render_playing(playing.cut(SECONDS), instrument, font, seed=seed)


def pianists(corpora: Path | None, font: Path | None, seed: int) -> Iterator[Rendered]:
    """Primos of the duets."""
    wanted = dict(PRIMOS)
    for case in duets(corpora_folder(corpora)):
        if wanted.get(case.group, 0) == 0:
            continue
        wanted[case.group] -= 1
        case = cut(case, PRIMO_SECONDS)
        truth = group_onsets(case.truth.beat, case.truth.time_s)
        playing = Playing(case.group, case.score, tuple(case.heard), truth, np.zeros((0, 3)))
        sound = as_sound(case.heard, 0, font, seed).sound
        yield Rendered(playing, "piano", font.stem if font is not None else "built-in", "dry", sound)


def soloists(corpora: Path | None, kind: str, seed: int, predictor: str = SHIPPED_POLICY) -> list[_Soloist]:
    """The soloists of the table (``kind`` violin or piano), each played once without a room."""
    font = find_soundfont()
    found = []
    for rendered in (melodists if kind == "violin" else pianists)(corpora, font, seed):
        soloist = _Soloist(rendered, [], font, predictor)
        heard = RecordedSoloist(Made(rendered.sound), rendered.playing.score)
        values = list(rehearse(soloist.engine(), VirtualClock(), heard))
        soloist.dry_matched = soloist.matched(values)
        soloist.dry = [value for value in values if isinstance(value, OrchestraEvent)]
        found.append(soloist)
    return found


def row_of(condition: Condition, group: Sequence[_Soloist], seed: int) -> RoomRow:
    """All soloists of ``group`` under one condition."""
    dry, wet, less, kept, silent = [], [], [], [], 0
    matched = np.zeros(3, int)
    for index, soloist in enumerate(group):
        learn = measured_response if condition.measured else None
        given = InRoom(condition.room, condition.db, seed + index, condition.way, learn)
        source, score = Made(soloist.rendered.sound), soloist.rendered.playing.score
        font = condition.font or soloist.font
        played = played_in_a_room(given, source, score, soloist.engine, font, gain=soloist.gain(given, font))
        values = list(played)
        matched += soloist.matched(values)
        dry.append(soloist.apart_s(soloist.dry))
        wet.append(soloist.apart_s(values))
        if given.cleaned:
            echo, solo = _decibels(given)
            less.append(echo)
            kept.append(solo)
        silent += _heard_in_silence(given, soloist, font)
    before, after = np.concatenate(dry), np.concatenate(wet)
    dry_found, _, onsets = np.sum([soloist.dry_matched for soloist in group], axis=0).tolist()
    found, heard, _ = matched.tolist()
    return RoomRow(
        condition.name,
        condition.db,
        len(after),
        1000 * float(np.median(before)),
        1000 * float(np.median(after)),
        1000 * float(before.mean()),
        1000 * float(after.mean()),
        dry_found / onsets,
        found / onsets,
        1.0 - found / max(heard, 1),
        float(np.mean(less)) if less else float("nan"),
        float(np.mean(kept)) if kept else float("nan"),
        silent,
    )


def _decibels(given: InRoom) -> tuple[float, float]:
    """(echo reduction, scale-invariant signal-to-distortion ratio of the soloist)."""
    cleaned, bleed, solo = (np.concatenate(log).astype(np.float64) for log in (given.cleaned, given.bleed, given.solo))
    end = min(len(cleaned), len(bleed), len(solo))
    cleaned, bleed, solo = cleaned[SETTLED:end], bleed[SETTLED:end], solo[SETTLED:end]
    left = cleaned - solo
    wanted = (cleaned @ solo) / (solo @ solo) * solo
    off = cleaned - wanted
    return 10 * float(np.log10((bleed @ bleed) / (left @ left))), 10 * float(np.log10((wanted @ wanted) / (off @ off)))


def _heard_in_silence(given: InRoom, soloist: _Soloist, font: Path | None) -> int:
    score = soloist.rendered.playing.score
    first_s = min(event.due_s for event in soloist.dry) - 0.5
    quiet = (2e-4 * np.random.default_rng((given.seed, 53)).standard_normal(int(SILENT_S * RATE))).astype(np.float32)
    with StreamedSound(score.parts, font, RATE) as orchestra:
        room = VirtualRoom(given.room, orchestra, seed=given.seed, gain=given.gain)
        canceller = EchoCanceller() if given.way == "echo" else None
        if canceller is not None and given.learn is not None:
            canceller.learn(given.learn(room))
        deaf = RecordedSoloist(Made(quiet), score, room=room, canceller=canceller, pitches=given.way == "pitches")
        for event in soloist.dry:
            deaf.listen(replace(event, due_s=event.due_s - first_s))
        return sum(event.on for event in deaf.events())


def evaluate_listen_room(
    corpora: Path | None = None,
    *,
    kind: str = "violin",
    seed: int = 0,
    second: Path | None = None,
    predictor: str = SHIPPED_POLICY,
    tell: Callable[[str], None] = lambda what: None,
) -> list[RoomRow]:
    """A row for each condition, for violins and winds or pianos (``kind``). The same seed, the same table.

    With a ``second`` soundfont, one more: the orchestra played by that, and told apart by its pitches alone.
    """
    tell("soloists without a room")
    group = soloists(corpora, kind, seed, predictor)
    rows = []
    for condition in conditions(kind, second):
        tell(f"{condition.name}, {condition.db:+.0f} dB")
        rows.append(row_of(condition, group, seed))
    return rows
