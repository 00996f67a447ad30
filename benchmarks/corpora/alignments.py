"""Whose onsets are right, the given alignments' or the ear's? Asked of a third who knows neither: spectral flux.

python benchmarks/corpora/alignments.py [--corpora DIR] [--strong 2.5]

Peaks of the spectral flux (Böck & Widmer, DAFx 2013: growth of the log spectrum over the loudest neighbouring bin) are
found in each violin recording without the page. The table has the share of onsets with a peak within 50 ms: of the
given ones, of those heard, and of times chosen at random; then of those notes alone at which given and heard are more
than 100 ms apart. It flatters the ear somewhat, which places notes where partials grow, be it the right note or its
neighbour.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.evaluate.listen import hear_recording, violin_recordings
from collaparte.listen.audio import RATE, open_recording

WINDOW, HOP = 512, 80  # samples
BACK = 4  # frames between the two spectra
AROUND = 100  # frames on either side, whose median flux is the usual
ALONE = 6  # frames on either side in which a peak is the highest
NEAR_S, FAR_S = 0.05, 0.1
SEED, RANDOM = 0, 2000

Array = NDArray[np.float64]


def peaks_s(sound: NDArray[np.float32], strong: float) -> Array:
    """When (s) the flux of ``sound`` (n,) peaks at more than ``strong`` times the usual."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, WINDOW // 2), WINDOW)[::HOP] * np.hanning(WINDOW)
    size = np.log1p(8.0 * np.abs(np.fft.rfft(frames, axis=1)) / float(np.abs(sound).max()))
    before = np.maximum.reduce([np.roll(size[:-BACK], shift, axis=1) for shift in (-1, 0, 1)])
    flux = np.concatenate([np.zeros(BACK // 2), np.maximum(size[BACK:] - before, 0.0).sum(axis=1)])
    usual = [np.median(flux[max(at - AROUND, 0) : at + AROUND]) for at in range(len(flux))]
    found = [
        at for at in range(ALONE, len(flux) - ALONE)
        if flux[at] == flux[at - ALONE : at + ALONE + 1].max() and flux[at] > strong * usual[at]
    ]  # fmt: skip
    return np.array(found) * HOP / RATE


def share(times_s: Array, peaks: Array) -> str:
    """Of ``times_s`` that have a peak near."""
    if not len(times_s):
        return "-"
    near = np.abs(peaks[None, :] - times_s[:, None]).min(axis=1) <= NEAR_S
    return f"{100 * near.mean():.0f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, help="where they are; by default as `collaparte evaluate` finds them")
    parser.add_argument("--strong", type=float, default=2.5, help="times the usual flux that a peak must be")
    given = parser.parse_args()
    print("| recording | onsets | given | heard | random | apart | given there | heard there |\n|---|" + "---|" * 7)
    for case in violin_recordings(given.corpora):
        sound = np.concatenate([block for _, block in open_recording(case.sound).blocks()])
        peaks = peaks_s(sound, given.strong)
        truth_s = case.truth.first_s
        errors_s = hear_recording(case).onset_s
        heard_s = truth_s + errors_s
        apart = np.abs(errors_s) > FAR_S
        chance = np.random.default_rng(SEED).uniform(truth_s[0], truth_s[-1], RANDOM)
        shares = (share(truth_s, peaks), share(heard_s[np.isfinite(heard_s)], peaks), share(chance, peaks))
        there = (share(truth_s[apart], peaks), share(heard_s[apart], peaks))
        print(f"| {case.name} | {len(truth_s)} | {' | '.join(shares)} | {apart.sum()} | {' | '.join(there)} |")


if __name__ == "__main__":
    main()
