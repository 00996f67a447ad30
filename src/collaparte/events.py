"""The values that pass between the rooms, and the one line of JSON each becomes.

Conventions
-----------
Times are seconds on one monotonic clock that starts with the take (with a file as soloist: its first tick or sample).
Beats are quarter notes of the performed (unfolded) score minus its earliest quarter, so the first beat is 0.0.
``beat_period_s`` is seconds per quarter note. Pitches are MIDI note numbers 0..127, velocities 0..127.
Two times on what is heard: ``heard_s`` (when we knew) orders the queue, ``time_s`` (when it sounded) enters the
arithmetic. Numbers are written with 6 decimals; a value read back from its line equals the value written when its
floats have at most 6 decimals.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

State: TypeAlias = Literal["waiting", "playing", "lost", "finished"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class SoloEvent:
    """One note of the soloist beginning (``on``) or ending; made by ``listen``.

    ``certainty`` in 0..1 is how sure the listener is that this note sounded (1.0 for MIDI).
    """

    kind: ClassVar[str] = "solo"
    time_s: float
    heard_s: float
    on: bool
    pitch: int
    velocity: int = 64
    certainty: float = 1.0


@dataclass(frozen=True, slots=True)
class Pedal:
    """The soloist's pedal, ``value`` 0..127; ``controller`` as in MIDI (64 sustain, 66 sostenuto, 67 soft)."""

    kind: ClassVar[str] = "pedal"
    time_s: float
    heard_s: float
    controller: int
    value: int


