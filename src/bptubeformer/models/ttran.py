"""T-Tran: a transformer over the frames of a segment, each frame one token.

Named in the limitations of the paper (section 4, [5]) as the model whose patch embedding
TTubeFormer replaces; its layout is not stated there, see docs/fidelity.md. Letters: B segments,
T frames, D token width.
"""

from typing import ClassVar

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

__all__ = ["TTran"]


class TTran(Classifier):
    """Temporal transformer over whole frames.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; not stated.
        token_width: D, width of a frame token; not stated.
        depth: blocks of the transformer; not stated.
        heads: attention heads; not stated.
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches; not stated.

    Raises:
        ValueError: the heads do not divide the width.
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
        token_width: Count = 256,
        depth: Depth = 4,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__()
        self.embedding = nn.Linear(skeleton.values, token_width)
        self.class_token = ClassToken(segment_length, token_width)
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
            attention: a dict to be filled with one weight tensor a block: ``frames``
                (B, H, 1 + T, 1 + T), class token first.

        Returns:
            float32 (B, D).
        """
        with full_precision(segments):
            frames = self.embedding(segments)  # (B, T, V) -> (B, T, D)
        tokens = self.transformer(self.class_token(frames), weights_of(attention, "frames"))
        return self.norm(tokens)[:, 0]
