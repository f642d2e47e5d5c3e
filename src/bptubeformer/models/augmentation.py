"""Random changes of training segments. Letters: B segments, T frames, J joints, V = 2 J."""

import math

import torch
from torch import Tensor

from bptubeformer.skeleton import Skeleton


def noisy(segments: Tensor, deviation: float) -> Tensor:
    """Add normal noise to every coordinate.

    Args:
        segments: float32 (B, T, V).
        deviation: standard deviation, in the unit of the coordinates.
    """
    return segments + deviation * torch.randn_like(segments)


def rotated(segments: Tensor, degrees: float) -> Tensor:
    """Rotate each segment about the mean of its joints, by an angle of its own.

    Args:
        segments: float32 (B, T, V); a joint at 0, 0 is missing, and stays so.
        degrees: largest angle in either direction.
    """
    joints = segments.unflatten(-1, (-1, 2))
    there = (joints != 0).any(dim=-1, keepdim=True)
    centre = joints.sum((1, 2), keepdim=True) / there.sum((1, 2), keepdim=True).clamp(min=1)
    angle = (2 * torch.rand(len(segments), 1, 1, device=segments.device) - 1) * math.radians(
        degrees
    )
    x, y = (joints - centre).unbind(-1)
    turned = torch.stack(
        [x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], dim=-1
    )
    return ((turned + centre) * there).flatten(-2)


def without_a_part(segments: Tensor, skeleton: Skeleton, share: float) -> Tensor:
    """Set one random body part to 0 in all frames, in a share of the segments.

    Args:
        segments: float32 (B, T, V).
        skeleton: with the parts.
        share: of the segments.
    """
    kept = torch.ones(len(skeleton.parts), len(skeleton.joints), device=segments.device)
    for part, joints in enumerate(skeleton.members.values()):
        kept[part, joints] = 0
    chosen = torch.randint(len(kept), (len(segments),), device=segments.device)
    whole = torch.rand(len(segments), 1, device=segments.device) >= share
    mask = torch.maximum(kept[chosen], whole.float())  # (B, J)
    return segments * mask.repeat_interleave(2, dim=1).unsqueeze(1)
