"""A minute of a recording, to be checked by eye: its spectrogram, its given alignment, and what was heard.

A given alignment is only as good as its estimate. A new partial in the picture says who is right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collaparte.listen.audio import RATE

ROW_S = 6.0  # seconds in one strip
TOP_HZ = 4000.0
WINDOW, HOP = 512, 64  # samples: 32 ms, every 4 ms
RANGE_DB = 60.0
FAR_S = 0.1  # onsets heard farther away than this are joined with a line

Array = NDArray[np.float64]


def spectrogram(sound: NDArray[np.float32]) -> Array:
    """(bins up to TOP_HZ, frames) in dB, the loudest 0; frame k is centred on sample ``k * HOP``."""
    padded = np.pad(sound.astype(np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, 2 * WINDOW, axis=1)[:, : int(TOP_HZ * 2 * WINDOW / RATE)]) ** 2
    found: Array = 10.0 * np.log10(power.T / max(float(power.max()), 1e-12) + 1e-12)
    return found


def plot_onsets(
    sound: NDArray[np.float32],
    given_s: Array,
    heard_s: Array,
    path: Path,
    *,
    from_s: float = 0.0,
    seconds: float = 60.0,
) -> None:
    """Write strips of the spectrogram of ``sound`` (n,) as PNG or SVG, by the path's ending.

    ``given_s`` (k,) are drawn from above, ``heard_s`` (k,; NaN: never) of the same notes from below, and joined where
    they are more than FAR_S apart.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    seconds = min(seconds, len(sound) / RATE - from_s)
    count = max(int(np.ceil(seconds / ROW_S)), 1)
    figure = Figure(figsize=(16, 2.4 * count), layout="constrained")
    FigureCanvasAgg(figure)
    for row, axes in enumerate(figure.subplots(count, 1, squeeze=False)[:, 0]):
        begin_s = from_s + row * ROW_S
        part = sound[int(begin_s * RATE) : int((begin_s + ROW_S) * RATE)]
        if len(part):
            axes.imshow(
                spectrogram(part), origin="lower", aspect="auto", cmap="gray_r", vmin=-RANGE_DB, vmax=0.0,
                extent=(begin_s, begin_s + len(part) / RATE, 0.0, TOP_HZ / 1000),
            )  # fmt: skip
        for given, heard in zip(given_s.tolist(), heard_s.tolist(), strict=True):
            axes.vlines(given, 2.6, 4.0, color="tab:blue", linewidth=1.2)
            if np.isfinite(heard):
                axes.vlines(heard, 0.0, 1.4, color="tab:red", linewidth=1.2)
                if abs(heard - given) > FAR_S:
                    axes.plot((given, heard), (2.6, 1.4), color="tab:orange", linewidth=1.2)
        axes.set(xlim=(begin_s, begin_s + ROW_S), ylim=(0.0, TOP_HZ / 1000), ylabel="kHz")
        axes.set_xticks(np.arange(begin_s, begin_s + ROW_S + 0.01, 0.5))
    axes.set_xlabel("seconds; given alignment from above (blue), heard from below (red)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80, metadata={"Date": None} if path.suffix == ".svg" else None)
