"""Soloists whose every onset is known: real performances played by a soundfont, dry or in a room.

Conventions: see ``events``. ``sound`` is mono float32 at ``RATE``; the soloist's ``notes`` sound at their ``time_s``
(slow attacks are sent early, as in a concert). The timing, and for wohlfahrt the intonation and vibrato too, are real;
the tone is a sample's. The same arguments give the same sound, to the sample.

- ``melodies``: the top line of piano performances (match files), moved by octaves into the instrument's compass; the
  rest of the page is the orchestra's part.
- ``etudes``: transcribed violin performances of Wohlfahrt's etudes with their pitch bends. They have no scores: the
  page is written from the notes, lengths rounded to multiples of the local pulse.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.evaluate.follow_cases import held_out, score_of_match
from collaparte.events import SoloEvent
from collaparte.listen.audio import RATE, Resampler
from collaparte.measure import Onsets, group_onsets
from collaparte.score import GRACE, Part, Score
from collaparte.score.page import TempoMark
from collaparte.sound.attack import REVERB, leads_s
from collaparte.sound.player import BLOCK_FRAMES, Player
from collaparte.sound.voices import BEND, CONTROL, NOTE_OFF, NOTE_ON
from collaparte.training.data import MATCH, read_match
from collaparte.training.data.corpus import unpack
from collaparte.training.data.onsets import forward, melody

SILENCE_S = 1.0  # before the first note
TAIL_S = 1.5
CHANNELS = 8  # a bowed note may ring on while the next is bent
NOISE = 2e-4  # of full scale, RMS: a quiet microphone
LOUDNESS = 0.05  # RMS of what sounds
CENTS_OF_BEND = 200.0  # MIDI's usual range, either way
PULSES = (1, 2, 3, 4, 6, 8, 12, 16)  # lengths an etude's page may have, in halves of the local pulse
NEAR_NOTES = 9  # notes whose median length is the local pulse

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Voice:
    """An instrument: its General MIDI program and compass."""

    program: int
    lowest: int
    highest: int


INSTRUMENTS = {
    "violin": Voice(40, 55, 100),
    "flute": Voice(73, 60, 96),
    "clarinet": Voice(71, 50, 91),
    "cello": Voice(42, 36, 76),
    "piano": Voice(0, 21, 108),
}


@dataclass(frozen=True)
class Playing:
    """Notes of one performance with their page: what is rendered. ``bends`` rows: time_s, pitch, cents."""

    name: str
    score: Score
    notes: tuple[SoloEvent, ...]  # begins and ends, in order
    truth: Onsets
    bends: NDArray[np.float64]

    def cut(self, seconds: float) -> Playing:
        """The first ``seconds``; the page stays whole."""
        notes = tuple(note for note in self.notes if note.time_s < seconds)
        down = {note.pitch for note in notes if note.on} - {note.pitch for note in notes if not note.on}
        ends = tuple(SoloEvent(seconds, seconds, False, pitch, 0) for pitch in sorted(down))
        kept = self.truth.first_s < seconds
        truth = group_onsets(self.truth.beat[kept], self.truth.first_s[kept])
        return replace(self, notes=notes + ends, truth=truth, bends=self.bends[self.bends[:, 0] < seconds])


@dataclass(frozen=True)
class Rendered:
    """A playing as sound; ``font`` and ``room`` say how it was made."""

    playing: Playing
    instrument: str
    font: str
    room: str
    sound: Array

    @property
    def name(self) -> str:
        return f"{self.playing.name}, {self.instrument}, {self.font}, {self.room}"

    @property
    def duration_s(self) -> float:
        return len(self.sound) / RATE


def melodies(corpus: str, instrument: str, count: int, seed: int, corpora: Path | None = None,
             *, training: bool = False) -> Iterator[Playing]:  # fmt: skip
    """``count`` performances of ``corpus`` (vienna4x22, nasap), one of a piece, their melody played by ``instrument``.

    Of nasap only pieces that no follower or ear was tuned on, or with ``training`` only those that may be tuned on.
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
    rng.shuffle(names)
    found = 0
    for name in names * (1 + count // max(len(names), 1)):
        if found == count:
            return
        path = rng.choice(by_piece[name])
        playing = melody_of(path, f"{name.rpartition('/')[2] if corpus != 'nasap' else name}/{path.stem}", instrument)
        if playing is not None:
            found += 1
            yield playing


def melody_of(path: Path, name: str, instrument: str, fewest: int = 40) -> Playing | None:
    """The melody of one match file as a soloist, the rest of its page as the orchestra; None when it is too short."""
    match = read_match(path)
    rows = np.flatnonzero(match.in_score)
    top = np.zeros(len(match), dtype=bool)
    top[rows[melody(match, rows)]] = True
    top &= ~match.grace
    sounding = np.flatnonzero(top & (match.kind == MATCH))
    sounding = sounding[np.isfinite(forward(match.onset_s[sounding]))]
    if match.unmatched_share > 0.15 or len(sounding) < fewest:
        return None
    shift = _octaves(match.pitch[sounding], INSTRUMENTS[instrument])
    page = score_of_match(match, name)
    melody_ids = set(match.score_id[top].tolist())
    notes = page.notes.copy()
    soloist = np.array([row["id"] in melody_ids and row["kind"] != GRACE for row in notes])
    notes["part"] = np.where(soloist, 0, 1)
    notes["pitch"] = np.where(soloist, notes["pitch"] + shift, notes["pitch"])
    parts = (Part("Melody", 1, INSTRUMENTS[instrument].program, solo=True), Part("Orchestra", 2, 48))
    score = replace(page, notes=notes, parts=parts)
    begins_s = match.onset_s[sounding] - match.onset_s[sounding[0]] + SILENCE_S
    lengths_s = np.maximum(match.offset_s[sounding] - match.onset_s[sounding], 0.03)
    pitches = match.pitch[sounding] + shift
    events = _events(begins_s, lengths_s, pitches, match.velocity[sounding])
    truth = group_onsets(np.round(match.beat[sounding], 6), begins_s)
    return Playing(name, score, events, truth, np.zeros((0, 3)))


def etudes(count: int, seed: int, corpora: Path | None = None, *, training: bool = False) -> Iterator[Playing]:
    """``count`` of Wohlfahrt's etudes as they were played; with ``training`` of those with odd numbers, else even."""
    folder = unpack("wohlfahrt", corpora)
    paths = [path for path in sorted(folder.rglob("*.mid")) if int(path.stem[15:17]) % 2 == int(training)]
    rng = random.Random(seed)
    rng.shuffle(paths)
    for path in paths[:count]:
        yield etude_of(path)


def etude_of(path: Path) -> Playing:
    """One transcribed performance with the page written from it."""
    import mido

    file = mido.MidiFile(path)
    tick_s = 0.5 / file.ticks_per_beat
    begun: dict[tuple[int, int], tuple[float, int]] = {}
    rows, bends = [], []
    for number, track in enumerate(file.tracks):
        now, bend, pitch = 0, 0.0, -1
        loose: list[tuple[float, float]] = []
        for message in track:
            now += message.time
            time_s = now * tick_s
            if message.type == "set_tempo":
                tick_s = message.tempo / 1e6 / file.ticks_per_beat
            elif message.type == "pitchwheel":
                bend = message.pitch / 8192 * CENTS_OF_BEND
                loose.append((time_s, bend))
            elif message.type == "note_on" and message.velocity > 0:
                pitch = message.note
                begun[number, message.note] = (time_s, message.velocity)
            elif message.type in ("note_on", "note_off") and (number, message.note) in begun:
                start_s, velocity = begun.pop((number, message.note))
                rows.append((start_s, time_s - start_s, message.note, velocity))
        bends += [(time_s, float(pitch), cents) for time_s, cents in loose]
    played = np.array(sorted(rows))
    first_s = played[0, 0] - SILENCE_S
    begins_s = np.round(played[:, 0] - first_s, 6)
    kept = np.concatenate([[True], np.diff(begins_s) > 0.03])  # double stops are the transcriber's doubt, mostly
    played, begins_s = played[kept], begins_s[kept]
    beats = np.concatenate([[0.0], np.cumsum(_written(np.diff(begins_s)))])
    lengths = np.append(np.diff(beats), 1.0)
    pitches = played[:, 2].astype(int)
    rows_of_page = [(float(b), float(d), int(p)) for b, d, p in zip(beats, lengths, pitches, strict=True)]
    pulse_s = float(np.median(np.diff(begins_s) / np.diff(beats)))
    page = Score.from_notes(rows_of_page, title=path.stem)
    page = replace(page, tempi=(TempoMark(0.0, _moderate(pulse_s)),), parts=(replace(page.parts[0], program=40),
                                                                            page.parts[1]))  # fmt: skip
    events = _events(begins_s, played[:, 1], pitches, played[:, 3].astype(int))
    bent = np.array(sorted(bends))
    bent[:, 0] -= first_s
    return Playing(path.stem, page, events, group_onsets(beats, begins_s), bent)


def _written(lengths_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quarters each note is written as: the local pulse (a median) is an eighth, lengths are in halves of it."""
    half = NEAR_NOTES // 2
    padded = np.pad(lengths_s, half, mode="edge")
    pulse = np.median(np.lib.stride_tricks.sliding_window_view(padded, NEAR_NOTES), axis=1)
    choices = np.array(PULSES, dtype=np.float64)
    nearest = np.argmin(np.abs(np.log(lengths_s / pulse)[:, None] - np.log(choices / 2)[None, :]), axis=1)
    return np.asarray(choices[nearest] / 4)


def _moderate(beat_period_s: float) -> float:
    """A tempo as a page would say it: within a fifth of the true one, not the true one."""
    steps = np.array([0.3, 0.4, 0.5, 0.6, 0.75, 1.0, 1.3])
    return float(steps[np.argmin(np.abs(np.log(steps / beat_period_s)))])


def _octaves(pitches: NDArray[np.int16], voice: Voice) -> int:
    """The whole octaves that bring most of ``pitches`` into the compass, the fewest of them."""
    choices = sorted(range(-36, 37, 12), key=abs)
    inside = [((pitches + shift >= voice.lowest) & (pitches + shift <= voice.highest)).mean() for shift in choices]
    return choices[int(np.argmax(np.round(inside, 3)))]


def _events(begins_s: NDArray[np.float64], lengths_s: NDArray[np.float64], pitches: NDArray[np.integer],
            velocities: NDArray[np.integer]) -> tuple[SoloEvent, ...]:  # fmt: skip
    """Notes as events in order; a line: none rings on into the next of its own pitch."""
    ends_s = begins_s + lengths_s
    events = []
    last: dict[int, int] = {}
    for index, pitch in enumerate(pitches.tolist()):
        if pitch in last:
            ends_s[last[pitch]] = min(ends_s[last[pitch]], begins_s[index] - 0.001)
        last[pitch] = index
    for begin_s, end_s, pitch, velocity in zip(begins_s.tolist(), ends_s.tolist(), pitches.tolist(),
                                               velocities.tolist(), strict=True):  # fmt: skip
        events.append(SoloEvent(begin_s, begin_s, True, pitch, velocity))
        events.append(SoloEvent(end_s, end_s, False, pitch, 0))
    return tuple(sorted(events, key=lambda event: (event.time_s, event.on)))


def render_playing(
    playing: Playing,
    instrument: str,
    font: Path | None,
    *,
    room: str = "dry",
    seed: int = 0,
    cents: float = 0.0,
    transpose: int = 0,
) -> Rendered:
    """``playing`` by ``instrument`` of ``font``, over the noise of a quiet microphone, in ``room`` (dry, small, hall).

    ``cents`` is the soloist's tuning against A = 440 Hz; ``transpose`` semitones the sound lies above the page.
    """
    return next(render_in(playing, instrument, font, (room,), seed=seed, cents=cents, transpose=transpose))


def render_in(
    playing: Playing,
    instrument: str,
    font: Path | None,
    rooms: Sequence[str],
    *,
    seed: int = 0,
    cents: float = 0.0,
    transpose: int = 0,
) -> Iterator[Rendered]:
    """As ``render_playing``, in each of ``rooms``; played but once."""
    dry = _played(playing, INSTRUMENTS[instrument].program, font, cents, transpose)
    for room in rooms:
        sound = dry if room == "dry" else in_room(dry, room, seed)
        loud = np.sqrt(np.mean(sound[np.abs(sound) > 0.05 * np.abs(sound).max()] ** 2))
        noise = NOISE * np.random.default_rng(seed).standard_normal(len(sound))
        sound = (sound * (LOUDNESS / max(float(loud), 1e-9)) + noise).astype(np.float32)
        yield Rendered(playing, instrument, font.stem if font is not None else "built-in", room, sound)


def _played(playing: Playing, program: int, font: Path | None, cents: float, transpose: int) -> Array:
    """The notes alone, mono at RATE."""
    parts = [Part(f"Voice {index}", index + 1, program) for index in range(CHANNELS)]
    lead_s = leads_s(parts[:1], font)[parts[0].name]
    with Player(parts, font, spread=False) as player:
        channels = [player.seats[part.name][1].channel for part in parts]
        rate = player.sample_rate
        timed: list[tuple[float, int, tuple[int, ...]]] = []
        for channel in channels:
            timed.append((0.0, 0, (CONTROL | channel, REVERB, 0)))
            timed.append((0.0, 0, bend(channel, cents)))
        on_channel: dict[int, tuple[int, float]] = {}
        count = 0
        bends = {pitch: playing.bends[playing.bends[:, 1] == pitch] for pitch in set(playing.bends[:, 1].tolist())}
        for event in playing.notes:
            pitch = event.pitch + transpose
            if not 0 <= pitch <= 127:
                continue
            if event.on:
                channel = channels[count % CHANNELS]
                count += 1
                at_s = event.time_s - lead_s[pitch]
                on_channel[event.pitch] = (channel, at_s)
                timed.append((at_s, 2, (NOTE_ON | channel, pitch, min(max(event.velocity, 1), 127))))
                rows = bends.get(float(event.pitch), np.zeros((0, 3)))
                first = np.searchsorted(rows[:, 0], event.time_s - 1e-4)
                last = np.searchsorted(rows[:, 0], _end_of(playing.notes, event))
                for time_s, _, bent in rows[first:last].tolist():
                    timed.append((time_s - lead_s[pitch], 1, bend(channel, cents + bent)))
            elif event.pitch in on_channel:
                channel, at_s = on_channel.pop(event.pitch)
                timed.append((max(event.time_s - lead_s[pitch], at_s + 0.01), 0, (NOTE_OFF | channel, pitch, 0)))
        timed.sort(key=lambda item: item[:2])
        frames = round((timed[-1][0] + TAIL_S) * rate)
        resampler = Resampler(rate)
        pieces, place = [], 0
        while player.frame < frames:
            horizon = player.frame + BLOCK_FRAMES
            while place < len(timed) and round(timed[place][0] * rate) < horizon:
                player.push(0, timed[place][2], round(timed[place][0] * rate))
                place += 1
            pieces.append(resampler.push(player.block().mean(axis=1)))
        pieces.append(resampler.push(np.zeros(0, np.float32), last=True))
    return np.concatenate(pieces)


def _end_of(notes: Sequence[SoloEvent], begun: SoloEvent) -> float:
    return min((note.time_s for note in notes if not note.on and note.pitch == begun.pitch
                and note.time_s > begun.time_s), default=np.inf)  # fmt: skip


def bend(channel: int, cents: float) -> tuple[int, ...]:
    value = int(np.clip(round(8192 + cents / CENTS_OF_BEND * 8192), 0, 16383))
    return (BEND | channel, value & 0x7F, value >> 7)


# Seconds to -60 dB, and the level of the reverberation against the direct sound.
ROOMS = {"small": (0.35, 0.6), "hall": (1.6, 0.8)}


def in_room(dry: Array, room: str, seed: int) -> Array:
    """``dry`` as heard two metres away: direct sound, then noise that decays exponentially (Moorer 1979)."""
    decay_s, level = ROOMS[room]
    rng = np.random.default_rng((seed, 77))
    time_s = np.arange(int(decay_s * RATE)) / RATE
    late = rng.standard_normal(len(time_s)) * 10.0 ** (-3.0 * time_s / decay_s)
    late[: int(0.004 * RATE)] = 0.0
    response = late * (level / np.sqrt((late**2).sum()))
    response[0] = 1.0
    size = 1 << int(np.ceil(np.log2(len(dry) + len(response))))
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)[: len(dry)]
    return np.asarray(wet, np.float32)


__all__ = ["INSTRUMENTS", "Playing", "Rendered", "bend", "etudes", "melodies", "render_in", "render_playing"]
