"""Sound as it comes in: recordings read block by block, resampled as a stream, and judged for what is wrong with them.

Conventions: audio is float32, (n,) mono or (n, channels), roughly -1..1. Levels are dB relative to full scale. Times
are seconds from the first sample of the recording. What ``blocks`` hands out up to a time depends on nothing later.
"""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import MissingExtra, SoloistError

SUFFIXES = (".wav", ".flac", ".mp3", ".opus", ".ogg", ".oga", ".aiff", ".aif", ".au")
# Sound too, or films with sound, but in forms that libsndfile does not read; by how the file says that there is sound.
UNREAD: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys((".m4a", ".mp4", ".m4v", ".mov"), (b"soun",)),  # ISO 14496-12: the handler of a sound track
    **dict.fromkeys((".webm", ".mkv"), (b"A_OPUS", b"A_VORBIS", b"A_AAC", b"A_PCM", b"A_FLAC", b"A_MPEG", b"A_AC3")),
    **dict.fromkeys((".aac", ".wma", ".avi"), ()),
}
RATE = 16000  # what is heard in; a note's partials above 8 kHz are not needed
BLOCK_S = 0.01
CLIPPED = 0.999  # of full scale
SILENT_DB = -70.0
DEAD_DB = -80.0  # a channel this quiet beside one that sounds
MUCH_CLIPPED = 0.005  # share of the samples
OFFSET = 0.02  # a mean this far from zero
INSTALL = "pip install soundfile soxr"

Array = NDArray[np.float32]


def _soundfile() -> Any:
    try:
        import soundfile  # type: ignore[import-untyped]
    except (ImportError, OSError) as error:  # OSError: the wheel is there, its library is not
        raise MissingExtra(f"Reading recordings needs soundfile: {INSTALL}") from error
    return soundfile


def is_recording(path: str | Path) -> bool:
    """True when the file's name ends as a recording's does."""
    return Path(path).suffix.lower() in (*SUFFIXES, *UNREAD)


class Resampler:
    """A stream of mono audio at one rate becomes a stream at ``RATE``; the delay is the filter's own, constant."""

    def __init__(self, rate: int) -> None:
        self._stream: Any = None
        if rate != RATE:
            try:
                import soxr  # type: ignore[import-untyped]
            except ImportError as error:
                raise MissingExtra(f"Sound at {rate} Hz needs a resampler: {INSTALL}") from error
            self._stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="MQ")

    def push(self, block: Array, last: bool = False) -> Array:
        """What can be said of the stream so far; with ``last`` the rest of it. Sample 0 stays sample 0."""
        if self._stream is None:
            return block
        resampled: Array = self._stream.resample_chunk(block, last=last)
        return resampled


@dataclass
class Health:
    """What is wrong with the sound, gathered while it passes; ``complaints`` says it in plain words."""

    channels: int = 1
    count: int = 0
    clipped: int = 0
    broken: int = 0  # samples that were no numbers
    sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    power: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    peak: float = 0.0

    def take(self, block: Array) -> Array:
        """Count what is wrong in ``block`` (n, channels); NaN and infinity become silence."""
        if not len(block):
            return block
        fine = np.isfinite(block)
        if not fine.all():
            self.broken += int((~fine).sum())
            block = np.where(fine, block, np.float32(0.0)).astype(np.float32)
        if len(self.sum) != block.shape[1]:
            self.channels = block.shape[1]
            self.sum, self.power = np.zeros(self.channels), np.zeros(self.channels)
        self.count += len(block)
        size = np.abs(block)
        self.clipped += int((size.max(axis=1) >= CLIPPED).sum())
        self.peak = max(self.peak, float(size.max()))
        wide = block.astype(np.float64)
        self.sum += wide.sum(axis=0)
        self.power += (wide**2).sum(axis=0)
        return block

    @property
    def level_db(self) -> float:
        """RMS of the loudest channel, without its offset."""
        return float(self._channel_db().max())

    def _channel_db(self) -> NDArray[np.float64]:
        count = max(self.count, 1)
        mean = self.sum / count
        levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(self.power / count - mean**2, 1e-12))
        return levels

    @property
    def dead(self) -> list[int]:
        """Channels, from 1, that are silent while another sounds."""
        levels = self._channel_db()
        if levels.max() < SILENT_DB:
            return []
        return [index + 1 for index, level in enumerate(levels) if level < DEAD_DB]

    def complaints(self) -> list[str]:
        """What the player should know, with what to do about it; empty when all is well."""
        if self.count == 0:
            return ["There is no sound at all in it."]
        found = []
        if self.broken:
            found.append(f"{self.broken} samples are not numbers and were taken as silence. Export it again.")
        if self.level_db < SILENT_DB:
            found.append("It is silent throughout. Is the right input chosen, and the microphone switched on?")
        if self.clipped > MUCH_CLIPPED * self.count:
            share = 100.0 * self.clipped / self.count
            found.append(f"It is clipped ({share:.1f} % of the samples at full scale). Turn the input down.")
        offset = float(np.abs(self.sum / self.count).max())
        if offset > OFFSET:
            found.append(f"It has a constant offset of {100 * offset:.0f} % of full scale, which is taken off.")
        if self.dead:
            dead = ", ".join(map(str, self.dead))
            found.append(f"Channel {dead} of {self.channels} is dead; the others are used.")
        return found


