"""The whole way, from sound to orchestra: the same take given as sound and as MIDI, the agent predicting.

Two takes: a primo of the duets as it was played, and the voice of a song, sung by a simulated soloist. As sound they
are played by a soundfont, dry, over a little noise. Asynchrony is of the orchestra's onsets against the soloist's true
ones (see ``measure``). The difference between the rows is what hearing costs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.evaluate.orchestra import Case, duets
from collaparte.events import SoloEvent, TakeHeader
from collaparte.follow import make_follower
from collaparte.listen.audio import RATE
from collaparte.listen.recording import Made, RecordedSoloist
from collaparte.listen.simulated import simulate_solo
from collaparte.measure import Truth, measure_take
from collaparte.predict import SHIPPED_POLICY, make_predictor
from collaparte.score import read_score
from collaparte.sound.render import loudness, render_solo
from collaparte.takes import make_take
from collaparte.training.data.corpus import corpora_folder

SECONDS = 60.0
SONG, VOICE, PROGRAM = "Brahms-5_Die_Liebende_schreibt.mxl", "Voice", 73  # a flute: soundfonts' voices have no attack
LEVEL, NOISE = 0.05, 2e-4  # of full scale, RMS


@dataclass(frozen=True)
class WholeRow:
    """One take, given as ``given`` (sound, MIDI); milliseconds, shares 0..1 of the onsets both play."""

    take: str
    given: str
    onsets: int
    mean_ms: float
    median_ms: float
    within_50: float
    within_100: float


def cases(corpora: Path | None, seed: int) -> Iterator[tuple[Case, int]]:
    """(take, General MIDI program that it sounds with), each cut to its first ``SECONDS``."""
    folder = corpora_folder(corpora)
    primo = next(case for case in duets(folder) if case.group.startswith("Schubert"))
    yield cut(primo, SECONDS), 0
    song = read_score(folder / "lieder" / SONG, solo=VOICE)
    sung = simulate_solo(song, seed, "middle")
    reached = np.isfinite(sung.onset_s)
    events = [event for event in sung.events if isinstance(event, SoloEvent)]
    truth = Truth.of(sung.onset_beats[reached], sung.onset_s[reached])
    yield cut(Case(song.title or Path(SONG).stem, song, events, truth), SECONDS), PROGRAM


def cut(case: Case, seconds: float) -> Case:
    """The first ``seconds`` from its first note; the page stays whole."""
    last_s = min(event.time_s for event in case.heard if event.on) + seconds
    heard = [event for event in case.heard if event.time_s < last_s]
    open_notes: dict[int, int] = {}
    for event in heard:
        open_notes[event.pitch] = open_notes.get(event.pitch, 0) + (1 if event.on else -1)
    heard += [SoloEvent(last_s, last_s, False, pitch, 0) for pitch, count in open_notes.items() for _ in range(count)]
    kept = case.truth.time_s < last_s
    return replace(case, heard=heard, truth=Truth.of(case.truth.beat[kept], case.truth.time_s[kept]))


def as_sound(heard: Sequence[SoloEvent], program: int, font: Path | None, seed: int) -> Made:
    """The notes as a microphone hears them, dry."""
    rendered = render_solo(heard, program, font, sample_rate=RATE).mean(axis=1)
    sound = rendered * (LEVEL / max(loudness(rendered[:, None], RATE), 1e-9))
    return Made((sound + NOISE * np.random.default_rng(seed).standard_normal(len(sound))).astype(np.float32))


def row_of(case: Case, sound: Made | None, predictor: str) -> WholeRow:
    """The engine with one take, as ``sound`` or (None) as the notes that it is."""
    first_s = min(event.time_s for event in case.heard if event.on)
    settings = Settings(first_onset_s=first_s)
    engine = Engine(case.score, make_follower(None, case.score), make_predictor(predictor, case.score), settings)
    if sound is None:
        values = list(rehearse(engine, VirtualClock(case.heard)))
    else:
        values = list(rehearse(engine, VirtualClock(), RecordedSoloist(sound, case.score)))
    header = TakeHeader(case.score.title, case.score.digest, "", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the ruler questions is said by the tests
        found = measure_take(make_take(header, values), case.score, case.truth).asynchrony
    return WholeRow(
        case.group, "MIDI" if sound is None else "sound", found.count,
        1000 * found.mean_abs_s, 1000 * found.median_abs_s, found.share[50], found.share[100],
    )  # fmt: skip


def evaluate_whole(
    corpora: Path | None = None,
    font: Path | None = None,
    *,
    seed: int = 0,
    predictor: str = SHIPPED_POLICY,
    tell: Callable[[str], None] = lambda what: None,
) -> list[WholeRow]:
    """Two rows for each take: as MIDI, then as sound."""
    rows = []
    for case, program in cases(corpora, seed):
        tell(case.group)
        rows.append(row_of(case, None, predictor))
        rows.append(row_of(case, as_sound(case.heard, program, font, seed), predictor))
    return rows
