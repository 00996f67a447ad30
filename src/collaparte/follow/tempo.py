"""Time in the recursion: what an interval costs a path, and what it tells of the tempo.

Each path has a Kalman filter of its tempo's logarithm, with a heavy tail (after Cemgil et al., "On tempo tracking:
tempogram representation and Kalman filtering", 2000): how far off an onset is counts the less, the less the tempo is
known. ``rate`` is how many times as slowly as the page the soloist plays, ``doubt`` the variance of its logarithm;
nominal times are the page's, in seconds. Costs are in nats.
"""

from __future__ import annotations

from math import exp, log, log1p, sqrt

JITTER, RUBATO = 0.06, 0.11  # standard deviation of an interval: quarters, and share of the interval
LATE_COST, LATE, LATEST = 1.1, 0.15, 2.3  # nats for an e-fold of 1 + LATE x deviations squared, and at most
EARLY_COST, EARLY, EARLIEST = 2.0, 0.25, 8.0
DOUBT_FIRST, DOUBT_MOST = 0.5, 0.5  # variance of the log tempo when only the page has said it; and at most
DOUBT_GROWS = 0.005  # ... more for every quarter
OUTLIER = 2.0  # deviations from which an interval tells of something else than the tempo
DOUBT_OUTLIER = 0.15  # share of an outlier's square that the tempo is doubted for
STROKE_KEEP = 0.9  # share of its deviation that a stroke does not move the line of the tempo; ...
STROKE_OUTLIER = 3.0  # ... unless it is so many deviations off


def spread(quarter_s: float, doubt: float, uneven: float) -> tuple[float, float]:
    """Standard deviation of an interval: seconds, and the share of its length that is to be added."""
    rubato = RUBATO * uneven
    return JITTER * uneven * quarter_s, sqrt(rubato * rubato + doubt)


def deviation(elapsed_s: float, expected_s: float, jitter_s: float, share: float) -> float:
    """How far off an interval is, in standard deviations; negative: too short.

    Of two intervals that are too short, the ratio counts: when the tempo is unknown, a half is likely, a tenth is not.
    """
    deviation_s = jitter_s + share * expected_s
    if elapsed_s >= expected_s:
        return (elapsed_s - expected_s) / deviation_s
    whole_s = expected_s + jitter_s
    return log((max(elapsed_s, 0.0) + jitter_s) / whole_s) * whole_s / deviation_s


def lateness(elapsed_s: float, expected_s: float, jitter_s: float, share: float) -> float:
    """What an interval costs: a pause is a pause, so lateness has a heavy tail; rushing is rarer."""
    off = deviation(elapsed_s, expected_s, jitter_s, share)
    if off >= 0.0:
        return min(LATE_COST * log1p(LATE * off * off), LATEST)
    return min(EARLY_COST * log1p(EARLY * off * off), EARLIEST)


def phase(line_s: float, rate: float, time_s: float, nominal_s: float, quarter_s: float) -> float:
    """Where the tempo's line, last at ``line_s``, puts a stroke that sounded at ``time_s``: mostly where it was due."""
    expected_s = nominal_s * rate
    off_s = time_s - line_s - expected_s
    off = off_s / (JITTER * quarter_s + RUBATO * expected_s)
    return time_s - off_s * STROKE_KEEP / (1.0 + (off / STROKE_OUTLIER) ** 4)


def adapt(
    rate: float, doubt: float, elapsed_s: float, nominal_s: float, nominal_quarter_s: float, uneven: float
) -> tuple[float, float]:
    """The rate after one more interval, and how much it is in doubt (variance of its logarithm).

    Long intervals say more. An outlier (a pause, an ornament) says little of the tempo, but leaves it in doubt, so that
    the next intervals, if they agree, set a new one at once. ``uneven``: see ``habits``.
    """
    if elapsed_s <= 0.0 or nominal_s <= 0.0:
        return rate, doubt
    surprise = log(elapsed_s / (nominal_s * rate))
    quarters = nominal_s / nominal_quarter_s
    spread = uneven * (RUBATO + JITTER / quarters)
    spread *= spread
    gain = doubt / (doubt + spread)
    square = surprise * surprise
    trust = 1.0 / (1.0 + square / ((doubt + spread) * OUTLIER * OUTLIER))
    rate *= exp(gain * trust * surprise)
    doubt += (
        DOUBT_GROWS * uneven * uneven * quarters
        - doubt * gain * trust
        + DOUBT_OUTLIER * (1.0 - trust) * min(square, 1.0)
    )
    return rate, min(doubt, DOUBT_MOST)
