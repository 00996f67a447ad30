"""How well soloists are heard: real violin recordings, beside other people's audio followers on the same files.

Conventions: see ``measure``. Every recording goes through the streaming chain of a concert (``listen.recording``), its
notes through the engine's follower. ``onset`` errors are of the estimated beginning (``onset_s`` of the first position
that reached an onset), ``report`` errors of the moment it was reported, ``line`` errors of the moment it was reached by
the position that goes on between reports as the plan says. A peer's position moves with every frame and
has no estimate of its own: it counts as all three. Alignments were estimated with about 30 ms resolution; nothing was
tuned on these files.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.evaluate.listen_peers import peer_run
from collaparte.evaluate.listen_plot import plot_onsets
from collaparte.events import Position, TempoPlan
from collaparte.follow import make_follower
from collaparte.listen.audio import open_recording
from collaparte.listen.recording import RecordedSoloist
from collaparte.measure import Onsets, Plans, Track, following_errors, group_onsets, is_lost, line_errors, summarise
from collaparte.predict import SHIPPED_POLICY, make_predictor
from collaparte.score import Score, read_score
from collaparte.training.data.corpus import unpack

TICKS_PER_QUARTER = 24
TOLERANCES_MS = (50, 100, 250)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """One recording with its page and when each onset truly sounded."""

    name: str
    sound: Path
    page: Path
    score: Score
    truth: Onsets
    folded: bool  # the page's repeats are not taken

    @property
    def bpm(self) -> float:
        """The true mean tempo, quarters a minute."""
        beats, times = self.truth.beat, self.truth.first_s
        return float(60.0 * (beats[-1] - beats[0]) / (times[-1] - times[0]))


@dataclass(frozen=True)
class Row:
    """One listener on one recording, or (``recording`` "all") on all; milliseconds, shares 0..1 of all onsets."""

    recording: str
    listener: str
    onsets: int
    onset_median_ms: float
    onset_signed_ms: float
    onset_within: tuple[float, ...]  # TOLERANCES_MS
    line_median_ms: float
    line_signed_ms: float
    line_within: tuple[float, ...]
    report_median_ms: float
    report_signed_ms: float
    report_within: tuple[float, ...]
    lost: int
    real_time: float  # CPU seconds for each second of sound


@dataclass(frozen=True)
class Heard:
    """What a listener made of a recording: signed errors in seconds, NaN where an onset was never reached."""

    onset_s: Array
    line_s: Array
    report_s: Array
    cpu_s: float
    sound_s: float


def violin_recordings(corpora: Path | None = None) -> Iterator[Recorded]:
    """The recordings of the corpus ``bach-violin``; their alignments count from where the recording's music starts."""
    folder = unpack("bach-violin", corpora)
    with (folder / "info.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        name, player = row["filename"], row["violinist"]
        sound = next(path for path in (folder / "audio" / player).iterdir() if path.stem == name)
        notes = np.genfromtxt(folder / "notes" / player / f"{name}.csv", delimiter=",", names=True)
        aligned = np.genfromtxt(folder / "alignments" / player / f"{name}.csv", delimiter=",", names=True)
        hours, minutes, seconds = (int(part) for part in row["start"].split(":"))
        starts_s = 3600 * hours + 60 * minutes + seconds
        page = folder / "scores" / f"{row['score_filename']}.mxl"
        score = read_score(page, choose=False).with_solo(["1"])
        truth = group_onsets(notes["onset"] / TICKS_PER_QUARTER, aligned["start"] + starts_s)
        yield Recorded(name, sound, page, score, truth, row["repeat1"] == "0" and row["repeat2"] == "0")


def hear_recording(
    case: Recorded, follower: str | None = None, predictor: str = SHIPPED_POLICY, *, hearing: str = "auto"
) -> Heard:
    """Our own ears, with the follower and the predictor of the engine."""
    recording = open_recording(case.sound)
    engine = Engine(case.score, make_follower(follower, case.score), make_predictor(predictor, case.score), Settings())
    soloist = RecordedSoloist(recording, case.score, hearing=hearing)
    began = time.process_time()
    values = list(rehearse(engine, VirtualClock(), soloist))
    cpu_s = time.process_time() - began
    positions = [value for value in values if isinstance(value, Position)]
    sure = [item for item in positions if item.state in ("playing", "finished")]
    began_s = Track(
        np.array([item.onset_s for item in sure]), np.array([item.beat for item in sure]),
        np.array([item.certainty for item in sure]), np.ones(len(sure), dtype=bool),
    )  # fmt: skip
    return Heard(
        following_errors(began_s, case.truth),
        line_errors(Plans.of(value for value in values if isinstance(value, TempoPlan)), case.truth),
        following_errors(Track.of(positions), case.truth),
        cpu_s,
        recording.duration_s,
    )


def draw_minute(case: Recorded, heard: Heard, path: Path, from_s: float) -> None:
    """The given alignment and what was heard, over the spectrogram."""
    sound = np.concatenate([block for _, block in open_recording(case.sound).blocks()])
    plot_onsets(sound, case.truth.first_s, case.truth.first_s + heard.onset_s, path, from_s=from_s)


def hear_peer(case: Recorded, method: str, python: Path | str) -> Heard:
    """One of pymatchmaker's audio followers with its defaults and the true mean tempo, in its own Python."""
    recording = open_recording(case.sound)
    data = peer_run(method, case.page, case.sound, case.bpm, case.folded, python)
    beats, times = data["beat"], data["time_s"]
    track = Track(times, beats, np.ones(len(beats)), np.ones(len(beats), bool))
    errors = following_errors(track, case.truth)
    return Heard(errors, errors, errors, float(data["cpu_s"]), recording.duration_s)


def row_of(recording: str, listener: str, heard: Sequence[Heard]) -> Row:
    """The figures of one listener on these recordings together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a peer lost for minutes is no slip of units
        onset, line, report = (
            summarise(np.concatenate(errors), tolerances_ms=TOLERANCES_MS)
            for errors in zip(*((one.onset_s, one.line_s, one.report_s) for one in heard), strict=True)
        )
    return Row(
        recording,
        listener,
        onset.count,
        1000 * onset.median_abs_s,
        1000 * onset.median_s,
        tuple(onset.share[tolerance] for tolerance in TOLERANCES_MS),
        1000 * line.median_abs_s,
        1000 * line.median_s,
        tuple(line.share[tolerance] for tolerance in TOLERANCES_MS),
        1000 * report.median_abs_s,
        1000 * report.median_s,
        tuple(report.share[tolerance] for tolerance in TOLERANCES_MS),
        sum(is_lost(one.report_s) for one in heard),
        sum(one.cpu_s for one in heard) / sum(one.sound_s for one in heard),
    )


def evaluate_listen(
    corpora: Path | None = None,
    *,
    peers: Sequence[str] = (),
    peers_python: Path | str = sys.executable,
    follower: str | None = None,
    predictor: str = SHIPPED_POLICY,
    only: Sequence[str] = (),
    recordings: Iterable[Recorded] | None = None,
    hearing: str = "auto",
    plot: Path | None = None,
    plot_from_s: float = 60.0,
    tell: Callable[[str], None] = lambda what: None,
) -> list[Row]:
    """A row for each recording and listener, then one for each listener over all recordings.

    Without ``recordings`` those of ``violin_recordings``; ``only`` those of these names. A minute of the first one is
    drawn to ``plot`` (see ``listen_plot``).
    """
    cases = (case for case in recordings or violin_recordings(corpora) if not only or case.name in only)
    heard: dict[str, list[Heard]] = {}
    rows: list[Row] = []
    for case in cases:
        for listener in ("collaparte", *peers):
            tell(f"{listener}: {case.name}")
            ours = listener == "collaparte"
            if ours:
                one = hear_recording(case, follower, predictor, hearing=hearing)
            else:
                one = hear_peer(case, listener, peers_python)
            if plot is not None and ours and not rows:
                draw_minute(case, one, plot, plot_from_s)
            heard.setdefault(listener, []).append(one)
            rows.append(row_of(case.name, listener, [one]))
    return rows + [row_of("all", listener, several) for listener, several in heard.items()]
