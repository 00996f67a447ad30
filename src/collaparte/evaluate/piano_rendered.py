"""Whole piano performances as sound: every note and pedal of a match file, played by a soundfont, dry.

Conventions: see ``listen_rendered``, whose loudness and microphone noise these share. Onsets are those of the
page's notes (grace notes left out), each at the first of its notes to sound.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.evaluate.follow_cases import held_out, score_of_match
from collaparte.evaluate.listen_rendered import LOUDNESS, NOISE, SILENCE_S, TAIL_S, bend
from collaparte.listen.audio import Resampler
from collaparte.measure import Onsets, group_onsets
from collaparte.score import Part, Score
from collaparte.sound.attack import REVERB, leads_s
from collaparte.sound.player import BLOCK_FRAMES, Player
from collaparte.sound.voices import CONTROL, NOTE_OFF, NOTE_ON
from collaparte.training.data import MATCH, read_match
from collaparte.training.data.corpus import unpack

PEDAL_DOWN = 64
PROGRAMS = {"piano": 0, "guitar": 24}
GUITAR_LOWEST, GUITAR_HIGHEST = 40, 88
MOST_UNMATCHED = 0.10
FEWEST = 100  # notes

_SUSTAIN = re.compile(r"^sustain\((\d+),(\d+)\)\.", re.MULTILINE)
_CLOCK = re.compile(r"^info\((midiClockUnits|midiClockRate),([\d.]+)\)\.", re.MULTILINE)

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Performance:
    """``notes`` rows (begins s, ends s, pitch, velocity) in order, ``pedal`` rows (s, value); ``truth`` of the page."""

    name: str
    piece: str
    score: Score
    notes: Floats
    pedal: Floats
    truth: Onsets

    def cut(self, seconds: float, from_s: float = 0.0) -> Performance:
        """``seconds`` of it, on a clock that begins at ``from_s``; the page stays whole."""
        until_s = from_s + seconds
        notes = self.notes[(self.notes[:, 0] >= from_s) & (self.notes[:, 0] < until_s)].copy()
        notes[:, 1] = np.minimum(notes[:, 1], until_s)
        notes[:, :2] -= from_s
        before = self.pedal[self.pedal[:, 0] < from_s]
        pedal = self.pedal[(self.pedal[:, 0] >= from_s) & (self.pedal[:, 0] < until_s)].copy()
        pedal[:, 0] -= from_s
        if len(before):
            pedal = np.concatenate([[[0.0, before[-1, 1]]], pedal])
        kept = (self.truth.first_s >= from_s) & (self.truth.first_s < until_s)
        truth = group_onsets(self.truth.beat[kept], self.truth.first_s[kept] - from_s)
        return replace(self, notes=notes, pedal=pedal, truth=truth)


def performances(
    corpus: str, corpora: Path | None = None, *, players: int | None = None, seed: int = 0, training: bool = False
) -> Iterator[Performance]:
    """``players`` performances (None: all) of every piece of ``corpus`` (vienna4x22, nasap), dealt by ``seed``.

    Of nasap only the well aligned ones, of pieces that nothing was tuned on, or with ``training`` of the others.
    """
    folder = unpack(corpus, corpora)
    by_piece: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.match")):
        piece = path.parent.relative_to(folder).as_posix() if corpus == "nasap" else path.stem.rpartition("_p")[0]
        by_piece.setdefault(piece, []).append(path)
    names = sorted(by_piece)
    if corpus == "nasap":
        kept = set(held_out(names))
        names = [name for name in names if (name in kept) != training]
    rng = random.Random(seed)
    for name in names:
        paths = by_piece[name]
        for path in sorted(rng.sample(paths, min(players or len(paths), len(paths)))):
            found = performance_of(path, f"{name}/{path.stem}" if corpus == "nasap" else path.stem, name)
            if found is not None:
                yield found


def performance_of(path: Path, name: str, piece: str) -> Performance | None:
    """The performance in one match file; None where it is short or fits its page badly."""
    match = read_match(path)
    sounding = np.flatnonzero(match.performed)
    if match.unmatched_share > MOST_UNMATCHED or len(sounding) < FEWEST:
        return None
    zero_s = float(match.onset_s[sounding].min()) - SILENCE_S
    notes = np.stack(
        [match.onset_s[sounding] - zero_s, match.offset_s[sounding] - zero_s, match.pitch[sounding],
         match.velocity[sounding]], axis=1,
    )  # fmt: skip
    notes[:, 1] = np.maximum(notes[:, 1], notes[:, 0] + 0.03)
    notes = notes[np.argsort(notes[:, 0], kind="stable")]
    text = path.read_text(encoding="utf-8", errors="replace")
    clock = dict(_CLOCK.findall(text))
    tick_s = float(clock.get("midiClockRate", 500000)) / 1e6 / float(clock.get("midiClockUnits", 480))
    pedal = np.array([(int(tick) * tick_s - zero_s, float(value)) for tick, value in _SUSTAIN.findall(text)])
    pedal = pedal.reshape(-1, 2)
    pedal[:, 0] = np.maximum(pedal[:, 0], 0.0)
    known = np.flatnonzero((match.kind == MATCH) & ~match.grace)
    truth = group_onsets(np.round(match.beat[known], 6), match.onset_s[known] - zero_s)
    return Performance(name, piece, score_of_match(match, name), notes, pedal, truth)


def for_guitar(performance: Performance) -> Performance:
    """As a guitar might have it: without pedal, notes moved by octaves into its compass, page and playing alike."""

    def moved(pitches: Floats) -> Floats:
        low = np.ceil(np.maximum(GUITAR_LOWEST - pitches, 0) / 12) * 12
        high = np.ceil(np.maximum(pitches - GUITAR_HIGHEST, 0) / 12) * 12
        return np.asarray(pitches + low - high)

    notes, page = performance.notes.copy(), performance.score.notes.copy()
    notes[:, 2] = moved(notes[:, 2])
    page["pitch"] = moved(page["pitch"].astype(np.float64))
    return replace(performance, notes=notes, pedal=np.zeros((0, 2)), score=replace(performance.score, notes=page))


def sustained(performance: Performance) -> Floats:
    """The notes, each lasting until the pedal lets it go.

    The synthesiser is told no pedal: among the hundreds of values that a pedal's sensor sends, notes came out 40 dB too
    soft (Mozart K. 331 of vienna4x22 was hardly audible).
    """
    notes, pedal = performance.notes.copy(), performance.pedal
    if not len(pedal):
        return notes
    last = np.searchsorted(pedal[:, 0], notes[:, 1], side="right") - 1
    held = (last >= 0) & (pedal[last, 1] >= PEDAL_DOWN)
    ups = pedal[pedal[:, 1] < PEDAL_DOWN, 0]
    after = np.append(ups, float(notes[:, 1].max()))[np.searchsorted(ups, notes[:, 1], side="right")]
    notes[:, 1] = np.where(held, np.maximum(after, notes[:, 1]), notes[:, 1])
    return notes


def render(
    performance: Performance,
    font: Path | None,
    *,
    program: int = 0,
    seed: int = 0,
    cents: float = 0.0,
) -> Array:
    """The sound, mono (n,) at 16 kHz; ``cents`` is the tuning against A = 440 Hz.

    Without ``font`` the synthesiser's own modelled bank plays.
    """
    part = Part("Soloist", 1, program)
    lead_s = np.array(leads_s([part], font)[part.name])
    with Player([part], font, spread=False) as player:
        channel = player.seats[part.name][1].channel
        timed: list[tuple[float, int, tuple[int, ...]]] = [
            (0.0, 0, (CONTROL | channel, REVERB, 0)), (0.0, 0, bend(channel, cents)),
        ]  # fmt: skip
        ends: dict[int, float] = {}
        for begin_s, end_s, pitch, velocity in sustained(performance)[::-1].tolist():
            key = int(pitch)
            if not 0 <= key <= 127:
                continue
            at_s = max(begin_s - float(lead_s[key]), 0.0)
            end_s = max(min(end_s - float(lead_s[key]), ends.get(key, np.inf) - 0.002), at_s + 0.005)
            ends[key] = at_s
            timed.append((at_s, 2, (NOTE_ON | channel, key, min(max(int(velocity), 1), 127))))
            timed.append((end_s, 0, (NOTE_OFF | channel, key, 0)))
        timed.sort(key=lambda item: item[:2])
        rate = player.sample_rate
        frames = round((float(performance.notes[:, 1].max()) + TAIL_S) * rate)
        resampler, pieces, place = Resampler(rate), [], 0
        while player.frame < frames:
            horizon = player.frame + BLOCK_FRAMES
            while place < len(timed) and round(timed[place][0] * rate) < horizon:
                player.push(0, timed[place][2], round(timed[place][0] * rate))
                place += 1
            pieces.append(resampler.push(player.block().mean(axis=1)))
        pieces.append(resampler.push(np.zeros(0, np.float32), last=True))
    sound = np.concatenate(pieces)
    loud = np.sqrt(np.mean(sound[np.abs(sound) > 0.05 * np.abs(sound).max()] ** 2))
    noise = NOISE * np.random.default_rng(seed).standard_normal(len(sound))
    return np.asarray(sound * (LOUDNESS / max(float(loud), 1e-9)) + noise, np.float32)
