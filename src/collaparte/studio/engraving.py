"""The page as pictures, by Verovio: SVG pages, and where every beat and bar of the performance is on them.

Verovio names notes itself where a file gives no names, so its notes are matched with ours by what they are: bar and
place in it (quarters), sounding pitch, and staff. A staff belongs to the part whose written notes it shares most of.
The answer speaks in performed beats: a note that is repeated appears at each of its beats under the same name.

Bars are matched first (``engraved_bars``).

The SVG is cleaned before a browser sees it: known drawing elements and attributes only, no styles, no links outward.
"""

from __future__ import annotations

import importlib
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from collaparte.errors import MissingExtra, UnreadableScore
from collaparte.score import Score
from collaparte.studio.engraved_bars import GRID, Bars

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
# The size of a page in Verovio's units, a staff being 72 high: the smaller the page, the larger the music.
PAGES = {
    ("wide", "solo"): (1560, 800), ("tall", "solo"): (1150, 1330),
    ("wide", "cue"): (1700, 875), ("tall", "cue"): (1220, 1415),
    ("wide", "full"): (2100, 1080), ("tall", "full"): (1500, 1740),
}  # fmt: skip
CUE_PERCENT = 60  # the size of a cue staff
MEI = "{http://www.music-encoding.org/ns/mei}"
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
ALTERED = {"s": 1, "f": -1, "ss": 2, "x": 2, "ff": -2, "ts": 3, "xs": 3, "sx": 3, "tf": -3, "su": 1, "sd": 1, "fu": -1,
           "fd": -1, "nf": -1, "ns": 1}  # fmt: skip
STAFF, MARGINS = 190, 150  # the height a staff takes with what is around it, and a page besides its staves

OPENING_BARS = 40  # fill a page in every view

_ELEMENTS = {
    "svg", "g", "path", "use", "symbol", "defs", "rect", "polygon", "polyline", "line", "ellipse", "circle", "text",
    "tspan", "title", "desc",
}  # fmt: skip
_ATTRIBUTES = {
    "viewBox", "version", "id", "class", "transform", "d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "width",
    "height", "rx", "ry", "cx", "cy", "r", "points", "fill", "fill-opacity", "stroke", "stroke-width",
    "stroke-linecap", "stroke-linejoin", "stroke-dasharray", "stroke-opacity", "opacity", "text-anchor", "font-size",
    "font-style", "font-weight", "font-family", "overflow", "color", "textLength", "lengthAdjust",
}  # fmt: skip

Tell = Callable[[Mapping[str, Any]], None]


def engrave(score: Score, piece: Mapping[str, Any], layout: str, view: str, folder: Path, tell: Tell) -> dict[str, Any]:
    """Write ``folder/1.svg`` and so on; ``tell`` hears ``{"page": n, "pages": total}`` after each. Of a long score the
    first page is drawn beforehand as ``0.svg``, told as page 0 of None: something to see while all is laid out.

    ``view`` is "solo" (the soloist's staves alone, where the file allows it), "cue" (with one part of the orchestra,
    small) or "full". The answer is also written as ``map.json``: ``beats`` [[performed beat, [names of the soloist's
    notes], [names of the others]]], ``bars`` [[performed beat, name of the bar, number]], ``left`` names of the
    soloist's notes on the lower of two staves. ``spots.json`` says for marks where every bar and note stands on the
    paper, played or cut: ``bars`` [[name, number, quarters in a counted beat]], ``notes`` {name: [number, quarters from
    the start of the bar]}.
    """
    toolkit = _toolkit()
    text = _text(score, piece, view)
    width, height = _large_enough(PAGES[layout, view], staves_of(text), view)
    toolkit.setOptions(
        {
            "pageWidth": width, "pageHeight": height, "pageMarginTop": 60, "pageMarginBottom": 40,
            "pageMarginLeft": 50, "pageMarginRight": 50, "breaks": "auto", "footer": "none", "header": "none",
            "svgViewBox": True, "mnumInterval": 1, "lyricSize": 4.0, "expandNever": True, "xmlIdSeed": 1,
            "transpose": str(piece["transpose"]) if piece.get("transpose") else "",
        }
    )  # fmt: skip
    if (beginning := opening(text)) is not None and toolkit.loadData(beginning):
        _enlarge(toolkit, width, height, view)
        (folder / "0.svg").write_text(clean(toolkit.renderToSVG(1))[0], encoding="utf-8")
        tell({"page": 0, "pages": None})
        toolkit.setOptions({"xmlIdSeed": 1})
    if not toolkit.loadData(text):
        raise UnreadableScore(f"{Path(piece['score']).name} cannot be engraved, though it can be played.")
    _enlarge(toolkit, width, height, view)
    pages = int(toolkit.getPageCount())
    if pages < 1:
        raise UnreadableScore("This score has no page that can be engraved.")
    staves: dict[str, int] = {}
    for page in range(1, pages + 1):
        svg, found = clean(toolkit.renderToSVG(page))
        staves |= found
        (folder / f"{page}.svg").write_text(svg, encoding="utf-8")
        tell({"page": page, "pages": pages})
    places, spots = _places(toolkit, score, staves)
    answer = {"pages": pages, **places}
    (folder / "spots.json").write_text(json.dumps(spots), encoding="utf-8")
    (folder / "map.json").write_text(json.dumps(answer), encoding="utf-8")
    return answer


