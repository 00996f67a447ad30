"""Other people's followers, on the same input: each in one process of the Python that has them installed.

pymatchmaker wants numpy < 2, so it lives in an environment of its own (``pip install collaparte[peers]`` there); name
that environment's Python with ``python``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import MissingExtra
from collaparte.evaluate.follow_cases import Playing
from collaparte.measure import Track
from collaparte.score import Score

PEERS = ("SLT_OLTW", "OTM", "pthmm", "hmm", "arzt", "outerhmm")
OF_PARANGONAR = ("SLT_OLTW", "OTM")  # these also run in our own environment, where parangonar (and torch) is there
WORKER = Path(__file__).with_name("follow_peer_worker.py")


@dataclass(frozen=True)
class PeerRun:
    """What a peer reported: positions, CPU microseconds of each report, and what went wrong inside it."""

    track: Track
    cpu_us: NDArray[np.float64]
    setup_s: float
    trouble: int


def run_peer(name: str, jobs: Sequence[tuple[Score, Playing]], python: Path | str) -> list[PeerRun]:
    """Follow every job with the peer called ``name``; raises MissingExtra when that Python has it not."""
    if name in OF_PARANGONAR and find_spec("parangonar") and find_spec("torch"):
        python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        for number, (score, playing) in enumerate(jobs):
            notes = score.solo
            np.savez(
                Path(folder) / f"{number:05d}.in.npz",
                beat=notes["beat"],
                duration=notes["duration_beats"],
                pitch=notes["pitch"],
                grace=notes["kind"] != 0,
                time_s=playing.time_s,
                heard_pitch=playing.pitch,
                velocity=playing.velocity,
            )
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        done = subprocess.run(
            [str(python), str(WORKER), name, folder],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **threads},
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MissingExtra(
                f"The follower {name} does not run in {python}: {last}. "
                "Install it in an environment of its own with: pip install 'collaparte[peers]', and name its Python "
                "with --peers-python."
            )
        runs = []
        for number in range(len(jobs)):
            with np.load(Path(folder) / f"{number:05d}.{name}.npz") as data:
                times, beats = data["time_s"], data["beat"]
                everywhere = np.ones(len(times))
                track = Track(times, beats, everywhere, everywhere.astype(bool))
                runs.append(PeerRun(track, data["cpu_us"], float(data["setup_s"]), int(data["trouble"])))
    return runs
