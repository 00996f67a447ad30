"""How late the studio lets the music be, what its first view costs, and whether its memory grows.

    python benchmarks/studio.py                 lateness: 20 s of real time for each number of pages; the first view
    python benchmarks/studio.py --score         the first page of a long score (--score FILE: of this one), from opening
                                                the stand on; one that was made for it where none is named
    python benchmarks/studio.py --soak 6        six minutes at ten times speed: an hour of rehearsals, with a page that
                                                reconnects every five seconds; --trace says what Python's memory grew by

A note is late by ``sent_s - (due_s - horizon_s)``: how long after the moment it was committed for it was handed to the
output. The orchestra is silent and the soloist simulated, so what is measured is the engine's thread beside the
server's. Every page is a process of its own that reads everything it is sent. In the soak a second of the music is a
tenth of a second of the wall, and so is its lateness. Memory grows to its working size in the first rounds; growth is
the mean of the last fifth of the rounds against the second fifth, with what the allocator keeps given back.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from collaparte.studio.safety import Door
from collaparte.studio.serve import bind, make_server
from collaparte.studio.stage import Stage
from collaparte.takes import Shelf

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from tiny_scores import over_and_over

PAGE = """
import sys, time
from websockets.sync.client import connect
stays = float(sys.argv[2])
while True:
    try:
        with connect(f"ws://127.0.0.1:{sys.argv[1]}/api/stand", proxy=None) as socket:
            until = time.monotonic() + stays
            while time.monotonic() < until:
                socket.recv(timeout=5)
    except Exception:
        time.sleep(0.2)
