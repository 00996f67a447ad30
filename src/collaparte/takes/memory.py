"""The remembered run-throughs of one soloist, in a folder: learnt from takes, forgotten with them.

    folder/<digest of the piece's solo notes>/<identity of the take>.json

One file for each run-through, so that forgetting a take is deleting a file; nothing is averaged on disk.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from collaparte.errors import TakeError
from collaparte.score import Score
from collaparte.takes.read import Take, TakeWarning
from collaparte.takes.recollection import HORIZON, Recollection, recollect
from collaparte.takes.remember import LEAST_PERIOD_S, MOST_PERIOD_S, Learnt, RunThrough, run_through

FORMAT = 1
_NAME = re.compile(r"[0-9a-f]{4,64}")


class Memory:
    """One soloist's memory. The folder is made when something is first learnt.

    memory = Memory("anna")
    memory.learn(take, score)
    recollection = memory.recall(score)     # once, at the start of a performance
    recollection.recalled(24.0)             # at every position
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def learn(self, take: Take, score: Score) -> Learnt:
        """Remember ``take``; learning it again changes nothing. Says what was kept and why not more.

        Raises TakeError when the take is of another piece or the folder cannot be written.
        """
        order = max((run.order for run in self.runs(score.digest) if run.take != take.identity), default=0) + 1
        run, learnt = run_through(take, score, order)
        if learnt.remembered and not self._file(run.digest, run.take).exists():
            self._write(run)
        return learnt

    def recall(self, score: Score, horizon: int = HORIZON) -> Recollection:
        """Everything remembered of ``score``'s piece, ready to be asked at every position."""
        return recollect(score, self.runs(score.digest), horizon)

    def runs(self, digest: str) -> list[RunThrough]:
        """The run-throughs of one piece in the order learnt; a damaged file is passed over with a TakeWarning."""
        found = []
        for path in sorted((self.folder / digest).glob("*.json")) if _NAME.fullmatch(digest) else []:
            try:
                found.append(_run(json.loads(path.read_text(encoding="utf-8"))))
            except (OSError, ValueError) as error:
                warnings.warn(f"The memory {path} is damaged and was passed over: {error}", TakeWarning, stacklevel=2)
        return sorted(found, key=lambda run: (run.order, run.take))

    def pieces(self) -> dict[str, int]:
        """How many run-throughs are remembered of each piece, by digest."""
        folders = sorted(path for path in self.folder.glob("*") if path.is_dir() and _NAME.fullmatch(path.name))
        counts = {path.name: len(list(path.glob("*.json"))) for path in folders}
        return {digest: count for digest, count in counts.items() if count}

    def forget(self, take: str | Take) -> bool:
        """Forget one take, by itself or by its identity; False when it was not remembered."""
        identity = take if isinstance(take, str) else take.identity
        found = False
        if _NAME.fullmatch(identity):
            for path in self.folder.glob(f"*/{identity}.json"):
                path.unlink()
                found = True
        return found

    def forget_piece(self, digest: str) -> int:
        """Forget everything about one piece; how many run-throughs that were."""
        paths = list((self.folder / digest).glob("*.json")) if _NAME.fullmatch(digest) else []
        for path in paths:
            path.unlink()
        return len(paths)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write everything remembered into one JSON file; how many run-throughs that are."""
        runs = [asdict(run) for digest in self.pieces() for run in self.runs(digest)]
        _write_whole(Path(path), {"collaparte": "memory", "format": FORMAT, "runs": runs})
        return len(runs)

    def bring_in(self, path: str | os.PathLike[str]) -> int:
        """Add what another memory exported, after what is already here; how many run-throughs were new.

        Raises TakeError, and adds nothing, when the file is no exported memory.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(data, dict) or data.get("collaparte") != "memory" or data.get("format") != FORMAT:
                raise ValueError("it does not say that it is one of this format")
            runs = [_run(item) for item in data["runs"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TakeError(f"{path} is not an exported memory: {error}. Export one with 'memory export'.") from error
        added = 0
        for run in sorted(runs, key=lambda run: run.order):
            if not self._file(run.digest, run.take).exists():
                last = max((known.order for known in self.runs(run.digest)), default=0)
                self._write(replace(run, order=last + 1))
                added += 1
        return added

    def _file(self, digest: str, take: str) -> Path:
        return self.folder / digest / f"{take}.json"

    def _write(self, run: RunThrough) -> None:
        _write_whole(self._file(run.digest, run.take), {"format": FORMAT, **asdict(run)})


def _run(data: Any) -> RunThrough:
    """A run-through from its file. Raises ValueError for anything that is not one, or not music."""
    try:
        run = RunThrough(
            take=str(data["take"]),
            digest=str(data["digest"]),
            soloist=str(data["soloist"]),
            order=int(data["order"]),
            keys=tuple((int(first), int(passing), int(last)) for first, passing, last in data["keys"]),
            interval_beats=_numbers(data["interval_beats"]),
            interval_s=_numbers(data["interval_s"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"a run-through lacks or misstates {error}") from error
    if not (_NAME.fullmatch(run.take) and _NAME.fullmatch(run.digest)):
        raise ValueError("take and digest are not hexadecimal names")
    if not len(run.keys) == len(run.interval_beats) == len(run.interval_s):
        raise ValueError("keys and intervals differ in number")
    for beats, seconds in zip(run.interval_beats, run.interval_s, strict=True):
        if not (beats > 0 and LEAST_PERIOD_S * 0.99 <= seconds / beats <= MOST_PERIOD_S * 1.01):
            raise ValueError(f"an interval of {beats} quarters in {seconds} s is no music")
    return run


def _numbers(values: Iterable[object]) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)  # type: ignore[arg-type]
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("a length is not a finite number")
    return numbers


def _write_whole(path: Path, data: Mapping[str, object]) -> None:
    """All of it or nothing: written beside, then moved into place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as part:
            json.dump(data, part)
        os.replace(part.name, path)
    except OSError as error:
        raise TakeError(
            f"Memory cannot be written to {path}: {error.strerror or error}. Choose another folder."
        ) from error
