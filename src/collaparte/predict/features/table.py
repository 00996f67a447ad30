"""The table of senses: every number of an observation with its range and unit, and the constants that shape them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.predict.features import advice

VERSION = 2
AHEAD = 7  # intervals of look-ahead
PAST = 8  # intervals of look-back
KEYS = 3  # ways of being the same place: see ``_likeness``
RECALL_AHEAD = advice.AHEAD
LOCAL_BEATS = 4.0  # local tempo is taken over this many quarters
LONG, LONG_BEATS = 32, 8.0  # the longer windows a memory is scaled by
RECENT = 8  # the tempo a memory is scaled to is that of so many intervals, as in takes/recollection.py
EPS = 1e-6

Floats = NDArray[np.float64]
Row = tuple[str, float, float, str]


def _table() -> tuple[tuple[str, float, float, str], ...]:
    rows: list[tuple[str, float, float, str]] = []
    rows += [(f"length_{k}", -2.0, 2.0, "log2(beats)/2") for k in range(AHEAD)]
    rows += [(f"length_past_{k}", -2.0, 2.0, "log2(ratio to length_0)/2") for k in range(1, 5)]
    rows += [(f"silence_{k}", 0.0, 1.0, "share of the interval") for k in range(AHEAD)]
    rows += [(f"long_{k}", -2.0, 2.0, "log2(length/median of 16 around)/2") for k in range(AHEAD)]
    rows += [(f"notes_{k}", 0.0, 1.5, "log2(notes struck)/2") for k in range(4)]
    rows += [(f"rise_{k}", -2.0, 2.0, "octaves, top pitch from here") for k in range(1, 5)]
    rows += [(f"rise_past_{k}", -2.0, 2.0, "octaves, top pitch from here") for k in range(1, 4)]
    rows += [(f"bass_{k}", -2.0, 2.0, "octaves, lowest pitch from here") for k in range(1, 3)]
    rows += [(f"height_{k}", -2.0, 2.0, "octaves from middle C, top") for k in range(1)]
    rows += [(f"grace_{k}", 0.0, 1.0, "flag") for k in range(3)]
    rows += [(f"fermata_{k}", 0.0, 1.0, "flag") for k in range(3)]
    rows += [(f"bar_line_{k}", 0.0, 1.0, "flag") for k in range(4)]
    rows += [(f"quarter_{k}", 0.0, 1.0, "flag: a whole quarter of its bar") for k in range(3)]
    rows += [("bar_sine", -1.0, 1.0, "of the phase in the bar"), ("bar_cosine", -1.0, 1.0, "of the phase in the bar")]
    rows += [("left", 0.0, 2.0, "log2(1 + quarters to the end)/4"), ("gone", 0.0, 2.0, "log2(1 + quarters)/4")]
    rows += [("rest_in", 0.0, 1.0, "quarters to the next rest or long note, /16")]
    rows += [("rest_since", 0.0, 1.0, "quarters since the last rest or long note, /16")]
    return tuple(rows)


def _dynamic_table() -> tuple[tuple[str, float, float, str], ...]:
    rows: list[tuple[str, float, float, str]] = []
    rows += [("phase", -1.0, 1.0, "(onset - smoothed onset)/expected")]
    rows += [("expected", -2.0, 2.0, "log(expected/.25 s)/2"), ("spread", -2.0, 2.0, "log(plan's spread/expected)/2")]
    rows += [("tempo_step", -1.0, 1.0, "log ratio of steady beat periods, last step")]
    rows += [(f"ratio_{k}", -1.5, 1.5, "log(heard/expected), k-th last interval") for k in range(PAST)]
    rows += [(f"tempo_{w}", -1.5, 1.5, f"log(beat period of the last {w} onsets/steady)") for w in (1, 2, 4, 8, 16)]
    rows += [("tempo_local", -1.5, 1.5, "log(local beat period/steady)")]
    rows += [("missed", 0.0, 1.0, "flag: the page's last onset was passed over")]
    for name in ("notes", "contour", "rhythm"):
        rows += [(f"self_{name}_last", -1.5, 1.5, "log(heard/expected) there")]
        rows += [(f"self_{name}_mean", -1.5, 1.5, "the same, mean of all such places")]
        rows += [(f"self_{name}_local", -1.5, 1.5, "by local tempo instead, mean")]
        rows += [(f"self_{name}_count", 0.0, 2.0, "log(1 + places)/2")]
    rows += [("recalled", -1.5, 1.5, "log(remembered/expected), by tempo_8")]
    rows += [
        ("recalled_2", -1.5, 1.5, "the same, tempo of the last 2 intervals"),
        ("recalled_8", -1.5, 1.5, "... last 8"),
    ]
    rows += [("recalled_spread", 0.0, 1.0, "log units"), ("recalled_weight", 0.0, 2.0, "log(1 + takes)/1")]
    rows += [(f"recalled_ahead_{k}", -1.5, 1.5, "log ratio of interval k to this") for k in range(1, RECALL_AHEAD)]
    rows += [("recalled_miss", -1.5, 1.5, "log(heard/remembered), last interval")]
    rows += [("recalled_doubt", 0.0, 1.0, "mean of |recalled_miss| over 8"), ("doubt", 0.0, 1.0, "the same of |ratio|")]
    rows += [("recalled_32", -1.5, 1.5, "as recalled_8, tempo of the last 32 intervals")]
    rows += [("recalled_long", -1.5, 1.5, "... of those in the last 8 quarters")]
    rows += [("recalled_level", -1.5, 1.5, "log(tempo_8 beat period/remembered local one)")]
    rows += [(f"advised_{how}", -1.5, 1.5, f"log(advised/expected), {how}") for how in ("quick", "slow", "best")]
    rows += [("advised_spread", 0.0, 1.0, "log units"), ("advised_doubt", 0.0, 1.0, "advisers' mean miss, log units")]
    rows += [("advised_voices", 0.0, 2.0, "log(effective advisers)")]
    rows += [(f"advised_ahead_{k}", -1.5, 1.5, "log ratio of interval k to this") for k in range(1, RECALL_AHEAD)]
    rows += [("advised_miss", -1.5, 1.5, "log(heard/advised), last interval")]
    return tuple(rows)


LOOK = _table()
DYNAMIC = _dynamic_table()
OWN = (
    ("own_late", -1.0, 1.0, "(own predicted onset - onset)/expected"),
    ("own_late_s", -2.0, 2.0, "the same in tenths of a second"),
    ("own_action", -1.0, 1.0, "own last action"),
)
SENSES = LOOK + DYNAMIC + OWN
LOW = np.array([row[1] for row in SENSES], dtype=np.float32)
HIGH = np.array([row[2] for row in SENSES], dtype=np.float32)
N_ADVISED = 6 + RECALL_AHEAD - 1 + 1
N_LOOK, N_DYNAMIC, N_OWN, N_SENSES = len(LOOK), len(DYNAMIC), len(OWN), len(SENSES)


def describe() -> str:
    """The table of senses as text: number, name, min, max, unit."""
    return "\n".join(
        f"{index:4d}  {name:<20} {low:5.1f} {high:5.1f}  {unit}" for index, (name, low, high, unit) in enumerate(SENSES)
    )
