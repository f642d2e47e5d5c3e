"""Windows: start indices of segments, never the segments themselves."""

import numpy as np


def window_starts(offsets: np.ndarray, length: int, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Start index of every window that lies within one trajectory.

    Windows slide over the rows of a trajectory; gaps in the frame numbers are not looked at
    (paper, section 2: user-defined segment length; the step is not stated, see docs/fidelity.md).

    Args:
        offsets: int64 (N + 1,), rows of trajectory n are ``offsets[n]`` to ``offsets[n + 1]``.
        length: frames of a segment.
        step: rows between the starts of two windows.

    Returns:
        starts int64 (W,), ascending, and the index of each window's trajectory int64 (W,).
    """
    if length < 1 or step < 1:
        raise ValueError(f"length {length} and step {step} must be at least 1")
    rows = np.diff(offsets)
    counts = np.maximum((rows - length) // step + 1, 0)
    trajectory = np.repeat(np.arange(len(rows)), counts)
    first_window = np.cumsum(counts) - counts
    rank = np.arange(counts.sum()) - first_window[trajectory]
    return offsets[:-1][trajectory] + step * rank, trajectory