def opening(text: str) -> str | None:
    """The first ``OPENING_BARS`` bars of a part-wise MusicXML at least twice as long; None for all else."""
    if "<score-partwise" not in text[:20_000] or text.count("<measure") < 2 * OPENING_BARS * text.count("<part "):
        return None
    bar = r"<measure\b.*?</measure>\s*(?:<!--.*?-->\s*)*"
    kept = re.compile(rf"(?:{bar}){{{OPENING_BARS}}}", re.DOTALL)
    head, *parts = re.split(r"(?=<part )", text)
    begun = [kept.search(part) for part in parts]
    if any(found is None for found in begun):
        return None
    cut = [part[: found.end()] + "</part>" for part, found in zip(parts, begun, strict=True) if found is not None]
    return head + "".join(cut) + "</score-partwise>"


def _large_enough(size: tuple[int, int], staves: int, view: str) -> tuple[int, int]:
    """Where one system, or with a cue two, are higher than the page: a larger one of the same shape (smaller music)."""
    system = float(STAFF * staves)
    if view == "cue":
        system = 2 * STAFF * (1 + (staves - 1) * (CUE_PERCENT + 10) / 100)
    factor = max((MARGINS + system) / size[1], 1.0)
    return round(size[0] * factor), round(size[1] * factor)


def staves_of(text: str) -> int:
    """How many staves a system of this MusicXML, MEI or kern has, seen without engraving it; 1 where that fails.

    Asked beforehand, because laying out a long score a second time takes as long as the first.
    """
    if "<score-partwise" in text[:20_000]:
        parts = text.split("<part ")[1:]
        return sum(max(map(int, re.findall(r"<staves>\s*(\d+)", part)), default=1) for part in parts) or 1
    named = re.findall(r"<staffDef\b[^>]*?\bn=[\"'](\d+)", text)
    kern = next((line.count("**kern") for line in text.splitlines() if line.startswith("**")), 0)
    return len(set(named)) or kern or 1


def _enlarge(toolkit: Any, width: int, height: int, view: str) -> None:
    """Where more staves were drawn than were seen beforehand, lay out the pages again."""
    _, staves = clean(toolkit.renderToSVG(1))
    enough = _large_enough((width, height), max(staves.values(), default=1), view)
    if enough[1] > height:
        toolkit.setOptions({"pageWidth": enough[0], "pageHeight": enough[1]})
        toolkit.redoLayout()


def _toolkit() -> Any:
    try:
        verovio: Any = importlib.import_module("verovio")
    except ImportError as error:
        raise MissingExtra("Engraving needs Verovio: pip install 'collaparte[studio]'") from error
    verovio.enableLog(verovio.LOG_OFF)
    # Said again, because a library that imported Verovio before us can leave it without its fonts.
    verovio.setDefaultResourcePath(str(Path(verovio.__file__).parent / "data"))
    return verovio.toolkit()


def _text(score: Score, piece: Mapping[str, Any], view: str) -> str:
    """What is engraved, as the engraver takes it. Raises UnreadableScore for what it cannot take."""
    path = Path(piece["score"])
    data = path.read_bytes()
    if data[:4] in (b"MThd", b"RIFF"):
        raise UnreadableScore("A MIDI file has no engraving. The stand shows bar numbers instead.")
    if data[:2] == b"PK":
        from collaparte.score.musicxml import unzip

        data = unzip(data, path.name)
    if view in ("solo", "cue"):
        own = [part.number for part in score.parts if part.solo]
        small = cue_part(score) if view == "cue" else None
        data = only_parts(data, own if small is None else [*own, small], small) or data
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def cue_part(score: Score) -> int | None:
    """The number of the part to watch: who plays most while the soloist rests, else most of all; None: nobody."""
    rows = score.orchestra
    if not len(rows):
        return None
    resting = np.zeros(len(rows), bool)
    for start, stop in score.solo_rests:
        resting |= (rows["beat"] >= start) & (rows["beat"] < stop)
    best: tuple[int, int, float, int] | None = None
    for index, part in enumerate(score.parts):
        mine = rows["part"] == index
        if part.solo or part.percussion or not mine.any():
            continue
        rated = (int((mine & resting).sum()), int(mine.sum()), float(rows["pitch"][mine].mean()), part.number)
        best = rated if best is None or rated > best else best
    return best[3] if best is not None else None


