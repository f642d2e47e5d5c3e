"""Attention of one segment, head by head (paper, Fig. 4 a-d)."""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn
from matplotlib.figure import Figure, SubFigure

from bptubeformer.figures.style import HEATMAP


def frame_ranges(tokens: int, segment_length: int, kernel: int, stride: int) -> list[str]:
    """Frames that each tubelet covers, counted from 1: ``1-2``, ``3-4``, ...

    Where several tubelets lie on the same frames (kernels smaller than the grid), the range
    repeats for each of them.
    """
    times = (segment_length - kernel) // stride + 1
    spans = [(stride * i + 1, stride * i + kernel) for i in range(times)]
    names = [f"{first}-{last}" if last > first else f"{first}" for first, last in spans]
    return [name for name in names for _ in range(tokens // times)]


def draw_heads(
    attention: Mapping[str, np.ndarray],
    labels: Mapping[str, Sequence[str]],
    title: str,
    per_row: int = 8,
) -> Figure:
    """One band of heatmaps a transformer, one heatmap a head.

    Rows are the tokens that attend, columns those attended to.

    Args:
        attention: weights (H, N, N) by the name of the transformer; every row sums to 1.
        labels: of the N tokens, by the same names.
        title: of the figure.
        per_row: heatmaps side by side.
    """
    heads = len(next(iter(attention.values())))
    side = 2.9 if per_row <= 4 else 1.85
    lines = -(-heads // per_row) * len(attention)
    figure = Figure(
        figsize=(side * per_row + 1.6, (side + 0.25) * lines + 0.75 * len(attention) + 0.5),
        layout="constrained",
    )
    figure.suptitle(title, fontweight="bold")
    bands = figure.subfigures(len(attention), 1, squeeze=False)[:, 0]
    for band, (name, weights) in zip(bands, attention.items(), strict=True):
        _draw_band(band, name, weights, labels[name], per_row)
    return figure


def _draw_band(
    band: SubFigure, name: str, weights: np.ndarray, labels: Sequence[str], per_row: int
) -> None:
    lines = -(-len(weights) // per_row)
    grid = band.subplots(lines, per_row, squeeze=False, sharex=True, sharey=True)
    # Fewer labels where there are many, so that none overlaps its neighbour.
    every = -(-len(labels) // 16)
    shown = [label if i % every == 0 else "" for i, label in enumerate(labels)]
    for axes in grid.flat[len(weights) :]:
        axes.set_axis_off()
    for head, (axes, weight) in enumerate(zip(grid.flat, weights, strict=False), start=1):
        seaborn.heatmap(
            weight,
            ax=axes,
            cmap=HEATMAP,
            vmin=0,
            vmax=float(weights.max()),
            square=True,
            cbar=False,
            # To see whether they overlap, seaborn would keep an image of the figure for each label.
            xticklabels=False,
            yticklabels=False,
        )
        places = np.arange(len(shown)) + 0.5
        axes.set_xticks(places, shown)
        axes.set_yticks(places, shown)
        axes.set_title(f"head {head}", fontweight="normal")
        axes.tick_params(axis="x", labelsize=7.5, length=0, rotation=90)
        axes.tick_params(axis="y", labelsize=7.5, length=0, rotation=0)
    band.suptitle(name, fontweight="bold", fontsize="medium")
    bar = band.colorbar(grid.flat[0].collections[0], ax=grid, shrink=0.8, pad=0.01, aspect=18)
    bar.set_label("attention weight", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
