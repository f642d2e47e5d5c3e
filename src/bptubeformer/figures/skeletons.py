"""The skeleton over the frames of a segment, with a blob a body part (paper, Fig. 4 e)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bptubeformer.skeleton import Skeleton

SHOWN = 8
"""Frames drawn, evenly over the segment."""
PANEL_IN = 3.0
"""Longer side of a frame in inches."""
LARGEST_BLOB = 1000.0
"""Area of the blob of a part that has all the attention, in points squared."""


def draw_skeletons(
    skeleton: Skeleton,
    segment: np.ndarray,
    frame_number: np.ndarray,
    attention_to_part: Mapping[str, float],
    title: str,
) -> Figure:
    """Skeletons side by side; the blob of a part grows with the class token's attention to it.

    Args:
        skeleton: of the dataset.
        segment: float32 (T, V), pixels; a joint at 0, 0 is missing and not drawn.
        frame_number: int32 (T,).
        attention_to_part: weight of each part of the skeleton.
        title: of the figure.
    """
    joints = segment.reshape(len(segment), -1, 2)
    present = (joints != 0).any(axis=-1)
    shown = np.unique(np.linspace(0, len(joints) - 1, SHOWN).round().astype(int))
    visible = joints[shown][present[shown]]
    if not len(visible):
        visible = np.array([[0.0, 0.0], [1.0, 1.0]])
    low, high = visible.min(axis=0), visible.max(axis=0)
    margin = 0.12 * max(*(high - low), 1.0)
    width, height = high - low + 2 * margin
    # Upright skeletons stand in one row, wide ones in two.
    rows = 1 if width < height else 2
    columns = -(-len(shown) // rows)
    panel = np.array([width, height]) * min(PANEL_IN / height, PANEL_IN / width)
    size = panel * (max(columns, 2), rows) + (0, 1.3 + 0.4 * (rows - 1))
    figure = Figure(figsize=tuple(size))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, frame in zip(grid.flat, shown, strict=False):
        _draw_frame(axes, skeleton, joints[frame], present[frame], attention_to_part)
        axes.set_title(f"frame {frame + 1}\n(video {frame_number[frame]})", fontweight="normal")
        axes.title.set_fontsize(9)
    grid[0, 0].set_xlim(low[0] - margin, high[0] + margin)
    grid[0, 0].set_ylim(high[1] + margin, low[1] - margin)
    handles = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markersize=9,
            color=colour,
            label=f"{part} {attention_to_part[part]:.2f}",
        )
        for part, colour in skeleton.colours.items()
    ]
    figure.legend(
        handles=handles,
        title="attention of the class token (mean over heads)",
        loc="upper center",
        bbox_to_anchor=(0.5, 0.06),
        ncols=len(skeleton.parts),
        frameon=False,
    )
    figure.suptitle(title, fontweight="bold")
    figure.subplots_adjust(
        left=0, right=1, wspace=0.02, bottom=0.08, top=1 - 0.85 / figure.get_figheight()
    )
    return figure


def _draw_frame(
    axes: Axes,
    skeleton: Skeleton,
    joints: np.ndarray,
    present: np.ndarray,
    attention_to_part: Mapping[str, float],
) -> None:
    for first, second in skeleton.limbs:
        if present[first] and present[second]:
            axes.plot(*joints[[first, second]].T, color="0.35", linewidth=1.5, zorder=1)
    x, y = joints[present].T
    axes.scatter(x, y, s=6, color="0.15", zorder=2)
    for part, colour in skeleton.colours.items():
        # One blob where joints lie together: on each side, or for a part of both, at the middle.
        seen = [[j for j in joints_of if present[j]] for joints_of in skeleton.places_of_part[part]]
        places = [joints[members].mean(axis=0) for members in seen if members]
        for x, y in places:
            axes.scatter(
                x,
                y,
                s=LARGEST_BLOB * attention_to_part[part],
                color=colour,
                alpha=0.65,
                linewidths=0,
                zorder=3,
            )
    axes.set_aspect("equal")
