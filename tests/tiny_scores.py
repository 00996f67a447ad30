"""Tiny MusicXML, written bar by bar, for tests: four divisions to the quarter, 4/4 throughout."""

from __future__ import annotations

import copy
from pathlib import Path
from xml.etree import ElementTree

from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.pieces import piece_path
from collaparte.score import Part
from collaparte.sound.midi_file import write_midi


def note(step: str, octave: int, quarters: float, extra: str = "", tie: str = "") -> str:
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie.split())
    return (
        f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>{round(quarters * 4)}</duration>"
        f"{ties}<voice>1</voice>{extra}</note>"
    )


REST = "<note><rest/><duration>16</duration><voice>1</voice></note>"
FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'
BACKWARD = '<barline location="right"><repeat direction="backward"/></barline>'
FERMATA = "<notations><fermata/></notations>"
HEAD = "<attributes><divisions>4</divisions><time><beats>4</beats><beat-type>4</beat-type></time>{}</attributes>"


def volta(number: int, again: bool) -> tuple[str, str]:
    end = '<repeat direction="backward"/>' if again else ""
    return (
        f'<barline location="left"><ending number="{number}" type="start"/></barline>',
        f'<barline location="right"><ending number="{number}" type="stop"/>{end}</barline>',
    )


def sound(attributes: str, words: str = "") -> str:
    text = words or "x"
    return f"<direction><direction-type><words>{text}</words></direction-type><sound {attributes}/></direction>"


def write(file: Path, *parts: tuple[str, list[str]], transpose: str = "", numbers: list[str] | None = None) -> Path:
    """MusicXML of (part name, bars) pairs; ``transpose`` belongs to the first part."""
    listed = "".join(
        f'<score-part id="P{index}"><part-name>{name}</part-name></score-part>' for index, (name, _) in enumerate(parts)
    )
    body = ""
    for index, (_, bars) in enumerate(parts):
        body += f'<part id="P{index}">'
        for place, bar in enumerate(bars):
            head = HEAD.format(transpose if index == 0 else "") if place == 0 else ""
            number = numbers[place] if numbers else str(place + 1)
            body += f'<measure number="{number}">{head}{bar}</measure>'
        body += "</part>"
    file.write_text(
        f'<?xml version="1.0"?><score-partwise version="3.1"><part-list>{listed}</part-list>{body}</score-partwise>'
    )
    return file


def whole(step: str, extra: str = "") -> str:
    return note(step, 5, 4, extra)


def over_and_over(file: Path, times: int, piece: str = "washerwoman") -> Path:
    """A shipped piece ``times`` times in a row, as one long score without repeats."""
    root = ElementTree.parse(piece_path(piece)).getroot()
    for part in root.findall("part"):
        once = part.findall("measure")
        for bar in once:
            for line in bar.findall("barline"):
                bar.remove(line)
        for again in range(1, times):
            for bar in once:
                copied = copy.deepcopy(bar)
                copied.set("number", str(int(bar.get("number", "0")) + again * len(once)))
                copied.attrib.pop("implicit", None)
                for given in copied.findall("attributes"):
                    copied.remove(given)
                part.append(copied)
    file.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
    return file


def midi_pair(folder: Path) -> tuple[bytes, bytes]:
    """Eight quarters of a violin, and four half notes of a piano, as two MIDI files."""
    solo = [SoloEvent(beat / 2, beat / 2, True, 72 + beat % 5, 80) for beat in range(8)]
    ends = [SoloEvent(beat / 2 + 0.4, beat / 2 + 0.4, False, 72 + beat % 5, 0) for beat in range(8)]
    violin, piano = folder / "solo.mid", folder / "piano.mid"
    write_midi(violin, [Part("Violin", 1, 40, solo=True)], [], sorted([*solo, *ends], key=lambda event: event.time_s))
    others = [
        OrchestraEvent(at, 0.0, "Piano", on, 48, 60, note=number)
        for number in range(4)
        for at, on in ((number * 1.0, True), (number + 0.9, False))
    ]
    write_midi(piano, [Part("Piano", 1, 0)], others)
    return violin.read_bytes(), piano.read_bytes()
