"""M1.2: two recurrent encoders, of the place of a body and of its posture, that exchange messages.

A **reconstruction** of the second baseline ([9], Matei, Talavera and Aghaei, arXiv:2207.01687),
whose definition the paper does not repeat: the encoder of the model family it rests on, MPED-RNN
(Morais et al., CVPR 2019), with a classification head. Widths are not stated; see
docs/fidelity.md. Letters: B segments, T frames, J joints.
"""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.coordinates import box_of
from bptubeformer.models.layers import initialise
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["M12"]

BOX = 4
"""Values of a bounding box: centre x and y, width and height."""


class M12(Classifier):
    """Message-passing recurrent encoder.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; "-" in Table 1.
        global_width: state of the encoder of the bounding box; not stated.
        local_width: state of the encoder of the joints within the box; not stated.

    Boxes are in units of the training data's extent, which ``adapt`` takes from it; not stated.
    """

    stages: ClassVar = {"tokeniser": (), "first transformer": (), "second transformer": ()}
    extent: Tensor
    """float32 (2,): largest x and y of the training data, pixels."""

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        global_width: Count = 32,
        local_width: Count = 128,
    ):
        super().__init__()
        self.register_buffer("extent", torch.ones(2))
        self.global_encoder = nn.GRUCell(BOX + local_width, global_width)
        self.local_encoder = nn.GRUCell(skeleton.values + global_width, local_width)
        self.head = nn.Linear(global_width + local_width, classes)
        initialise(self, self.head)

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Take the largest x and y of the training data as the unit of the bounding boxes."""
        for segments in batches:
            largest = segments.unflatten(-1, (-1, 2)).amax(dim=(0, 1, 2))
            self.extent.copy_(torch.maximum(self.extent, largest))

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Last states of both encoders, float32 (B, global_width + local_width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        boxes, joints = boxes_and_joints(segments)
        boxes = boxes / self.extent.repeat(2)
        place = segments.new_zeros(len(segments), self.global_encoder.hidden_size)
        posture = segments.new_zeros(len(segments), self.local_encoder.hidden_size)
        for box, within in zip(boxes.unbind(1), joints.unbind(1), strict=True):
            # Each encoder reads its own part of the frame and the last state of the other.
            place, posture = (
                self.global_encoder(torch.cat([box, posture], dim=1), place),
                self.local_encoder(torch.cat([within, place], dim=1), posture),
            )
        return torch.cat([place, posture], dim=1)


def boxes_and_joints(segments: Tensor) -> tuple[Tensor, Tensor]:
    """Split a frame into where the body is and its pose.

    Args:
        segments: float32 (B, T, V); a joint at 0, 0 is missing.

    Returns:
        Bounding boxes float32 (B, T, 4): centre x and y, width and height, of the joints that are
        there; zeros where none is. And joints float32 (B, T, V) relative to the centre, in
        units of the box, from -0.5 to 0.5; 0 for a missing joint.
    """
    # (B, T, V) -> (B, T, J, 2)
    joints = segments.unflatten(-1, (-1, 2))
    missing = (joints == 0).all(dim=-1, keepdim=True)
    low, high = box_of(joints, missing, (-2,))
    centre, size = (low + high) / 2, high - low
    # A body whose joints stand in one line, or one joint alone, has no extent to divide by.
    within = (joints - centre) / size.masked_fill(size == 0, 1)
    box = torch.cat([centre, size], dim=-1).squeeze(-2)
    return box, within.masked_fill(missing, 0).flatten(-2)
