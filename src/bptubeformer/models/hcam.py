"""HCAM: a transformer over a segment, over its halves, over their halves, and so on.

The hierarchical transformer of HCAM-former in the ICPR 2024 volume, within a segment; see
docs/fidelity.md. Letters: B segments, T frames, V coordinates, N tokens, D width, K levels, C
chunks of a level, n tokens of a chunk, H heads.
"""

from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Flag, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import (
    EPSILON,
    Block,
    Dropout,
    full_precision,
    initialise,
    weights_of,
)
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["HCAM"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "sgd", "learning_rate": 0.01, "max_epochs": 100, "early_stopping_patience":
    100,
}  # fmt: skip
REQUIRES = ("2 ** (levels - 1) < 2 * segment_length", "width % heads == 0")

PERCEPTRON = (128, 64, 32)
"""Widths of the layers on the class codes."""


class HCAM(Classifier):
    """Self-attention within ever smaller chunks, each with the class query before it.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; empty tokens after them make N tokens, a multiple
            of the chunks of the last level.
        levels: K; each has twice as many chunks as the one before. Chunks without a frame are
            left out.
        shared: whether the chunks of a level have one layer, in place of one each.
        width: D, width of a token.
        heads: attention heads, H.
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches and in the perceptron.
    """

    stages: ClassVar = {
        "tokeniser": ("embedding",),
        "first transformer": (),
        "second transformer": ("levels",),
    }
    counted: ClassVar = {"params": 16_072_941, "macs": 108_072_512}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        levels: Depth = 5,
        shared: Flag = False,
        width: Count = 288,
        heads: Count = 4,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__()
        smallest = -(-segment_length // 2 ** (levels - 1))
        self.sizes = [smallest * 2**level for level in reversed(range(levels))]
        self.chunks = [-(-segment_length // size) for size in self.sizes]
        self.embedding = nn.Linear(skeleton.values, width)
        self.positions = nn.Parameter(torch.zeros(self.sizes[0], width))
        self.query = nn.Parameter(torch.zeros(1, width))
        self.levels = nn.ModuleList(
            Block(
                width,
                heads=heads,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                groups=None if shared else chunks,
            )
            for chunks in self.chunks
        )
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((width, *PERCEPTRON)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), Dropout(dropout)]
        self.perceptron = nn.Sequential(*layers)
        self.head = nn.Linear(PERCEPTRON[-1] + width, classes)
        initialise(self, self.head)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Means over the levels of class codes after the perceptron and of frames.

        The head on it averages predictions: those of the class codes over the chunks of a level,
        those of the frames over all frames, and both over the levels.

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a level: ``level 1`` to
                ``level K`` (C * B, H, 1 + n, 1 + n), class query first.

        Returns:
            float32 (B, 32 + D).
        """
        with full_precision(segments):
            frames = self.embedding(segments)  # (B, T, V) -> (B, T, D)
        tokens = F.pad(frames, (0, 0, 0, len(self.positions) - frames.shape[1])) + self.positions
        embeddings = []
        for number, (size, chunks) in enumerate(zip(self.sizes, self.chunks, strict=True)):
            # (B, N, D) -> (C, B, n, D) -> (C, B, 1 + n, D)
            x = tokens[:, : chunks * size].unflatten(1, (chunks, size)).transpose(0, 1)
            x = torch.cat([self.query.expand(*x.shape[:2], 1, -1), x], dim=2)
            x = self.levels[number](x, weights_of(attention, f"level {number + 1}"))
            tokens = x[:, :, 1:].transpose(0, 1).flatten(1, 2)  # (B, C * n, D)
            codes = self.perceptron(self.norm(x[:, :, 0])).mean(dim=0)
            seen = self.norm(tokens[:, : frames.shape[1]]).mean(dim=1)
            embeddings.append(torch.cat([codes, seen], dim=-1))
        return torch.stack(embeddings).mean(dim=0)
