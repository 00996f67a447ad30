"""The process in which a job is done: one request on standard input, lines of JSON on standard output.

The last line holds an ``answer`` or an ``error``; lines before it are news. The limits are set before anything of the
request is touched. Run by ``jobs.run_job`` and by nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from collaparte.errors import CollaparteError

if TYPE_CHECKING:
    from collaparte.events import Click, OrchestraEvent, Pedal, SoloEvent

Tell = Callable[[Mapping[str, Any]], None]
NICE = 10


def main() -> int:
    """Do one job. What the libraries print to standard output must not mix with what we say: it goes to nowhere."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    request = json.loads(sys.stdin.buffer.read())
    _limit(*request["limits"])
    warnings.simplefilter("ignore")
    try:
        answer = JOBS[request["job"]](request, lambda news: _say(out, news))
    except CollaparteError as error:
        _say(out, {"error": str(error), "kind": type(error).__name__})
    except MemoryError:
        _say(out, {"error": "This file asks for more memory than a score may take.", "kind": "UnreadableScore"})
    except RecursionError:
        _say(out, {"error": "This file is nested too deeply to be a score.", "kind": "UnreadableScore"})
    else:
        _say(out, {"answer": answer})
    return 0


def _say(out: TextIO, news: Mapping[str, Any]) -> None:
    out.write(json.dumps(news, ensure_ascii=False) + "\n")
    out.flush()


def _limit(time_s: float, memory_bytes: int, file_bytes: int) -> None:
    with contextlib.suppress(ImportError):  # where there is no such module the clock of the parent is the limit
        import resource

        for name, most in (
            ("RLIMIT_AS", memory_bytes),
            ("RLIMIT_CPU", int(time_s) + 1),
            ("RLIMIT_FSIZE", file_bytes),
            ("RLIMIT_CORE", 0),
        ):
            if hasattr(resource, name):
                kind = getattr(resource, name)
                hard = resource.getrlimit(kind)[1]
                allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
                with contextlib.suppress(ValueError, OSError):
                    resource.setrlimit(kind, (allowed, allowed))
    if hasattr(os, "nice"):
        os.nice(NICE)


def describe_piece(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Parts, bars, warnings; the digest of the solo part where one is chosen."""
    from collaparte.score import describe
    from collaparte.studio.configured import read_page

    score = read_page(request["piece"], choose=False)
    description = describe(score).as_dict()
    return {"description": description, "digest": score.digest if len(score.solo) else None}


def engrave_piece(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Pages as SVG files in ``folder``, one after the other; answers where everything is on them."""
    from collaparte.studio.configured import read_page
    from collaparte.studio.engraving import engrave

    score = read_page(request["piece"], choose=bool(request["piece"].get("solo")))
    return engrave(score, request["piece"], request["layout"], request["view"], Path(request["folder"]), tell)


def render_take(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Soloist and orchestra, or one of them, as a WAV file."""
    from collaparte.sound.balance import USUAL_A_HZ, turned
    from collaparte.sound.render import mix, render, render_solo, write_wav
    from collaparte.sound.soundfont import find_soundfont
    from collaparte.studio.configured import read_page
    from collaparte.takes import read_take

    take = read_take(request["take"])
    parts = read_page(request["piece"], choose=True).parts
    orchestra: list[OrchestraEvent | Click] = [*take.orchestra, *take.clicks]
    solo: list[SoloEvent | Pedal] = [*take.solo, *take.pedals]
    font = find_soundfont()
    settings = take.header.config.get("settings", {})
    tuning_hz = float(settings.get("tuning_hz", USUAL_A_HZ))
    levels = turned(take.commands, parts, dict(settings.get("balance", ())))
    if request["what"] == "orchestra":
        others = [part for part in parts if not part.solo]
        audio = render(orchestra, others, font, levels=levels, tuning_hz=tuning_hz)
    elif request["what"] == "solo":
        program = next((part.program for part in parts if part.solo), 0)
        audio = render_solo(solo, program, font, tuning_hz=tuning_hz)
    else:
        audio = mix(orchestra, solo, parts, font, levels=levels, tuning_hz=tuning_hz)
    write_wav(request["out"], audio)
    return {"seconds": len(audio) / 48000 if len(audio) else 0.0}


def flatten_voices(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Presets of the machine's soundfont as zones, for the page's sampler."""
    from collaparte.sound.zones import write_zones

    write_zones(Path(request["font"]), [(bank, program) for bank, program in request["programs"]], Path(request["out"]))
    return {}


def review_take(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """A take looked at (``review.review``)."""
    from collaparte.studio.review import review
    from collaparte.takes import Shelf

    return review(Shelf(request["folder"]), request["take"])


def place_take(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """When every note of the page sounded, as a table."""
    from collaparte.studio.configured import read_page
    from collaparte.studio.placed import write_positions
    from collaparte.takes import read_take

    write_positions(read_take(request["take"]), read_page(request["piece"], choose=True), request["out"])
    return {}


def sleep_and_grow(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Take ``bytes`` of memory and ``seconds`` of time: how the limits are tested on this very machine."""
    import time

    held = bytearray(int(request["bytes"]))
    time.sleep(float(request["seconds"]))
    return {"held": len(held)}


JOBS: Mapping[str, Callable[[Mapping[str, Any], Tell], dict[str, Any]]] = {
    "describe": describe_piece,
    "engrave": engrave_piece,
    "render": render_take,
    "voices": flatten_voices,
    "review": review_take,
    "positions": place_take,
    "sleep": sleep_and_grow,
}

if __name__ == "__main__":
    raise SystemExit(main())
