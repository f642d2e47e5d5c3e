"""BPT-shared: BPTubeFormer with one tubelet transformer for all parts.

PolyViT (Arnab's talk, docs/fidelity.md) shares a transformer between inputs that keep tokenisers of
their own. Letters: P parts, B segments, n tubelets of a part, e token width.
"""

from typing import ClassVar

from torch import Tensor

from bptubeformer.kinds import Count, Depth, Padding, Share, Tubelet
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.layers import Encoder, initialise
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["BPTShared"]


class BPTShared(BPTubeFormer):
    """BPTubeFormer whose parts have convolutions and positions of their own, and no more.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment.
        kernel: of a tubelet: frames, rows, columns.
        stride: of the tubelets.
        padding: of the body-part grids.
        token_width: e, width of a tubelet token.
        depth: blocks of each transformer.
        heads: attention heads.
        mlp_ratio: width of the hidden layer of a block over its own width.
        dropout: on the residual branches.
    """

    counted: ClassVar = {"params": 4_786_029, "macs": 30_503_808}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        kernel: Tubelet = (2, "part", "part"),
        stride: Tubelet = (2, "part", "part"),
        padding: Padding = "constant",
        token_width: Count = 32,
        depth: Depth = 4,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__(
            classes=classes, skeleton=skeleton, segment_length=segment_length, kernel=kernel,
            stride=stride, padding=padding, token_width=token_width, depth=depth, heads=heads,
            mlp_ratio=mlp_ratio, dropout=dropout,
        )  # fmt: skip
        self.tubelet_transformers = _OfAllParts(
            token_width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout
        )
        initialise(self, self.head)


class _OfAllParts(Encoder):
    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(P, B, n, e) -> (P, B, n, e); weights as of stacked encoders."""
        return super().forward(x.flatten(0, 1), weights).unflatten(0, x.shape[:2])
