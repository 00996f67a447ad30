"""How late a preset speaks after its note-on, measured from the soundfont itself and remembered.

A listener hears a note begin not where its first sample lies but where its envelope has risen to within 6 to 15 dB of
its maximum (Vos & Rasch, Perception & Psychophysics 29, 1981). Here: the time at which the envelope (RMS over 5 ms)
first comes within 12 dB (a quarter) of its maximum over the first 0.4 s. A note is sent that much earlier: in a
recording in full, in a concert MOST_LIVE_S at most, since more would ask the conductor to know too far ahead.
Samples differ from key to key, so one key in each octave is measured and the pitches between are interpolated.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from collaparte.score.page import Part
from collaparte.sound.player import BLOCK_FRAMES, Player
from collaparte.sound.voices import ALL_SOUND_OFF, CONTROL, NOTE_OFF, NOTE_ON

MOST_LIVE_S = 0.06
MOST_S = 0.25
WINDOW_S = 0.4
RMS_S = 0.005
WITHIN = 0.25  # of the maximum: 12 dB
KEYS = (36, 48, 60, 72, 84, 96)
VELOCITY = 80
LET_GO_S, SILENCE = 1.0, 1e-4  # how long to wait for the last note's release
REVERB, CHORUS = 91, 93

Leads = Mapping[str, Sequence[float]]  # part name: seconds for each of the 128 pitches


def rise_s(audio: NDArray[np.float32], sample_rate: int) -> float | None:
    """Seconds from the start of ``audio`` (frames, 2) to a quarter of its largest 5 ms RMS; None when silent.

    The RMS window is centred, so that a step at time t gives t.
    """
    power = np.mean(audio.astype(np.float64) ** 2, axis=1)
    width = max(round(RMS_S * sample_rate), 1)
    total = np.concatenate([[0.0], np.cumsum(np.pad(power, (width // 2, width)))])
    envelope = np.sqrt(np.maximum(total[width:] - total[:-width], 0.0) / width)[: len(power)]
    peak = float(envelope.max(initial=0.0))
    if peak < 1e-5:
        return None
    return float(np.argmax(envelope >= WITHIN * peak)) / sample_rate


def measure(program: int, font: Path | None, keys: Sequence[int] = KEYS) -> list[float]:
    """Seconds by which ``program`` speaks late on each of ``keys``; a key that is mute speaks like its neighbour."""
    rises: list[float | None] = []
    with Player([Part("one", 1, program)], font, spread=False) as player:
        _, seat = player.seats["one"]
        for effect in (REVERB, CHORUS):
            player.push(0, (CONTROL | seat.channel, effect, 0), 0)
        frames = round(WINDOW_S * player.sample_rate)
        for key in keys:
            player.push(0, (NOTE_ON | seat.channel, key, VELOCITY), player.frame)
            blocks = [player.block() for _ in range(-(-frames // BLOCK_FRAMES))]
            rises.append(rise_s(np.concatenate(blocks)[:frames], player.sample_rate))
            player.push(0, (NOTE_OFF | seat.channel, key, 0), player.frame)
            player.push(0, (CONTROL | seat.channel, ALL_SOUND_OFF, 0), player.frame)
            for _ in range(round(LET_GO_S * player.sample_rate / BLOCK_FRAMES)):
                if float(np.abs(player.block()).max()) < SILENCE:
                    break
    known = [(key, rise) for key, rise in zip(keys, rises, strict=True) if rise is not None]
    if not known:
        return [0.0] * len(keys)
    filled = [min(known, key=lambda item: abs(item[0] - key))[1] for key in keys]
    # One sample with an odd attack must not speak for an octave: the median of each key and its neighbours.
    return [float(np.median(filled[max(at - 1, 0) : at + 2])) for at in range(len(filled))]


def leads_s(parts: Sequence[Part], font: Path | None, most_s: float = MOST_S) -> dict[str, list[float]]:
    """By how many seconds to send each part's notes early, for each of 128 pitches; percussion speaks at once."""
    store = _store(font)
    known: dict[str, list[float]] = {}
    try:
        for program, rises in json.loads(store.read_text(encoding="utf-8")).items():
            if len(rises) == len(KEYS):
                known[str(program)] = [float(rise) for rise in rises]
    except (OSError, ValueError, AttributeError, TypeError):
        known = {}  # never measured, or the cache is damaged: measure
    wanted = {min(max(part.program, 0), 127) for part in parts if not part.percussion}
    missing = sorted(program for program in wanted if str(program) not in known)
    if missing:
        known |= {str(program): [round(rise, 6) for rise in measure(program, font)] for program in missing}
        with contextlib.suppress(OSError):  # a cache that cannot be written costs a moment next time
            store.parent.mkdir(parents=True, exist_ok=True)
            store.write_text(json.dumps(known), encoding="utf-8")
    leads = {}
    for part in parts:
        rises = [0.0] * len(KEYS) if part.percussion else known[str(min(max(part.program, 0), 127))]
        leads[part.name] = np.clip(np.interp(np.arange(128), KEYS, rises), 0.0, most_s).tolist()
    return leads


def _store(font: Path | None) -> Path:
    if font is None:
        key = "built-in"
    else:
        stat = font.stat()
        key = hashlib.sha256(repr((str(font.resolve()), stat.st_size, stat.st_mtime_ns)).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("collaparte")) / "attacks" / f"{key}.json"
