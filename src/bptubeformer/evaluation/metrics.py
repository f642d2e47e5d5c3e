"""From labels and logits to balanced accuracy (paper, section 3, "Quantitative evaluation")."""

import numpy as np
from sklearn.metrics import confusion_matrix


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts int64 (classes, classes): true class by row, predicted class by column.

    Args:
        labels: int (n,), true class index.
        predicted: int (n,), predicted class index.
        classes: number of classes.
    """
    return confusion_matrix(labels, predicted, labels=np.arange(classes))


def recalls(counts: np.ndarray) -> np.ndarray:
    """Recall of each class, float64 (classes,); NaN for a class that was not tested."""
    tested = counts.sum(axis=1)
    return np.divide(np.diag(counts), tested, out=np.full(len(counts), np.nan), where=tested > 0)


def balanced_accuracy(counts: np.ndarray) -> float:
    """Mean recall of the classes that were tested.

    The number of tested classes belongs beside it in every table: a data set with short
    trajectories may have no segment of some class.
    """
    return float(np.nanmean(recalls(counts)))
