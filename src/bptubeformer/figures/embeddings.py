"""Class-token embeddings: t-SNE and silhouettes (paper, Fig. 5)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from bptubeformer.figures.style import class_colours
from bptubeformer.texts import in_figure

MARKS = ("o", "^", "s")
"""Marks of the first ten classes, the next ten, and the rest."""


def tsne(embedding: np.ndarray, *, perplexity: float, seed: int) -> np.ndarray:
    """Two dimensions of an embedding (n, D), float32 (n, 2).

    The perplexity is lowered where there are too few points for it.
    """
    perplexity = min(perplexity, (len(embedding) - 1) / 3)
    return TSNE(perplexity=perplexity, random_state=seed, init="pca").fit_transform(embedding)


def draw_tsne(
    points: np.ndarray, labels: np.ndarray, categories: Sequence[str], title: str
) -> Figure:
    """One point a test segment, one colour a class; every class has a colour of its own.

    Args:
        points: float32 (n, 2).
        labels: int64 (n,), class index.
        categories: class names.
        title: of the figure.
    """
    figure = Figure(figsize=(9.5, 7))
    axes = figure.subplots()
    for label, colour in enumerate(class_colours(len(categories))):
        mine = labels == label
        # Another mark from the eleventh colour on, where colours come nearer to each other.
        mark = MARKS[min(label // 10, len(MARKS) - 1)]
        name = in_figure(categories[label])
        x, y = points[mine].T
        axes.scatter(x, y, s=18, color=colour, marker=mark, label=name, linewidths=0)
    axes.set(title=title, xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        markerscale=2,
        title="true class",
        ncols=1 + (len(categories) - 1) // 20,
    )
    return figure


def draw_silhouettes(
    values: np.ndarray, groups: np.ndarray, names: Sequence[str], title: str
) -> Figure:
    """A silhouette a group, its segments from the highest to the lowest; the mean as a red line.

    Args:
        values: float (n,), silhouette coefficient of each segment.
        groups: int (n,), index into ``names``.
        names: of the groups.
        title: of the figure.
    """
    mean = float(values.mean())
    # Wide enough for the names of two tiny groups to stand one above the other.
    gap = max(1, round(0.03 * len(values)))
    figure = Figure(figsize=(8.5, 3 + 0.4 * len(names)))
    axes = figure.subplots()
    base, ticks = gap, []
    for group, colour in enumerate(class_colours(len(names))):
        mine = np.sort(values[groups == group])
        axes.fill_betweenx(
            np.arange(base, base + len(mine)), 0, mine, facecolor=colour, linewidth=0
        )
        ticks.append(base + len(mine) / 2)
        base += len(mine) + gap
    axes.axvline(mean, color="red", linestyle="--", linewidth=1.5)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_yticks(ticks, list(map(in_figure, names)))
    axes.set(
        title=title, xlabel=f"silhouette coefficient (red line: mean {mean:.4f})", ylim=(base, 0)
    )
    return figure
