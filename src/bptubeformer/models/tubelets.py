"""The tubelet embedder: keypoints as grids, and a 3D convolution over each (paper, section 2).

Letters: B segments, T frames, P body parts, n tubelets, e token width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bptubeformer.models.geometry import tubelet_grid
from bptubeformer.skeleton import JOINTS, SKELETON_GRID, VALUES, part_grids


class BodyPartGrids(nn.Module):
    """Rearrange the keypoints of a segment into one padded 3 x 3 grid a body part."""

    def __init__(self, padding: str):
        super().__init__()
        self.register_buffer("cells", torch.tensor(part_grids(padding)), persistent=False)

    def forward(self, segments: Tensor) -> Tensor:
        """(B, T, 34) -> (B, P, 2, T, 3, 3), channels x and y."""
        # (B, T, 34) -> (B, 2, T, 17)
        joints = segments.unflatten(-1, (len(JOINTS), 2)).permute(0, 3, 1, 2)
        # One more joint, at 0, for the padded cells: (B, 2, T, 18)
        joints = nn.functional.pad(joints, (0, 1))
        # (B, 2, T, P, 3, 3) -> (B, P, 2, T, 3, 3)
        return joints[..., self.cells].permute(0, 3, 1, 2, 4, 5)


class SkeletonGrid(nn.Module):
    """Rearrange all keypoints of a frame into one 5 x 5 grid, row by row; the rest holds 0."""

    def forward(self, segments: Tensor) -> Tensor:
        """(B, T, 34) -> (B, 2, T, 5, 5), channels x and y."""
        rows, columns = SKELETON_GRID
        cells = nn.functional.pad(segments, (0, 2 * rows * columns - VALUES))
        # (B, T, 50) -> (B, T, 5, 5, 2) -> (B, 2, T, 5, 5)
        return cells.unflatten(-1, (rows, columns, 2)).permute(0, 4, 1, 2, 3)


class TubeletEmbedding(nn.Module):
    """A 3D convolution without padding whose outputs are tokens, and their positions."""

    def __init__(
        self, segment_length: int, *, kernel: Sequence[int], stride: Sequence[int], width: int
    ):
        super().__init__()
        time, rows, columns = tubelet_grid(segment_length, kernel, stride)
        self.convolution = nn.Conv3d(2, width, tuple(kernel), tuple(stride))
        self.positions = nn.Parameter(torch.zeros(time * rows * columns, width))

    def forward(self, grid: Tensor) -> Tensor:
        """(B, 2, T, 3, 3) -> (B, n, e), tubelets in the order of time, rows, columns."""
        return self.convolution(grid).flatten(2).transpose(1, 2) + self.positions
