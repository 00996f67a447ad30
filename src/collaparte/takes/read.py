"""A take read back: its header, its values in order, and views of one kind each.

A process that was killed leaves its last line torn; that line is dropped with a warning. Any other damage is an error
that names the line, because a take is evidence: half of one, read silently, would be a lie.
"""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from collaparte.errors import TakeError
from collaparte.events import (
    FORMAT,
    KINDS,
    Click,
    Command,
    Notice,
    OrchestraEvent,
    Pedal,
    Position,
    SoloEvent,
    TakeHeader,
    TempoPlan,
    Value,
    from_line,
    to_line,
)

T = TypeVar("T")


class TakeWarning(UserWarning):
    """Something about a take that does not stop it from being read."""


@dataclass(frozen=True)
class Take:
    """One performance: the header and every value after it, in the order in which they were written."""

    header: TakeHeader
    values: tuple[Value, ...] = ()
    path: Path | None = None
    warnings: tuple[str, ...] = ()

    def _of(self, cls: type[T]) -> tuple[T, ...]:
        return tuple(value for value in self.values if isinstance(value, cls))

    @cached_property
    def solo(self) -> tuple[SoloEvent, ...]:
        """What the soloist played, beginnings and ends of notes, in the order heard."""
        return self._of(SoloEvent)

    @cached_property
    def pedals(self) -> tuple[Pedal, ...]:
        return self._of(Pedal)

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        return self._of(Position)

    @cached_property
    def plans(self) -> tuple[TempoPlan, ...]:
        return self._of(TempoPlan)

    @cached_property
    def orchestra(self) -> tuple[OrchestraEvent, ...]:
        """What the orchestra played, in the order committed (not always the order of ``due_s``)."""
        return self._of(OrchestraEvent)

    @cached_property
    def clicks(self) -> tuple[Click, ...]:
        return self._of(Click)

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        return self._of(Command)

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        return self._of(Notice)

    @cached_property
    def end_s(self) -> float:
        """When the last thing of the take sounded or was reported; 0.0 for an empty take."""
        times = [getattr(value, "due_s", None) for value in self.values]
        times += [getattr(value, "time_s", None) for value in self.values]
        return max((float(time_s) for time_s in times if time_s is not None), default=0.0)

    @cached_property
    def identity(self) -> str:
        """12 hexadecimal digits of everything in the take: the same wherever the file lies, whatever its name."""
        whole = hashlib.sha256()
        for line in self.lines():
            whole.update(line.encode() + b"\n")
        return whole.hexdigest()[:12]

    def lines(self) -> Iterator[str]:
        """The take's lines, without newlines."""
        yield to_line(self.header)
        for value in self.values:
            yield to_line(value)


def make_take(header: TakeHeader, values: Iterable[Value]) -> Take:
    """A take from values in memory (a simulation that wrote no file)."""
    return Take(header, tuple(values))


def read_take(path: str | os.PathLike[str]) -> Take:
    """Read a take.

    Raises TakeError, with the line's number, when the file is missing, is not a take, or is damaged anywhere but in
    a torn last line (which is dropped with a TakeWarning).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TakeError(f"The take {path} cannot be read: {error.strerror or error}.") from error
    stripped = content.rstrip(b"\0")  # a power cut can leave a tail of zeros
    rows = stripped.split(b"\n")
    whole = rows[-1] == b"" and len(stripped) == len(content)
    if rows[-1] == b"":
        rows.pop()
    if not rows:
        raise TakeError(f"{path} is empty: there is no take in it.")
    values: list[Value] = []
    told: list[str] = []
    for number, row in enumerate(rows, start=1):
        try:
            values.append(_value(row))
        except ValueError as error:
            if number == 1:
                raise TakeError(f"{path} is not a take: its first line is no header ({error}).") from error
            if number == len(rows) and not whole:
                told.append(f"The last line ({number}) of {path} is torn and was left out; the rest is whole.")
                break
            raise TakeError(
                f"{path}, line {number}: {error}. The take is damaged there; the lines before it can be saved with "
                f"head -n {number - 1}."
            ) from error
        if number > 1 and isinstance(values[-1], TakeHeader):
            raise TakeError(f"{path}, line {number}: a second header. Two takes were joined in one file; split them.")
    header = values[0]
    if not isinstance(header, TakeHeader):
        raise TakeError(f"{path} is not a take: its first line is a {header.kind!r}, not a header.")
    if header.format > FORMAT:
        raise TakeError(
            f"{path} is a take of format {header.format}, and this version reads up to {FORMAT}. Update collaparte."
        )
    for text in told:
        warnings.warn(text, TakeWarning, stacklevel=2)
    return Take(header, tuple(values[1:]), path, tuple(told))


def write_take(take: Take, path: str | os.PathLike[str]) -> None:
    """Write a whole take at once (exports and tests); a running one is written by ``TakeWriter``."""
    Path(path).write_text("".join(line + "\n" for line in take.lines()), encoding="utf-8")


_SORTS: Mapping[str, tuple[type, ...]] = {
    "float": (float, int),
    "float | None": (float, int, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "bool": (bool,),
    "str": (str,),
    "str | None": (str, type(None)),
    "State": (str,),
    "Mapping[str, Any]": (dict,),
    "Mapping[str, float]": (dict,),
    "Mapping[str, str]": (dict,),
}
_STATES = ("waiting", "playing", "lost", "finished")


def _checks(cls: type) -> Sequence[tuple[str, tuple[type, ...]]]:
    return [(item.name, _SORTS[str(item.type)]) for item in fields(cls)]


_CHECKS = {kind: _checks(cls) for kind, cls in KINDS.items()}


def _value(row: bytes) -> Value:
    """The value of one line, with every field of its sort. Raises ValueError saying what is wrong."""
    try:
        text = row.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("not text in UTF-8") from error
    value = from_line(text)
    for name, sorts in _CHECKS[value.kind]:
        content = getattr(value, name)
        if not isinstance(content, sorts) or (isinstance(content, bool) and bool not in sorts):
            raise ValueError(f"{name} of a {value.kind!r} line is {content!r}")
        if isinstance(content, float) and not math.isfinite(content):
            raise ValueError(f"{name} of a {value.kind!r} line is not a finite number")
    if isinstance(value, Position) and value.state not in _STATES:
        raise ValueError(f"state of a 'position' line is {value.state!r}")
    return value
