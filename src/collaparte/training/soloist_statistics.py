"""How real soloists keep time, in a few figures; and whether the simulated soloist keeps time alike.

    python -m collaparte.training.soloist_statistics FOLDER [--pieces N]

``FOLDER`` holds match files: the unpacked nasap-train. The command prints the quartiles over pieces of these figures
for the real performances (the median over a piece's performances), and their medians over the same pieces for the
simulated soloist's three levels, which are fitted to them:

=================  =====================================================================================
``jumpiness``      robust SD of log(beat period of an interval / beat period of the interval before)
``memory``         lag-1 autocorrelation of the log beat periods of intervals
``jump_memory``    lag-1 autocorrelation of those log ratios (noise that does not accumulate pulls it to -.5)
``breadth``        robust SD of the log beat period over windows of four quarters, less its running median over
                   nine windows (the shape of the rubato, without the tempo marks of the page)
``kalman_ms``      median absolute next-onset error of the steady model, after the first ten onsets
``kalman_30``      share of those errors within 30 ms
=================  =====================================================================================

An interval lies between consecutive onsets of the score that were both played; the time of an onset is that of its
first note; grace notes do not count. Robust SD is half the distance between the 16th and the 84th percentile.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.errors import CollaparteError
from collaparte.events import Position
from collaparte.listen.simulated import simulate_solo
from collaparte.predict.steady import Steady
from collaparte.score import NOTE, NOTE_FIELDS, Bar, Part, Score, TempoMark
from collaparte.training.data.matchfile import MATCH, Match, read_match

Array = NDArray[np.float64]

MOST_UNMATCHED = 0.3
LEVELS_FITTED = {"low": 25, "middle": 50, "high": 75}  # level -> percentile over pieces it is fitted to


@dataclass(frozen=True, slots=True)
class Keeping:
    """How one performance keeps time; the figures of the table above."""

    jumpiness: float
    memory: float
    jump_memory: float
    breadth: float
    kalman_ms: float
    kalman_30: float


def keeping(score: Score, beat: Array, time_s: Array) -> Keeping | None:
    """The figures of one performance of ``score`` from its onsets (k,); None where there are under 40 of them."""
    if len(beat) < 40:
        return None
    log_period = np.log(np.maximum(np.diff(time_s), 0.005) / np.diff(beat))
    jumps = np.diff(log_period)
    windows = np.array([np.log((time_s[b] - time_s[a]) / (beat[b] - beat[a])) for a, b in _windows(beat, 4.0)])
    errors = np.abs(steady_errors(score, beat, time_s))
    return Keeping(
        jumpiness=_robust_sd(jumps),
        memory=_lag1(log_period),
        jump_memory=_lag1(jumps),
        breadth=_robust_sd(windows - _running_median(windows, 4)) if len(windows) > 5 else float("nan"),
        kalman_ms=float(np.median(errors) * 1000),
        kalman_30=float(np.mean(errors < 0.03)),
    )


def steady_errors(score: Score, beat: Array, time_s: Array) -> Array:
    """Next-onset errors in seconds (predicted minus played) of the steady model, after the first ten onsets."""
    model = Steady(score)
    errors = np.empty(len(beat) - 1)
    for index in range(len(beat) - 1):
        now_s = float(time_s[index])
        plan = model.plan(Position(now_s, now_s, float(beat[index]), 1.0, "playing"))
        errors[index] = plan.time_of(float(beat[index + 1])) - time_s[index + 1]
    return errors[10:]


def page_of(match: Match, beat_period_s: float) -> Score:
    """The score a match file holds, every note the soloist's, at a steady tempo."""
    rows = np.flatnonzero(match.in_score & ~match.grace)
    notes = np.zeros(len(rows), dtype=NOTE_FIELDS)
    notes["beat"] = np.round(match.beat[rows] * 960) / 960
    notes["duration_beats"], notes["pitch"] = match.duration_beats[rows], match.pitch[rows]
    notes["velocity"], notes["kind"], notes["passing"] = 64, NOTE, 1
    notes["written_beat"], notes["id"] = notes["beat"], match.score_id[rows]
    signatures, lines = match.time_signatures, match.bar_beats
    ends = np.append(lines[1:], max(float((notes["beat"] + notes["duration_beats"]).max()), lines[-1] + 1))
    bars = []
    for number, (start, end) in enumerate(zip(lines, ends, strict=True)):
        row = signatures[max(int(np.searchsorted(signatures[:, 0], start + 1e-6)) - 1, 0)]
        bars.append(Bar(float(start), float(end - start), str(number + 1), 1, int(row[1]), int(row[2])))
    tempo = (TempoMark(0.0, beat_period_s),)
    return Score(match.path.parent.name, notes, (Part("Piano", 1, 0, solo=True),), tuple(bars), tempo)


