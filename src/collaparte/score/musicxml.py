"""What partitura leaves out of MusicXML: instruments, octave transposition, metronomes, cue and unpitched notes, signs.

Positions are divisions, counted exactly as partitura counts them (a bar is as long as its furthest voice), so that
places agree; notes are named by their order in the part, partitura's ``doc_order``.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import Any

from collaparte.errors import UnreadableScore
from collaparte.score.ornaments import SIGNS, BarOfAccidentals, Sign
from collaparte.score.tempo_words import quarters_per_minute

MAX_BYTES = 200_000_000  # unpacked; a Mahler symphony is a quarter of it
MAX_RATIO = 400  # unpacked to packed; real scores stay under 60
_ACCIDENTALS = {"sharp": 1, "flat": -1, "natural": 0, "double-sharp": 2, "sharp-sharp": 2, "flat-flat": -2,
                "natural-sharp": 1, "natural-flat": -1}  # fmt: skip
_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}


@dataclass(slots=True)
class Extra:
    """What was found for one part."""

    program: int | None = None
    sound: str = ""
    percussion: bool = False
    drum: int | None = None  # General MIDI key of the part's only unpitched instrument
    transpositions: list[tuple[int, int | None, int]] = field(default_factory=list)  # divisions, staff, semitones
    metronomes: list[tuple[int, float]] = field(default_factory=list)  # divisions, seconds per quarter
    words: list[tuple[int, str]] = field(default_factory=list)  # divisions, text of a direction
    cues: set[int | None] = field(default_factory=set)
    unpitched: dict[int | None, int] = field(default_factory=dict)
    signs: dict[int | None, tuple[Sign, ...]] = field(default_factory=dict)

    def transposition(self, place: int, staff: int) -> int:
        """Semitones from written to sounding at ``place`` (divisions)."""
        shift = 0
        for start, number, semitones in self.transpositions:
            if start <= place and number in (None, staff):
                shift = semitones
        return shift


def unzip(data: bytes, name: str) -> bytes:
    """The MusicXML text inside an MXL archive; refuses archives that unpack out of all proportion."""
    from lxml import etree  # type: ignore[import-untyped]

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = {item.filename: item for item in archive.infolist()}
            wanted = ""
            if "META-INF/container.xml" in inside:
                container = _entry(archive, inside["META-INF/container.xml"], name)
                root = etree.fromstring(container, _parser())
                found = next((item for item in root.iter() if _tag(item) == "rootfile"), None)
                wanted = found.get("full-path", "") if found is not None else ""
            if wanted not in inside:
                likely = [
                    entry for entry in inside if entry.endswith((".xml", ".musicxml")) and "META-INF" not in entry
                ]
                if not likely:
                    raise UnreadableScore(f"{name} is an archive without a score in it.")
                wanted = likely[0]
            return _entry(archive, inside[wanted], name)
    except UnreadableScore:
        raise
    except Exception as error:  # zipfile and zlib raise many kinds for damaged archives
        raise UnreadableScore(f"{name} is a damaged MXL archive ({error}).") from None


def _entry(archive: zipfile.ZipFile, item: zipfile.ZipInfo, name: str) -> bytes:
    too_big = item.file_size > MAX_BYTES or (
        item.file_size > 10_000_000 and item.file_size > MAX_RATIO * max(item.compress_size, 1)
    )
    if too_big:
        raise UnreadableScore(
            f"{name} would unpack to {item.file_size / 1e6:.0f} MB: that is no score, and is refused."
        )
    with archive.open(item) as stream:
        data = stream.read(item.file_size + 1)
    if len(data) > item.file_size:
        raise UnreadableScore(f"{name} unpacks to more than it says: refused.")
    return data


def _parser() -> Any:
    from lxml import etree

    return etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)


def _tag(element: Any) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _number(element: Any, path: str) -> int | None:
    text = element.findtext(path)
    try:
        return int(str(text).strip()) if text is not None else None
    except ValueError:
        try:
            return int(float(text))
        except (ValueError, OverflowError):
            return None


def check(xml: bytes, name: str) -> None:
    """Raises UnreadableScore when ``xml`` is not whole MusicXML with at least one part."""
    from lxml import etree

    try:
        root = etree.fromstring(xml, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableScore(f"{name} is damaged or cut short as MusicXML: {error}.") from None
    if root.tag not in ("score-partwise", "score-timewise"):
        raise UnreadableScore(f"{name} is XML, but not MusicXML: it begins with <{root.tag}>.")
    if root.find("part" if root.tag == "score-partwise" else "measure/part") is None:
        raise UnreadableScore(f"{name} is MusicXML without a single part.")


def partwise(xml: bytes) -> bytes:
    """The same score with each part's bars together; timewise MusicXML holds the parts of each bar together."""
    from lxml import etree

    if b"<score-timewise" not in xml[:4096]:
        return xml
    root = etree.fromstring(xml, _parser())
    if root.tag != "score-timewise":
        return xml
    score = etree.Element("score-partwise", dict(root.attrib))
    parts = {str(declared.get("id")): etree.Element("part", {"id": str(declared.get("id"))})
             for declared in root.iterfind("part-list/score-part")}  # fmt: skip
    for item in root:
        if item.tag != "measure":
            score.append(item)
            continue
        for part in item.iterfind("part"):
            name = str(part.get("id"))
            bar = etree.SubElement(parts.setdefault(name, etree.Element("part", {"id": name})), "measure",
                                   dict(item.attrib))  # fmt: skip
            bar.extend(list(part))
    score.extend([part for part in parts.values() if len(part)])
    return bytes(etree.tostring(score, xml_declaration=True, encoding="UTF-8"))


