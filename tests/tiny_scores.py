"""Tiny MusicXML, written bar by bar, for tests: four divisions to the quarter, 4/4 throughout."""

from __future__ import annotations

from pathlib import Path


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
