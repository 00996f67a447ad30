"""MEI, made ready for partitura: every element gets the name it lacks, by its place in the file.

partitura needs names. Where verovio is installed partitura has it bring MEI of every version into one form; verovio
would make up missing names at random, so that no two readings were the same, and it tells where its own files are
only to the thread that imported it.
"""

from __future__ import annotations

import contextlib
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any


def load(partitura: Any, path: Path) -> Any:
    """partitura's score of the MEI file at ``path``."""
    from lxml import etree  # type: ignore[import-untyped]

    with contextlib.suppress(ImportError):
        import verovio

        verovio.enableLog(verovio.LOG_OFF)
        verovio.setDefaultResourcePath(str(files("verovio") / "data"))
    tree = etree.parse(str(path), etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True))
    name = "{http://www.w3.org/XML/1998/namespace}id"
    for number, element in enumerate(tree.iter(etree.Element)):
        if element.get(name) is None:
            element.set(name, f"e{number}")
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / path.name
        tree.write(str(named), encoding="UTF-8", xml_declaration=True)
        return partitura.load_mei(str(named))
