"""Learning curves: losses of every fold of every run, epoch by epoch; not in the paper."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bptubeformer.texts import in_figure

COLUMNS = 4
TRAINING, VALIDATION = "tab:gray", "tab:blue"


def draw_learning(histories: Mapping[str, Sequence[pd.DataFrame]], classes: int) -> Figure:
    """Draw a panel a run: training and validation loss of each fold, and the loss of guessing.

    Args:
        histories: ``history.csv`` of every fold and seed, by run.
        classes: number of classes; guessing has a loss of its logarithm.
    """
    rows = -(-len(histories) // COLUMNS)
    figure = Figure(figsize=(3.2 * min(COLUMNS, len(histories)), 2.3 * rows + 0.5),
                    layout="constrained")  # fmt: skip
    axes = figure.subplots(rows, min(COLUMNS, len(histories)), squeeze=False).flat
    for axis, (run, folds) in zip(axes, histories.items(), strict=False):
        for history in folds:
            axis.plot(history["epoch"], history["train_loss"], color=TRAINING, marker=".")
            axis.plot(history["epoch"], history["validation_loss"], color=VALIDATION, marker=".")
            best = history.loc[history["validation_loss"].idxmin()]
            axis.plot(best["epoch"], best["validation_loss"], "o", mfc="none", color=VALIDATION)
        axis.axhline(np.log(classes), color="black", linestyle=":", linewidth=1)
        axis.set_ylim(0, 1.25 * np.log(classes))
        axis.set_xlim(0.5, max(map(len, folds)) + 0.5)
        axis.set_title(in_figure(run), loc="left")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
    for axis in axes[len(histories) :]:
        axis.set_visible(False)
    figure.supxlabel("epoch")
    figure.supylabel("loss (nats)")
    lines = [
        figure.axes[0].plot([], [], color=TRAINING, marker=".", label="training")[0],
        figure.axes[0].plot([], [], color=VALIDATION, marker=".", label="validation")[0],
        figure.axes[0].plot([], [], "o", mfc="none", color=VALIDATION, label="epoch kept")[0],
        figure.axes[0].plot([], [], color="black", linestyle=":", label="guessing")[0],
    ]
    figure.legend(handles=lines, loc="outside upper right", ncols=len(lines), frameon=False)
    return figure
