"""The confusion matrix of a run, and its recalls beside another run's (paper, Fig. 3)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from bptubeformer.figures.style import CONFUSION
from bptubeformer.texts import in_figure


def draw_confusion(counts: np.ndarray, categories: Sequence[str], title: str) -> Figure:
    """Row-normalised confusion matrix: of each true class, the share predicted as each class.

    The count is below each share in per cent.

    Args:
        counts: int64 (classes, classes), true class by row.
        categories: class names.
        title: of the figure.
    """
    tested = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, tested, out=np.full(counts.shape, np.nan), where=tested > 0)
    labels = [
        f"{in_figure(name)}  ({total:,})"
        for name, total in zip(categories, tested.ravel(), strict=True)
    ]
    side = 3.5 + 0.65 * len(categories)
    numbers = [
        [
            f"{100 * cell:.0f}\n({count:,})" if count else ""
            for cell, count in zip(*row, strict=True)
        ]
        for row in zip(np.nan_to_num(share), counts, strict=True)
    ]
    figure = Figure(figsize=(side + 1.0, side))
    axes = figure.subplots()
    seaborn.heatmap(
        100 * share,
        ax=axes,
        cmap=CONFUSION,
        vmin=0,
        vmax=100,
        annot=np.array(numbers),
        fmt="",
        annot_kws={"size": 7.5},
        linewidths=0.5,
        square=True,
        xticklabels=list(map(in_figure, categories)),
        yticklabels=labels,
        cbar_kws={"label": "share of the true class (%), count in brackets", "shrink": 0.8},
    )
    axes.set(xlabel="predicted class", ylabel="true class (predictions)", title=title)
    axes.set_xticklabels(axes.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor")
    return figure


def draw_recalls(recalls: pd.DataFrame, runs: Sequence[str], title: str) -> Figure:
    """Recall of each class, run beside run: mean over folds, and each fold as a point.

    Args:
        recalls: columns run, fold, seed, category, recall; one row a class, fold and seed.
        runs: the runs to show.
        title: of the figure.
    """
    categories = list(recalls["category"].unique())
    shown = recalls[recalls["run"].isin(runs)].assign(recall=100 * recalls["recall"])
    figure = Figure(figsize=(3 + 0.75 * len(categories), 5))
    axes = figure.subplots()
    palette = dict(zip(runs, seaborn.color_palette("tab10"), strict=False))
    settings = {"data": shown, "x": "category", "y": "recall", "hue": "run", "ax": axes}
    settings |= {"order": categories, "hue_order": list(runs), "palette": palette}
    seaborn.barplot(**settings, errorbar=None, alpha=0.75)
    seaborn.stripplot(
        **settings, dodge=True, jitter=False, size=4, edgecolor="0.2", linewidth=0.7, legend=False
    )
    axes.axhline(100 / len(categories), color="0.4", linestyle=":", linewidth=1.2, label="chance")
    axes.set(title=title, xlabel="", ylabel="recall (%)", ylim=(0, 104))
    names = list(map(in_figure, categories))
    axes.set_xticks(axes.get_xticks(), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    seaborn.despine(figure)
    return figure
