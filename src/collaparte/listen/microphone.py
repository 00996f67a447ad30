"""A microphone as the soloist: the device's thread stamps and queues, a thread of its own listens.

Conventions: stamps are seconds on the given clock, taken when a block arrived. The sound of a block ended about then;
blocks arrive early never, late sometimes, so the earliest of the last few seconds tells when sample 0 was (the clocks
of computer and device drift apart slowly, which this follows). Where a device has lost blocks, all those after them
seem late, and sample time is set right within a third of a second. A known ``latency_s`` of the input (microphone to
arrival) is subtracted from ``time_s`` alone.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import DeviceError, MissingExtra
from collaparte.events import Command, OrchestraEvent, SoloEvent
from collaparte.listen.apart import Apart
from collaparte.listen.apart.echo import EchoCanceller
from collaparte.listen.audio import RATE as HEARD_AT
from collaparte.listen.audio import Health, Mixdown, Resampler
from collaparte.listen.hearing import make_ear
from collaparte.listen.sounding import sounding
from collaparte.listen.tuner import Tuner
from collaparte.ports import quiet
from collaparte.score import Score

RATE = 48000
CHANNELS = 2  # mixed down here, where a dead one is noticed; JACK through miniaudio gives no single one
BUFFER_MS = 10
EARLIEST_OF = 400  # blocks
LATE_ALL, LATE_ALL_S = 30, 0.004  # so many blocks in a row, each so much later than the earliest: some were lost before
LOOK_AGAIN_S = 0.5
GONE_S = 2.0  # without a block: the device is lost
REFUSED, UNKNOWN_FORM = {-6}, {-200}  # MA_ACCESS_DENIED, MA_FORMAT_NOT_SUPPORTED
JUDGED_S = 5.0  # of sound, before it is said what is wrong with it


class LiveEar:
    """Stamped blocks in, SoloEvents out; what the microphone's thread does, without the microphone.

    With a ``reference`` the orchestra is taken out of them: it is asked for as many samples as were heard, and when
    the first of them was. ``canceller`` may know the room already, and ``judges`` where nobody plays. With ``pitches``
    alone the orchestra's notes are told to ``sounds``. ``a4_hz`` is the soloist's A where it is known; ``hearing`` is
    one of ``hearing.HEARINGS``.
    """

    def __init__(
        self,
        score: Score,
        rate: int = RATE,
        latency_s: float = 0.0,
        *,
        reference: Callable[[int, float], NDArray[np.float32]] | None = None,
        canceller: EchoCanceller | None = None,
        judges: bool = True,
        pitches: bool = False,
        a4_hz: float | None = None,
        hearing: str = "auto",
    ) -> None:
        self.health = Health()
        self.ear = make_ear(score, hearing, a4_hz=a4_hz)
        self._reference = reference
        canceller = (canceller or EchoCanceller()) if reference is not None else None
        self._apart = Apart(self.ear, canceller, pitches=pitches, judges=judges)
        self._rate, self._latency_s = rate, latency_s
        self._resampler, self._mixdown = Resampler(rate), Mixdown(rate)
        self._taken = self._resampled = 0
        self._zeros: deque[float] = deque(maxlen=EARLIEST_OF)  # when sample 0 was, after each block

    def take(self, stamp_s: float, block: NDArray[np.float32], heard_s: float | None = None) -> list[SoloEvent]:
        """Hear ``block`` (n, channels), which arrived at ``stamp_s``; here, after a long way, at ``heard_s``."""
        self._taken += len(block)
        self._zeros.append(stamp_s - self._taken / self._rate)
        latest = list(self._zeros)[-LATE_ALL:]
        if min(latest) - min(self._zeros) > LATE_ALL_S:
            self._zeros = deque(latest, maxlen=EARLIEST_OF)
        zero_s = min(self._zeros)
        self.ear.origin_s = zero_s - self._latency_s
        mono = self._resampler.push(self._mixdown.mix(self.health.take(block)))
        beside = None
        if self._reference is not None:
            beside = self._reference(len(mono), zero_s + self._resampled / HEARD_AT)
        self._resampled += len(mono)
        return self._apart.hear(mono, stamp_s if heard_s is None else heard_s, beside)

    def sounds(self, event: OrchestraEvent) -> None:
        """The orchestra's ``event`` is committed."""
        self._apart.sounds(event)

    def tune(self, a4_hz: float) -> None:
        """The orchestra's A."""
        self._apart.tune(a4_hz)

    def skip(self) -> None:
        """The device was away: sample time begins anew with the next block."""
        self._zeros.clear()

    def relocate(self, beat: float) -> None:
        """The player says: the next note is the first at or after ``beat``."""
        self.ear.relocate(beat)


