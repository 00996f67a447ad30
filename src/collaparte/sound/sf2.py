"""Soundfonts cut down to an orchestra, and SF3 (Ogg Vorbis samples) turned into plain SF2.

Decoding a General MIDI bank of SF3 takes seconds and a fifth of a gigabyte; the two dozen presets an orchestra needs,
decoded once and kept, load in a moment. Format: SoundFont Technical Specification 2.04 (E-mu, 2006), RIFF with the
lists INFO, sdta and pdta; SF3 as MuseScore writes it: sample type bit 0x10 set, ``start`` and ``end`` are bytes of a
Vorbis stream within ``smpl``, loop points count frames from the sample's own start.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import DeviceError, MissingExtra

PERCUSSION_BANK = 128
# Keyboards, mallets, bells, organ, guitar and bass, strings and harp, timpani, ensembles and choir, brass, reeds,
# pipes; of the percussion, the standard and the orchestra kit.
ORCHESTRA = frozenset(
    [(0, program) for program in (0, 6, 8, 9, 11, 12, 13, 14, 15, 19, 24, 32, *range(40, 54), *range(56, 62))]
    + [(0, program) for program in (*range(64, 76), 79)]
    + [(PERCUSSION_BANK, 0), (PERCUSSION_BANK, 48)]
)

PHDR = np.dtype([("name", "S20"), ("preset", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "<u4", 3)])
INST = np.dtype([("name", "S20"), ("bag", "<u2")])
BAG = np.dtype([("gen", "<u2"), ("mod", "<u2")])
GEN = np.dtype([("oper", "<u2"), ("amount", "<u2")])
MOD = np.dtype([("data", "<u2", 5)])
SHDR = np.dtype(
    [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("pitch", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ]
)
TABLES = {"phdr": PHDR, "pbag": BAG, "pmod": MOD, "pgen": GEN, "inst": INST, "ibag": BAG, "imod": MOD, "igen": GEN}
GEN_INSTRUMENT, GEN_SAMPLE = 41, 53
GEN_CUTOFF, GEN_RESONANCE, GEN_ENVELOPE_TO_CUTOFF, GEN_ATTENUATION = 8, 9, 11, 48
FROM_VELOCITY = 2  # a modulator's source
OPEN, NEARLY_CLOSED = 13500, 8000  # of the filter, in cents above 8.176 Hz: 20 kHz, 830 Hz
ATTENUATION_SCALE = 0.4  # as the hardware did, and as every soundfont since has been made for
COMPRESSED = 0x10
GAP_FRAMES = 46  # silence the specification asks for after each sample


def _chunks(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    place = 0
    while place + 8 <= len(data):
        size = struct.unpack_from("<I", data, place + 4)[0]
        if place + 8 + size > len(data):
            raise ValueError("a chunk reaches past the end")
        yield bytes(data[place : place + 4]).decode("latin-1"), data[place + 8 : place + 8 + size]
        place += 8 + size
        if size % 2 and place < len(data) and data[place] == 0:  # MuseScore writes odd chunks without their padding
            place += 1


def read_tables(path: Path) -> tuple[memoryview, dict[str, NDArray[Any]]]:
    """The raw sample chunk and the nine tables of a soundfont. Raises DeviceError when it is none."""
    try:
        data = memoryview(path.read_bytes())
        if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"sfbk":
            raise ValueError("it does not begin as one")
        samples = memoryview(b"")
        tables: dict[str, NDArray[Any]] = {}
        for name, content in _chunks(data[12:]):
            if name != "LIST":
                continue
            for inner, body in _chunks(content[4:]):
                if inner == "smpl":
                    samples = body
                elif inner == "shdr":
                    tables[inner] = np.frombuffer(body, SHDR)
                elif inner in TABLES:
                    tables[inner] = np.frombuffer(body, TABLES[inner])
        if missing := (set(TABLES) | {"shdr"}) - set(tables):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (OSError, ValueError, struct.error) as error:
        raise DeviceError(f"{path} is not a soundfont that can be read: {error}. Name another .sf2 or .sf3.") from error
    return samples, tables


def is_compressed(tables: dict[str, NDArray[Any]]) -> bool:
    """True when the samples are Ogg Vorbis (SF3)."""
    return bool(np.any(tables["shdr"]["type"] & COMPRESSED))


def _cut_presets(
    tables: dict[str, NDArray[Any]], wanted: frozenset[tuple[int, int]]
) -> tuple[dict[str, NDArray[Any]], set[int]]:
    """phdr, pbag, pmod and pgen of the wanted presets alone, and the instruments these use."""
    phdr, pbag, pgen, pmod = (tables[name] for name in ("phdr", "pbag", "pgen", "pmod"))
    heads: list[Any] = []
    bags: list[tuple[int, int]] = []
    gens: list[Any] = []
    mods: list[Any] = []
    used: set[int] = set()
    for index in range(len(phdr) - 1):
        head = phdr[index].copy()
        if (int(head["bank"]), int(head["preset"])) not in wanted:
            continue
        first, last = int(head["bag"]), int(phdr[index + 1]["bag"])
        head["bag"] = len(bags)
        heads.append(head)
        for bag in range(first, last):
            bags.append((len(gens), len(mods)))
            for gen in pgen[pbag[bag]["gen"] : pbag[bag + 1]["gen"]]:
                gens.append(gen)
                if gen["oper"] == GEN_INSTRUMENT:
                    used.add(int(gen["amount"]))
            mods.extend(pmod[pbag[bag]["mod"] : pbag[bag + 1]["mod"]])
    end = phdr[-1].copy()
    end["bag"] = len(bags)
    bags.append((len(gens), len(mods)))
    return {
        "phdr": np.array([*heads, end], PHDR),
        "pbag": np.array(bags, BAG),
        "pmod": np.array([*mods, pmod[-1]], MOD),
        "pgen": np.array([*gens, pgen[-1]], GEN),
    }, used


def _opened(tables: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tables of cut presets, playable by a synthesiser that knows no modulators.

    Some presets (MuseScore General's pianos) begin behind an almost closed filter and far below their level, and leave
    it to modulators that velocity opens them; without these they are silent. Of such a preset the filter is open, and
    attenuation is counted as such fonts are made for (``ATTENUATION_SCALE``).
    """
    phdr, pbag, pmod = tables["phdr"], tables["pbag"], tables["pmod"]
    pgen, igen = tables["pgen"].copy(), tables["igen"].copy()
    inst, ibag = tables["inst"], tables["ibag"]
    for index in range(len(phdr) - 1):
        bags = pbag[int(phdr[index]["bag"]) : int(phdr[index + 1]["bag"]) + 1]
        gens = slice(int(bags[0]["gen"]), int(bags[-1]["gen"]))
        mods = pmod["data"][int(bags[0]["mod"]) : int(bags[-1]["mod"])]
        by_velocity = (mods[:, 0] & 0xFF == FROM_VELOCITY) & np.isin(mods[:, 1], (GEN_CUTOFF, GEN_ENVELOPE_TO_CUTOFF))
        used = pgen[gens]["amount"][pgen[gens]["oper"] == GEN_INSTRUMENT]
        inner = [
            slice(int(ibag[inst[which]["bag"]]["gen"]), int(ibag[inst[which + 1]["bag"]]["gen"]))
            for which in {int(one) for one in used}
        ]
        closed = any(
            bool(np.any((igen[one]["oper"] == GEN_CUTOFF) & (igen[one]["amount"] < NEARLY_CLOSED))) for one in inner
        )
        if not (closed and np.any(by_velocity)):
            continue
        for table, part, cutoff in [(pgen, gens, 0), *((igen, one, OPEN) for one in inner)]:
            oper, amount = table[part]["oper"], table[part]["amount"]
            amount[oper == GEN_CUTOFF] = cutoff
            amount[np.isin(oper, (GEN_RESONANCE, GEN_ENVELOPE_TO_CUTOFF))] = 0
            quiet = oper == GEN_ATTENUATION
            amount[quiet] = np.round(amount[quiet] * ATTENUATION_SCALE).astype(amount.dtype)
    return {**tables, "pgen": pgen, "igen": igen}


