"""Tracking: who is who in the frames of a recording, where the estimator does not say it.

The plainest association that works: each person goes on as the nearest one of the next frame. Near
is measured joint by joint, in units of the person's size, to where a person should be who went on
at the same speed; all people of a frame are assigned at once (SciPy's linear sum assignment), so
the order of a list says nothing. Identities are inferred: two people who meet may be exchanged.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

FARTHEST = 0.5
"""Mean distance of the joints, in sizes of the person, beyond which two poses are two people."""
LONGEST_GAP = 15
"""Frames after which a person who was not seen is somebody else."""
SMOOTHING = 0.5
"""Share of the newest step in a person's speed."""


@dataclass
class _Track:
    person: int
    frame: int
    joints: np.ndarray
    """float32 (J, 2); NaN for a joint that was never found."""
    speed: np.ndarray
    """float32 (2,): pixels a frame."""

    def at(self, frame: int) -> np.ndarray:
        return self.joints + self.speed * (frame - self.frame)

    def go_on(self, frame: int, joints: np.ndarray) -> None:
        step = np.nan_to_num(_mean(joints - self.joints, axis=0)) / (frame - self.frame)
        self.speed = SMOOTHING * step + (1 - SMOOTHING) * self.speed
        # A joint that is hidden stays where it was, with the body.
        moved = self.joints + step * (frame - self.frame)
        self.joints = np.where(np.isnan(joints), moved, joints)
        self.frame = frame


def track(frame: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return the person of each row.

    Args:
        frame: int64 (N,).
        joints: float32 (N, J, 2), pixels; NaN for a joint that was not found.

    Returns:
        int64 (N,), counted from 1; -1 for a row that repeats another one of its frame, or that
        has no joint.
    """
    person = np.full(len(frame), -1, dtype=np.int64)
    living: list[_Track] = []
    count = 0
    if not len(frame):
        return person
    order = np.argsort(frame, kind="stable")
    numbers, first = np.unique(frame[order], return_index=True)
    for number, rows in zip(numbers.tolist(), np.split(order, first[1:]), strict=True):
        seen = rows[np.isfinite(joints[rows]).any(axis=(1, 2))]
        _, once = np.unique(np.nan_to_num(joints[seen]), axis=0, return_index=True)
        seen = seen[np.sort(once)]
        living = [track for track in living if number - track.frame <= LONGEST_GAP]
        poses = joints[seen]
        pairs = _assign(np.array([track.at(number) for track in living]), poses)
        taken = dict(pairs)
        for place, row in enumerate(seen):
            if place in taken:
                living[taken[place]].go_on(number, poses[place])
                person[row] = living[taken[place]].person
            else:
                count += 1
                person[row] = count
                living.append(_Track(count, number, poses[place].copy(), np.zeros(2, np.float32)))
    return person


def _assign(expected: np.ndarray, found: np.ndarray) -> list[tuple[int, int]]:
    """Pair poses found (D, J, 2) with those expected (P, J, 2): places in ``found`` and there."""
    if not len(expected) or not len(found):
        return []
    apart = np.linalg.norm(expected[:, None] - found[None], axis=-1)
    size = np.maximum(_size(expected)[:, None], _size(found)[None])
    distance = _mean(apart, axis=-1) / np.maximum(size, 1e-6)
    # No joint in common: only another one is farther.
    cost = np.where(np.isnan(distance), 2 * FARTHEST, np.minimum(distance, 2 * FARTHEST))
    rows, columns = linear_sum_assignment(cost)
    return [(c, r) for r, c in zip(rows, columns, strict=True) if cost[r, c] <= FARTHEST]


def _size(poses: np.ndarray) -> np.ndarray:
    """Diagonal of the box around each pose, (P,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pose without joints
        low, high = np.nanmin(poses, axis=1), np.nanmax(poses, axis=1)
    return np.nan_to_num(np.linalg.norm(high - low, axis=-1))


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but NaN
        return np.nanmean(values, axis=axis)
