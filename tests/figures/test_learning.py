import numpy as np
import pandas as pd

from bptubeformer.figures.learning import COLUMNS, draw_learning


def history(losses):
    epochs = range(1, len(losses) + 1)
    return pd.DataFrame({"epoch": epochs, "train_loss": losses, "validation_loss": losses})


def test_every_fold_of_every_run_has_its_two_curves_and_the_epoch_kept():
    runs = {f"run {i}": [history([2, 1, 1.5]), history([2, 1.8])] for i in range(COLUMNS + 1)}
    figure = draw_learning(runs, 13)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in shown] == list(runs)
    for axis in shown[1:]:
        lengths = [len(line.get_xdata()) for line in axis.get_lines()]
        assert lengths == [3, 3, 1, 2, 2, 1, 2]
        kept = axis.get_lines()[2]
        assert (float(kept.get_xdata()[0]), float(kept.get_ydata()[0])) == (2, 1)
        assert axis.get_lines()[-1].get_ydata()[0] == np.log(13)


def test_epochs_are_whole_numbers_also_where_there_is_one():
    for epochs in (1, 2, 3, 40):
        figure = draw_learning({"run": [history([2.0] * epochs)]}, 13)
        figure.canvas.draw()
        low, high = figure.axes[0].get_xlim()
        ticks = [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == round(tick) and 1 <= tick <= epochs for tick in ticks)
