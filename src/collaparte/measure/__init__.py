"""The ruler: asynchrony, prediction, following, recovery, smoothness; every number with its unit.

Conventions, once, for all of this room
---------------------------------------
- Times are seconds on the take's clock, beats are quarters of the performed score from 0.0 (``events``). Arrays are
  float64, one entry for each chord or note, named with their unit.
- A chord is all notes of one player at one beat. ``first`` is its first note, ``mean`` the mean of its notes; unless
  said otherwise the first note counts.
- Signs: an error or asynchrony is *what sounded, was reported or was expected* minus *the soloist*. Positive is late.
- Beats nearer than 0.0001 are one beat. Ornaments of the orchestra are left out. A beat played several times (a
  repeat, a restart) is several chords, told apart by ``passage``, which counts up at each jump.
- NaN is an onset never reached. In means and medians of absolute errors nothing counts more than 5 s, and what was
  never reached counts 5 s; shares are of all onsets.
- Lost: in the last fifth of a run, half the onsets or more over 2 s wrong or unreached.
- Perfect in, zero out (or share 1.0). Empty input warns (``MeasureWarning``) and gives count 0 and NaN. Times that
  look like milliseconds are questioned by a warning, never silently converted.
- Confidence intervals are percentile bootstraps over pieces, never over onsets.
"""

from collaparte.measure.following import (
    Recovery,
    Reliability,
    Track,
    following_errors,
    is_lost,
    jumps_of,
    line_errors,
    oracle_errors,
    recovery,
    reliability,
    share_near,
)
from collaparte.measure.onsets import Onsets, Plans, group_onsets, orchestra_notes, orchestra_onsets, solo_onsets
from collaparte.measure.report import Following, Report, compare, measure_following, measure_take, only_at
from collaparte.measure.statistics import (
    Interval,
    MeasureWarning,
    Summary,
    bootstrap_by_piece,
    capped,
    question_units,
    summarise,
)
from collaparte.measure.together import (
    Away,
    asynchrony,
    notes_away,
    prediction_errors,
    roughness,
    shared_onsets,
    tempo_changes,
    waits,
)
from collaparte.measure.truth import Truth, read_truth, truth_of_positions

__all__ = [
    "Away", "Following", "Interval", "MeasureWarning", "Onsets", "Plans", "Recovery", "Reliability", "Report",
    "Summary", "Track", "Truth", "asynchrony", "bootstrap_by_piece", "capped", "compare", "following_errors",
    "group_onsets", "is_lost", "jumps_of", "line_errors", "measure_following", "measure_take", "notes_away", "only_at",
    "oracle_errors", "orchestra_notes", "orchestra_onsets", "prediction_errors", "question_units", "read_truth",
    "recovery", "reliability", "roughness", "share_near", "shared_onsets", "solo_onsets", "summarise",
    "tempo_changes", "truth_of_positions", "waits",
]  # fmt: skip
