"""Pictures of a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from collaparte.training.data.corpus import Corpus


def plot_spread(corpus: Corpus, path: Path) -> None:
    """How free the tempo is in each piece: the spread of the log beat period, one dot for each performance."""
    from matplotlib.figure import Figure

    pieces = {
        piece: [item.log_period_spread for item in items] for piece, items in corpus.voice("all").by_piece.items()
    }
    order = sorted(pieces, key=lambda piece: float(np.nanmedian(pieces[piece])))
    figure = Figure(figsize=(8, max(3.0, 0.14 * len(order) + 1.2)), layout="constrained")
    axes = figure.subplots()
    for row, piece in enumerate(order):
        axes.plot(pieces[piece], [row] * len(pieces[piece]), "o", color="tab:blue", alpha=0.4, markersize=3)
        axes.plot(float(np.nanmedian(pieces[piece])), row, "|", color="black", markersize=6)
    axes.set_yticks(range(len(order)), order, fontsize=5)
    axes.set_ylim(-1, len(order))
    axes.set_xlabel("spread of the log beat period over windows of four quarters")
    axes.set_title(f"{corpus.name}: how free the tempo is")
    figure.savefig(path, dpi=130)
