"""A performance as a recording: the orchestra alone, or soloist and orchestra in one room.

Conventions: audio is float32 (frames, 2); frame 0 is clock zero of the take; sounds before it are played at it.
Attacks of slow presets are compensated as in the concert, so that a note is heard at its ``due_s`` (the soloist's at
its ``time_s``).
"""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import DeviceError
from collaparte.events import Click, OrchestraEvent, Pedal, SoloEvent
from collaparte.score.page import Part
from collaparte.sound.attack import Leads, leads_s
from collaparte.sound.balance import USUAL_A_HZ, volume_of
from collaparte.sound.face import Sounding
from collaparte.sound.player import BLOCK_FRAMES, SAMPLE_RATE, Player
from collaparte.sound.seats import CLICK_LENGTH_S, CLICK_STRONG, CLICK_WEAK, PERCUSSION_CHANNEL, Seat
from collaparte.sound.voices import CONTROL, VOLUME, Voices

TAIL_S = 2.0
MIDI = range(128)
LONGEST_S = 4 * 3600.0  # a damaged time must not fill the disk
SOLO_ABOVE_DB = 3.0  # the soloist's loudness over the whole orchestra's
SOLO_PAN = -0.15  # -1 left, 1 right: where a soloist stands, left of the conductor
PEAK = 0.89  # -1 dB

TELL_BLOCKS = SAMPLE_RATE // BLOCK_FRAMES

Progress = Callable[[float], None]
Level = tuple[float, str, float]  # seconds, part, level
Timed = tuple[float, int, int, Seat, OrchestraEvent | Pedal]  # seconds, order, player, seat, what


