"""Random changes of training segments. Letters: B segments, T frames, J joints, V = 2 J.

A joint at 0, 0 is missing, and stays so where ``augmented`` changes a segment. Its sizes are ours.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from bptubeformer.models.coordinates import box_of
from bptubeformer.skeleton import Skeleton

FLIPPED = 0.5
"""Share of the segments that are mirrored."""
JITTER = 0.01
"""Standard deviation of the noise of a coordinate, over the larger side of the person's box."""
SCALE = 0.1
"""Largest relative change of size."""
ROTATION = 15.0
"""Largest angle, in degrees."""
DROPPED = 0.1
"""Share of the joints that a segment misses."""
WARP = 0.1
"""Largest shift of a frame in time, over the length of the segment."""


def augmented(segments: Tensor, skeleton: Skeleton, names: Sequence[str]) -> Tensor:
    """Change segments in ways that are named, in their order.

    Args:
        segments: float32 (B, T, V), pixels.
        skeleton: whose joints a frame has.
        names: of ``AUGMENTATIONS``.
    """
    for name in names:
        segments = AUGMENTATIONS[name](segments, skeleton)
    return segments


def flipped(segments: Tensor, skeleton: Skeleton) -> Tensor:
    """Mirror half of the segments about the middle of the person, and swap left and right."""
    joints, there = _joints(segments)
    low, high = box_of(joints, ~there, (-3, -2))
    x = (low + high)[..., 0] - joints[..., 0]
    mirrored = torch.stack([x, joints[..., 1]], dim=-1) * there
    # One index a joint: on a GPU, a list would be copied there in each step.
    mirrored = torch.stack([mirrored[:, :, other] for other in _mirrored_joints(skeleton)], dim=2)
    chosen = torch.rand(len(segments), 1, 1, 1, device=segments.device) < FLIPPED
    return torch.where(chosen, mirrored, joints).flatten(-2)


def jittered(segments: Tensor, skeleton: Skeleton) -> Tensor:
    """Add normal noise to every coordinate that is there."""
    joints, there = _joints(segments)
    low, high = box_of(joints, ~there, (-3, -2))
    size = (high - low).amax(dim=-1, keepdim=True)
    return (joints + JITTER * size * torch.randn_like(joints) * there).flatten(-2)


def scaled(segments: Tensor, skeleton: Skeleton) -> Tensor:
    """Change the size of each person, about the middle."""
    joints, there = _joints(segments)
    low, high = box_of(joints, ~there, (-3, -2))
    centre = (low + high) / 2
    factor = 1 + SCALE * (2 * torch.rand(len(segments), 1, 1, 1, device=segments.device) - 1)
    return ((centre + factor * (joints - centre)) * there).flatten(-2)


def without_joints(segments: Tensor, skeleton: Skeleton) -> Tensor:
    """Set random joints to 0 in all frames."""
    joints, _ = _joints(segments)
    shape = (len(segments), 1, joints.shape[2], 1)
    return (joints * (torch.rand(shape, device=segments.device) >= DROPPED)).flatten(-2)


def warped(segments: Tensor, skeleton: Skeleton) -> Tensor:
    """Stretch and press time: each frame is that of a moment near to it; ends stay."""
    frames = segments.shape[1]
    moments = torch.linspace(0, math.pi, frames, device=segments.device)
    shift = WARP * (2 * torch.rand(len(segments), 1, device=segments.device) - 1)
    index = torch.arange(frames, device=segments.device) + frames * shift * moments.sin()
    index = index.round().long().clamp(0, frames - 1)
    return segments.gather(1, index.unsqueeze(-1).expand_as(segments))


def _joints(segments: Tensor) -> tuple[Tensor, Tensor]:
    """Return places (B, T, J, 2), and True (B, T, J, 1) where a joint is there."""
    joints = segments.unflatten(-1, (-1, 2))
    return joints, (joints != 0).any(dim=-1, keepdim=True)


def _mirrored_joints(skeleton: Skeleton) -> list[int]:
    """Return the joint of the other side for each joint; a joint without one is its own."""
    index = {joint: number for number, joint in enumerate(skeleton.joints)}
    sides = {"left": "right", "right": "left"}
    others = []
    for joint in skeleton.joints:
        side, _, name = joint.partition(" ")
        others.append(index.get(f"{sides.get(side, side)} {name}", index[joint]))
    return others


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


AUGMENTATIONS: Mapping[str, Callable[[Tensor, Skeleton], Tensor]] = MappingProxyType(
    {
        "flip": flipped,
        "jitter": jittered,
        "scale": scaled,
        "rotate": lambda segments, skeleton: rotated(segments, ROTATION),
        "drop-joints": without_joints,
        "warp-time": warped,
    }
)
"""Changes of training segments by name, as a training is set to make them."""