"""


def resident_mb() -> float:
    """This process's memory, in megabytes (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def give_back() -> None:
    """Free what is free: cycles, and what the C library keeps for itself (Linux)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def lateness(stage: Stage) -> tuple[int, np.ndarray]:
    """Notes of the last take and how late each was handed over, in milliseconds."""
    name = stage.snapshot()["take"]
    take = stage.shelf.read(name)
    horizon_s = take.header.config["settings"]["horizon_s"]
    late = [(note.sent_s - (note.due_s - horizon_s)) * 1000 for note in take.orchestra if note.sent_s is not None]
    return len(late), np.maximum(np.array(late), 0.0)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--score", nargs="?", const="", metavar="FILE", help="measure engraving instead")
    options.add_argument("--soak", type=float, metavar="MINUTES", help="measure memory instead")
    options.add_argument("--trace", action="store_true", help="with --soak: what the growth is made of")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Shelf(folder))
        listening = bind("127.0.0.1", 0)
        server = make_server(stage, Door())
        threading.Thread(target=server.run, args=([listening],), daemon=True).start()
        port = str(listening.getsockname()[1])
        stage.begin({"piece": "washerwoman", "speed": 20})
        stage.end()  # everything is imported and cached now
        if asked.score is not None:
            long_score(stage, port, Path(asked.score) if asked.score else None)
        elif asked.soak:
            soak(stage, port, asked.soak, asked.trace)
        else:
            for pages in (0, 1, 4):
                measure(stage, port, pages, asked.seconds)
            first_view(port)
        server.should_exit = True


def measure(stage: Stage, port: str, pages: int, seconds: float) -> None:
    readers = [subprocess.Popen([sys.executable, "-c", PAGE, port, "1e9"]) for _ in range(pages)]
    until = time.monotonic() + 20
    while len(stage.feed) < pages and time.monotonic() < until:
        time.sleep(0.05)
    stage.begin({"piece": "washerwoman", "seed": 1})
    time.sleep(seconds)
    stage.end()
    for reader in readers:
        reader.kill()
        reader.wait()
    count, late = lateness(stage)
    figures = {f"p{share}_ms": round(float(np.percentile(late, share)), 2) for share in (50, 90, 99)}
    print(json.dumps({"pages": pages, "notes": count, **figures, "worst_ms": round(float(late.max()), 2)}), flush=True)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The system's browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        found = None
    if found is None:
        raise SystemExit("This needs Chromium (apt-get install chromium) and playwright (pip install playwright).")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def first_view(port: str) -> None:
    """Seconds to the first piece on the first view, with files cached by the system, and what was loaded."""
    with chromium() as browser:
        for _ in range(2):
            page = browser.new_context().new_page()
            weights: list[int] = []
            page.on("response", lambda answer, to=weights: to.append(int(answer.headers.get("content-length", "0"))))
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator("a.card").first.wait_for()
            seconds = time.perf_counter() - begun
    print(json.dumps({"first_view_s": round(seconds, 2), "kilobytes": round(sum(weights) / 1000, 1)}), flush=True)


def long_score(stage: Stage, port: str, path: Path | None) -> None:
    """Seconds from opening the stand to the first page of a score that was never engraved, and to the last.

    Beside them the processor's time of the engraving process, all pages and the map: what a machine with nothing else
    to do needs at least. Every view is engraved anew.
    """
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = path or over_and_over(Path(folder) / "long.musicxml", 6)
        entry = stage.library.add(path.name, path.read_bytes())
        entry = entry if entry.solo else stage.library.choose(entry.id, entry.suggested)
        stage.begin({"piece": entry.id, "speed": 1})
        for view in ("solo", "cue", "full"):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            page.add_init_script(f"localStorage.setItem('view', '{view}')")
            before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/#/stand")
            page.locator("svg.page").first.wait_for(timeout=120_000)
            first_s = time.perf_counter() - begun
            page.locator(".cursor:not([hidden])").wait_for(timeout=120_000)
            all_s = time.perf_counter() - begun
            pages = page.locator("#pageno").inner_text().split()[-1]
            cpu_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s
            figures = {"first_page_s": round(first_s, 2), "all_pages_s": round(all_s, 2), "cpu_s": round(cpu_s, 2)}
            print(json.dumps({"view": view, "pages": int(pages), **figures}), flush=True)
            page.context.close()
        stage.end()


def soak(stage: Stage, port: str, minutes: float, trace: bool) -> None:
    reader = subprocess.Popen([sys.executable, "-c", PAGE, port, "5"])
    until = time.monotonic() + minutes * 60
    memory: list[float] = []
    late: list[np.ndarray] = []
    music_s = 0.0
    before: tracemalloc.Snapshot | None = None
    if trace:
        tracemalloc.start(8)
    while time.monotonic() < until:
        begun = time.monotonic()
        stage.begin({"piece": "washerwoman", "speed": 10, "seed": len(memory)})
        while stage.rehearsal is not None and stage.rehearsal.alive:
            time.sleep(0.1)
        music_s += 10 * (time.monotonic() - begun)
        late.append(lateness(stage)[1] / 10)  # of the wall
        give_back()
        memory.append(resident_mb())
        if trace and len(memory) == 5:
            before = tracemalloc.take_snapshot()
    reader.kill()
    reader.wait()
    if before is not None:
        for line in tracemalloc.take_snapshot().compare_to(before, "traceback")[:6]:
            print(line, *line.traceback.format()[-6:], sep="\n")
    fifth = max(len(memory) // 5, 1)
    first, last = np.mean(memory[fifth : 2 * fifth]), np.mean(memory[-fifth:])
    all_late = np.concatenate(late)
    figures = {f"p{share}_ms": round(float(np.percentile(all_late, share)), 2) for share in (50, 99)}
    figures |= {"worst_ms": round(float(all_late.max()), 2), "first_mb": round(float(first), 1)}
    figures |= {"last_mb": round(float(last), 1), "growth": round(float(last / first - 1), 4)}
    told = [round(one, 1) for one in memory[:: max(fifth // 2, 1)]]
    rounds = {"rounds": len(memory), "music_min": round(music_s / 60, 1), "notes": len(all_late)}
    print(json.dumps({**rounds, **figures, "memory_mb": told}), flush=True)


if __name__ == "__main__":
    main()
