"""ST-Tran: a transformer over the joints of a frame, and one over the frames.

The baseline of the paper ([5], Boekhoudt and Talavera, AVSS 2022): PoseFormer with a
classification head; widths in section 4 of the paper. Letters: B segments, T frames, J joints,
e token width, D = J * e.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import (
    EPSILON,
    ClassToken,
    Encoder,
    full_precision,
    initialise,
    weights_of,
)
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["STTran"]


class STTran(Classifier):
    """Spatial-temporal transformer.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T (Table 1: 60).
        token_width: e, width of a joint token; 32 in section 4 of the paper.
        depth: blocks of each transformer; not stated, see docs/fidelity.md.
        heads: attention heads of each transformer; not stated.
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches; not stated.

    Raises:
        ValueError: the heads do not divide a width.
    """

    stages: ClassVar = {
        "tokeniser": ("joint_embedding",),
        "first transformer": ("spatial_transformer",),
        "second transformer": ("temporal_transformer",),
    }

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 60,
        token_width: Count = 32,
        depth: Depth = 4,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__()
        joints = len(skeleton.joints)
        width = joints * token_width

        def encoder(width: int) -> Encoder:
            return Encoder(width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout)

        self.joint_embedding = nn.Linear(2, token_width)
        self.joint_positions = nn.Parameter(torch.zeros(joints, token_width))
        self.spatial_transformer = encoder(token_width)
        self.spatial_norm = nn.LayerNorm(token_width, eps=EPSILON)
        self.class_token = ClassToken(segment_length, width)
        self.temporal_transformer = encoder(width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Linear(width, classes)
        initialise(self, self.head)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class-token embedding of segments.

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a block: ``joints``
                (B * T, H, J, J) and ``frames`` (B, H, T + 1, T + 1), class token first.

        Returns:
            float32 (B, D).
        """
        # (B, T, V) -> (B * T, J, 2)
        joints = segments.unflatten(-1, (-1, 2)).flatten(0, 1)
        with full_precision(segments):
            joints = self.joint_embedding(joints) + self.joint_positions
        joints = self.spatial_transformer(joints, weights_of(attention, "joints"))
        # (B * T, J, e) -> (B, T, D)
        frames = self.spatial_norm(joints).flatten(1).unflatten(0, segments.shape[:2])
        tokens = self.class_token(frames)
        tokens = self.temporal_transformer(tokens, weights_of(attention, "frames"))
        return self.norm(tokens)[:, 0]
