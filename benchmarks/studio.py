"""How late the studio lets the music be, what its first view costs, and whether its memory grows.

    python benchmarks/studio.py                 lateness: 20 s of real time for each number of pages; the first view
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
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np

from collaparte.studio.safety import Door
from collaparte.studio.serve import bind, make_server
from collaparte.studio.stage import Stage
from collaparte.takes import Shelf

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
        if asked.soak:
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


def first_view(port: str) -> None:
    """Seconds to the first piece on the first view, with files cached by the system, and what was loaded."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print(json.dumps({"first_view": "not measured: it needs Chromium and playwright"}))
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(2):
            page = browser.new_context().new_page()
            weights: list[int] = []
            page.on("response", lambda answer, to=weights: to.append(int(answer.headers.get("content-length", "0"))))
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator("a.card").first.wait_for()
            seconds = time.perf_counter() - begun
        browser.close()
    print(json.dumps({"first_view_s": round(seconds, 2), "kilobytes": round(sum(weights) / 1000, 1)}), flush=True)


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
