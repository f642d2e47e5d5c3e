"""Layers that the graph networks share. Letters: B segments, C channels, T frames, J joints."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import full_precision
from bptubeformer.skeleton import Skeleton

PLAN = [(1, 1)] * 4 + [(2, 2)] + [(2, 1)] * 2 + [(4, 2)] + [(4, 1)] * 2
"""Channels of each of ten blocks over those of the first, and its stride over time."""


class GraphNetwork(Classifier):
    """Ten blocks over joints and time, and the mean of the last.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        width: channels of the first blocks.
        block: makes a block of its input channels, output channels and stride; the first of all
            has two input channels and no residual.
    """

    stages: ClassVar = {"tokeniser": ("norm",), "first transformer": (), "second transformer": ()}

    def __init__(
        self,
        classes: int,
        skeleton: Skeleton,
        width: int,
        block: Callable[[int, int, int], nn.Module],
    ):
        super().__init__()
        self.norm = CoordinateNorm(skeleton.values)
        channels = [2, *(width * factor for factor, _ in PLAN)]
        self.blocks = nn.Sequential(
            *(block(channels[i], channels[i + 1], stride) for i, (_, stride) in enumerate(PLAN))
        )
        self.head = nn.Linear(channels[-1], classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean over frames and joints of the last block, float32 (B, 4 width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        return self.blocks(self.norm(segments)).mean(dim=(2, 3))


class CoordinateNorm(nn.Module):
    """Batch normalisation of each coordinate of each joint: (B, T, V) -> (B, 2, T, J)."""

    def __init__(self, values: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(values)

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


class Scales(nn.Module):
    """Four branches over time, with a quarter of the channels each; those of CTR-GCN."""

    def __init__(self, width: int, frames: int, stride: int):
        super().__init__()
        quarter = width // 4

        def narrowed(*then: nn.Module) -> nn.Sequential:
            return nn.Sequential(
                over_time(width, quarter, 1), nn.BatchNorm2d(quarter), nn.ReLU(),
                *then, nn.BatchNorm2d(quarter),
            )  # fmt: skip

        self.branches = nn.ModuleList(
            [
                narrowed(over_time(quarter, quarter, frames, stride)),
                narrowed(over_time(quarter, quarter, frames, stride, dilation=2)),
                narrowed(nn.MaxPool2d((3, 1), (stride, 1), (1, 0))),
                nn.Sequential(over_time(width, quarter, 1, stride), nn.BatchNorm2d(quarter)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, C, T / stride, J)."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)