class Microphone:
    """Opens the input and puts what it hears of ``score``'s soloist; closes in a ``with``.

    ``put`` and ``now`` are a ``WallClock``'s. ``device`` is a name or its unique beginning, None for the default one;
    ``backend`` one of miniaudio's names. ``notice`` is told, in plain words, when the device is lost and when it is
    back, and once what is wrong with the sound (silence, clipping, hum, noise, an offset, a dead channel).
    The soloist begins at ``from_beat``, by default at the beginning. ``reference``, ``canceller``, ``pitches``,
    ``a4_hz`` and ``hearing`` are a ``LiveEar``'s; with ``tunes`` the orchestra is told the soloist's A as it is heard.
    """

    def __init__(
        self,
        score: Score,
        put: Callable[[SoloEvent | Command], None],
        now: Callable[[], float],
        *,
        device: str | None = None,
        backend: str | None = None,
        latency_s: float = 0.0,
        notice: Callable[[str], None] = lambda text: None,
        from_beat: float | None = None,
        reference: Callable[[int, float], NDArray[np.float32]] | None = None,
        canceller: EchoCanceller | None = None,
        pitches: bool = False,
        a4_hz: float | None = None,
        tunes: bool = False,
        hearing: str = "auto",
    ) -> None:
        self.live = LiveEar(
            score, RATE, latency_s, reference=reference, canceller=canceller, pitches=pitches, a4_hz=a4_hz,
            hearing=hearing,
        )  # fmt: skip
        self._tuner = Tuner(self.live.ear) if tunes else None
        if from_beat is not None:
            self.live.relocate(from_beat)
        self._put, self._now, self._notice = put, now, notice
        self._wanted, self._backend = device, backend
        self._blocks: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._device: Any = self._open()
        self._listener = threading.Thread(target=self._listen, name="collaparte-ear", daemon=True)
        self._listener.start()

    def _open(self) -> Any:
        return open_capture(self._wanted, self._backend, self._arrived())

    def _arrived(self) -> Generator[None, bytes, None]:
        """In the device's thread: stamp, queue, return."""
        while True:
            data = yield
            self._blocks.put((self._now(), bytes(data)))

    def _listen(self) -> None:
        away_s, there, first = 0.0, True, [np.zeros((0, CHANNELS), np.float32)]
        while not self._closing.is_set():
            try:
                stamp_s, data = self._blocks.get(timeout=LOOK_AGAIN_S)
            except queue.Empty:
                away_s += LOOK_AGAIN_S
                if away_s >= GONE_S:
                    there = self._try_again(there)
                continue
            if not there:
                self._notice("The microphone is back.")
                self.live.skip()
            away_s, there = 0.0, True
            block = np.frombuffer(data, np.float32).reshape(-1, CHANNELS)
            for event in self.live.take(stamp_s, block):
                self._put(event)
            tuned = self._tuner.command(stamp_s) if self._tuner is not None else None
            if tuned is not None:
                self._put(tuned)
            if first:
                first.append(block)
                if sum(map(len, first)) >= JUDGED_S * RATE:
                    self._judge(np.concatenate(first))
                    first = []

    def _judge(self, sound: NDArray[np.float32]) -> None:
        for words in sounding(sound, RATE, waiting=True).words:
            self._notice(f"The microphone: {words}")

    def _try_again(self, there: bool) -> bool:
        if there:
            self._notice("The microphone is gone. The orchestra plays on; plug it in again.")
        self._device.close()
        with contextlib.suppress(DeviceError):
            self._device = self._open()
        return False

    def close(self) -> None:
        """Close the device and end the listener; a second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._listener.join()
        self._device.close()

    def __enter__(self) -> Microphone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_capture(wanted: str | None, backend: str | None, arrived: Generator[None, bytes, None]) -> Any:
    """A started input, CHANNELS at RATE, whose blocks are sent to ``arrived`` from a thread of the device.

    Raises DeviceError for an input that is not there, is refused, or does not give sound in a form we can use.
    """
    try:
        import miniaudio
    except ImportError as error:
        raise MissingExtra("A microphone needs miniaudio: pip install miniaudio") from error
    names = [known.name for known in miniaudio.Backend]
    if backend is not None and backend not in names:
        raise DeviceError(f"There is no sound system {backend!r}. There are: {', '.join(names)}.")
    backends = [miniaudio.Backend[backend]] if backend is not None else []
    try:
        with quiet():
            found = miniaudio.Devices(backends=backends).get_captures()
            capture = miniaudio.CaptureDevice(
                input_format=miniaudio.SampleFormat.FLOAT32,
                nchannels=CHANNELS,
                sample_rate=RATE,
                buffersize_msec=BUFFER_MS,
                device_id=_chosen(wanted, found),
                backends=backends or None,
                app_name="collaparte",
            )
        next(arrived)
        capture.start(arrived)
    except miniaudio.MiniaudioError as error:
        raise DeviceError(refusal(error.args)) from error
    return capture


def refusal(reason: Sequence[object]) -> str:
    """What to do about an input that does not open; ``reason`` holds miniaudio's words and its number (ma_result)."""
    words = " ".join(map(str, reason))
    numbers = [part for part in reason if isinstance(part, int)]
    if REFUSED & set(numbers) or "ccess denied" in words or "ermission" in words:
        return (
            f"This program may not use the microphone ({words}). Allow it in the system's privacy settings "
            "(on Linux: be a member of the group audio), then try again."
        )
    if UNKNOWN_FORM & set(numbers) or "ormat not supported" in words:
        return (
            f"The microphone gives sound in a form that cannot be used ({words}). Set it to {RATE} Hz and 16 or 24 "
            "bits in the system's sound settings, or choose another input."
        )
    return (
        f"The microphone cannot be opened ({words}). Connect one, and allow this program to use it; "
        "`collaparte devices` lists what there is."
    )


def _chosen(wanted: str | None, found: list[dict[str, Any]]) -> Any:
    """The id of the one input that ``wanted`` names, or begins; None for the default one."""
    if wanted is None:
        return None
    names = [str(one["name"]) for one in found]
    near = [at for at, name in enumerate(names) if name == wanted] or [
        at for at, name in enumerate(names) if name.casefold().startswith(wanted.casefold())
    ]
    if len(near) == 1:
        return found[near[0]]["id"]
    trouble = "There is no input" if not near else "Several inputs are called"
    raise DeviceError(f"{trouble} {wanted!r}. The inputs are: {', '.join(names) or 'none'}.")
