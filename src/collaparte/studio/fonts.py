"""The engraver's own fonts, out of the installed Verovio: its metrics and the browser's letters then agree.

Verovio brings them inside style sheets, as base64; the page asks for them as files, because its policy allows neither
styles in a drawing nor data addresses.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import re
from functools import lru_cache
from pathlib import Path

from collaparte.errors import MissingExtra

FAMILIES = ("Leipzig", "Liberation")
_FACE = re.compile(
    r"base64,([A-Za-z0-9+/=\s]+)\)\s*format\([^)]*\);\s*font-weight:\s*(\w+);\s*font-style:\s*(\w+)", re.ASCII
)


@lru_cache(maxsize=2)
def faces(family: str) -> dict[str, bytes]:
    """The faces of a family, by "weight-style" ("bold-italic"). Raises MissingExtra without Verovio."""
    found = importlib.util.find_spec("verovio")
    if found is None or found.origin is None:
        raise MissingExtra("Engraving needs Verovio: pip install 'collaparte[studio]'")
    if family not in FAMILIES:
        return {}
    sheet = Path(found.origin).parent / "data" / f"{family}.css"
    try:
        text = sheet.read_text(encoding="ascii")
        return {f"{weight}-{style}": base64.b64decode(data) for data, weight, style in _FACE.findall(text)}
    except (OSError, ValueError, binascii.Error):
        return {}
