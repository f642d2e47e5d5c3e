"""Posture and movement of a body as numbers: the features of HAPTICS; see docs/fidelity.md.

Letters: B segments, T frames, f frames of a window, N windows, C = 4 chains of joints.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CHAINS = (
    ("left shoulder", "left elbow", "left wrist"),
    ("right shoulder", "right elbow", "right wrist"),
    ("left hip", "left knee", "left ankle"),
    ("right hip", "right knee", "right ankle"),
)
"""Each begins at the neck: 13 joints in a tree of 12 limbs, with an angle between two of them."""
ARMS, LEGS = slice(2), slice(2, 4)
JOINTS, LIMBS, BENDS = 13, 12, 8
LEAST_HEIGHT = 0.1
"""Of a body over its extent: one folded to a point would decide all principal components."""


def feature_count(frames: int) -> int:
    """Return the number of features of a window of so many frames: 170 of three."""
    velocities = (frames - 1) * 2 * (JOINTS + 1)
    return frames * (2 * JOINTS + BENDS) + velocities + LIMBS


def windowed_features(body: Tensor, frames: int, mean: str) -> tuple[Tensor, Tensor]:
    """Return the features of each window of a segment, and which windows are to be used.

    Args:
        body: float32 (B, T, 12, 2), joints of the chains; one at 0, 0 is missing.
        frames: f.
        mean: what positions are relative to: the mean of ``all`` values of a window, or of each of
            the two ``axes``.

    Returns:
        float32 (B, N, features): positions and velocities in heights of the body, angles in
        radians, lengths in heights. And bool (B, N): windows with a neck and a thigh in each
        frame, or all windows of a segment without such a window.
    """
    chains, valid = filled(body.unflatten(2, (len(CHAINS), -1)))
    joints = torch.cat([chains[:, :, 0, :1], chains[..., 1:, :].flatten(2, 3)], dim=2)
    limbs = chains.diff(dim=3)  # (B, T, C, 3, 2)
    thigh = chains[:, :, LEGS, 1].mean(dim=2)
    positions, bends, lengths, heights = (
        values.unfold(1, frames, 1).movedim(-1, 2)  # (B, T, ...) -> (B, N, f, ...)
        for values in (
            joints,
            bend(limbs[..., :-1, :], limbs[..., 1:, :]).flatten(2),
            limbs.norm(dim=-1).flatten(2),
            (joints[:, :, 0] - thigh).norm(dim=-1),
        )
    )
    extent = (positions.amax(dim=(2, 3)) - positions.amin(dim=(2, 3))).amax(dim=-1)
    height = torch.maximum(heights.mean(dim=2), LEAST_HEIGHT * extent)
    height = height.masked_fill(height == 0, 1)
    averaged = (2, 3, 4) if mean == "all" else (2, 3)
    positions = positions - positions.mean(dim=averaged, keepdim=True)
    positions = positions / height[..., None, None, None]
    velocities = positions.diff(dim=2)
    features = [
        positions, velocities[..., 0, :], velocities, bends,
        lengths.mean(dim=2) / height.unsqueeze(-1),
    ]  # fmt: skip
    whole = valid.unfold(1, frames, 1).all(dim=-1)
    used = whole | ~whole.any(dim=1, keepdim=True)
    return torch.cat([values.flatten(2) for values in features], dim=-1), used


def filled(body: Tensor) -> tuple[Tensor, Tensor]:
    """Put the neck before each chain, and a missing joint where it last was beside the neck.

    A joint that has not been seen yet is put where it is first seen, and one that never is, on the
    neck. A frame without a neck or a thigh is put where the last frame was.

    Args:
        body: float32 (B, T, C, 3, 2); a joint at 0, 0 is missing.

    Returns:
        float32 (B, T, C, 4, 2); and bool (B, T): frames with a neck and a thigh.
    """
    there = (body != 0).any(dim=-1)
    shoulders = there[:, :, ARMS, 0]
    valid = shoulders.any(dim=-1) & there[:, :, LEGS, 0].any(dim=-1)
    neck = body[:, :, ARMS, 0].sum(dim=2) / shoulders.sum(dim=2, keepdim=True).clamp(min=1)
    offsets = _last_seen(body - neck[:, :, None, None], there & valid[..., None, None])
    neck = _last_seen(neck, valid)
    return neck[:, :, None, None] + F.pad(offsets, (0, 0, 1, 0)), valid


def bend(before: Tensor, after: Tensor) -> Tensor:
    """Return the angle between two limbs (..., 2), in radians from 0, straight, to pi."""
    (x, y), (u, v) = before.unbind(-1), after.unbind(-1)
    return torch.atan2((x * v - y * u).abs(), x * u + y * v)


def _last_seen(values: Tensor, there: Tensor) -> Tensor:
    """Return (B, T, ..., 2) with the last value that is there, else the first, else 0."""
    times = torch.arange(there.shape[1], device=there.device).view(-1, *(1,) * (there.dim() - 2))
    last = torch.where(there, times, -1).cummax(dim=1).values
    first = there.int().argmax(dim=1, keepdim=True)
    frame = torch.where(last < 0, first, last)
    seen = values.gather(1, frame.unsqueeze(-1).expand_as(values))
    return seen * there.any(dim=1, keepdim=True).unsqueeze(-1)