@dataclass(frozen=True, slots=True)
class SoloFrame:
    """One block of the soloist's audio, for followers on spectra.

    ``features`` has shape (n_features,), float32; ``time_s`` is the middle of the block. Never written to a take.
    """

    kind: ClassVar[str] = "frame"
    time_s: float
    heard_s: float
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Position:
    """Where the soloist is; made by ``follow`` in answer to one heard value.

    ``time_s`` is when this was reported, never before the ``heard_s`` that caused it. ``beat`` is the last matched
    onset and ``onset_s`` when the sound at ``beat`` began; a wrong or extra note repeats both unchanged. With audio,
    ``beat`` may move between onsets. ``certainty`` is calibrated: .9 means within half a quarter of the truth at
    ``time_s`` nine times in ten. A position whose ``state`` is ``lost`` is a guess.
    """

    kind: ClassVar[str] = "position"
    time_s: float
    onset_s: float
    beat: float
    certainty: float
    state: State


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is remembered about the solo onsets ahead of ``beat``; made by ``takes``.

    Arrays of equal length n, one entry for each interval between consecutive solo onsets, starting with the one
    that begins at the position asked about: ``beat`` (n,) where the interval begins, ``log_ratio`` (n,) the
    remembered log of (beat period in the interval / beat period of the same take's local tempo before ``beat``),
    ``spread`` (n,) its standard deviation over takes, ``weight`` (n,) how much evidence there is (0: none; about the
    number of like, recent takes), ``local_beat_period_s`` the remembered absolute tempo around here.
    ``each_log_period`` (takes, n) is what every single take remembers, log seconds per quarter (NaN: nothing), and
    ``each_weight`` (takes,) its weight by recency and likeness; both may be left empty.
    """

    beat: NDArray[np.float64]
    log_ratio: NDArray[np.float64]
    spread: NDArray[np.float64]
    weight: NDArray[np.float64]
    local_beat_period_s: float
    each_log_period: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    each_weight: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class TempoPlan:
    """The soloist's predicted line; made by ``predict`` in answer to a heard value, a command or a hold.

    ``from_beat`` is the last matched onset and ``from_s`` its time; ``time_of(next awaited onset)`` is the predicted
    time of that onset. ``spread_s`` is the prediction's standard deviation there. ``hold_beat`` restrains ``conduct``
    only: nothing later than it sounds until it is released.
    """

    kind: ClassVar[str] = "plan"
    time_s: float
    from_s: float
    from_beat: float
    beat_period_s: float
    hold_beat: float | None = None
    spread_s: float = 0.05

    def time_of(self, beat: float) -> float:
        """Seconds at which the predicted line reaches ``beat``."""
        return self.from_s + (beat - self.from_beat) * self.beat_period_s

    def beat_at(self, time_s: float) -> float:
        """Beat which the predicted line reaches at ``time_s``."""
        return self.from_beat + (time_s - self.from_s) / self.beat_period_s


@dataclass(frozen=True, slots=True)
class OrchestraEvent:
    """One note of the orchestra beginning or ending; made by ``conduct`` when it is committed.

    ``due_s`` is when the sound leaves the loudspeaker. A live take adds ``sent_s``, when it was handed over.
    ``note`` numbers the sounding note within the take, so that an end finds its own beginning.
    """

    kind: ClassVar[str] = "orchestra"
    due_s: float
    beat: float
    part: str
    on: bool
    pitch: int
    velocity: int
    ornament: bool = False
    note: int = 0
    sent_s: float | None = None


@dataclass(frozen=True, slots=True)
class Click:
    """One stroke of the metronome or count-in."""

    kind: ClassVar[str] = "click"
    due_s: float
    beat: float
    accent: bool


@dataclass(frozen=True, slots=True)
class Command:
    """What the player asked for while playing; recorded, so that a take replays.

    ``name``: start, stop, panic, hold, release, tap, next_entry, previous_entry, relocate, vamp, cut, tempo, lock; and
    the player's wishes mode, slowest, fastest, tuttis, metronome (``conduct.wishes``), balance and tuning (``sound``).
    ``value`` is the beat for relocate, seconds per quarter for tempo, 0/1 for lock and vamp, a ratio of the written
    tempo (None: no limit) for slowest and fastest, bars of lead-in for tuttis, a level for balance, Hz for tuning.
    ``about`` says which mode, tuttis or metronome, or whose balance; else None, and then not written.
    """

    kind: ClassVar[str] = "command"
    time_s: float
    heard_s: float
    name: str
    value: float | None = None
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the player should know: a port was lost, the disk is full, the soloist is lost."""

    kind: ClassVar[str] = "notice"
    time_s: float
    text: str


@dataclass(frozen=True, slots=True)
class TakeHeader:
    """The first line of a take.

    ``piece`` is a name for people, ``digest`` identifies the solo part's notes (memory is keyed by it), ``config``
    holds what is needed to replay (score paths, solo choice, follower, predictor, horizon_s, ...), ``latencies``
    in seconds, ``versions`` of the package and its policy, ``started`` an ISO time for people (None in simulations,
    so that the same seed gives the same file).
    """

    kind: ClassVar[str] = "take"
    piece: str
    digest: str
    soloist: str
    seed: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    latencies: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    started: str | None = None
    format: int = FORMAT


Heard: TypeAlias = SoloEvent | Pedal | SoloFrame | Command
Value: TypeAlias = TakeHeader | SoloEvent | Pedal | Position | TempoPlan | OrchestraEvent | Click | Command | Notice

KINDS: Mapping[str, type[Any]] = {
    cls.kind: cls for cls in (TakeHeader, SoloEvent, Pedal, Position, TempoPlan, OrchestraEvent, Click, Command, Notice)
}


def _plain(value: object) -> object:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise ValueError(f"cannot write {value!r}: every number in a take is finite")
        rounded = round(float(value), 6)
        return 0.0 if rounded == 0 else rounded  # no -0.0
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def to_line(value: Value) -> str:
    """One line of JSON, without its newline. ``sent_s`` and ``about`` are left out where they are None.

    Raises ValueError for NaN or infinity.
    """
    data: dict[str, object] = {"kind": value.kind}
    for item in fields(value):
        content = getattr(value, item.name)
        if item.name in ("sent_s", "about") and content is None:
            continue
        data[item.name] = _plain(content)
    return json.dumps(data, ensure_ascii=False, separators=(", ", ": "), allow_nan=False)


def from_line(line: str) -> Value:
    """The value a line of JSON holds; unknown fields are passed over, so that newer takes can be read.

    Raises ValueError when the line is not one of ours.
    """
    try:
        data = json.loads(line)
        cls = KINDS[data["kind"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a line of a take: {line[:80]!r}") from error
    known = {item.name for item in fields(cls)}
    try:
        value: Value = cls(**{key: item for key, item in data.items() if key in known})
    except TypeError as error:
        raise ValueError(f"a line of kind {data['kind']!r} lacks a field: {line[:120]!r}") from error
    return value
