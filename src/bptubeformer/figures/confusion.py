"""The confusion matrix of a run (paper, Fig. 3)."""

from collections.abc import Sequence

import numpy as np
import seaborn
from matplotlib.figure import Figure

from bptubeformer.figures.style import CONFUSION


def draw_confusion(counts: np.ndarray, categories: Sequence[str], title: str) -> Figure:
    """Row-normalised confusion matrix: of each true class, the share predicted as each class.

    Args:
        counts: int64 (classes, classes), true class by row.
        categories: class names.
        title: stands above.
    """
    tested = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, tested, out=np.full(counts.shape, np.nan), where=tested > 0)
    labels = [
        f"{name}  ({total:,})" for name, total in zip(categories, tested.ravel(), strict=True)
    ]
    side = 3.5 + 0.55 * len(categories)
    figure = Figure(figsize=(side + 1.0, side))
    axes = figure.subplots()
    seaborn.heatmap(
        100 * share,
        ax=axes,
        cmap=CONFUSION,
        vmin=0,
        vmax=100,
        annot=np.where(np.nan_to_num(share) >= 0.005, np.char.mod("%.0f", 100 * share), ""),
        fmt="",
        annot_kws={"size": 9},
        linewidths=0.5,
        square=True,
        xticklabels=list(categories),
        yticklabels=labels,
        cbar_kws={"label": "share of the true class (%)", "shrink": 0.8},
    )
    axes.set(xlabel="predicted class", ylabel="true class (predictions)", title=title)
    axes.set_xticklabels(axes.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor")
    return figure
