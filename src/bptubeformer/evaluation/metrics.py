"""From labels and logits to balanced accuracy and its companions (paper, section 3)."""

import numpy as np

TOP = (3, 5)
"""Classes that top-k accuracy looks at; not stated ("various metrics"), see docs/fidelity.md."""

METRICS = (
    "balanced_accuracy",
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "weighted_precision",
    "weighted_recall",
    "top3_accuracy",
    "top5_accuracy",
)
"""Names of the scores, in the order of the tables."""


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts int64 (classes, classes): true class by row, predicted class by column.

    Args:
        labels: int (n,), true class index.
        predicted: int (n,), predicted class index.
        classes: number of classes.
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)


def recalls(counts: np.ndarray) -> np.ndarray:
    """Recall of each class, float64 (classes,).

    Raises:
        ValueError: a class was not tested: its recall is not defined.
    """
    tested = counts.sum(axis=1)
    if not tested.all():
        raise ValueError(f"class {tested.argmin()} has no example: its recall is not defined")
    return np.diag(counts) / tested


def balanced_accuracy(counts: np.ndarray) -> float:
    """Mean recall of all classes (paper, section 3)."""
    return float(recalls(counts).mean())


def scores(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """All of ``METRICS``; macro means are over all classes, weighted ones by test segments.

    Args:
        labels: int (n,), true class index.
        logits: float (n, classes).

    Raises:
        ValueError: a class was not tested.
    """
    counts = confusion(labels, logits.argmax(axis=1), logits.shape[1])
    tested, predicted, correct = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    recall = recalls(counts)
    precision = correct / np.maximum(predicted, 1)
    weights = tested / tested.sum()
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    rank = (logits > own).sum(axis=1)
    values = (
        balanced_accuracy(counts),
        correct.sum() / tested.sum(),
        precision.mean(),
        recall.mean(),
        (2 * correct / (tested + predicted)).mean(),
        precision @ weights,
        recall @ weights,
        *((rank < top).mean() for top in TOP),
    )
    return dict(zip(METRICS, map(float, values), strict=True))


def average_by(
    groups: np.ndarray, labels: np.ndarray, logits: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One prediction a trajectory or video: the mean of the logits of its segments.

    Args:
        groups: int (n,), group of each segment; all segments of a group have one label.
        labels: int64 (n,), true class index.
        logits: float32 (n, classes).

    Returns:
        the distinct groups (g,), their labels (g,) and mean logits float64 (g, classes).
    """
    distinct, first, group = np.unique(groups, return_index=True, return_inverse=True)
    totals = [np.bincount(group, column) for column in logits.T]
    return distinct, labels[first], np.stack(totals, axis=1) / np.bincount(group)[:, None]
