"""Whom the studio's browser tests follow: real performances, as sound or keys, with the truth beside them.

``real_prelude`` is a real pianist's right hand: its page is the corpus' own MusicXML, its times are those of the match
file. ``sung_song`` is the voice of a song, of which there is no performance: it is sung in the time a real pianist took
for something else, quarter for quarter (how the performance stretched each beat, laid on the song's written tempo).
Times are seconds from the first note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.events import SoloEvent
from collaparte.listen.simulated import simulate_solo
from collaparte.pieces import piece_path, solo_part
from collaparte.score import GRACE, Score, read_score
from collaparte.sound.render import render_solo, write_wav
from collaparte.sound.soundfont import find_soundfont

RATE = 48000
PRELUDE = "nasap/Bach/Prelude/bwv_868"
RUBATO = "nasap/Beethoven/Piano_Sonatas/10-1"  # half of its quarters are 4 % longer or shorter than the middle one
SUNG = 0.9  # of a written length
VELOCITY = 80
PIANO = 0


@dataclass(frozen=True)
class Played:
    """``path`` is what is imported, None for the shipped piece; ``beats`` (n,) begin at ``onset_s`` (n,)."""

    path: Path | None
    score: Score
    events: tuple[SoloEvent, ...]
    beats: NDArray[np.float64]
    onset_s: NDArray[np.float64]
    program: int
    hand: str = "both"

    @property
    def from_bar(self) -> str:
        """The printed number of the bar in which the soloist begins."""
        return self.score.bar_at(float(self.beats[0])).number

    def cut(self, seconds: float) -> Played:
        """The beginning."""
        kept = self.onset_s < seconds
        events = tuple(event for event in self.events if event.time_s < seconds)
        return replace(self, events=events, beats=self.beats[kept], onset_s=self.onset_s[kept])

    def later(self, seconds: float) -> Played:
        """The same after so much silence."""
        events = tuple(
            replace(event, time_s=event.time_s + seconds, heard_s=event.time_s + seconds) for event in self.events
        )
        return replace(self, events=events, onset_s=self.onset_s + seconds)

    def write(self, path: Path) -> Path:
        """As a recording."""
        write_wav(path, render_solo(self.events, self.program, find_soundfont(), sample_rate=RATE), RATE)
        return path

    def struck(self, at_s: Sequence[float]) -> Played:
        """The same with the truth as it came about: when each of its notes, in order, was really struck."""
        meant_s = [event.time_s for event in self.events if event.on]
        onset_s = np.full(len(self.beats), np.inf)
        which = np.searchsorted(self.onset_s, np.array(meant_s) + 1e-6) - 1
        np.minimum.at(onset_s, which, np.array(at_s))
        return replace(self, onset_s=onset_s)

    def late(self, at_s: Sequence[float]) -> list[tuple[float, float]]:
        """When its notes were really struck, and by how much that was later than meant, the earliest being in time."""
        meant_s = np.array([event.time_s for event in self.events if event.on])
        late_s = np.array(at_s) - meant_s
        return list(zip(at_s, (late_s - late_s.min()).tolist(), strict=True))

    def true_s(self, beats: NDArray[np.float64]) -> NDArray[np.float64]:
        """When the soloist was at these beats."""
        found: NDArray[np.float64] = np.interp(beats, self.beats, self.onset_s)
        return found


def real_prelude(corpus: Callable[[str], Path]) -> Played:
    """The right hand of Bach's prelude BWV 868, as a pianist played it."""
    from collaparte.training.data import MATCH, read_match

    folder = corpus("nasap-train") / PRELUDE
    score = read_score(folder / "xml_score.musicxml", None, "1", hand="right")
    match = read_match(next(folder.glob("*.match")))
    beat_of = {str(row["id"]): float(row["beat"]) for row in score.solo}
    rows = [row for row in range(len(match)) if match.kind[row] == MATCH and str(match.score_id[row]) in beat_of]
    begun_s = min(float(match.onset_s[row]) for row in rows)
    events, first_s = [], dict[float, float]()
    for row in rows:
        on_s, off_s = float(match.onset_s[row]) - begun_s, float(match.offset_s[row]) - begun_s
        events += _note(on_s, max(off_s, on_s + 0.03), int(match.pitch[row]), int(match.velocity[row]))
        beat = beat_of[str(match.score_id[row])]
        first_s[beat] = min(on_s, first_s.get(beat, on_s))
    beats = np.array(sorted(first_s))
    onset_s = np.maximum.accumulate([first_s[beat] for beat in beats])
    return Played(folder / "xml_score.musicxml", score, _in_order(events), beats, onset_s, PIANO, "right")


def sung_song(song: Path, corpus: Callable[[str], Path]) -> Played:
    """The voice of ``song`` in a real pianist's time."""
    from collaparte.training.data import MATCH, read_match

    match = read_match(next((corpus("nasap-train") / RUBATO).glob("*.match")))
    played = (match.kind == MATCH) & ~match.grace
    quarters, first = np.unique(match.beat[played], return_index=True)
    time_s = np.maximum.accumulate(match.onset_s[played][first])
    took_s = np.diff(np.interp(np.arange(quarters[0], quarters[-1]), quarters, time_s))
    stretched = took_s / np.median(took_s)
    score = read_score(song, None, "1")
    grid = np.arange(score.solo_onsets[0], score.end_beat + 1, 0.25)
    written_s = np.array([score.seconds_at(beat) for beat in grid])
    which = ((grid[:-1] - grid[0]) // 1).astype(int) % len(stretched)
    grid_s = np.concatenate([[0.0], np.cumsum(np.diff(written_s) * stretched[which])])
    events: list[SoloEvent] = []
    for row in score.solo[score.solo["kind"] != GRACE]:
        begin_s, end_s = np.interp([row["beat"], row["beat"] + row["duration_beats"]], grid, grid_s)
        events += _note(
            float(begin_s), float(begin_s + max(SUNG * (end_s - begin_s), 0.03)), int(row["pitch"]), VELOCITY
        )
    beats = np.unique(score.solo["beat"][score.solo["kind"] != GRACE])
    program = next(part.program for part in score.parts if part.solo)
    return Played(song, score, _in_order(events), beats, np.interp(beats, grid, grid_s), program)


def simulated(name: str, seed: int) -> Played:
    """A shipped piece by a simulated soloist, where the corpora are not here."""
    score = read_score(piece_path(name), None, solo_part(name))
    take = simulate_solo(score, seed, "low")
    there = np.isfinite(take.onset_s)
    begun_s = float(take.onset_s[0])
    events = [
        replace(event, time_s=event.time_s - begun_s, heard_s=event.time_s - begun_s)
        for event in take.events
        if isinstance(event, SoloEvent) and event.time_s >= begun_s
    ]
    program = next(part.program for part in score.parts if part.solo)
    return Played(None, score, tuple(events), take.onset_beats[there], take.onset_s[there] - begun_s, program)


def _note(on_s: float, off_s: float, pitch: int, velocity: int) -> list[SoloEvent]:
    return [SoloEvent(on_s, on_s, True, pitch, velocity), SoloEvent(off_s, off_s, False, pitch, 0)]


def _in_order(events: list[SoloEvent]) -> tuple[SoloEvent, ...]:
    return tuple(sorted(events, key=lambda event: (event.time_s, event.on)))
