"""BPTubeFormer: a transformer over the tubelets of each body part, and one over the parts.

Paper, section 2 and Fig. 1. Letters: B segments, T frames, P body parts, n tubelets of a part,
e token width, D body-part width, n * e in the paper.
"""

import math
from typing import Any, ClassVar

from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Padding, Partition, Share, Tubelet
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import EPSILON, ClassToken, Encoder, initialise, weights_of
from bptubeformer.models.tubelets import Grids, TubeletConvolution, TubeletEmbedding, Tubelets
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
        stochastic_depth: share of the training segments that the last block of a transformer
            leaves as they are; fewer in the blocks before it (not in the paper).

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
        stochastic_depth: Share = 0,
    ):
        super().__init__()
        self.skeleton = skeleton = partitioned(skeleton, partition)
        parts = skeleton.part_grids(padding)
        self.parts = tuple(skeleton.parts)

        sizes: dict[str, Any] = {
            "depth": depth, "heads": heads, "mlp_ratio": mlp_ratio, "dropout": dropout,
            "stochastic_depth": stochastic_depth,
        }  # fmt: skip
        convolution = self.tokeniser(
            skeleton, parts, segment_length, kernel=kernel, stride=stride, width=token_width
        )
        self.tubelet_embedding = TubeletEmbedding(convolution)
        self.tubelet_transformers, tokens = self.tubelet_encoder(
            math.prod(convolution.shape), token_width, len(parts), sizes
        )
        concatenated = tokens * token_width
        width = body_part_width or concatenated
        self.tubelet_norm = nn.LayerNorm(token_width, eps=EPSILON)
        self.projection = nn.Linear(concatenated, width) if body_part_width else nn.Identity()
        self.class_token = ClassToken(len(parts), width)
        self.body_part_transformer = Encoder(width, **sizes)
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
        tokens = self.class_token(self.part_tokens(segments, attention))
        tokens = self.body_part_transformer(tokens, weights_of(attention, "body parts"))
        return self.norm(tokens)[:, 0]

    def part_tokens(
        self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None
    ) -> Tensor:
        """Return the tokens of the body parts, float32 (B, P, D); arguments as for ``encode``."""
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
        # (P, B, n, e) -> (B, P, n * e) -> (B, P, D)
        return self.projection(self.weigh(tubelets).flatten(2).transpose(0, 1))

    def tokeniser(
        self, skeleton: Skeleton, grids: Grids, segment_length: int, **sizes: Any
    ) -> Tubelets:
        """Return what makes tubelets of segments; arguments as for ``TubeletConvolution``."""
        return TubeletConvolution(skeleton, grids, segment_length, **sizes)

    def tubelet_encoder(
        self, tubelets: int, width: int, parts: int, sizes: dict[str, Any]
    ) -> tuple[nn.Module, int]:
        """Return what encodes the tubelets of each part, and the tokens that it makes of them.

        Args:
            tubelets: n.
            width: e.
            parts: P.
            sizes: ``depth`` and other keywords of an ``Encoder``.
        """
        return Encoder(width, groups=parts, **sizes), tubelets

    def weigh(self, tubelets: Tensor) -> Tensor:
        """Return the encoded tubelets (P, B, n, e) as the body-part transformer is given them."""
        return tubelets
