"""How late the studio lets the music be: notes handed over with 0, 1 and 4 pages open, and memory over a longer run.

    python benchmarks/studio.py                 lateness: 20 s of real time for each number of pages
    python benchmarks/studio.py --soak 10       ten minutes at ten times speed, a page reconnecting every five seconds

A note is late by ``sent_s - (due_s - horizon_s)``: how long after the moment it was committed for it was handed to the
output. The orchestra is silent and the soloist simulated, so what is measured is the engine's thread beside the
server's. Every page is a process of its own that reads everything it is sent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
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
            soak(stage, port, asked.soak)
        else:
            for pages in (0, 1, 4):
                measure(stage, port, pages, asked.seconds)
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


def soak(stage: Stage, port: str, minutes: float) -> None:
    reader = subprocess.Popen([sys.executable, "-c", PAGE, port, "5"])
    until = time.monotonic() + minutes * 60
    rounds = 0
    first = 0.0
    while time.monotonic() < until:
        stage.begin({"piece": "washerwoman", "speed": 10, "seed": rounds})
        while stage.rehearsal is not None and stage.rehearsal.alive:
            time.sleep(0.2)
        rounds += 1
        if rounds == 3:
            first = resident_mb()
    reader.kill()
    reader.wait()
    grown = resident_mb() / first - 1 if first else float("nan")
    print(json.dumps({"rounds": rounds, "resident_mb": round(resident_mb(), 1), "growth": round(grown, 4)}), flush=True)


if __name__ == "__main__":
    main()
