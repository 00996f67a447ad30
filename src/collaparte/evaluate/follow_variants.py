"""The same performance with something gone wrong, seeded: what a follower must survive.

Each variant takes a ``Playing``, the score and a random generator, and returns another ``Playing`` whose truth has
changed with it. Notes that are not on the page (insertions) stay with the notes around them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from collaparte.evaluate.follow_cases import Array, Playing
from collaparte.events import SoloEvent
from collaparte.listen.simulated import simulate_solo
from collaparte.score import NOTE, Score

SHARE = 0.10
PAUSE_S = 6.0
JUMP_BEATS = 8.0
HESITATION_S = 0.4  # before going back to the beginning of a bar
SLIPS = [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]  # semitones

Variant = Callable[[Playing, Score, np.random.Generator], Playing]


def clean(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """As it was played."""
    return playing


def wrong_pitches(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """One note in ten is struck up to a fourth beside the right one (and still counts as that note)."""
    pitch = playing.pitch.copy()
    hit = rng.random(len(pitch)) < SHARE
    pitch[hit] = np.clip(pitch[hit] + rng.choice(SLIPS, int(hit.sum())), 21, 108)
    return _rows(playing, np.arange(len(playing)), pitch=pitch)


def omitted_and_added(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """One note in ten is missing; as many are added, within an octave of their neighbour, at any time between two."""
    kept = _rows(playing, np.flatnonzero(rng.random(len(playing)) >= SHARE))
    if len(kept) < 2:
        return kept
    after = rng.choice(len(kept) - 1, round(SHARE * len(playing)))
    time_s = kept.time_s[after] + rng.random(len(after)) * (kept.time_s[after + 1] - kept.time_s[after])
    pitch = np.clip(kept.pitch[after] + rng.integers(-12, 13, len(after)), 21, 108).astype(np.int16)
    order = np.argsort(np.concatenate([kept.time_s, time_s]), kind="stable")
    return Playing(
        np.concatenate([kept.time_s, time_s])[order],
        np.concatenate([kept.pitch, pitch])[order],
        np.concatenate([kept.velocity, kept.velocity[after]])[order],
        np.concatenate([kept.beat, np.full(len(after), np.nan)])[order],
        np.concatenate([kept.passage, kept.passage[after]])[order],
    )


def pause(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """Six seconds of nothing before a chord somewhere in the middle."""
    chords = playing.truth.onsets
    start_s = float(chords.first_s[_middle(len(chords), rng)])
    return _rows(playing, np.arange(len(playing)), time_s=playing.time_s + PAUSE_S * (playing.time_s >= start_s - 1e-9))


def skip(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """Eight quarters are left out."""
    return _jump(playing, rng, JUMP_BEATS, 0.0)


def repeat(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """Eight quarters are played again."""
    return _jump(playing, rng, -JUMP_BEATS, 0.0)


def restart_bar(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """In the second half of a bar the player hesitates and begins the bar again."""
    bars = [bar for bar in score.bars if bar.duration_beats >= 1.0]
    chords = playing.truth.onsets
    for _ in range(200):
        leave = float(chords.beat[_middle(len(chords), rng)])
        bar = next(
            (bar for bar in bars if bar.beat + bar.duration_beats / 2 <= leave < bar.beat + bar.duration_beats), None
        )
        if bar is not None and (chords.beat == bar.beat).any():
            return _jump(playing, rng, bar.beat - leave, HESITATION_S, leave)
    return _jump(playing, rng, -2.0, HESITATION_S)


def start_anywhere(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
    """The player begins at some bar of the first two thirds, unannounced."""
    chords = playing.truth.onsets
    inside = [bar.beat for bar in score.bars if chords.beat[0] + 8 <= bar.beat <= chords.beat[2 * len(chords) // 3]]
    beat = float(rng.choice(inside)) if inside else float(chords.beat[len(chords) // 2])
    start_s = float(chords.first_s[np.searchsorted(chords.beat, beat - 1e-6)])
    rows = np.flatnonzero(_side(playing, beat))
    moved = _rows(playing, rows, time_s=playing.time_s - start_s + 0.5)
    return Playing(moved.time_s, moved.pitch, moved.velocity, moved.beat, moved.passage, 0.5)


def amateur(level: str) -> Variant:
    """The page played by a simulated amateur instead: hesitations, stumbles, corrections, restarts of the bar."""

    def play(playing: Playing, score: Score, rng: np.random.Generator) -> Playing:
        take = simulate_solo(score, seed=int(rng.integers(1 << 30)), level=level)
        solo = score.solo
        rows, seen = [], set[int]()
        for event, row in zip(take.events, take.rows.tolist(), strict=True):
            if isinstance(event, SoloEvent) and event.on:
                on_page = row >= 0 and int(solo["kind"][row]) == NOTE
                beat = float(solo["beat"][row]) if on_page else np.nan
                rows.append((event.time_s, event.pitch, event.velocity, np.nan if row in seen else beat, beat))
                seen.add(row)
        table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 5)
        pitch, velocity = table[:, 1].astype(np.int16), table[:, 2].astype(np.int16)
        return Playing(table[:, 0], pitch, velocity, table[:, 3], np.zeros(len(table), np.int64), again=table[:, 4])

    return play


def _middle(count: int, rng: np.random.Generator) -> int:
    """A place between a quarter and two thirds of the way."""
    return int(rng.integers(max(count // 4, 1), max(2 * count // 3, count // 4 + 2)))


def _side(playing: Playing, beat: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True (n,) for the notes at ``beat`` or later; a note that is not on the page goes with the note before it."""
    known = np.flatnonzero(~np.isnan(playing.beat))
    before = known[np.maximum(np.searchsorted(known, np.arange(len(playing)), side="right") - 1, 0)]
    return np.asarray(playing.beat[before] >= beat - 1e-6)


