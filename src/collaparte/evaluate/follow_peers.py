"""Other people's followers, on the same input: each in one process of the Python that has them installed.

pymatchmaker wants numpy < 2, so it lives in an environment of its own (``pip install collaparte[peers]`` there); name
that environment's Python with ``python``. What a peer answered is kept in the cache folder, named by the digest of
what it was given, its library's version and the worker that drove it: the same run can be repeated cheaply while ours
changes. Its CPU times are then those of the day it ran.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import MissingExtra
from collaparte.evaluate.follow_cases import Playing
from collaparte.measure import Track
from collaparte.score import Score
from collaparte.training.data.corpus import cache_folder

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


def run_peer(
    name: str, jobs: Sequence[tuple[Score, Playing]], python: Path | str, cache: Path | str | None = None
) -> list[PeerRun]:
    """Follow every job with the peer called ``name``; raises MissingExtra when that Python has it not."""
    if name in OF_PARANGONAR and find_spec("parangonar") and find_spec("torch"):
        python = sys.executable
    kept = cache_folder(cache) / "peers"
    kept.mkdir(exist_ok=True)
    known = hashlib.sha256(f"{name} {_version(name, python)}".encode() + WORKER.read_bytes())
    inputs = [_input(score, playing) for score, playing in jobs]
    targets = [kept / f"{name}-{_digest(known.hexdigest(), given)}.npz" for given in inputs]
    missing = {target: given for target, given in zip(targets, inputs, strict=True) if not target.is_file()}
    if missing:
        _work(name, missing, python)
    runs = []
    for target in targets:
        with np.load(target) as data:
            times, beats = data["time_s"], data["beat"]
            everywhere = np.ones(len(times))
            track = Track(times, beats, everywhere, everywhere.astype(bool))
            runs.append(PeerRun(track, data["cpu_us"], float(data["setup_s"]), int(data["trouble"])))
    return runs


def _input(score: Score, playing: Playing) -> dict[str, NDArray[np.generic]]:
    notes = score.solo
    return {
        "beat": notes["beat"],
        "duration": notes["duration_beats"],
        "pitch": notes["pitch"],
        "grace": notes["kind"] != 0,
        "time_s": playing.time_s,
        "heard_pitch": playing.pitch,
        "velocity": playing.velocity,
    }


def _digest(known: str, given: Mapping[str, NDArray[np.generic]]) -> str:
    digest = hashlib.sha256(known.encode())
    for key, values in given.items():
        digest.update(f"{key} {values.dtype} {values.shape}".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:24]


def _version(name: str, python: Path | str) -> str:
    package = "parangonar" if name in OF_PARANGONAR else "pymatchmaker"
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip()  # empty where it is missing: the worker then says so


def _work(name: str, jobs: Mapping[Path, Mapping[str, NDArray[np.generic]]], python: Path | str) -> None:
    """Run the worker over the jobs, and keep what it has done, also when it is stopped half way."""
    with tempfile.TemporaryDirectory() as folder:
        for number, given in enumerate(jobs.values()):
            np.savez(Path(folder) / f"{number:05d}.in.npz", allow_pickle=False, **given)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        try:
            done = subprocess.run(
                [str(python), str(WORKER), name, folder],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, **threads},
            )
        finally:
            for number, target in enumerate(jobs):
                answer = Path(folder) / f"{number:05d}.{name}.npz"
                if answer.is_file():
                    partial = target.with_suffix(f".{os.getpid()}.part")
                    partial.write_bytes(answer.read_bytes())
                    partial.replace(target)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MissingExtra(
                f"The follower {name} does not run in {python}: {last}. "
                "Install it in an environment of its own with: pip install 'collaparte[peers]', and name its Python "
                "with --peers-python."
            )
