"""A very small music typewriter: text in, MusicXML 4.0 out.

A part is written as bars between ``|``, each of tokens between spaces::

    C#5:1.5    a note and its length in quarters (a length stays until the next one)
    r:1  R     a rest; a rest for the whole bar
    *B4        a grace note to the note that follows
    !mf        a dynamic;  "rit."  words above the staff (an underscore stands for a space)

Behind a note: ``(`` and ``)`` begin and end a slur, ``~`` ties to the next note, ``^`` is a fermata, ``'`` a staccato
dot, ``>`` an accent. Pitches are written as they sound; a transposing part is transposed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

DIVISIONS = 8
TYPES = {0.25: ("16th", 0), 0.5: ("eighth", 0), 0.75: ("eighth", 1), 1: ("quarter", 0), 1.5: ("quarter", 1),
         2: ("half", 0), 3: ("half", 1)}  # fmt: skip
STEPS = "CDEFGAB"
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHARPS = "FCGDAEB"
TOKEN = re.compile(r"(\*?)([A-G])(#|b|)(\d)(?::([\d.]+))?([()~^'>]*)$")
REST = re.compile(r"r(?::([\d.]+))?(\^?)$")


@dataclass(frozen=True)
class Sign:
    """One note, rest or direction of a bar; ``length`` in quarters, 0 for a grace note or a direction."""

    kind: str  # note, rest, grace, words, dynamic
    length: float = 0.0
    step: str = ""
    alter: int = 0
    octave: int = 0
    marks: str = ""
    text: str = ""

    @property
    def pitch(self) -> int:
        return 12 * (self.octave + 1) + SEMITONES[self.step] + self.alter


@dataclass
class Staff:
    """One part. ``diatonic``, ``chromatic`` and ``octave``: from the written to the sounding pitch, as in MusicXML."""

    name: str
    abbreviation: str
    program: int  # General MIDI, 0..127
    clef: tuple[str, int]
    bars: list[list[Sign]]
    diatonic: int = 0
    chromatic: int = 0
    octave: int = 0


@dataclass
class Piece:
    """A whole score. ``repeats`` are (first bar, last bar), ``tempi`` {bar: (words, dotted quarters a minute)}."""

    title: str
    composer: str
    fifths: int
    metre: tuple[int, int]
    staves: list[Staff]
    tempi: dict[int, tuple[str, float]]
    repeats: list[tuple[int, int]] = field(default_factory=list)

    @property
    def bar_quarters(self) -> float:
        return self.metre[0] * 4 / self.metre[1]


def write(text: str, bar_quarters: float = 3.0) -> list[list[Sign]]:
    """The bars of a part."""
    bars, length = [], 1.0
    for number, bar in enumerate(text.strip().strip("|").split("|"), 1):
        signs: list[Sign] = []
        for token in bar.split():
            if token == "R":
                signs.append(Sign("rest", bar_quarters))
            elif token[0] == "!":
                signs.append(Sign("dynamic", text=token[1:]))
            elif token[0] == '"':
                signs.append(Sign("words", text=token.strip('"').replace("_", " ")))
            elif match := REST.match(token):
                length = float(match[1] or length)
                signs.append(Sign("rest", length, marks=match[2]))
            elif match := TOKEN.match(token):
                grace, step, sharp, octave, given, marks = match.groups()
                length = length if grace else float(given or length)
                alter = {"#": 1, "b": -1, "": 0}[sharp]
                signs.append(
                    Sign("grace" if grace else "note", 0 if grace else length, step, alter, int(octave), marks)
                )
            else:
                raise ValueError(f"bar {number}: {token!r} is no note")
        total = sum(sign.length for sign in signs)
        if abs(total - bar_quarters) > 1e-9:
            raise ValueError(f"bar {number} lasts {total} quarters, not {bar_quarters}: {bar!r}")
        bars.append(signs)
    return bars


def musicxml(piece: Piece) -> bytes:
    """The piece as a MusicXML document."""
    root = ElementTree.Element("score-partwise", version="4.0")
    put(put(root, "work"), "work-title", piece.title)
    put(put(root, "identification"), "creator", piece.composer, type="composer")
    names = put(root, "part-list")
    for number, staff in enumerate(piece.staves, 1):
        part = put(names, "score-part", id=f"P{number}")
        put(part, "part-name", staff.name)
        put(part, "part-abbreviation", staff.abbreviation)
        put(put(part, "score-instrument", id=f"P{number}-I1"), "instrument-name", staff.name)
        midi = put(part, "midi-instrument", id=f"P{number}-I1")
        put(midi, "midi-channel", str(number if number < 10 else number + 1))
        put(midi, "midi-program", str(staff.program + 1))
    for number, staff in enumerate(piece.staves, 1):
        part = put(root, "part", id=f"P{number}")
        tied: set[int] = set()
        count = 0
        for index, bar in enumerate(staff.bars, 1):
            measure = put(part, "measure", number=str(index))
            if any(index == first for first, _ in piece.repeats):
                line = put(measure, "barline", location="left")
                put(line, "bar-style", "heavy-light")
                put(line, "repeat", direction="forward")
            if index == 1:
                attributes(measure, piece, staff)
            if number == 1 and index in piece.tempi:
                tempo(measure, *piece.tempi[index])
            count = signs(measure, bar, piece, staff, tied, f"P{number}", count)
            if any(index == last for _, last in piece.repeats) or index == len(staff.bars):
                line = put(measure, "barline", location="right")
                put(line, "bar-style", "light-heavy")
                if any(index == last for _, last in piece.repeats):
                    put(line, "repeat", direction="backward")
    ElementTree.indent(root, " ")
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC '
        '"-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
    )
    return (head + ElementTree.tostring(root, encoding="unicode") + "\n").encode()


def put(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def attributes(measure: ElementTree.Element, piece: Piece, staff: Staff) -> None:
    block = put(measure, "attributes")
    put(block, "divisions", str(DIVISIONS))
    put(put(block, "key"), "fifths", str(written_fifths(piece, staff)))
    time = put(block, "time")
    put(time, "beats", str(piece.metre[0]))
    put(time, "beat-type", str(piece.metre[1]))
    clef = put(block, "clef")
    put(clef, "sign", staff.clef[0])
    put(clef, "line", str(staff.clef[1]))
    if staff.chromatic or staff.octave:
        move = put(block, "transpose")
        put(move, "diatonic", str(staff.diatonic))
        put(move, "chromatic", str(staff.chromatic))
        if staff.octave:
            put(move, "octave-change", str(staff.octave))


def written_fifths(piece: Piece, staff: Staff) -> int:
    """A part that sounds lower is written that much sharper (down a tone: two sharps more)."""
    return piece.fifths + {0: 0, -2: 2, -7: 1}[staff.chromatic]


def tempo(measure: ElementTree.Element, words: str, dotted_quarters: float) -> None:
    direction = put(measure, "direction", placement="above")
    put(put(direction, "direction-type"), "words", words, **{"font-weight": "bold"})
    metronome = put(put(direction, "direction-type"), "metronome", parentheses="yes")
    put(metronome, "beat-unit", "quarter")
    put(metronome, "beat-unit-dot")
    put(metronome, "per-minute", f"{dotted_quarters:g}")
    put(direction, "sound", tempo=f"{dotted_quarters * 1.5:g}")


def signs(
    measure: ElementTree.Element,
    bar: list[Sign],
    piece: Piece,
    staff: Staff,
    tied: set[int],
    part: str,
    count: int,
) -> int:
    fifths = written_fifths(piece, staff)
    shown = {step: (1 if step in SHARPS[:fifths] else 0) for step in STEPS}
    altered: dict[tuple[str, int], int] = {}
    place = 0.0
    joins = beams(bar)
    for index, sign in enumerate(bar):
        if sign.kind in ("words", "dynamic"):
            where = "above" if sign.kind == "words" else "below"
            direction = put(measure, "direction", placement=where)
            kind = put(direction, "direction-type")
            if sign.kind == "words":
                put(kind, "words", sign.text, **{"font-style": "italic"})
            else:
                put(put(kind, "dynamics"), sign.text)
            continue
        count += 1
        note = put(measure, "note", id=f"{part}-{count}")
        if sign.kind == "grace":
            put(note, "grace", slash="yes")
        if sign.kind == "rest":
            rest = put(note, "rest")
            if sign.length == piece.bar_quarters:
                rest.set("measure", "yes")
        else:
            step, alter, octave = spelled(sign, staff)
            pitch = put(note, "pitch")
            put(pitch, "step", step)
            if alter:
                put(pitch, "alter", str(alter))
            put(pitch, "octave", str(octave))
        if sign.kind != "grace":
            put(note, "duration", str(round(sign.length * DIVISIONS)))
        ends, begins = sign.kind == "note" and sign.pitch in tied, "~" in sign.marks
        if ends:
            put(note, "tie", type="stop")
            tied.discard(sign.pitch)
        if begins:
            put(note, "tie", type="start")
            tied.add(sign.pitch)
        put(note, "voice", "1")
        name, dots = TYPES[sign.length] if sign.length else ("eighth", 0)
        if not (sign.kind == "rest" and sign.length == piece.bar_quarters):
            put(note, "type", name)
            for _ in range(dots):
                put(note, "dot")
        if sign.kind != "rest" and altered.get((step, octave), shown[step]) != alter:
            put(note, "accidental", {1: "sharp", 0: "natural", -1: "flat"}[alter])
            altered[step, octave] = alter
        for level, join in enumerate(joins.get(index, ()), 1):
            put(note, "beam", join, number=str(level))
        notations(note, sign, ends, begins)
        place += sign.length
    return count


def notations(note: ElementTree.Element, sign: Sign, ends: bool, begins: bool) -> None:
    if not (set(sign.marks) & set("()^'>") or ends or begins):
        return
    block = put(note, "notations")
    for flag, kind in ((ends, "stop"), (begins, "start")):
        if flag:
            put(block, "tied", type=kind)
    if ")" in sign.marks:
        put(block, "slur", type="stop", number="1")
    if "(" in sign.marks:
        put(block, "slur", type="start", number="1")
    if set(sign.marks) & set("'>"):
        touches = put(block, "articulations")
        if ">" in sign.marks:
            put(touches, "accent")
        if "'" in sign.marks:
            put(touches, "staccato")
    if "^" in sign.marks:
        put(block, "fermata", type="upright")


def spelled(sign: Sign, staff: Staff) -> tuple[str, int, int]:
    """Step, alteration and octave as written for a sounding note."""
    place = STEPS.index(sign.step) + 7 * sign.octave - staff.diatonic - 7 * staff.octave
    step, octave = STEPS[place % 7], place // 7
    written = sign.pitch - staff.chromatic - 12 * staff.octave
    return step, written - (12 * (octave + 1) + SEMITONES[step]), octave


def beams(bar: list[Sign], group: float = 1.5) -> dict[int, tuple[str, ...]]:
    """Beams of quavers and semiquavers within each dotted quarter: {index in the bar: (first level, second level)}."""
    runs: list[list[int]] = []
    place, last = 0.0, -1
    for index, sign in enumerate(bar):
        beat = int(place / group + 1e-9)
        if sign.kind == "note" and sign.length < 1:
            if runs and last == beat:
                runs[-1].append(index)
            else:
                runs.append([index])
            last = beat
        elif sign.length:
            last = -1
        place += sign.length
    found: dict[int, tuple[str, ...]] = {}
    for run in runs:
        if len(run) < 2:
            continue
        for at, index in enumerate(run):
            levels = ["begin" if at == 0 else "end" if at == len(run) - 1 else "continue"]
            if bar[index].length == 0.25:
                before = at > 0 and bar[run[at - 1]].length == 0.25
                after = at < len(run) - 1 and bar[run[at + 1]].length == 0.25
                hook = "backward hook" if at else "forward hook"
                levels.append("continue" if before and after else "begin" if after else "end" if before else hook)
            found[index] = tuple(levels)
    return found
