"""The sections of an orchestra, by what a part plays (General MIDI program), so that they can be balanced."""

from __future__ import annotations

from collections.abc import Sequence

from collaparte.score.page import Part

SECTIONS = ("strings", "winds", "brass", "percussion", "keyboard", "plucked", "voices", "others")

_LAST_PROGRAM = (  # section of the programs up to this one
    (7, "keyboard"), (8, "keyboard"), (15, "percussion"), (23, "keyboard"), (39, "plucked"), (45, "strings"),
    (46, "plucked"), (47, "percussion"), (51, "strings"), (54, "voices"), (55, "strings"), (63, "brass"),
    (79, "winds"), (103, "others"), (108, "plucked"), (111, "winds"), (119, "percussion"), (127, "others"),
)  # fmt: skip


def section_of(part: Part) -> str:
    """One of SECTIONS."""
    if part.percussion:
        return "percussion"
    return next((section for last, section in _LAST_PROGRAM if part.program <= last), "others")


def sections(parts: Sequence[Part]) -> dict[str, list[str]]:
    """The names of the orchestra's ``parts`` (the soloist's left out) by section, in the order of SECTIONS."""
    found: dict[str, list[str]] = {}
    for part in parts:
        if not part.solo:
            found.setdefault(section_of(part), []).append(part.name)
    return {section: found[section] for section in SECTIONS if section in found}