def only_parts(data: bytes, numbers: Iterable[int], small: int | None = None) -> bytes | None:
    """A part-wise MusicXML with the parts of these ``numbers`` (from 1) alone, ``small`` in cue size; None for any
    other file, and where there is nothing to leave out or make small."""
    if b"<score-partwise" not in data[:20_000]:
        return None
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return None
    listed = root.find("part-list")
    if listed is None or root.tag != "score-partwise":
        return None
    wanted = set(numbers)
    names = [item.get("id") for item in listed.findall("score-part")]
    dropped = {name for number, name in enumerate(names, start=1) if number not in wanted}
    if len(dropped) == len(names) or (not dropped and small is None):
        return None
    for item in list(listed):
        if item.tag == "part-group" or item.get("id") in dropped:
            listed.remove(item)
    for part in root.findall("part"):
        if part.get("id") in dropped:
            root.remove(part)
        elif small is not None and part.get("id") == names[small - 1]:
            _make_small(part)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _make_small(part: ElementTree.Element) -> None:
    """Say that the staves of a MusicXML part are in cue size."""
    attributes = part.find("measure/attributes")
    if attributes is None:
        return
    staves = int(attributes.findtext("staves", "1"))
    before = [child.tag for child in attributes]
    place = next(
        (before.index(tag) for tag in ("transpose", "directive", "measure-style") if tag in before), len(before)
    )
    for staff in range(staves, 0, -1):
        details = ElementTree.Element("staff-details", {"number": str(staff)} if staves > 1 else {})
        ElementTree.SubElement(details, "staff-size").text = str(CUE_PERCENT)
        attributes.insert(place, details)


def clean(svg: str) -> tuple[str, dict[str, int]]:
    """The drawing alone, safe to put into a page; and the staff (from 1) of each note in it, by name."""
    ElementTree.register_namespace("", SVG[1:-1])
    root = ElementTree.fromstring(svg)
    staves: dict[str, int] = {}
    _clean(root, 0, staves)
    return ElementTree.tostring(root, encoding="unicode"), staves


def _clean(element: ElementTree.Element, staff: int, staves: dict[str, int]) -> None:
    link = element.get(XLINK_HREF) or element.get("href")
    for name in list(element.attrib):
        if name not in _ATTRIBUTES or re.search(r"url\s*\(|javascript:", element.attrib[name], re.IGNORECASE):
            del element.attrib[name]
    if link and link.startswith("#"):
        element.set("href", link)
    count = 0
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag.removeprefix(SVG) not in _ELEMENTS:
            element.remove(child)
            continue
        classes = (child.get("class") or "").split()
        here = staff
        if "staff" in classes and "measure" in (element.get("class") or "").split():
            count += 1
            here = count
        if "note" in classes and child.get("id"):
            staves[str(child.get("id"))] = staff
        _clean(child, here, staves)


