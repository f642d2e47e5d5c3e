"""TTubeFormer: one transformer over tubelets of the whole skeleton, without body parts.

Named in the limitations of the paper (section 4) as T-Tran [5] with a tubelet embedder; its layout
is not stated there, see docs/fidelity.md. Letters: B segments, T frames, n tubelets, D token width.
"""

import math
from typing import ClassVar

from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Share, Tubelet
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import EPSILON, ClassToken, Encoder, initialise, weights_of
from bptubeformer.models.tubelets import TubeletConvolution
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["TTubeFormer"]


class TTubeFormer(Classifier):
    """Tubelet transformer over the whole skeleton.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; not stated.
        kernel: frames, rows and columns of a tubelet on the one grid of all joints (5 x 5 for
            COCO-17); not stated.
        stride: of the tubelets along frames, rows and columns; not stated.
        token_width: D, width of a tubelet token; not stated.
        depth: blocks of the transformer; not stated.
        heads: attention heads; not stated.
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches; not stated.

    Raises:
        ValueError: the kernel does not fit the segment, or the heads do not divide the width.
    """

    stages: ClassVar = {
        "tokeniser": ("embedding",),
        "first transformer": (),
        "second transformer": ("transformer",),
    }

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        kernel: Tubelet = (5, 2, 2),
        stride: Tubelet = (5, 2, 2),
        token_width: Count = 256,
        depth: Depth = 4,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__()
        self.embedding = TubeletConvolution(
            skeleton,
            [skeleton.whole_grid()],
            segment_length,
            kernel=kernel,
            stride=stride,
            width=token_width,
        )
        self.class_token = ClassToken(math.prod(self.embedding.shape), token_width)
        self.transformer = Encoder(
            token_width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout
        )
        self.norm = nn.LayerNorm(token_width, eps=EPSILON)
        self.head = nn.Linear(token_width, classes)
        initialise(self, self.head)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class-token embedding of segments.

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a block: ``tubelets``
                (B, H, 1 + n, 1 + n), class token first.

        Returns:
            float32 (B, D).
        """
        # (B, T, V) -> (1, B, n, D) -> (B, n, D)
        tubelets = self.embedding(segments).squeeze(0)
        tokens = self.transformer(self.class_token(tubelets), weights_of(attention, "tubelets"))
        return self.norm(tokens)[:, 0]