def render(
    events: Iterable[Sounding],
    parts: Sequence[Part],
    font: Path | None,
    *,
    sample_rate: int = SAMPLE_RATE,
    compensate: bool = True,
    spread: bool = True,
    levels: Sequence[Level] = (),
    tuning_hz: float = USUAL_A_HZ,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """The orchestra's sound, as loud as the synthesiser makes it. Notes that never end, end with the last event.

    ``levels`` are (seconds, part, level) from which on a part is louder or softer (``sound.balance``), ``tuning_hz``
    is the A. ``progress`` hears the share that is done, 0..1, about once a second of music.
    """
    turned = [(max(at_s, 0.0), Pedal(at_s, at_s, VOLUME, volume_of(level)), part) for at_s, part, level in levels]
    return _render(list(events), turned, parts, font, sample_rate, compensate, spread, tuning_hz, progress)


def render_solo(
    solo: Iterable[SoloEvent | Pedal],
    program: int,
    font: Path | None,
    *,
    sample_rate: int = SAMPLE_RATE,
    compensate: bool = True,
    tuning_hz: float = USUAL_A_HZ,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """The soloist's playing with a General MIDI program, in the middle."""
    notes: list[Sounding] = []
    pedals: list[tuple[float, Pedal, str]] = []
    for value in solo:
        if isinstance(value, Pedal):
            pedals.append((max(value.time_s, 0.0), value, "Soloist"))
        else:
            notes.append(OrchestraEvent(value.time_s, 0.0, "Soloist", value.on, value.pitch, value.velocity))
    part = Part("Soloist", 1, program)
    return _render(notes, pedals, [part], font, sample_rate, compensate, False, tuning_hz, progress)


def _render(
    events: list[Sounding],
    pedals: Sequence[tuple[float, Pedal, str]],
    parts: Sequence[Part],
    font: Path | None,
    sample_rate: int,
    compensate: bool,
    spread: bool,
    tuning_hz: float,
    progress: Progress | None,
) -> NDArray[np.float32]:
    leads: Leads = leads_s(parts, font) if compensate else {}
    with Player(parts, font, sample_rate=sample_rate, spread=spread, tuning_hz=tuning_hz) as player:
        timed = sorted(_timed(events, pedals, player, leads), key=lambda item: item[:2])
        last_s = timed[-1][0] if timed else 0.0
        if last_s > LONGEST_S:
            raise DeviceError(f"The last note is at {last_s:.0f} s; a recording holds at most {LONGEST_S:.0f} s.")
        frames = round((last_s + TAIL_S) * sample_rate)
        voices: dict[int, Voices] = {}
        blocks = []
        place = 0
        while player.frame < frames:
            horizon = player.frame + BLOCK_FRAMES
            while place < len(timed) and (at := round(timed[place][0] * sample_rate)) < horizon:
                _, _, index, seat, what = timed[place]
                place += 1
                held = voices.setdefault(index, Voices())
                if isinstance(what, Pedal):
                    player.push(index, (CONTROL | seat.channel, what.controller, what.value), at)
                    continue
                number = what.note
                for message in (
                    held.on(seat.channel, what.pitch, what.velocity, number)
                    if what.on
                    else held.off(seat.channel, what.pitch, number)
                ):
                    player.push(index, message, at)
                if place == len(timed):
                    for still, other in voices.items():
                        for message in other.release():
                            if message[0] & 0xF0 != CONTROL:
                                player.push(still, message, at)
            blocks.append(player.block())
            if progress is not None and len(blocks) % TELL_BLOCKS == 0:
                progress(min(player.frame / frames, 1.0))
    audio = np.concatenate(blocks)[:frames] if blocks else np.zeros((frames, 2), np.float32)
    return np.ascontiguousarray(audio, dtype=np.float32)


def _timed(
    events: list[Sounding], pedals: Sequence[tuple[float, Pedal, str]], player: Player, leads: Leads
) -> Iterator[Timed]:
    clicks = Seat(PERCUSSION_CHANNEL, 0)
    count = 0
    begun: dict[tuple[str, int], float] = {}
    for event in events:
        if isinstance(event, Click):
            count -= 1
            pitch = CLICK_STRONG if event.accent else CLICK_WEAK
            for on, at_s in ((True, event.due_s), (False, event.due_s + CLICK_LENGTH_S)):
                note = OrchestraEvent(at_s, event.beat, "", on, pitch, 100, note=count)
                yield max(at_s, 0.0), int(on), 0, clicks, note
            continue
        index, seat = player.seats.get(event.part) or next(iter(player.seats.values()), (0, Seat(0, 48)))
        lead_s = leads[event.part][event.pitch] if event.on and event.part in leads and event.pitch in MIDI else 0.0
        at_s = max(event.due_s - lead_s, 0.0)
        if event.on:
            begun[event.part, event.note] = at_s
        # At one time ends go before beginnings, but never before their own.
        order = 1 if event.on else 2 if begun.get((event.part, event.note)) == at_s else 0
        yield at_s, order, index, seat, event
    for at_s, pedal, part in pedals:
        if part in player.seats:
            index, seat = player.seats[part]
            yield at_s, 0, index, seat, pedal


def loudness(audio: NDArray[np.float32], sample_rate: int = SAMPLE_RATE) -> float:
    """RMS of the 0.4 s windows that sound (within 20 dB of the loudest); 0 for silence."""
    width = max(round(0.4 * sample_rate), 1)
    count = len(audio) // width
    if count == 0:
        return float(np.sqrt(np.mean(audio.astype(np.float64) ** 2))) if len(audio) else 0.0
    power = np.mean(audio[: count * width].astype(np.float64).reshape(count, -1) ** 2, axis=1)
    return float(np.sqrt(np.mean(power[power >= power.max() / 100.0])))


def mix(
    events: Iterable[Sounding],
    solo: Iterable[SoloEvent | Pedal],
    parts: Sequence[Part],
    font: Path | None,
    *,
    solo_program: int | None = None,
    sample_rate: int = SAMPLE_RATE,
    levels: Sequence[Level] = (),
    tuning_hz: float = USUAL_A_HZ,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Soloist and orchestra together: the soloist SOLO_ABOVE_DB louder than all the others, a little to the left.

    ``solo_program`` is by default that of the part marked solo, ``levels`` and ``tuning_hz`` are as for ``render``.
    The loudest sample is PEAK.
    """
    program = solo_program
    if program is None:
        program = next((part.program for part in parts if part.solo), 0)
    others = [part for part in parts if not part.solo] or [Part("Orchestra", 1, 48)]

    done = [0.0, 0.0]

    def share(which: int) -> Progress | None:
        def tell(part_done: float) -> None:
            done[which] = part_done
            if progress is not None:
                progress(sum(done) / 2)

        return tell if progress is not None else None

    with ThreadPoolExecutor(1) as beside:  # the synthesiser works outside the interpreter's lock
        playing = beside.submit(
            render_solo, solo, program, font, sample_rate=sample_rate, tuning_hz=tuning_hz, progress=share(1)
        )
        orchestra = render(
            events, others, font, sample_rate=sample_rate, levels=levels, tuning_hz=tuning_hz, progress=share(0)
        )
        alone = playing.result()
    level, solo_level = loudness(orchestra, sample_rate), loudness(alone, sample_rate)
    gain = 10 ** (SOLO_ABOVE_DB / 20) * level / solo_level if level > 0 and solo_level > 0 else 1.0
    angle = (SOLO_PAN + 1) * np.pi / 4  # constant power
    placed = alone.mean(axis=1, keepdims=True) * np.array([[np.cos(angle), np.sin(angle)]]) * np.sqrt(2.0)
    together = np.zeros((max(len(orchestra), len(alone)), 2))
    together[: len(orchestra)] += orchestra
    together[: len(alone)] += gain * placed
    peak = float(np.abs(together).max(initial=0.0))
    return (together * (PEAK / peak) if peak > 0 else together).astype(np.float32)


def write_wav(path: str | Path, audio: NDArray[np.float32], sample_rate: int = SAMPLE_RATE) -> Path:
    """Write 16-bit stereo; what exceeds -1..1 is clipped. Raises DeviceError when the file cannot be written."""
    frames = np.round(np.clip(audio, -1.0, 1.0) * 32767.0).astype("<i2")
    try:
        with Path(path).open("wb") as whole, wave.open(whole, "wb") as file:
            file.setnchannels(frames.shape[1])
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(frames.tobytes())
    except OSError as error:
        raise DeviceError(f"The recording {path} cannot be written: {error.strerror or error}.") from error
    return Path(path)
