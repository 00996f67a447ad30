"""A take is written while it happens, one line of JSON for each value, and the music never waits for the disk.

``write`` puts the value on a queue and returns; a thread of its own makes the line and hands it to the operating
system a tenth of a second later at most, so that a killed process loses less than its last second. When the disk
refuses, what is not yet written is kept in memory (up to ``KEPT_BYTES``) and tried again every second, exactly where
it broke off; the user is told once, from the thread that calls ``write``, and nothing is ever raised into the music.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from collaparte.errors import TakeError
from collaparte.events import Notice, TakeHeader, Value, to_line

FLUSH_S = 0.1
RETRY_S = 1.0
KEPT_BYTES = 64_000_000
CLOSING_S = 5.0


class TakeWriter:
    """An append-only take on disk: ``write(value)`` for each value as it happens, ``close()`` (or ``with``) at the end.

    ``tell`` is called once with a Notice when the take cannot be kept, from inside ``write`` or ``close``.
    An existing take is never written over unless ``replace``. Raises TakeError when the file cannot be opened,
    which is before the music; nothing later raises.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: TakeHeader,
        tell: Callable[[Notice], None] | None = None,
        *,
        replace: bool = False,
    ) -> None:
        self.path = Path(path)
        self._tell = tell
        self._queue: deque[Value] = deque()
        self._pending = bytearray()
        self._kept_bytes = KEPT_BYTES
        self._dropped = 0
        self._unwritable = ""
        self._trouble: str | None = None
        self._told = False
        self._last_s = 0.0
        self._closed = False
        self._stop = threading.Event()
        first_line = to_line(header) + "\n"
        self._descriptor = _open(self.path, replace)
        self._pending += first_line.encode()
        self._thread = threading.Thread(target=self._run, name=f"take {self.path.name}", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the take is not on the disk at present, or what it lacks; None while all is well."""
        return self._trouble

    def write(self, value: Value) -> None:
        """Keep ``value``; returns at once, whatever the disk does."""
        if self._closed:
            return
        time_s = getattr(value, "heard_s", None) or getattr(value, "time_s", None)
        if time_s is not None:
            self._last_s = max(self._last_s, float(time_s))
        self._queue.append(value)
        if self._trouble is not None:
            self._say()

    def close(self) -> None:
        """Write what is left and close the file. Safe to call twice; waits no longer than ``CLOSING_S``."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._thread.join(CLOSING_S)
        if self._thread.is_alive():
            self._trouble = f"The disk does not answer: the end of the take {self.path} may be missing."
        if self._trouble is not None:
            self._say()

    def __enter__(self) -> TakeWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _say(self) -> None:
        if self._told or self._trouble is None:
            return
        self._told = True
        if self._tell is not None:
            self._tell(Notice(self._last_s, self._trouble))

    # From here on: the writing thread alone.

    def _run(self) -> None:
        pause_s = 0.0
        while True:
            stopping = self._stop.wait(pause_s)
            self._encode()
            written = self._hand_over()
            if stopping:
                break
            pause_s = FLUSH_S if written else RETRY_S
        try:
            os.fsync(self._descriptor)
        except OSError:
            pass  # a device or pipe has nothing to synchronise
        finally:
            os.close(self._descriptor)

    def _encode(self) -> None:
        while self._queue:
            value = self._queue.popleft()
            try:
                line = to_line(value)
            except (ValueError, TypeError) as error:
                self._unwritable = f"A value of kind {value.kind!r} could not be written to the take: {error}"
                self._trouble = self._trouble or self._unwritable
                continue
            encoded = line.encode() + b"\n"
            if len(self._pending) + len(encoded) > self._kept_bytes:
                self._dropped += 1
                continue
            if self._dropped:
                notice = Notice(self._last_s, f"{self._dropped} values are missing here: the disk was full.")
                self._pending += to_line(notice).encode() + b"\n"
                self._dropped = 0
            self._pending += encoded

    def _hand_over(self) -> bool:
        """Give the pending bytes to the system; False when it refused. A part that was taken is never sent again."""
        try:
            while self._pending:
                taken = os.write(self._descriptor, self._pending)
                del self._pending[:taken]
        except OSError as error:
            reason = error.strerror or str(error)
            self._trouble = (
                f"The take {self.path} cannot be written ({reason}). The music goes on; "
                "free some space and what was played since is written too."
            )
            return False
        self._trouble = self._unwritable or None
        return True


def _open(path: Path, replace: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o644)
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size:
            if not replace:
                os.close(descriptor)
                raise TakeError(
                    f"There is already a take at {path}. Choose another name, or say that it may be replaced."
                )
            os.ftruncate(descriptor, 0)
    except OSError as error:
        raise TakeError(
            f"The take cannot be written to {path}: {error.strerror or error}. Choose another place."
        ) from error
    return descriptor


def wait_until_written(writer: TakeWriter, timeout_s: float = CLOSING_S) -> bool:
    """Wait until everything given to ``writer`` is with the operating system; for tests and for the studio's list."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if not writer._queue and not writer._pending:
            return True
        time.sleep(FLUSH_S / 4)
    return False
