"""The tubelet embedder: a 3D convolution over keypoints arranged as grids (paper, section 2).

Letters: B segments, T frames, G grids (body parts), R x C cells of a grid, n tubelets of a grid,
e token width, K values of a tubelet, V values of a frame.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from bptubeformer.models.geometry import extents, tubelet_grid
from bptubeformer.models.layers import Stacked, full_precision
from bptubeformer.skeleton import Skeleton

Grids = Sequence[Sequence[Sequence[int]]]
"""Joint index of every cell (G, R, R); ``no_joint`` where the cell holds 0."""


class Tubelets(Protocol):
    """A layer that makes tubelets of segments."""

    shape: tuple[int, int, int]
    """Tubelets of a grid along time, rows and columns."""
    frames: tuple[int, int]
    """Frames of a tubelet, and between the first ones of two tubelets."""

    @property
    def bias(self) -> nn.Parameter:
        """(G, e)."""
        ...

    def __call__(self, segments: Tensor) -> Tensor:
        """(B, T, V) -> (G, B, n, e), tubelets in the order of time, rows, columns."""
        ...


class TubeletConvolution(Stacked):
    """A 3D convolution without padding over each grid of keypoints, each with its own weights.

    The same numbers as one ``nn.Conv3d`` a grid, computed as one gather of the values of every
    tubelet and one batched matrix product.

    Args:
        skeleton: whose joints a frame has.
        cells: joint index of every cell (G, R, R); ``no_joint`` where the cell holds 0.
        segment_length: frames of a segment, T.
        kernel: frames, rows and columns of a tubelet; rows and columns may be ``part``, all R.
        stride: of the tubelets along frames, rows and columns, likewise.
        width: e, channels of the convolution.

    Raises:
        ValueError: the kernel does not fit the segment.
    """

    shape: tuple[int, int, int]
    frames: tuple[int, int]
    values: Tensor

    def __init__(
        self,
        skeleton: Skeleton,
        cells: Grids,
        segment_length: int,
        *,
        kernel: Sequence[int | str],
        stride: Sequence[int | str],
        width: int,
    ):
        super().__init__()
        grids, side = len(cells), len(cells[0])
        self.shape = tubelet_grid(segment_length, kernel, stride, side)
        of_one, apart = extents(kernel, side), extents(stride, side)
        self.frames = of_one[0], apart[0]
        self.weight = nn.Parameter(torch.empty(grids, width, 2, *of_one))
        self.bias = nn.Parameter(torch.empty(grids, width))
        values = tubelet_values(skeleton, cells, segment_length, of_one, apart)
        self.register_buffer("values", torch.tensor(values.ravel()), persistent=False)
        self.initialise_bias(values.shape[-1])

    def forward(self, segments: Tensor) -> Tensor:
        """(B, T, V) -> (G, B, n, e), tubelets in the order of time, rows, columns."""
        with full_precision(segments):
            padded = F.pad(segments.flatten(1), (0, 1))
            # (B, G * n * K) -> (G, B, n, K) -> (G, B * n, K)
            tubelets = padded.index_select(1, self.values).unflatten(1, (len(self.weight), -1))
            tubelets = tubelets.unflatten(2, (-1, self.weight[0, 0].numel())).transpose(0, 1)
            weight = self.weight.flatten(2).transpose(1, 2)
            tokens = torch.baddbmm(self.bias.unsqueeze(1), tubelets.flatten(1, 2), weight)
            return tokens.unflatten(1, (len(segments), -1))


class TubeletEmbedding(Stacked):
    """Tubelets as tokens: a convolution over each grid, and a learned position for each tubelet."""

    def __init__(self, convolution: Tubelets):
        super().__init__()
        grids, width = convolution.bias.shape
        self.convolution = convolution
        self.positions = nn.Parameter(torch.empty(grids, math.prod(convolution.shape), width))

    def forward(self, segments: Tensor) -> Tensor:
        """(B, T, V) -> (G, B, n, e)."""
        return self.convolution(segments) + self.positions.unsqueeze(1)


def tubelet_values(
    skeleton: Skeleton,
    cells: ArrayLike,
    segment_length: int,
    kernel: Sequence[int],
    stride: Sequence[int],
) -> NDArray[np.int64]:
    """Return the values of a segment in each tubelet, in the order of a convolution's weights.

    In numpy, for a model on torch's meta device: there, arithmetic imports torch's compiler.

    Args:
        skeleton: whose joints a frame has.
        cells: joint index of every cell, (G, R, C); ``no_joint`` where the cell holds 0.
        segment_length: frames of a segment, T.
        kernel: frames, rows and columns of a tubelet.
        stride: of the tubelets along frames, rows and columns.

    Returns:
        int64 (G, n, K): index into the T * V values of a segment; T * V, one beyond the last,
        where the cell holds 0. K counts channels (x, y), frames, rows and columns.
    """
    joints = np.asarray(cells)[:, None]
    frames = np.arange(segment_length)[:, None, None]
    # (G, 2, T, R, C)
    of_frame, nothing = frames * skeleton.values, segment_length * skeleton.values
    values = np.stack([of_frame + 2 * joints + channel for channel in range(2)], axis=1)
    values[np.broadcast_to(joints[:, None] == skeleton.no_joint, values.shape)] = nothing
    # (G, 2, t, r, c, kernel)
    tubelets = sliding_window_view(values, tuple(kernel), axis=(2, 3, 4))
    tubelets = tubelets[:, :, :: stride[0], :: stride[1], :: stride[2]]
    # (G, t, r, c, 2, kernel) -> (G, n, K)
    return np.moveaxis(tubelets, 1, 4).reshape(len(values), -1, 2 * math.prod(kernel))
