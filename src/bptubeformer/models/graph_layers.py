"""Layers that the graph networks share. Letters: B segments, C channels, T frames, J joints."""

from torch import Tensor, nn

from bptubeformer.models.layers import full_precision
from bptubeformer.skeleton import Skeleton

PLAN = [(1, 1)] * 4 + [(2, 2)] + [(2, 1)] * 2 + [(4, 2)] + [(4, 1)] * 2
"""Channels of each of ten blocks over those of the first, and its stride over time."""


class CoordinateNorm(nn.Module):
    """Batch normalisation of each coordinate of each joint: (B, T, V) -> (B, 2, T, J)."""

    def __init__(self, skeleton: Skeleton):
        super().__init__()
        self.norm = nn.BatchNorm1d(skeleton.values)

    def forward(self, segments: Tensor) -> Tensor:
        """Normalise, and put the coordinates first."""
        with full_precision(segments):
            normal = self.norm(segments.transpose(1, 2))
        # (B, V, T) -> (B, J, 2, T) -> (B, 2, T, J)
        return normal.unflatten(1, (-1, 2)).permute(0, 2, 3, 1)


def over_time(
    inputs: int, outputs: int, frames: int, stride: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """Return a convolution over time that keeps the number of frames, but for the stride."""
    return nn.Conv2d(
        inputs, outputs, (frames, 1), (stride, 1), (dilation * (frames - 1) // 2, 0), (dilation, 1)
    )


def residual(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return the identity, or what changes the shape where the block does."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(over_time(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