def _places(toolkit: Any, score: Score, staves: Mapping[str, int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Names of notes and bars at each performed beat; and where each stands on the paper."""
    entries = toolkit.renderToTimemap({"includeMeasures": True, "includeRests": False})
    entries = entries if isinstance(entries, list) else json.loads(entries)
    mei = toolkit.getMEI()
    pitches, numbers = sounding_pitches(mei, staves), bar_numbers(mei)
    engraved: dict[tuple[int, int], list[str]] = {}  # written onset and pitch -> names
    paper: list[tuple[str, str, int]] = []
    spots: dict[str, tuple[str, float]] = {}
    for entry in entries:
        onset = round(float(entry["qstamp"]) * GRID)
        if "measureOn" in entry:
            name = str(entry["measureOn"])
            paper.append((name, numbers.get(name, ""), onset))
        for name in entry.get("on", ()):
            if name in pitches:
                engraved.setdefault((onset, pitches[name]), []).append(str(name))
            if paper:
                spots[str(name)] = (paper[-1][1], round((onset - paper[-1][2]) / GRID, 4))
    bars = Bars(score, paper)
    rows = [(row, bars.onset_of(float(row["beat"]), float(row["written_beat"]))) for row in score.notes]
    parts = _part_of_staff(score, rows, engraved, staves)
    near: dict[int, list[tuple[int, list[str]]]] = {}  # pitch -> (onset, names)
    for (onset, pitch), names in engraved.items():
        near.setdefault(pitch, []).append((onset, names))

    def names_of(row: Any, at: int) -> list[str]:
        """A note after a grace note is engraved a little later than it is written: the nearest one is meant."""
        part = int(row["part"])
        found = engraved.get((at, int(row["pitch"])), [])
        mine = [name for name in found if parts.get(staves.get(name, 0)) == part]
        for onset, names in sorted(near.get(int(row["pitch"]), ()), key=lambda item: abs(item[0] - at)):
            if mine or abs(onset - at) > GRID / 2:
                break
            mine = [name for name in names if parts.get(staves.get(name, 0)) == part]
        return mine

    beats: dict[float, tuple[list[str], list[str]]] = {}
    for row, at in rows:
        solo = score.parts[int(row["part"])].solo
        mine, others = beats.setdefault(round(float(row["beat"]), 6), ([], []))
        (mine if solo else others).extend(names_of(row, at))
    own = {name for mine, _ in beats.values() for name in mine}
    hands = sorted({staves.get(name, 0) for name in own})
    places = {
        "beats": [[beat, sorted(set(mine)), sorted(set(others))] for beat, (mine, others) in sorted(beats.items())],
        "bars": [
            [bar.beat, paper[place][0], bar.number]
            for bar, place in zip(score.bars, bars.drawn, strict=True)
            if place is not None
        ],
        "left": sorted(name for name in own if staves.get(name, 0) == hands[-1]) if len(hands) == 2 else [],
        "end_beat": score.end_beat,
    }
    units = {bar.number: 4 / bar.denominator for bar in score.bars}
    return places, {"bars": [[name, number, units.get(number, 1.0)] for name, number, _ in paper], "notes": spots}


def bar_numbers(mei: str) -> dict[str, str]:
    """The printed number of every bar of an MEI document, by name."""
    root = ElementTree.fromstring(mei)
    return {bar.get(XML_ID, ""): bar.get("n", "") for bar in root.iter(f"{MEI}measure")}


def sounding_pitches(mei: str, staves: Mapping[str, int]) -> dict[str, int]:
    """MIDI number of every note of an MEI document, by name; transposing instruments as they sound.

    (Verovio can be asked for each note in turn, but takes a hundredth of a second for every answer.)
    """
    root = ElementTree.fromstring(mei)
    shift: dict[int, int] = {}
    for staff in root.iter(f"{MEI}staffDef"):
        if staff.get("trans.semi"):
            shift[int(staff.get("n", "0"))] = round(float(staff.get("trans.semi", "0")))
    found: dict[str, int] = {}
    for note in root.iter(f"{MEI}note"):
        name, step = note.get(XML_ID, ""), note.get("pname.ges") or note.get("pname") or ""
        octave = note.get("oct.ges") or note.get("oct") or ""
        if step not in STEPS or not octave.lstrip("-").isdigit():
            continue
        signs = [note, *note.iter(f"{MEI}accid")]
        sounded = next((sign.get("accid.ges") for sign in signs if sign.get("accid.ges")), None)
        sign = sounded or next((one.get("accid") for one in signs if one.get("accid")), None) or "n"
        found[name] = 12 * (int(octave) + 1) + STEPS[step] + ALTERED.get(sign, 0) + shift.get(staves.get(name, 0), 0)
    return found


def _part_of_staff(
    score: Score,
    rows: Sequence[tuple[Any, int]],
    engraved: Mapping[tuple[int, int], list[str]],
    staves: Mapping[str, int],
) -> dict[int, int]:
    """Staff (from 1) -> index of its part. Of parts that fit equally well, the first one not above the last staff's."""
    written: list[set[tuple[int, int]]] = [set() for _ in score.parts]
    for row, at in rows:
        written[int(row["part"])].add((at, int(row["pitch"])))
    on_staff: dict[int, set[tuple[int, int]]] = {}
    for key, names in engraved.items():
        for name in names:
            on_staff.setdefault(staves.get(name, 0), set()).add(key)
    found: dict[int, int] = {}
    last = 0
    for staff in sorted(on_staff):
        shares = [len(on_staff[staff] & own) / len(on_staff[staff]) for own in written]
        best = max(shares)
        if best == 0:
            continue
        fitting = [index for index, share in enumerate(shares) if share >= best - 0.02]
        last = next((index for index in fitting if index >= last), fitting[0])
        found[staff] = last
    return found
