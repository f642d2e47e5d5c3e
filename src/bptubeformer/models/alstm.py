"""ALSTM: a small recurrent network whose weights a search may find instead of gradients.

Badhagouni et al., IJIEMR 2023, on coordinates; the search is in ``training.search``. See
docs/fidelity.md. Letters: B segments, T frames, J joints, V = 2 J coordinates, D width.
"""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.kinds import Count
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.coordinates import box_of
from bptubeformer.models.layers import full_precision
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["ALSTM"]
SIZES_OF_ITS_SOURCE = True
REQUIRES = ("segment_length >= 3",)

CELLS = 4
"""Rows, and columns, of the grid over the box of a frame that joints occupy."""


class ALSTM(Classifier):
    """One recurrent layer without biases, as the source searches its weights.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; any.
        width: D, of the state; not stated. All weights are one position of the search.
        features: of a frame: ``coordinates``, or the analogue of the source's 58: ``shape``.
    """

    stages: ClassVar = {"tokeniser": (), "first transformer": (), "second transformer": ()}
    counted: ClassVar = {"params": 3_421, "macs": 80_080}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        width: Count = 16,
        features: Literal["coordinates", "shape"] = "coordinates",
    ):
        super().__init__()
        self.shaped = features == "shape"
        inputs = CELLS**2 + skeleton.values + 8 if self.shaped else skeleton.values
        self.recurrent = nn.LSTM(inputs, width, batch_first=True, bias=False)
        self.head = nn.Linear(width, classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Last state, float32 (B, D).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        with full_precision(segments):
            states, _ = self.recurrent(shape_and_motion(segments) if self.shaped else segments)
        return states[:, -1]


def shape_and_motion(segments: Tensor) -> Tensor:
    """Return shape, extent and motion of each frame: 58 values with the joints of COCO.

    Args:
        segments: float32 (B, T, V); a joint at 0, 0 is missing.

    Returns:
        float32 (B, T, 16 + V + 8): cells of the box with a joint (1 or 0), its width and height,
        speed and acceleration of each joint, and those of the mean joint and of the extent; 0 in
        the first frames, which have none.
    """
    joints = segments.unflatten(-1, (-1, 2))
    there = (joints != 0).any(dim=-1, keepdim=True)
    low, high = box_of(joints, ~there, (-2,))
    extent = (high - low).squeeze(-2)
    cells = ((joints - low) / (high - low).clamp(min=1e-6) * CELLS).long().clamp(0, CELLS - 1)
    index = cells[..., 1] * CELLS + cells[..., 0]
    occupied = torch.zeros(*index.shape[:2], CELLS**2, device=segments.device)
    occupied = occupied.scatter_reduce(2, index, there.squeeze(-1).float(), "amax")
    mean = joints.sum(dim=2) / there.sum(dim=2).clamp(min=1)
    motion = []
    for order in (1, 2):
        # Where a joint comes or goes, it has no speed.
        seen = there.unfold(1, order + 1, 1).all(dim=-1)
        motion.append((joints.diff(n=order, dim=1) * seen).norm(dim=-1))
    motion += [mean.diff(dim=1), mean.diff(n=2, dim=1), extent.diff(dim=1)]
    padded = [F.pad(one, (0, 0, segments.shape[1] - one.shape[1], 0)) for one in motion]
    return torch.cat([occupied, extent, *padded], dim=-1)
