"""What was measured, kept for each pair of devices in the user's data folder.

    data folder/
      calibrations.json          one entry for each pair (input, output); the newest measurement counts
      responses/<pair>.npy       what the room makes of an impulse, float32 at RATE; where it was measured

Files are written beside their place and moved there, so that a crash leaves the old ones. A file that cannot be read is
set aside (``calibrations.json.damaged``) with a word, and measuring again makes a new one.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.calibrate.clicks import Measured
from collaparte.errors import DeviceError
from collaparte.listen.audio import RATE
from collaparte.takes import data_folder

FILE = "calibrations.json"
FORMAT = 1
DEFAULT = "default"  # how a device is called that was not chosen by name


@dataclass(frozen=True, slots=True)
class Calibration:
    """How long sound takes through one pair of devices.

    ``round_trip_s`` is from a sample being asked for by the output to its stamp at the input. ``input_latency_s`` is
    what a listener subtracts from its stamps: the round trip less the output's own latency, which the orchestra's
    ``due_s`` accounts for already. Then the orchestra's sound due at a time is heard to begin at that time, and a
    soloist who plays with what they hear is found to play with it. ``response`` is the file of the room's response.
    """

    input: str
    output: str
    round_trip_s: float
    input_latency_s: float
    spread_s: float
    level_db: float
    when: str  # ISO date and time, for people
    response: str | None = None

    @classmethod
    def of(cls, found: Measured, input: str, output: str, output_latency_s: float) -> Calibration:
        """What ``measure`` found between two devices, as of now."""
        return cls(
            input,
            output,
            round(found.round_trip_s, 6),
            round(max(found.round_trip_s - output_latency_s, 0.0), 6),
            round(found.spread_s, 6),
            round(found.level_db, 2),
            datetime.now().astimezone().isoformat(timespec="seconds"),
        )

    def load_response(self) -> NDArray[np.float32] | None:
        """The response (n,) at RATE, ``RESPONSE_LEAD_S`` before the round trip; None where there is none to read."""
        if self.response is None:
            return None
        try:
            response = np.load(self.response, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if response.ndim != 1 or not np.isfinite(response).all():
            return None
        return np.asarray(response, np.float32)


class Calibrations:
    """All that are kept in ``folder``, by default the user's data folder. ``notice`` is told of a damaged file."""

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, notice: Callable[[str], None] | None = None
    ) -> None:
        self.folder = Path(folder) if folder is not None else data_folder()
        self._notice = notice or (lambda text: warnings.warn(text, stacklevel=3))

    @property
    def path(self) -> Path:
        return self.folder / FILE

    def all(self) -> list[Calibration]:
        """Every pair's newest, the newest first."""
        return sorted(self._read().values(), key=lambda kept: kept.when, reverse=True)

    def recall(self, input: str | None = None, output: str | None = None) -> Calibration | None:
        """What is known of this pair; None (the default device) has its own entry. None when never measured."""
        return self._read().get((input or DEFAULT, output or DEFAULT))

    def keep(self, calibration: Calibration, found: Measured | None = None) -> Calibration:
        """Write ``calibration`` in place of the pair's last, with the response of ``found``; what was kept.

        Raises DeviceError when the folder cannot be written.
        """
        known = self._read()
        pair = (calibration.input, calibration.output)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if found is not None:
                name = hashlib.sha256("\0".join(pair).encode()).hexdigest()[:16]
                target = self.folder / "responses" / f"{name}.npy"
                target.parent.mkdir(exist_ok=True)
                half = target.with_name(f".{name}.{os.getpid()}.npy")
                np.save(half, _at_rate(found))
                half.replace(target)
                calibration = replace(calibration, response=str(target))
            known[pair] = calibration
            half = self.path.with_name(f".{FILE}.{os.getpid()}")
            text = json.dumps({"format": FORMAT, "pairs": [asdict(kept) for kept in known.values()]}, indent=1)
            half.write_text(text + "\n", encoding="utf-8")
            half.replace(self.path)
        except OSError as error:
            raise DeviceError(
                f"The calibration cannot be kept in {self.folder}: {error}. Set COLLAPARTE_DATA."
            ) from error
        return calibration

    def _read(self) -> dict[tuple[str, str], Calibration]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (NotADirectoryError, PermissionError) as error:
            raise DeviceError(f"{self.path} cannot be read: {error}. Set COLLAPARTE_DATA.") from error
        except (OSError, UnicodeDecodeError) as error:
            return self._set_aside(str(error))
        try:
            found = [_understood(entry) for entry in json.loads(text)["pairs"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self._set_aside(str(error))
        return {(kept.input, kept.output): kept for kept in found}

    def _set_aside(self, why: str) -> dict[tuple[str, str], Calibration]:
        aside = self.path.with_name(f"{FILE}.damaged")
        try:
            self.path.replace(aside)
            where = f"It is kept as {aside}."
        except OSError:
            where = ""
        self._notice(f"{self.path} cannot be understood ({why}). {where} Measure again: collaparte calibrate.")
        return {}


def _understood(entry: dict[str, Any]) -> Calibration:
    known = {field.name for field in fields(Calibration)}
    kept = Calibration(**{key: value for key, value in entry.items() if key in known})
    numbers = (kept.round_trip_s, kept.input_latency_s, kept.spread_s, kept.level_db)
    if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
        raise ValueError("a number is missing")
    if not isinstance(kept.input, str) or not isinstance(kept.output, str):
        raise ValueError("a device has no name")
    return kept


def _at_rate(found: Measured) -> NDArray[np.float32]:
    """The response at RATE, worth the same as a filter: as many samples fewer, so much higher each."""
    if found.rate == RATE:
        return found.response
    import soxr  # type: ignore[import-untyped]

    response = soxr.resample(found.response, found.rate, RATE) * (found.rate / RATE)
    return np.asarray(response, np.float32)