def _samples_of(tables: dict[str, NDArray[Any]], instruments: set[int]) -> set[int]:
    inst, ibag, igen = tables["inst"], tables["ibag"], tables["igen"]
    used: set[int] = set()
    for index in instruments:
        gens = igen[ibag[inst[index]["bag"]]["gen"] : ibag[inst[index + 1]["bag"]]["gen"]]
        used |= {int(amount) for amount in gens["amount"][gens["oper"] == GEN_SAMPLE]}
    return used


def _decode(stream: bytes) -> NDArray[np.int16]:
    try:
        import miniaudio
    except ImportError as error:
        raise MissingExtra("An SF3 soundfont needs miniaudio to be unpacked: pip install miniaudio") from error
    sound = miniaudio.vorbis_read(stream)
    frames: NDArray[np.int16] = np.frombuffer(sound.samples, np.int16)[:: sound.nchannels]
    return frames


def cut(source: Path, target: Path, wanted: frozenset[tuple[int, int]] = ORCHESTRA) -> Path:
    """Write the ``wanted`` (bank, program) presets of ``source`` (SF2 or SF3) to ``target`` as SF2.

    Samples nobody uses any more become silence of no length. Raises DeviceError when none of the presets is there.
    """
    raw, tables = read_tables(source)
    presets, instruments = _cut_presets(tables, wanted)
    if len(presets["phdr"]) < 2:
        raise DeviceError(f"{source} holds none of the instruments of an orchestra. Name another soundfont.")
    used = _samples_of(tables, instruments)
    shdr = tables["shdr"].copy()
    pieces: list[NDArray[np.int16]] = []
    place = 0
    plain = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2") if not is_compressed(tables) else np.zeros(0, np.int16)
    for index in range(len(shdr) - 1):
        row = shdr[index]
        start, end = int(row["start"]), int(row["end"])
        loop = (int(row["loop_start"]), int(row["loop_end"]))
        if index not in used:
            frames = np.zeros(0, np.int16)
            loop = (0, 0)
        elif int(row["type"]) & COMPRESSED:
            frames = _decode(bytes(raw[start:end]))
        else:
            frames = plain[start:end]
            loop = (loop[0] - start, loop[1] - start)
        row["start"], row["end"] = place, place + len(frames)
        row["loop_start"], row["loop_end"] = place + loop[0], place + loop[1]
        row["type"] = int(row["type"]) & ~COMPRESSED
        pieces += [frames, np.zeros(GAP_FRAMES, np.int16)]
        place += len(frames) + GAP_FRAMES
    tables = _opened({**tables, **presets, "shdr": shdr})
    _write(target, np.concatenate(pieces), tables)
    return target


def _chunk(name: str, body: bytes) -> bytes:
    return name.encode("ascii") + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _write(target: Path, frames: NDArray[np.int16], tables: dict[str, NDArray[Any]]) -> None:
    order = ("phdr", "pbag", "pmod", "pgen", "inst", "ibag", "imod", "igen", "shdr")
    info = _chunk("ifil", struct.pack("<HH", 2, 1)) + _chunk("isng", b"EMU8000\0") + _chunk("INAM", b"orchestra\0")
    body = (
        b"sfbk"
        + _chunk("LIST", b"INFO" + info)
        + _chunk("LIST", b"sdta" + _chunk("smpl", frames.astype("<i2").tobytes()))
        + _chunk("LIST", b"pdta" + b"".join(_chunk(name, tables[name].tobytes()) for name in order))
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(f".{id(frames):x}.part")
    half.write_bytes(_chunk("RIFF", body))
    half.replace(target)  # whole or not at all
