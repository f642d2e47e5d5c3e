"""FrameTransformer: T-Tran with the sizes and the training of SHARP, whole frames as tokens.

The action network of SHARP in the ICPR 2024 volume, without hands and objects (docs/fidelity.md).
Letters: B segments, T frames, V coordinates, D width.
"""

from typing import Any, ClassVar

from torch import Tensor

from bptubeformer.kinds import Count, Depth, NotNegative, Share
from bptubeformer.models.augmentation import rotated, without_a_part
from bptubeformer.models.ttran import TTran
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["FrameTransformer"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "adamw", "learning_rate": 0.001, "schedule": "constant", "batch_size": 64,
    "max_epochs": 500, "early_stopping_patience": 500,
}  # fmt: skip


class FrameTransformer(TTran):
    """Transformer over frames that sees rotated bodies and misses parts in training.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        token_width: D, width of a frame token; not stated.
        depth: blocks of the transformer.
        masked: share of the training segments that miss a body part; not stated.
        rotation: largest angle of their rotation, in degrees; not stated.
        of_the_base: other arguments of ``TTran``.

    Raises:
        ValueError: the heads do not divide the width.
    """

    counted: ClassVar = {"params": 274_701, "macs": 6_723_712}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        token_width: Count = 128,
        depth: Depth = 2,
        masked: Share = 0.5,
        rotation: NotNegative = 15,
        **of_the_base: Any,
    ):
        super().__init__(
            classes=classes, skeleton=skeleton, token_width=token_width, depth=depth, **of_the_base
        )
        self.skeleton, self.masked, self.rotation = skeleton, masked, rotation

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class-token embedding of segments, float32 (B, D); arguments as for ``TTran``."""
        if self.training:
            segments = without_a_part(rotated(segments, self.rotation), self.skeleton, self.masked)
        return super().encode(segments, attention)
