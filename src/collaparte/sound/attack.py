"""How late a preset speaks after its note-on, measured from the soundfont itself and remembered.

A listener hears a note begin not where its first sample lies but where its envelope has risen to within 6 to 15 dB of
its maximum (Vos & Rasch, Perception & Psychophysics 29, 1981). Here: the time at which the envelope (RMS over 5 ms)
first reaches half of its maximum over the first 0.4 s. The orchestra sends a note that much earlier, MAX_LEAD_S at
most: more would ask the conductor to know too far ahead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from collaparte.score.page import Part
from collaparte.sound.player import Player
from collaparte.sound.voices import NOTE_ON

MAX_LEAD_S = 0.06
WINDOW_S = 0.4
RMS_S = 0.005
PITCHES = (48, 60, 72, 84)
VELOCITY = 80


def rise_s(audio: NDArray[np.float32], sample_rate: int) -> float | None:
    """Seconds from the start of ``audio`` (frames, 2) to half of its largest 5 ms RMS; None when it is silent.

    The RMS window is centred, so that a step at time t gives t.
    """
    power = np.mean(audio.astype(np.float64) ** 2, axis=1)
    width = max(round(RMS_S * sample_rate), 1)
    total = np.concatenate([[0.0], np.cumsum(np.pad(power, (width // 2, width)))])
    envelope = np.sqrt(np.maximum(total[width:] - total[:-width], 0.0) / width)[: len(power)]
    peak = float(envelope.max(initial=0.0))
    if peak < 1e-5:
        return None
    return float(np.argmax(envelope >= peak / 2)) / sample_rate


def measure(program: int, font: Path | None, pitches: Iterable[int] = PITCHES) -> float:
    """Seconds by which ``program`` speaks late: the median over ``pitches`` that sound."""
    rises = []
    for pitch in pitches:
        with Player([Part("one", 1, program)], font, spread=False) as player:
            _, seat = player.seats["one"]
            player.push(0, (NOTE_ON | seat.channel, pitch, VELOCITY), 0)
            frames = round(WINDOW_S * player.sample_rate)
            blocks = []
            while player.frame < frames:
                blocks.append(player.block())
            rise = rise_s(np.concatenate(blocks)[:frames], player.sample_rate)
        if rise is not None:
            rises.append(rise)
    return float(np.median(rises)) if rises else 0.0


def leads_s(parts: Sequence[Part], font: Path | None, most_s: float = MAX_LEAD_S) -> dict[str, float]:
    """By how many seconds to send each part's notes early, 0..``most_s``; percussion speaks at once."""
    store = _store(font)
    known: dict[str, float] = {}
    try:
        known = {str(key): float(value) for key, value in json.loads(store.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        known = {}  # never measured, or the cache is damaged: measure
    wanted = {part.program for part in parts if not part.percussion}
    missing = sorted(program for program in wanted if str(program) not in known)
    if missing:
        known |= {str(program): round(measure(program, font), 6) for program in missing}
        try:
            store.parent.mkdir(parents=True, exist_ok=True)
            store.write_text(json.dumps(known), encoding="utf-8")
        except OSError:
            pass  # a cache that cannot be written costs a second next time
    return {part.name: 0.0 if part.percussion else min(max(known[str(part.program)], 0.0), most_s) for part in parts}


def _store(font: Path | None) -> Path:
    if font is None:
        key = "built-in"
    else:
        stat = font.stat()
        key = hashlib.sha256(repr((str(font.resolve()), stat.st_size, stat.st_mtime_ns)).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("collaparte")) / "attacks" / f"{key}.json"
