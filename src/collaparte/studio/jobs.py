"""Work that is heavy, or done on files from anywhere, in a process of its own with limits of time and memory.

The music's process never parses, engraves or renders: such work would hold Python's lock while a note is due, and a
hostile file could take everything. The worker is nicer than the music, and is ended when it takes too long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from collaparte import errors
from collaparte.errors import CollaparteError, UnreadableScore

GIGABYTE = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may take. ``time_s`` counts on the wall; the processor's own time has the same limit."""

    time_s: float = 120.0
    memory_bytes: int = 3 * GIGABYTE
    file_bytes: int = GIGABYTE


PARSING = Limits(time_s=90.0)
ENGRAVING = Limits(time_s=240.0)
RENDERING = Limits(time_s=600.0, memory_bytes=6 * GIGABYTE, file_bytes=4 * GIGABYTE)


def run_job(
    name: str,
    arguments: Mapping[str, Any],
    limits: Limits = PARSING,
    tell: Callable[[dict[str, Any]], None] = lambda news: None,
) -> dict[str, Any]:
    """Do the job called ``name`` (see ``worker``) and answer what it found; ``tell`` hears news while it runs.

    Raises the CollaparteError the job raised, or UnreadableScore when it had to be ended.
    """
    request = {"job": name, "limits": [limits.time_s, limits.memory_bytes, limits.file_bytes], **arguments}
    process = subprocess.Popen(
        [sys.executable, "-m", "collaparte.studio.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(limits.time_s, end)
    timer.daemon = True
    timer.start()
    answer: dict[str, Any] | None = None
    try:
        with process.stdin as pipe:
            pipe.write(json.dumps(request).encode())
        for line in process.stdout:
            news = json.loads(line)
            if "answer" in news or "error" in news:
                answer = news
            else:
                tell(news)
    except (BrokenPipeError, ValueError):
        pass  # it died before or while speaking; what is missing is said below
    finally:
        timer.cancel()
        if process.poll() is None and answer is None:
            process.kill()
        process.stdout.close()
        process.wait()
    if answer is None:
        why = f"took longer than {limits.time_s:.0f} s" if late.is_set() else "asked for more than a score may take"
        raise UnreadableScore(f"The work on this file {why}, and was ended. Is it damaged, or not a score?")
    if "error" in answer:
        kind = getattr(errors, str(answer["kind"]), CollaparteError)
        raise kind(str(answer["error"]))
    found: dict[str, Any] = answer["answer"]
    return found