def extras_of(xml: bytes) -> list[Extra]:
    """One ``Extra`` for each score-part, in the order partitura gives the parts."""
    from lxml import etree

    root = etree.fromstring(xml, _parser())
    found: dict[str, tuple[Extra, dict[str, int]]] = {}
    for declared in root.iterfind("part-list/score-part"):
        found[declared.get("id", "")] = _declared(declared)
    for part in root.iterfind("part"):
        if part.get("id", "") in found:
            extra, drums = found[part.get("id", "")]
            _walk(part, extra, drums)
    return [extra for extra, _ in found.values()]


def _declared(declared: Any) -> tuple[Extra, dict[str, int]]:
    extra = Extra()
    drums: dict[str, int] = {}
    for instrument in declared.iterfind("midi-instrument"):
        key = _number(instrument, "midi-unpitched")
        if key is not None and 1 <= key <= 128:
            drums[instrument.get("id", "")] = key - 1
        program = _number(instrument, "midi-program")
        if extra.program is None and program is not None and 1 <= program <= 128:
            extra.program = program - 1
        if _number(instrument, "midi-channel") == 10:
            extra.percussion = True
    sound = declared.findtext("score-instrument/instrument-sound")
    extra.sound = str(sound or "").strip()
    if len(set(drums.values())) == 1:
        extra.drum = next(iter(drums.values()))
    return extra, drums


def _walk(part: Any, extra: Extra, drums: dict[str, int]) -> None:
    """One pass through a part, counting divisions as partitura does."""
    position = order = 0
    accidentals = BarOfAccidentals()
    for measure in part.iterfind("measure"):
        start = furthest = position
        accidentals.begin()
        for item in measure:
            if item.tag == "note":
                length = _number(item, "duration") or 0
                if item.find("chord") is None:
                    position += length
                furthest = max(furthest, position)
                _note(item, order, extra, drums)
                _signs(item, order, extra, accidentals)
                order += 1
            elif item.tag == "backup":
                position = max(position - (_number(item, "duration") or 0), start)
                furthest = max(furthest, position)
            elif item.tag == "forward":
                position += _number(item, "duration") or 0
                furthest = max(furthest, position)
            elif item.tag == "attributes":
                _transpose(item, position, extra)
                fifths = _number(item, "key/fifths")
                accidentals.fifths = accidentals.fifths if fifths is None else fifths
            elif item.tag == "direction":
                _words(item, position, extra)
                _metronome(item, position, extra)
        position = furthest


def _note(item: Any, order: int, extra: Extra, drums: dict[str, int]) -> None:
    if item.find("cue") is not None:
        extra.cues.add(order)
    if item.find("unpitched") is not None:
        instrument = item.find("instrument")
        key = drums.get(instrument.get("id", "")) if instrument is not None else None
        if key is not None:
            extra.unpitched[order] = key


def _signs(item: Any, order: int, extra: Extra, accidentals: BarOfAccidentals) -> None:
    """The ornament signs over one note, and what it does to the accidentals of its bar."""
    step, octave = str(item.findtext("pitch/step") or "").strip(), _number(item, "pitch/octave")
    if step not in tuple("CDEFGAB") or octave is None:
        return
    alter = _number(item, "pitch/alter") or 0
    accidentals.meet(step, octave, alter)
    found = []
    for signs in item.iterfind("notations/ornaments"):
        printed: dict[str, int] = {}
        for mark in signs.iterfind("accidental-mark"):
            value = _ACCIDENTALS.get(str(mark.text).strip())
            downward = signs.find("mordent") is not None or signs.find("inverted-turn") is not None
            if value is not None:
                printed[mark.get("placement") or ("below" if downward else "above")] = value
        for sign in signs:
            if sign.tag in SIGNS:
                above = accidentals.neighbour(step, octave, alter, 1, printed.get("above"))
                below = accidentals.neighbour(step, octave, alter, -1, printed.get("below"))
                found.append(Sign(str(sign.tag), above, below, _stroke(item, sign)))
    if item.find("notations/arpeggiate") is not None:
        found.append(Sign("arpeggiate"))
    if found:
        extra.signs[order] = tuple(dict.fromkeys(found))


def _stroke(item: Any, sign: Any) -> float:
    """The quarters of one stroke of a measured tremolo on one note; 0.0 for every other sign."""
    marks = str(sign.text or "").strip()
    if sign.tag != "tremolo" or sign.get("type", "single") != "single" or marks not in ("1", "2"):
        return 0.0  # three strokes and more are "as fast as you can"
    return float(0.5 ** (int(marks) + _FLAGS.get(str(item.findtext("type")).strip(), 0)))


def _transpose(attributes: Any, place: int, extra: Extra) -> None:
    for transpose in attributes.iterfind("transpose"):
        semitones = _number(transpose, "chromatic") or 0
        octaves = _number(transpose, "octave-change") or 0
        number = transpose.get("number")
        staff = int(number) if number is not None and number.isdigit() else None
        extra.transpositions.append((place, staff, semitones + 12 * octaves))


def _words(direction: Any, place: int, extra: Extra) -> None:
    text = " ".join("".join(words.itertext()) for words in direction.iterfind("direction-type/words"))
    if text.strip():
        extra.words.append((place, " ".join(text.split())[:200]))


def _metronome(direction: Any, place: int, extra: Extra) -> None:
    metronome = direction.find("direction-type/metronome")
    if metronome is None or metronome.findtext("per-minute") is None:
        return
    digits = "".join(
        letter if letter.isdigit() or letter == "." else " " for letter in metronome.findtext("per-minute")
    )
    try:
        bpm = float(digits.split()[0])
    except (IndexError, ValueError):
        return
    tempo = quarters_per_minute(bpm, metronome.findtext("beat-unit"), len(metronome.findall("beat-unit-dot")))
    if tempo is not None:
        extra.metronomes.append((place, 60.0 / tempo))
