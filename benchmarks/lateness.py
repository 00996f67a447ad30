"""How late notes leave: p50, p99 and maximum, idle and with one core loaded.

    python benchmarks/lateness.py [--notes 2000] [--port virtual:bench]

Each note end is committed 50 to 100 ms ahead, as in a concert, and its lateness is taken by the sending process
itself, just after handing it to its output: ``sent_s - due_s``. Without ``--port`` the output is a file in memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from collaparte.events import OrchestraEvent
from collaparte.score.page import Part
from collaparte.sound.midi_port import MidiPort

AHEAD_S = 0.1
STEP_S = 0.005


def busy(stop_s: float) -> None:
    """Keep one core at work until ``stop_s``."""
    while time.monotonic() < stop_s:
        sum(range(1000))


def lateness_ms(port: str, notes: int) -> tuple[np.ndarray, bool]:
    """Milliseconds each note end left after its due time, and whether priority was real-time."""
    rng = np.random.default_rng(0)
    origin_s = time.monotonic()
    with MidiPort([Part("Violins", 1, 48)], port, origin_s=origin_s) as sound:
        first_s = time.monotonic() - origin_s + 0.3
        dues_s = first_s + np.cumsum(rng.uniform(0.2, 1.8, notes) * STEP_S)
        for number, due_s in enumerate(dues_s):
            time.sleep(max(due_s - AHEAD_S + origin_s - time.monotonic(), 0.0))
            pitch = 30 + number % 90
            for on, at_s in ((True, float(due_s)), (False, float(due_s) + 0.01)):
                sound.send([OrchestraEvent(at_s, 0.0, "Violins", on, pitch, 80, note=number)])
        time.sleep(0.5)
        return np.array([(report.sent_s - report.due_s) * 1000 for report in sound.reports()]), sound.realtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--port", default=None)
    asked = parser.parse_args()
    table = Table("machine", "ends", "p50 ms", "p99 ms", "max ms", "priority", title="Lateness of note sends")
    with tempfile.TemporaryDirectory() as folder:
        for loaded in (False, True):
            port = asked.port or f"log:{Path(folder) / str(loaded)}"
            worker = multiprocessing.get_context("spawn").Process(
                target=busy, args=(time.monotonic() + asked.notes * STEP_S + 5.0,)
            )
            if loaded:
                worker.start()
            try:
                late, realtime = lateness_ms(port, asked.notes)
            finally:
                if loaded:
                    worker.terminate()
                    worker.join()
            row = [f"{value:.3f}" for value in (*np.percentile(late, [50, 99]), late.max())]
            table.add_row(
                "one core loaded" if loaded else "idle", str(len(late)), *row, "real-time" if realtime else "normal"
            )
    Console().print(table)


if __name__ == "__main__":
    main()