def onsets_of(match: Match) -> tuple[Array, Array]:
    """Beats and first-note times (k,) of the onsets that were played, ascending in both."""
    rows = np.flatnonzero((match.kind == MATCH) & ~match.grace)
    places, inverse = np.unique(np.round(match.beat[rows] * 960) / 960, return_inverse=True)
    time_s = np.full(len(places), np.inf)
    np.minimum.at(time_s, inverse, match.onset_s[rows])
    return forward(places, time_s)


def forward(beat: Array, time_s: Array) -> tuple[Array, Array]:
    """Only the onsets that were played, and later than everything before them."""
    played = np.isfinite(time_s)
    beat, time_s = beat[played], time_s[played]
    later = np.diff(np.maximum.accumulate(time_s), prepend=-np.inf) > 0
    return beat[later], time_s[later]


def pieces(folder: Path, number: int | None = None, seed: int = 0) -> Iterator[list[Match]]:
    """The performances of each piece (match files in one folder), without the badly aligned ones.

    With ``number``, that many pieces are drawn by ``seed``, and at most three performances of each.
    """
    places = sorted({path.parent for path in folder.rglob("*.match")})
    if number is not None and number < len(places):
        draw = np.random.default_rng(seed).permutation(len(places))[:number]
        places = [places[index] for index in sorted(draw)]
    for place in places:
        paths = sorted(place.glob("*.match"))
        matches = [read_match(path) for path in (paths if number is None else paths[:3])]
        good = [match for match in matches if match.unmatched_share <= MOST_UNMATCHED]
        if good:
            yield good


def figures(performances: list[Match], seed: int = 1) -> dict[str, Keeping] | None:
    """For one piece: the ``real`` figures (median over performances), and those of each fitted level on its score."""
    played = [onsets_of(match) for match in performances]
    periods = [np.median(np.diff(time_s) / np.diff(beat)) for beat, time_s in played if len(beat) > 1]
    if not periods:
        return None
    score = page_of(performances[0], float(np.median(periods)))
    real = [keeping(page_of(m, float(np.median(periods))), *p) for m, p in zip(performances, played, strict=True)]
    known = [astuple(one) for one in real if one is not None]
    if not known:
        return None
    found = {"real": Keeping(*np.median(np.array(known), axis=0).tolist())}
    for level in LEVELS_FITTED:
        take = simulate_solo(score, seed, level)
        simulated = keeping(score, *forward(take.onset_beats, take.onset_s))
        if simulated is None:
            return None
        found[level] = simulated
    return found


def table(folder: Path, number: int | None = None) -> dict[str, dict[int | str, Keeping]]:
    """``{"real": {25: ..., 50: ..., 75: ...}, "simulated": {"low": ..., "middle": ..., "high": ...}}``."""
    gathered = [found for found in (figures(performances) for performances in pieces(folder, number)) if found]
    if not gathered:
        raise CollaparteError(f"There are no performances in {folder}. Name the unpacked folder of nasap-train.")

    def percentile(who: str, share: int) -> Keeping:
        rows = np.array([astuple(found[who]) for found in gathered])
        return Keeping(*np.nanpercentile(rows, share, axis=0).tolist())

    return {
        "real": {share: percentile("real", share) for share in (25, 50, 75)},
        "simulated": {level: percentile(level, 50) for level in LEVELS_FITTED},
    }


def _windows(beat: Array, length: float) -> Iterator[tuple[int, int]]:
    first, last = 0, int(np.searchsorted(beat, beat[0] + length - 1e-6))
    while last < len(beat):
        yield first, last
        first, last = last, int(np.searchsorted(beat, beat[last] + length - 1e-6))


def _running_median(values: Array, reach: int) -> Array:
    return np.array([np.median(values[max(i - reach, 0) : i + reach + 1]) for i in range(len(values))])


def _robust_sd(values: Array) -> float:
    low, high = np.percentile(values, [15.87, 84.13])
    return float((high - low) / 2)


def _lag1(values: Array) -> float:
    clipped = np.clip(values, *np.percentile(values, [1, 99]))
    centred = clipped - clipped.mean()
    power = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="How real and simulated soloists keep time.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=None)
    arguments = parser.parse_args()
    found = table(arguments.folder, arguments.pieces)
    names = [item.name for item in fields(Keeping)]
    print(f"{'':24}" + "".join(f"{name:>13}" for name in names))
    rows = [(f"real, percentile {share}", row) for share, row in found["real"].items()]
    rows += [(f"simulated, {level}", row) for level, row in found["simulated"].items()]
    for name, row in rows:
        print(f"{name:24}" + "".join(f"{value:13.3f}" for value in astuple(row)))


if __name__ == "__main__":
    main()
