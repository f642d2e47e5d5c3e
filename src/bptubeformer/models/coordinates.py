"""The coordinates that a model is given: pixels, as in the paper, or normalised.

What the paper does not state is in docs/fidelity.md.

Letters: B segments, T frames, J joints, V = 2 J.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def normalised(
    segments: Tensor, coordinates: str, image_size: Sequence[int] | None = None
) -> Tensor:
    """Return segments in the coordinates of a run.

    Args:
        segments: float32 (B, T, V), pixels; a joint at 0, 0 is missing.
        coordinates: ``pixels``: as they are; ``frame``: divided by the size of the frame, so that
            they are from 0 to 1; ``box``: relative to the centre of the box around the person in
            the whole segment, divided by its longer side, so that they are from -0.5 to 0.5.
        image_size: width and height of a frame in pixels; for ``frame``.

    Returns:
        float32 (B, T, V); 0, 0 for a missing joint.

    Raises:
        ValueError: ``frame`` without ``image_size``.
    """
    if coordinates == "pixels":
        return segments
    joints = segments.unflatten(-1, (-1, 2))  # (B, T, V) -> (B, T, J, 2)
    if coordinates == "frame":
        if image_size is None:
            raise ValueError("coordinates of the frame need image_size; give dataset.image_size")
        width, height = image_size
        return torch.stack([joints[..., 0] / width, joints[..., 1] / height], dim=-1).flatten(-2)
    missing = (joints == 0).all(dim=-1, keepdim=True)
    low, high = box_of(joints, missing, (-3, -2))
    side = (high - low).amax(dim=-1, keepdim=True)
    within = (joints - (low + high) / 2) / side.masked_fill(side == 0, 1)
    return within.masked_fill(missing, 0).flatten(-2)


def box_of(joints: Tensor, missing: Tensor, over: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the corners of the box around the joints that are there.

    Args:
        joints: float32 (B, T, J, 2).
        missing: bool (B, T, J, 1).
        over: axes that one box is for: (-2,) for one a frame, (-3, -2) for one a segment.

    Returns:
        Lowest and highest x and y, float32 (B, 1 or T, 1, 2); zeros where no joint is there.
    """
    low = joints.masked_fill(missing, torch.inf).amin(dim=over, keepdim=True)
    high = joints.masked_fill(missing, -torch.inf).amax(dim=over, keepdim=True)
    nobody = low.isinf()
    return low.masked_fill(nobody, 0), high.masked_fill(nobody, 0)
