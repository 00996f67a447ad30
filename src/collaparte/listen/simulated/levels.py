"""How freely the simulated soloist plays, and how badly.

The three levels of rubato are fitted so that their figures on the scores of nasap-train (the medians over pieces of
``training.soloist_statistics``) are the lower quartile, the median and the upper quartile of the real performances.
The three amateurs play with the middle level's intentions and less control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Rubato:
    """How time is bent. All but the seconds are in units of log beat period: .1 is about ten per cent.

    ``arch``: how much slower a phrase's end is than its middle. ``drift``: standard deviation of the slow wandering
    of the tempo, over ``drift_beats`` quarters. ``long_note``: lengthening of a note twice as long as its neighbours.
    ``stress``: lengthening of first notes, downbeats and high points. ``inflection``: standard deviation of what is
    done to each single interval, as an intention that returns with every take; ``unsteadiness``: the same, but new in
    every take. ``ritardando``: log of the last beat period over the tempo before it. ``struggle``: slowing for each
    halving of notes shorter than ``easy_s``. ``jitter_s``: standard deviation of the fingers, taken back at once.
    ``lead_s``: how much the top note of a chord comes first; ``spread_s``: how ragged the others are.
    """

    arch: float = 0.1
    drift: float = 0.04
    long_note: float = 0.03
    stress: float = 0.03
    inflection: float = 0.06
    unsteadiness: float = 0.02
    ritardando: float = 0.5
    struggle: float = 0.0
    jitter_s: float = 0.008
    lead_s: float = 0.015
    spread_s: float = 0.007
    tempo: float = 0.04
    drift_beats: float = 10.0
    easy_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Mistakes:
    """How often things go wrong.

    Shares of the notes: ``wrong`` (a neighbouring pitch), ``missed``, ``extra`` (another note touched). Shares of the
    onsets: ``hesitation`` (a stop before it of about ``hesitation_s``), ``stumble`` (struck twice), ``correction``
    (struck wrong, then right), ``restart`` (back to the beginning of the bar).
    """

    wrong: float = 0.0
    missed: float = 0.0
    extra: float = 0.0
    hesitation: float = 0.0
    stumble: float = 0.0
    correction: float = 0.0
    restart: float = 0.0
    hesitation_s: float = 0.6


SlipKind: TypeAlias = Literal["wrong", "missed", "extra", "pause", "stumble", "correction", "jump"]


@dataclass(frozen=True, slots=True)
class Slip:
    """Something that shall go wrong at the first solo onset at or after ``beat``, whatever the dice say.

    ``pause`` waits ``seconds`` before it; ``jump`` goes on at ``to_beat`` instead (ahead, or back; ``seconds`` of
    thought first); the others are as in ``Mistakes``. Each happens once.
    """

    beat: float
    kind: SlipKind
    seconds: float = 0.0
    to_beat: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """A kind of soloist."""

    rubato: Rubato
    mistakes: Mistakes = field(default_factory=Mistakes)


_LOW = Rubato(arch=0.1, drift=0.045, long_note=0.03, stress=0.03, inflection=0.07, unsteadiness=0.023, jitter_s=0.009)
_MIDDLE = Rubato(arch=0.15, drift=0.07, long_note=0.04, stress=0.04, inflection=0.125, unsteadiness=0.04)
_HIGH = Rubato(arch=0.27, drift=0.12, long_note=0.07, stress=0.07, inflection=0.215, unsteadiness=0.065)

LEVELS: Mapping[str, Level] = {
    "metronome": Level(
        Rubato(0, 0, 0, 0, 0, 0, ritardando=0, jitter_s=0, lead_s=0, spread_s=0, tempo=0),
    ),
    "low": Level(_LOW),
    "middle": Level(_MIDDLE),
    "high": Level(_HIGH),
    "amateur 1": Level(
        replace(_MIDDLE, unsteadiness=0.05, jitter_s=0.014, struggle=0.03),
        Mistakes(wrong=0.01, missed=0.01, extra=0.005, hesitation=0.004, stumble=0.002, correction=0.002),
    ),
    "amateur 2": Level(
        replace(_MIDDLE, unsteadiness=0.08, jitter_s=0.018, struggle=0.08),
        Mistakes(0.03, 0.02, 0.015, hesitation=0.012, stumble=0.006, correction=0.006, restart=0.001),
    ),
    "amateur 3": Level(
        replace(_MIDDLE, unsteadiness=0.12, jitter_s=0.025, struggle=0.15),
        Mistakes(0.06, 0.05, 0.03, hesitation=0.03, stumble=0.012, correction=0.012, restart=0.004, hesitation_s=0.9),
    ),
}
