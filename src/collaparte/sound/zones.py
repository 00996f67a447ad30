"""A soundfont's presets flattened to zones in plain units, for a small sampler elsewhere (the studio's page).

SoundFont Technical Specification 2.04, sections 8 and 9: preset generators are added to instrument generators, global
zones give defaults, ranges intersect. What the sampler is given: where the sample lies, its loop, its pitch, a
volume envelope, attenuation, pan, a fixed low-pass and vibrato. Left out: the modulation envelope and LFO, chorus,
reverb and custom modulators. Velocity acts as the specification's default: amplitude goes with its square.

The file: a little-endian uint32, the length of a JSON object padded with spaces to a multiple of 4; that object,
{"presets": {"BANK.PROGRAM": [zone, ...]}}; then all samples as int16. Times are seconds, levels dB, frequencies Hz,
pitches semitones, places frames within the samples.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from collaparte.sound.sf2 import ATTENUATION_SCALE, GEN_INSTRUMENT, GEN_SAMPLE, read_tables
from collaparte.sound.soundfont import cut_for

KEYS, VELOCITIES = 43, 44
ROOT, LOOPS, SCALE, CLASS = 58, 54, 56, 57
START, END, LOOP_START, LOOP_END = (0, 4), (1, 12), (2, 45), (3, 50)  # fine, and in steps of 32768
VIBRATO, CUTOFF, RESONANCE, PAN, VIBRATO_DELAY, VIBRATO_RATE = 6, 8, 9, 17, 23, 24
DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, KEY_TO_HOLD, KEY_TO_DECAY = range(33, 41)
KEY, VELOCITY, ATTENUATION, COARSE, FINE = 46, 47, 48, 51, 52
DEFAULTS = {CUTOFF: 13500, SCALE: 100, ROOT: -1, KEY: -1, VELOCITY: -1,
            **dict.fromkeys((VIBRATO_DELAY, DELAY, ATTACK, HOLD, DECAY, RELEASE), -12000)}  # fmt: skip
OF_INSTRUMENTS_ALONE = {0, 1, 2, 3, 4, 12, 45, 50, KEY, VELOCITY, LOOPS, CLASS, ROOT}

Range = tuple[int, int]
Zone = dict[int, int]


def write_zones(font: Path, programs: Iterable[tuple[int, int]], target: Path) -> Path:
    """Flatten these (bank, program) presets of ``font``. Raises DeviceError when none of them is there."""
    raw, tables = read_tables(cut_for(font, programs))
    count = len(tables["phdr"]) - 1
    presets = {
        f"{int(head['bank'])}.{int(head['preset'])}": list(_preset(tables, index))
        for index, head in enumerate(tables["phdr"][:count])
    }
    text = json.dumps({"presets": presets}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    half.write_bytes(struct.pack("<I", len(text)) + text + bytes(raw))
    half.replace(target)
    return target


def _preset(tables: Mapping[str, NDArray[Any]], index: int) -> Iterator[dict[str, Any]]:
    phdr, inst = tables["phdr"], tables["inst"]
    outer = _zones(tables, "p", int(phdr[index]["bag"]), int(phdr[index + 1]["bag"]), GEN_INSTRUMENT)
    for preset_keys, preset_velocities, added in outer:
        which = added[GEN_INSTRUMENT]
        inner = _zones(tables, "i", int(inst[which]["bag"]), int(inst[which + 1]["bag"]), GEN_SAMPLE)
        for keys, velocities, own in inner:
            keys, velocities = _both(keys, preset_keys), _both(velocities, preset_velocities)
            if keys[0] <= keys[1] and velocities[0] <= velocities[1]:
                total = {**DEFAULTS, **own}
                for oper, amount in added.items():
                    if oper not in OF_INSTRUMENTS_ALONE and oper != GEN_INSTRUMENT:
                        total[oper] = total.get(oper, 0) + amount
                yield _plain(total, tables["shdr"][own[GEN_SAMPLE]], keys, velocities)


def _zones(
    tables: Mapping[str, NDArray[Any]], level: str, first: int, last: int, terminal: int
) -> Iterator[tuple[Range, Range, Zone]]:
    """The zones of one preset ("p") or instrument ("i"), its global zone already in them."""
    bags, gens = tables[f"{level}bag"], tables[f"{level}gen"]
    general: Zone = {}
    ranges: tuple[Range, Range] = ((0, 127), (0, 127))
    for bag in range(first, last):
        zone, keys, velocities = dict(general), *ranges
        for gen in gens[int(bags[bag]["gen"]) : int(bags[bag + 1]["gen"])]:
            oper, amount = int(gen["oper"]), int(gen["amount"])
            if oper in (KEYS, VELOCITIES):
                span = (amount & 0xFF, amount >> 8)
                keys, velocities = (span, velocities) if oper == KEYS else (keys, span)
            else:
                zone[oper] = amount if oper in (terminal, LOOPS) else amount - 65536 * (amount > 32767)
        if terminal in zone:
            yield keys, velocities, zone
        elif bag == first:
            general, ranges = zone, (keys, velocities)


def _both(one: Range, other: Range) -> Range:
    return max(one[0], other[0]), min(one[1], other[1])


def _seconds(timecents: int) -> float:
    return 0.0 if timecents <= -12000 else round(2.0 ** (min(timecents, 8000) / 1200), 5)


def _plain(zone: Zone, sample: Any, keys: Range, velocities: Range) -> dict[str, Any]:
    def place(name: str, opers: tuple[int, int]) -> int:
        return int(sample[name]) + zone.get(opers[0], 0) + 32768 * zone.get(opers[1], 0)

    loop = [place("loop_start", LOOP_START), place("loop_end", LOOP_END)]
    root = zone[ROOT] if 0 <= zone[ROOT] <= 127 else int(sample["pitch"]) if sample["pitch"] <= 127 else 60
    return {
        "keys": keys,
        "velocities": velocities,
        "start": place("start", START),
        "end": place("end", END),
        "loop": loop if zone.get(LOOPS, 0) in (1, 3) else None,
        "until_release": zone.get(LOOPS, 0) == 3,
        "rate": int(sample["rate"]),
        "root": root,
        "tune": round(zone.get(COARSE, 0) + (zone.get(FINE, 0) + int(sample["correction"])) / 100, 4),
        "scale": zone[SCALE] / 100,
        "key": zone[KEY],
        "velocity": zone[VELOCITY],
        "delay_s": _seconds(zone[DELAY]),
        "attack_s": _seconds(zone[ATTACK]),
        "hold_s": _seconds(zone[HOLD]),
        "decay_s": _seconds(zone[DECAY]),
        "sustain_db": min(max(zone.get(SUSTAIN, 0), 0), 1440) / 10,
        "release_s": _seconds(zone[RELEASE]),
        "key_to_hold": zone.get(KEY_TO_HOLD, 0),
        "key_to_decay": zone.get(KEY_TO_DECAY, 0),
        "attenuation_db": round(min(max(zone.get(ATTENUATION, 0), 0), 1440) / 10 * ATTENUATION_SCALE, 3),
        "pan": min(max(zone.get(PAN, 0), -500), 500) / 500,
        "cutoff_hz": round(8.176 * 2.0 ** (min(max(zone[CUTOFF], 1500), 13500) / 1200), 1),
        "resonance_db": min(max(zone.get(RESONANCE, 0), 0), 960) / 10,
        "vibrato": zone.get(VIBRATO, 0) / 100,
        "vibrato_s": _seconds(zone[VIBRATO_DELAY]),
        "vibrato_hz": round(8.176 * 2.0 ** (zone.get(VIBRATO_RATE, 0) / 1200), 3),
        "class": zone.get(CLASS, 0),
    }
