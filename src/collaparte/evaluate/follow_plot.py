"""The reliability plot: what was said against what was so."""

from __future__ import annotations

from pathlib import Path

from collaparte.measure import Reliability


def plot_reliability(curves: dict[str, Reliability], path: Path) -> None:
    """Write the curves as SVG or PNG, by the path's ending; the area of a point grows with its number of positions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, curve in curves.items():
        share = curve.count / curve.count.sum()
        axes.plot(curve.certainty, curve.right, linewidth=1.2, label=f"{name} (error {curve.error:.3f})")
        axes.scatter(curve.certainty, curve.right, s=12 + 260 * share)
    axes.set(xlabel="certainty said", ylabel="share within half a quarter", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(loc="upper left", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
