"""pymatchmaker's audio followers on our files: each in the Python that has them, its answers kept.

A peer takes minutes over a recording and answers the same each time, so what it answered lies in the cache folder under
the digest of everything that went in: the sound, the page, the tempo and the worker itself. Delete ``peer-*.npz`` there
to run them again. Its Python is named by the caller: pymatchmaker wants numpy < 2, so it lives in an environment of its
own (``pip install collaparte[peers]`` there, and libfluidsynth for arzt and dixon, which play the score to themselves).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import CollaparteError, MissingExtra
from collaparte.listen.audio import RATE, open_recording
from collaparte.training.data.corpus import cache_folder

PEERS = ("arzt", "dixon", "outerhmm", "skf")
WORKER = Path(__file__).with_name("listen_peer_worker.py")
LONGEST_S = 3600.0

Answer = dict[str, NDArray[Any]]


def peer_run(method: str, page: Path, sound: Path, bpm: float, folded: bool, python: Path | str) -> Answer:
    """What ``method`` reported over ``sound``: ``time_s`` and ``beat`` (n,), ``cpu_s`` and ``setup_s``.

    ``bpm`` is the true mean tempo in quarters a minute; ``folded`` when the page's repeats are not taken. Raises
    MissingExtra when that Python has no pymatchmaker, CollaparteError with the last thing said when it fails.
    """
    import soundfile  # type: ignore[import-untyped]

    told = [method, f"{bpm:.3f}", str(int(folded))]
    digest = hashlib.sha256(" ".join(told).encode())
    for part in (page, sound, WORKER):
        digest.update(hashlib.sha256(part.read_bytes()).digest())
    kept = cache_folder() / f"peer-{method}-{digest.hexdigest()[:16]}.npz"
    if not kept.is_file():
        with tempfile.TemporaryDirectory() as folder:
            wav, out = Path(folder) / "sound.wav", Path(folder) / "out.npz"
            soundfile.write(wav, np.concatenate([block for _, block in open_recording(sound).blocks()]), RATE)
            command = [str(python), str(WORKER), method, str(page), str(wav), told[1], told[2], str(out)]
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
                env={**os.environ, **threads},
            )
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                kind = MissingExtra if "No module named" in last else CollaparteError
                raise kind(
                    f"The peer {method} failed on {sound.name}: {last}. "
                    "Is its Python the one named with --peers-python?"
                )
            half = kept.with_name(f"{kept.name}.{os.getpid()}.part")
            half.write_bytes(out.read_bytes())
            half.replace(kept)
    with np.load(kept) as data:
        return {name: np.asarray(data[name], dtype=np.float64) for name in data.files}
