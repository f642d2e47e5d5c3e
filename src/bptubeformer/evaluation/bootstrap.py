"""95 % intervals by bootstrap over videos; not in the paper.

Segments of one video are much alike, so that a resample of segments would promise too much. Videos
are drawn with replacement within their class. Where folds have test sets of their own, a resample
may lack a class in one of them: it is left out of that fold's mean, as everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class VideoCounts:
    """What balanced accuracy needs to know of one model's test segments, video by video."""

    tested: np.ndarray
    """int64 (V,): test segments of each video of the dataset."""
    correct: np.ndarray
    """int64 (V,): those classified correctly."""

    @classmethod
    def of(cls, video: np.ndarray, correct: np.ndarray, videos: int) -> "VideoCounts":
        """Count segments.

        Args:
            video: int64 (n,), video of each test segment.
            correct: bool (n,).
            videos: number of videos of the dataset, V.
        """
        return cls(
            np.bincount(video, minlength=videos), np.bincount(video[correct], minlength=videos)
        )


def draw_weights(labels: np.ndarray, chosen: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """How often each video is drawn in each resample.

    Args:
        labels: int64 (V,), class of each video.
        chosen: bool (V,), videos to draw from.
        samples: number of resamples.
        seed: of the draws.

    Returns:
        int64 (samples, V); within each class as many draws as chosen videos.
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((samples, len(labels)), dtype=np.int64)
    for label in np.unique(labels[chosen]):
        members = np.flatnonzero(chosen & (labels == label))
        weights[:, members] = generator.multinomial(
            len(members), np.full(len(members), 1 / len(members)), size=samples
        )
    return weights


def resampled_accuracy(
    models: Sequence[VideoCounts], labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Balanced accuracy of every resample, mean over models (folds and seeds of a run).

    Args:
        models: counts of each.
        labels: int64 (V,), class of each video.
        weights: int64 (samples, V).

    Returns:
        float64 (samples,); NaN where a resample has no segment of a model.
    """
    of_class = labels[:, None] == np.unique(labels)
    means = []
    for counts in models:
        tested = weights @ (counts.tested[:, None] * of_class)
        correct = weights @ (counts.correct[:, None] * of_class)
        seen = tested > 0
        recall = np.divide(correct, tested, out=np.zeros(tested.shape), where=seen)
        # A resample without any segment of this model says nothing about it.
        classes = np.where(seen.any(axis=1), seen.sum(axis=1), np.nan)
        means.append(recall.sum(axis=1) / classes)
    return np.mean(means, axis=0)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of resampled values, by percentiles."""
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def accuracy_interval(
    models: Sequence[VideoCounts],
    labels: np.ndarray,
    samples: int,
    seed: int,
    minus: Sequence[VideoCounts] = (),
) -> tuple[float, float]:
    """Interval of a run's mean balanced accuracy, or of its difference to another run's.

    Args:
        models: counts of each fold and seed of the run.
        labels: int64 (V,), class of each video.
        samples: number of resamples.
        seed: of the draws.
        minus: counts of the run to subtract; both see the same resamples.
    """
    tested = np.any([counts.tested > 0 for counts in (*models, *minus)], axis=0)
    weights = draw_weights(labels, tested, samples, seed)
    values = resampled_accuracy(models, labels, weights)
    if minus:
        values = values - resampled_accuracy(minus, labels, weights)
    return interval(values)
