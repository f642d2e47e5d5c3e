"""FactorisedTubelets: one width for all tubelets, and four ways to attend over parts and time.

The models of ViViT (Arnab et al., ICCV 2021) on the tubelets of the body parts; see
docs/fidelity.md. Letters: B segments, P parts, t tubelets of a part, e token width, H heads,
d = e / H.
"""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Padding, Share, Tubelet
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import (
    EPSILON,
    Attention,
    ClassToken,
    Dropout,
    Encoder,
    ScaledDotProduct,
    initialise,
    weights_of,
)
from bptubeformer.models.tubelets import TubeletConvolution, TubeletEmbedding
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["FactorisedTubelets"]
REQUIRES = ("heads % 2 == 0",)


class FactorisedTubelets(Classifier):
    """Transformer over the tubelets of all parts.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T.
        kernel: of a tubelet: frames, rows, columns.
        stride: of the tubelets.
        padding: of the body-part grids.
        token_width: e, width of a tubelet token.
        depth: blocks of each transformer.
        heads: attention heads, H.
        mlp_ratio: width of the hidden layer of a block over its own width.
        dropout: on the residual branches.
        attention: ``joint``: over all tubelets at once; ``parts-first``: a transformer over the
            parts at each time, then one over time; ``self-attention``: within a block over the
            parts, then over time; ``dot-product``: half of the heads over the parts, half over
            time.

    Raises:
        ValueError: the kernel does not fit the segment, or the heads do not divide a width.
    """

    stages: ClassVar = {
        "tokeniser": ("embedding",),
        "first transformer": ("over_parts",),
        "second transformer": ("transformer",),
    }
    counted: ClassVar = {"params": 44_493, "macs": 2_138_656}

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
        attention: Literal["joint", "parts-first", "self-attention", "dot-product"] = "joint",
    ):
        super().__init__()
        grids = skeleton.part_grids(padding)
        convolution = TubeletConvolution(
            skeleton, grids, segment_length, kernel=kernel, stride=stride, width=token_width
        )
        self.embedding = TubeletEmbedding(convolution)
        tubelets = math.prod(convolution.shape)
        width, tokens = token_width, len(grids) * tubelets

        def encoder(width: int) -> Encoder:
            return Encoder(width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout)

        def block() -> _FactorisedBlock:
            in_turn = (_OverParts(width, heads), _OverTime(width, heads))
            both = (_HalfTheHeads(width, heads),)
            attentions = both if attention == "dot-product" else in_turn
            return _FactorisedBlock(width, mlp_ratio, dropout, *attentions)

        self.over_parts: nn.Module = nn.Identity()
        self.transformer: nn.Module
        if attention == "parts-first":
            self.over_parts = encoder(token_width)
            self.parts_norm = nn.LayerNorm(token_width, eps=EPSILON)
            width, tokens = len(grids) * token_width, tubelets
        if attention in ("joint", "parts-first"):
            self.class_token = ClassToken(tokens, width)
            self.transformer = encoder(width)
        else:
            self.transformer = nn.Sequential(*(block() for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Linear(width, classes)
        initialise(self, self.head)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class token, or the mean of all tokens where there is none; float32 (B, width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a block: ``tubelets`` or ``time``
                with the class token first, and ``parts`` (B * t, H, P, P); empty for factorised
                blocks.
        """
        tokens = self.embedding(segments).transpose(0, 1)  # (B, P, t, e)
        if isinstance(self.transformer, nn.Sequential):
            return self.norm(self.transformer(tokens)).mean(dim=(1, 2))
        name = "tubelets"
        if isinstance(self.over_parts, Encoder):
            name = "time"
            # (B, P, t, e) -> (B * t, P, e) -> (B, t, P * e)
            parts = tokens.transpose(1, 2).flatten(0, 1)
            parts = self.parts_norm(self.over_parts(parts, weights_of(attention, "parts")))
            tokens = parts.flatten(1).unflatten(0, (len(segments), -1)).unsqueeze(1)
        tokens = self.class_token(tokens.flatten(1, 2))
        return self.norm(self.transformer(tokens, weights_of(attention, name)))[:, 0]


class _FactorisedBlock(nn.Module):
    """Attentions over parts and time, then an MLP, each on a residual branch.

    Args:
        width: e.
        mlp_ratio: width of the hidden layer over e.
        dropout: on the branches.
        attentions: one after the other; each (B, P, t, e) -> (B, P, t, e).
    """

    def __init__(self, width: int, mlp_ratio: int, dropout: float, *attentions: nn.Module):
        super().__init__()
        mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )
        self.branches = nn.ModuleList([*attentions, mlp])
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=EPSILON) for _ in self.branches)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        for norm, branch in zip(self.norms, self.branches, strict=True):
            x = x + self.drop(branch(norm(x)))
        return x


class _OverParts(Attention):
    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(B, P, t, e) -> (B, P, t, e), tubelets of one time see each other."""
        times = x.transpose(1, 2)
        return super().forward(times.flatten(0, 1)).unflatten(0, times.shape[:2]).transpose(1, 2)


class _OverTime(Attention):
    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(B, P, t, e) -> (B, P, t, e), tubelets of one part see each other."""
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class _HalfTheHeads(nn.Module):
    """Multi-head attention of which half of the heads see parts, half see time."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.over_parts, self.over_time = ScaledDotProduct(), ScaledDotProduct()
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, P, t, e) -> (B, P, t, e)."""
        # (B, P, t, 3 e) -> (3, B, P, t, H, d)
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 2, 4, 5)
        parts, time = qkv.chunk(2, dim=4)
        # (3, B, t, H / 2, P, d) and (3, B, P, H / 2, t, d)
        q, k, v = parts.permute(0, 1, 3, 4, 2, 5).flatten(1, 2)
        of_parts = self.over_parts(q, k, v, None).unflatten(0, (len(x), -1)).permute(0, 3, 1, 2, 4)
        q, k, v = time.transpose(3, 4).flatten(1, 2)
        of_time = self.over_time(q, k, v, None).unflatten(0, x.shape[:2]).transpose(2, 3)
        return self.out(torch.cat([of_parts, of_time], dim=3).flatten(-2))
