"""Resamples of videos, for numbers that have no closed form; not in the paper.

Segments of one video are much alike, so that a resample of segments would promise too much. Videos
are drawn with replacement within their class.
"""

import numpy as np


def draw_weights(labels: np.ndarray, chosen: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Draw how often each video is in each resample.

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