def _jump(
    playing: Playing, rng: np.random.Generator, by_beats: float, wait_s: float, leave: float | None = None
) -> Playing:
    """Play to a chord near the middle, but go on ``by_beats`` from there, in tempo, after ``wait_s``."""
    chords = playing.truth.onsets
    if leave is None:
        inside = chords.beat[
            (chords.beat + by_beats >= chords.beat[0]) & (chords.beat + by_beats <= chords.beat[-1] - 8)
        ]
        inside = inside if len(inside) else chords.beat[len(chords) // 2 : len(chords) // 2 + 1]
        leave = float(inside[min(_middle(len(inside), rng), len(inside) - 1)])
    resume = float(chords.beat[min(int(np.searchsorted(chords.beat, leave + by_beats - 1e-6)), len(chords) - 1)])
    leave_s = float(chords.first_s[np.searchsorted(chords.beat, leave - 1e-6)]) + wait_s
    resume_s = float(chords.first_s[np.searchsorted(chords.beat, resume - 1e-6)])
    head = _rows(playing, np.flatnonzero(~_side(playing, leave)))
    tail = _rows(playing, np.flatnonzero(_side(playing, resume)), time_s=playing.time_s + leave_s - resume_s)
    both = [np.concatenate([one, two]) for one, two in (
        (head.time_s, tail.time_s), (head.pitch, tail.pitch), (head.velocity, tail.velocity), (head.beat, tail.beat),
        (head.passage, tail.passage + 1),
    )]  # fmt: skip
    order = np.argsort(both[0], kind="stable")
    return Playing(both[0][order], both[1][order], both[2][order], both[3][order], both[4][order], leave_s)


def _rows(
    playing: Playing,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    time_s: Array | None = None,
    pitch: np.ndarray[tuple[int], np.dtype[np.int16]] | None = None,
) -> Playing:
    return Playing(
        (playing.time_s if time_s is None else time_s)[rows],
        (playing.pitch if pitch is None else pitch)[rows],
        playing.velocity[rows],
        playing.beat[rows],
        playing.passage[rows],
        playing.jump_s,
    )


VARIANTS: dict[str, Variant] = {
    "clean": clean,
    "10 % wrong": wrong_pitches,
    "10 % omitted, 10 % added": omitted_and_added,
    "pause 6 s": pause,
    "skip 8": skip,
    "repeat 8": repeat,
    "restart bar": restart_bar,
    "start anywhere": start_anywhere,
    "amateur 1": amateur("amateur 1"),
    "amateur 2": amateur("amateur 2"),
    "amateur 3": amateur("amateur 3"),
}
