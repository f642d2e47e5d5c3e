"""BPTubeFormer: a transformer over the tubelets of each body part, and one over the parts.

Paper, section 2 and Fig. 1. Letters: B segments, T frames, P body parts, n tubelets of a part,
e token width, D body-part width, n * e in the paper.
"""

import math
from typing import ClassVar

from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Padding, Partition, Share, Tubelet
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import EPSILON, ClassToken, Encoder, initialise, weights_of
from bptubeformer.models.tubelets import TubeletConvolution, TubeletEmbedding
from bptubeformer.partition import AS_IT_IS, partitioned
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["BPTubeFormer"]


class BPTubeFormer(Classifier):
    """Body Part Tubelet Transformer, for all kernels, strides, paddings and segment lengths.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T.
        kernel: frames, rows and columns of a tubelet (Table 1); rows and columns may be ``part``:
            all those of the square to which the parts are padded.
        stride: of the tubelets along frames, rows and columns (Table 1), likewise.
        padding: of the body-part grids, ``constant`` or ``replicate`` (paper, section 4).
        token_width: e, width of a tubelet token; 32 in section 4 of the paper.
        depth: blocks of each transformer; not stated, see docs/fidelity.md.
        heads: attention heads of each transformer (8 in Fig. 4).
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches; not stated.
        body_part_width: D, width of a body-part token. None: the concatenated tubelets of a part
            as they are, n * e, as in the paper. A number: they are projected to it, so that
            runs of different kernels have body-part transformers of one size (not in the paper).
        partition: of the joints into parts; ``skeleton``, as in the paper, or another (not in the
            paper; see ``partition.partitioned``).

    Raises:
        ValueError: the kernel does not fit the segment, the heads do not divide a width, or the
            partition is of other joints.
    """

    skeleton: Skeleton
    """With the parts of the model."""
    stages: ClassVar = {
        "tokeniser": ("tubelet_embedding",),
        "first transformer": ("tubelet_transformers",),
        "second transformer": ("body_part_transformer",),
    }

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
        body_part_width: Count | None = None,
        partition: Partition = AS_IT_IS,
    ):
        super().__init__()
        self.skeleton = skeleton = partitioned(skeleton, partition)
        parts = skeleton.part_grids(padding)
        self.parts = tuple(skeleton.parts)

        def encoder(width: int, groups: int | None = None) -> Encoder:
            return Encoder(
                width,
                depth=depth,
                heads=heads,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                groups=groups,
            )

        convolution = TubeletConvolution(
            skeleton, parts, segment_length, kernel=kernel, stride=stride, width=token_width
        )
        self.tubelet_embedding = TubeletEmbedding(convolution)
        self.tubelet_transformers = encoder(token_width, groups=len(parts))
        concatenated = math.prod(convolution.shape) * token_width
        width = body_part_width or concatenated
        self.tubelet_norm = nn.LayerNorm(token_width, eps=EPSILON)
        self.projection = nn.Linear(concatenated, width) if body_part_width else nn.Identity()
        self.class_token = ClassToken(len(parts), width)
        self.body_part_transformer = encoder(width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Linear(width, classes)
        initialise(self, self.head)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class-token embedding of segments.

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one list a transformer, one weight tensor a
                block: ``body parts`` (B, H, 1 + P, 1 + P) over class token and parts, and each part
                of the skeleton (B, H, n, n) over its tubelets.

        Returns:
            float32 (B, D).
        """
        tubelet_weights: list[Tensor] | None = None if attention is None else []
        # (B, T, V) -> (P, B, n, e)
        tubelets = self.tubelet_embedding(segments)
        tubelets = self.tubelet_norm(self.tubelet_transformers(tubelets, tubelet_weights))
        if attention is not None and tubelet_weights is not None:
            for part, name in enumerate(self.parts):
                # (P * B, H, n, n) -> (B, H, n, n)
                attention[name] = [
                    w.unflatten(0, (len(self.parts), -1))[part] for w in tubelet_weights
                ]
        # (P, B, n, e) -> (B, P, n * e) -> (B, P, D) -> (B, 1 + P, D)
        parts = self.weigh(tubelets).flatten(2).transpose(0, 1)
        tokens = self.class_token(self.projection(parts))
        tokens = self.body_part_transformer(tokens, weights_of(attention, "body parts"))
        return self.norm(tokens)[:, 0]

    def weigh(self, tubelets: Tensor) -> Tensor:
        """Return the encoded tubelets (P, B, n, e) as the body-part transformer is given them."""
        return tubelets