class Mixdown:
    """Several channels become one: those that sound, averaged; a constant offset is taken off as it is learnt."""

    def __init__(self, rate: int) -> None:
        self._mean: NDArray[np.float64] | None = None
        self._power: NDArray[np.float64] | None = None
        self._rate = rate
        self._count = 0

    def mix(self, block: Array) -> Array:
        """Mono (n,) of ``block`` (n, channels)."""
        if not len(block):
            return np.zeros(0, np.float32)
        mean, power = block.mean(axis=0, dtype=np.float64), (block.astype(np.float64) ** 2).mean(axis=0)
        if self._mean is None or self._power is None:
            self._mean, self._power = mean, power
        self._count += len(block)
        share = max(len(block) / self._count, len(block) / (2.0 * self._rate))  # of what was, or of two seconds
        share = min(share, 1.0)
        self._mean += share * (mean - self._mean)
        self._power = np.maximum(self._power * (1.0 - share / 5), power)
        level = self._power - np.minimum(self._mean**2, self._power)
        alive = level >= level.max() * 1e-6
        wide = (block - self._mean)[:, alive]
        return np.asarray(wide.mean(axis=1), np.float32)


@dataclass(frozen=True)
class Recording:
    """A readable recording, not yet read."""

    path: Path
    rate: int
    channels: int
    frames: int

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate

    def blocks(self, health: Health | None = None, block_s: float = BLOCK_S) -> Iterator[tuple[float, Array]]:
        """(heard_s, mono audio at RATE) for every ``block_s`` of the file, in order; ``heard_s`` is the block's end.

        A file that ends in mid-block, or is cut short, gives what there is. All blocks together are as long as it.
        """
        soundfile = _soundfile()
        size = max(round(block_s * self.rate), 1)
        resampler, mixdown, health = Resampler(self.rate), Mixdown(self.rate), health or Health()
        read = 0
        try:
            with soundfile.SoundFile(str(self.path)) as file:
                while len(block := file.read(size, dtype="float32", always_2d=True)):
                    read += len(block)
                    yield read / self.rate, resampler.push(mixdown.mix(health.take(block)))
        except soundfile.LibsndfileError as error:
            warnings.warn(f"{self.path} breaks off after {read / self.rate:.1f} s: {error}", stacklevel=2)
        yield read / self.rate, resampler.push(np.zeros(0, np.float32), last=True)


def _is_silent_film(path: Path) -> bool:
    """True when the file names its tracks and none is of sound. A file that is damaged may be anything."""
    sound = UNREAD[path.suffix.lower()]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        film = any(whole.find(word) >= 0 for word in (b"vide", b"V_MPEG", b"V_VP", b"V_AV1"))
        return bool(sound) and film and not any(whole.find(word) >= 0 for word in sound)


def open_recording(path: str | Path) -> Recording:
    """A recording that can be read. Raises SoloistError for what is missing, empty, damaged or not sound."""
    path = Path(path)
    if not path.is_file():
        raise SoloistError(f"There is no file {path}. Give a recording ({', '.join(SUFFIXES[:5])}) as the soloist.")
    if path.stat().st_size == 0:
        raise SoloistError(f"{path} is empty. Record or export it again.")
    if path.suffix.lower() in UNREAD:
        if _is_silent_film(path):
            raise SoloistError(f"{path} holds pictures and no sound. Give a recording ({', '.join(SUFFIXES[:5])}).")
        raise SoloistError(
            f"{path} is {path.suffix.lower()[1:]}, which is not read here. Convert it, and give the copy: "
            f"ffmpeg -i '{path.name}' '{path.stem}.flac'"
        )
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(str(path)) as file:
            found = Recording(path, int(file.samplerate), int(file.channels), int(file.frames))
    except (soundfile.LibsndfileError, TypeError) as error:
        raise SoloistError(
            f"{path} cannot be read as sound ({error}). Give a recording that plays ({', '.join(SUFFIXES[:5])})."
        ) from error
    if found.frames == 0:
        raise SoloistError(f"{path} holds no sound at all. Record or export it again.")
    return found
