"""FrameTransformer: T-Tran with the sizes and the training of SHARP, whole frames as tokens.

The action network of SHARP in the ICPR 2024 volume, without hands and objects (docs/fidelity.md).
Letters: B segments, T frames, V coordinates, D width.
"""

from typing import ClassVar

from torch import Tensor

from bptubeformer.kinds import Count, Depth, NotNegative, Share
from bptubeformer.models.augmentation import rotated, without_a_part
from bptubeformer.models.ttran import TTran
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["FrameTransformer"]


class FrameTransformer(TTran):
    """Transformer over frames that sees rotated bodies and misses parts in training.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T.
        token_width: D, width of a frame token; not stated.
        depth: blocks of the transformer.
        heads: attention heads; not stated.
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches; not stated.
        masked: share of the training segments that miss a body part; not stated.
        rotation: largest angle of their rotation, in degrees; not stated.

    Raises:
        ValueError: the heads do not divide the width.
    """

    counted: ClassVar = {"params": 274_701, "macs": 6_723_712}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        token_width: Count = 128,
        depth: Depth = 2,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
        masked: Share = 0.5,
        rotation: NotNegative = 15,
    ):
        super().__init__(
            classes=classes,
            skeleton=skeleton,
            segment_length=segment_length,
            token_width=token_width,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
        )
        self.skeleton, self.masked, self.rotation = skeleton, masked, rotation

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class-token embedding of segments, float32 (B, D); arguments as for ``TTran``."""
        if self.training:
            segments = without_a_part(rotated(segments, self.rotation), self.skeleton, self.masked)
        return super().encode(segments, attention)
