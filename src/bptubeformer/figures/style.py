"""One look for all figures."""

from pathlib import Path

import matplotlib
import seaborn
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bptubeformer.atomic import replacing

HEATMAP = "viridis"
CONFUSION = "Blues"
RESOLUTION_DPI = 200
PLACE_DIGITS = 6
"""Rounding of the places of axes, in fractions of the figure: a thousandth of a pixel."""
FURTHER_COLOURS = ("#3a0182", "#004201", "#0fffa8", "#5d003f", "#bcbcff", "#d8afa1")
"""What a Glasbey palette goes on with behind ``tab10``."""


def apply_style() -> None:
    """White ground, readable type, text kept as text in SVG files; no window is opened."""
    matplotlib.use("Agg")
    seaborn.set_theme(style="ticks", context="notebook", font_scale=0.9)
    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "bptubeformer",
            "figure.dpi": 100,
            "axes.titleweight": "bold",
            "axes.titlesize": "medium",
        }
    )


def class_colours(classes: int) -> list[tuple[float, float, float]]:
    """Colours that stay apart: ten of ``tab10``, then those farthest from them, then a wheel."""
    palette = [*seaborn.color_palette("tab10"), *map(to_rgb, FURTHER_COLOURS)]
    if classes <= len(palette):
        return palette[:classes]
    return list(seaborn.color_palette("husl", classes))


def settle_layout(figure: Figure) -> None:
    """Fix the places of the axes, rounded: the solver's last digits differ from run to run."""
    if figure.get_layout_engine() is None:
        return
    figure.draw_without_rendering()
    places = [axes.get_position().bounds for axes in figure.axes]
    figure.set_layout_engine("none")
    for axes, place in zip(figure.axes, places, strict=True):
        left, bottom, width, height = (round(value, PLACE_DIGITS) for value in place)
        axes.set_position((left, bottom, width, height))


def save_figure(figure: Figure, stem: Path | str) -> Path:
    """Write ``<stem>.png`` and ``<stem>.svg``; no dates inside, so that equal figures are equal.

    Returns:
        the PNG file, to be shown in a notebook.
    """
    settle_layout(figure)
    for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
        with replacing(Path(f"{stem}{suffix}")) as partial:
            figure.savefig(partial, dpi=RESOLUTION_DPI, bbox_inches="tight", metadata=metadata)
    return Path(f"{stem}.png")
