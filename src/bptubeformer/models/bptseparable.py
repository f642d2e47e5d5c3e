"""BPT-separable: BPTubeFormer with (2+1)D tubelets, rows and columns first, then time.

The factorised convolution R(2+1)D (Tran et al., CVPR 2018), which RSTAN in the ICPR 2024 volume
uses; see docs/fidelity.md. Letters: B segments, T frames, G body parts, n tubelets of a part,
M channels between the convolutions, e token width.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.geometry import extents, tubelet_grid
from bptubeformer.models.layers import StackedLinear, full_precision
from bptubeformer.models.tubelets import Grids, TubeletConvolution, Tubelets
from bptubeformer.skeleton import Skeleton

__all__ = ["BPTSeparable"]


class BPTSeparable(BPTubeFormer):
    """BPTubeFormer whose tubelet convolution is one over the grid and one over time."""

    counted: ClassVar = {"params": 4_922_783, "macs": 30_518_688}

    def tokeniser(
        self, skeleton: Skeleton, grids: Grids, segment_length: int, **sizes: Any
    ) -> Tubelets:
        """Return the two convolutions; arguments as for ``TubeletConvolution``."""
        return _Separable(skeleton, grids, segment_length, **sizes)


class _Separable(nn.Module):
    def __init__(
        self,
        skeleton: Skeleton,
        grids: Grids,
        segment_length: int,
        *,
        kernel: Sequence[int | str],
        stride: Sequence[int | str],
        width: int,
    ):
        super().__init__()
        side = len(grids[0])
        self.shape = tubelet_grid(segment_length, kernel, stride, side)
        (frames, rows, columns), (apart, *over_grid) = (
            extents(one, side) for one in (kernel, stride)
        )
        self.frames = frames, apart
        # As many weights as one convolution over all three has, as R(2+1)D chooses it.
        spatial, temporal = 2 * rows * columns, frames * width
        channels = max(spatial * temporal // (spatial + temporal), 1)
        self.over_grid = TubeletConvolution(
            skeleton, grids, segment_length,
            kernel=(1, rows, columns), stride=(1, *over_grid), width=channels,
        )  # fmt: skip
        self.over_time = StackedLinear(len(grids), frames * channels, width)

    @property
    def bias(self) -> nn.Parameter:
        """(G, e)."""
        return self.over_time.bias

    def forward(self, segments: Tensor) -> Tensor:
        """(B, T, V) -> (G, B, n, e)."""
        with full_precision(segments):
            frames = torch.relu(self.over_grid(segments)).unflatten(2, (segments.shape[1], -1))
            # (G, B, T, cells, M) -> (G, B, t, cells, M, frames) -> (G, B, n, M * frames)
            windows = frames.unfold(2, *self.frames)
            return self.over_time(windows.flatten(-2).flatten(2, 3))
