"""Figure: does attention follow movement, over all test segments? Not in the paper."""

import pandas as pd
from matplotlib.figure import Figure

from bptubeformer.evaluation.movement import BETWEEN_PARTS, BODY_PART, ORDERS, TUBELETS
from bptubeformer.skeleton import Skeleton

TITLES = {
    BETWEEN_PARTS: "between parts:\nmost attention to\nwhat moves most?",
    BODY_PART: "body part, over segments:\nmore attention where\nthe part moves faster?",
    TUBELETS: "tubelets, over time:\nmore attention to frames\nwhere the part moves faster?",
}


def draw_movement(table: pd.DataFrame, skeleton: Skeleton, title: str) -> Figure:
    """Rank correlations with their intervals, level by level; shuffled time as open circles.

    Args:
        table: what ``evaluation.movement.movement_table`` returns.
        skeleton: of the dataset.
        title: of the figure.
    """
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    panels = figure.subplots(1, len(TITLES), sharey=True, width_ratios=[1.2, 3, 3])
    for axes, (level, heading) in zip(panels, TITLES.items(), strict=True):
        rows = table[table["level"] == level]
        parts = list(rows["part"].unique())
        for order, offset in zip(ORDERS, (-0.12, 0.12), strict=True):
            true = order == ORDERS[0]
            for place, row in enumerate(rows[rows["order"] == order].itertuples()):
                colour = skeleton.colours.get(row.part, "0.2")
                axes.plot([place + offset] * 2, [row.interval_low, row.interval_high], color=colour)
                axes.plot(
                    place + offset,
                    row.rank_correlation,
                    "o",
                    color=colour,
                    markerfacecolor=colour if true else "white",
                    markersize=8,
                )
        axes.axhline(0, color="0.3", linewidth=0.8)
        axes.set_xticks(range(len(parts)), parts, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(parts) - 0.4)
        axes.set_title(heading, fontsize=10, fontweight="normal")
    panels[0].set_ylabel("rank correlation of attention and speed")
    for face, label in (("0.2", "frames in true order"), ("white", "frames shuffled (control)")):
        panels[-1].plot([], [], "o", color="0.2", markerfacecolor=face, label=label)
    panels[-1].legend(frameon=False, loc="best")
    figure.suptitle(title, fontweight="bold")
    return figure
