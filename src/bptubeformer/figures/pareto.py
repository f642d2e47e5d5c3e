"""Balanced accuracy against cost, for all runs; not in the paper."""

import numpy as np
import pandas as pd
import seaborn
from adjustText import adjust_text
from matplotlib.figure import Figure

from bptubeformer.texts import in_figure


def pareto_front(macs: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Return the runs that no other run beats: none is as cheap and better, or as good and cheaper.

    Args:
        macs: float (n,).
        accuracy: float (n,).

    Returns:
        bool (n,).
    """
    no_worse = (macs <= macs[:, None]) & (accuracy >= accuracy[:, None])
    better = (macs < macs[:, None]) | (accuracy > accuracy[:, None])
    return np.logical_not((no_worse & better).any(axis=1))


def draw_pareto(table: pd.DataFrame, chance: float, title: str) -> Figure:
    """One point a run: MACs of a segment, with attention, against balanced accuracy.

    Args:
        table: columns run, experiment, macs (10^6 a segment), mean, low and high (ends of the 95 %
            interval), one row a run.
        chance: balanced accuracy of guessing.
        title: of the figure.
    """
    figure = Figure(figsize=(11, 7.5))
    axes = figure.subplots()
    on_front = pareto_front(table["macs"].to_numpy(), table["mean"].to_numpy())
    front = table[on_front].sort_values("macs")
    if front["macs"].nunique() > 1:
        axes.step(
            front["macs"], front["mean"], where="post", color="0.6", linestyle="--",
            linewidth=1.2, label="Pareto front", zorder=1,
        )  # fmt: skip
    colours = seaborn.color_palette("tab10")
    for colour, (experiment, group) in zip(
        colours * 3, table.groupby("experiment", sort=False), strict=False
    ):
        spread = np.abs(group[["low", "high"]].to_numpy().T - group["mean"].to_numpy())
        axes.errorbar(
            group["macs"], group["mean"], yerr=spread, fmt="o", color=colour, markersize=8,
            elinewidth=1, label=in_figure(experiment), zorder=2,
        )  # fmt: skip
    axes.axhline(chance, color="0.3", linestyle=":", linewidth=1.2, label="chance")
    axes.set(
        title=title,
        xscale="log",
        xlabel="MACs of a segment, attention included ($10^6$)",
        ylabel="balanced accuracy, 95 % interval",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, title="experiment")
    seaborn.despine(figure)
    texts = [axes.text(row.macs, row.mean, row.run, fontsize=8.5) for row in table.itertuples()]
    figure.canvas.draw()
    lines = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.7}
    adjust_text(
        texts, table["macs"].to_numpy(), table["mean"].to_numpy(), ax=axes, arrowprops=lines
    )
    return figure
