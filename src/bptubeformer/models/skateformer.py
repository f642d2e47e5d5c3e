"""SkateFormer: attention within four kinds of partition of joints and frames.

Do and Kim, ECCV 2024; sizes from the authors' code in its setting of 20 joints, see
docs/fidelity.md. Letters: B segments, C channels, T frames, J = 20 joints, L joints of a part,
P parts, H heads, N tokens of a partition.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.graph import EARS, HIP, MEANS, NECK
from bptubeformer.models.graph_layers import over_time
from bptubeformer.models.layers import Product, full_precision
from bptubeformer.skeleton import COCO_17, CocoSkeleton, Skeleton

__all__ = ["SkateFormer"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "adamw", "learning_rate": 0.001, "weight_decay": 0.1, "warmup_epochs": 25,
    "schedule": "cosine", "label_smoothing": 0.1, "batch_size": 128, "max_epochs": 500,
    "early_stopping_patience": 500,
}  # fmt: skip
REQUIRES = ("segment_length % (8 * partition_length) == 0", "width % 32 == 0")

PARTS = (
    (NECK, "right shoulder", "right elbow", "right wrist"),
    (NECK, "left shoulder", "left elbow", "left wrist"),
    (HIP, "right hip", "right knee", "right ankle"),
    (HIP, "left hip", "left knee", "left ankle"),
    (HIP, NECK, "nose", EARS),
)
"""Five parts, each a chain of joints away from the trunk."""
WIDTHS = (1, 2, 2, 2)
"""Channels of each stage over those of the first."""
BLOCKS = 2
"""Of a stage."""
HEADS, KERNEL, SIGMA = 32, 7, 0.02
KINDS = 4
"""Of partitions: frames that are near or far from each other, joints of one part or of one place in
all parts."""


class SkateFormer(Classifier):
    """Skeletal-temporal transformer.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T; also half, a quarter and an eighth of it are
            multiples of ``partition_length``.
        width: channels of the first stage, a multiple of 32.
        partition_length: frames of a partition.
        mlp_ratio: width of the hidden layer of a block over its own width.
        attention_dropout: on the weights of the attention.
        drop_path: share of the segments that skip the last block in training; of earlier blocks
            fewer.
    """

    stages: ClassVar = {
        "tokeniser": ("stem",),
        "first transformer": ("blocks",),
        "second transformer": (),
    }
    counted: ClassVar = {"params": 1_909_527, "macs": 282_439_296}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: CocoSkeleton = COCO_17,
        segment_length: Count = 24,
        width: Count = 96,
        partition_length: Count = 3,
        mlp_ratio: Count = 1,
        attention_dropout: Share = 0.5,
        drop_path: Share = 0.2,
    ):
        super().__init__()
        self.register_buffer("joints", _joints_of(skeleton), persistent=False)
        self.stem = nn.Sequential(
            nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 6), nn.GELU(), nn.Linear(6, width)
        )
        self.joint_embedding = nn.Parameter(torch.zeros(width, len(PARTS) * len(PARTS[0])))
        blocks: list[nn.Module] = []
        skips = torch.linspace(0, drop_path, len(WIDTHS) * BLOCKS, device="cpu").tolist()
        channels = [width, *(width * factor for factor in WIDTHS)]
        for stage, outputs in enumerate(channels[1:]):
            if stage:
                blocks.append(_Shortening(channels[stage], outputs))
            for _ in range(BLOCKS):
                skip = skips[sum(isinstance(block, _Block) for block in blocks)]
                blocks.append(_Block(outputs, partition_length, mlp_ratio, attention_dropout, skip))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels[-1], classes)
        for name, parameter in self.named_parameters():
            if name.endswith(("joint_embedding", "graph", "bias_over_time")):
                nn.init.trunc_normal_(parameter, std=SIGMA)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean over frames and joints of the last block, float32 (B, 2 width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: its attention is within partitions.
        """
        with full_precision(segments):
            # (B, T, 17, 2) -> (B, T, 20, 2) -> (B, T, J, C)
            joints = segments.unflatten(-1, (-1, 2)).transpose(-1, -2) @ self.get_buffer("joints")
            tokens = self.stem(joints.transpose(-1, -2))
        times = _sines(segments.shape[1], tokens.shape[-1], tokens)
        # (T, C) and (C, J) -> (T, J, C)
        place = times.unsqueeze(1) * self.joint_embedding.T
        return self.blocks(tokens + place).mean(dim=(1, 2))


class _Block(nn.Module):
    """Graph and convolution over a quarter of the channels, attention over three; then an MLP."""

    def __init__(self, width: int, frames: int, mlp_ratio: int, dropout: float, skip: float):
        super().__init__()
        quarter, self.frames, self.skip = width // 4, frames, skip
        parts, each = len(PARTS), len(PARTS[0])
        self.norm = nn.LayerNorm(width)
        self.mapping = nn.Linear(width, 2 * width)
        self.graph = nn.Parameter(torch.zeros(HEADS // 4, parts * each, parts * each))
        self.product = Product()
        self.time = nn.Conv2d(
            quarter, quarter, (KERNEL, 1), padding=(KERNEL // 2, 0), groups=HEADS // 4
        )
        self.attention = nn.ModuleList(
            _Attention(HEADS // (2 * KINDS), frames, parts if kind % 2 else each, kind % 2, dropout)
            for kind in range(KINDS)
        )
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T, J, C)."""
        width = x.shape[-1]
        mapped = self.mapping(self.norm(x))
        graph, time, *kinds = mapped.split([width // 4] * 2 + [3 * width // 8] * KINDS, dim=-1)
        mixed = [self._over_graph(graph), self._over_time(time)]
        for kind, (attention, part) in enumerate(zip(self.attention, kinds, strict=True)):
            mixed.append(_in_partitions(attention, part, self.frames, kind))
        x = x + self._dropped(self.out(torch.cat(mixed, dim=-1)))
        return x + self._dropped(self.mlp(self.norm2(x)))

    def _over_graph(self, x: Tensor) -> Tensor:
        # (B, T, J, C) -> (B, G, T * C / G, J)
        grouped = x.unflatten(-1, (len(self.graph), -1)).permute(0, 3, 1, 4, 2)
        product = self.product(grouped.flatten(2, 3), self.graph.transpose(-1, -2))
        return product.unflatten(2, grouped.shape[2:4]).permute(0, 2, 4, 1, 3).flatten(-2)

    def _over_time(self, x: Tensor) -> Tensor:
        return self.time(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def _dropped(self, x: Tensor) -> Tensor:
        """Leave a residual out, for a share of the segments; the others grow by as much."""
        if not (self.training and self.skip):
            return x
        kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.skip
        return x * kept / (1 - self.skip)


class _Attention(nn.Module):
    """Attention of the tokens of a partition, with a learned bias for how far apart they are."""

    def __init__(self, heads: int, frames: int, joints: int, of_places: int, dropout: float):
        super().__init__()
        self.heads = heads
        # How far apart two frames are, and, between the parts, which two parts they are of.
        pairs = (joints, joints) if of_places else (1, 1)
        self.bias_over_time = nn.Parameter(torch.zeros(2 * frames - 1, *pairs, heads))
        number = torch.arange(frames)
        self.register_buffer("apart", number[:, None] - number + frames - 1, persistent=False)
        self.tokens = frames * joints
        self.scores, self.softmax, self.mixture = Product(), nn.Softmax(dim=-1), Product()
        self.drop = nn.Dropout(dropout)

    def forward(self, qkv: Tensor) -> Tensor:
        """(B, N, 3 C) -> (B, N, C)."""
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # (frames, frames, joints, joints, H) -> (H, N, N)
        bias = self.bias_over_time[self.get_buffer("apart")]
        joints = self.tokens // len(bias)
        bias = bias.expand(-1, -1, joints, joints, -1).permute(4, 0, 2, 1, 3)
        # The authors divide by the root of the number of heads.
        scores = self.scores(q * self.heads**-0.5, k.transpose(-2, -1))
        weights = self.softmax(scores + bias.reshape(self.heads, self.tokens, self.tokens))
        return self.mixture(self.drop(weights), v).transpose(1, 2).flatten(-2)


class _Shortening(nn.Module):
    """A convolution that halves the frames."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.convolution = over_time(inputs, outputs, KERNEL, 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T / 2, J, outputs)."""
        return self.norm(self.convolution(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)


def _in_partitions(attention: nn.Module, x: Tensor, frames: int, kind: int) -> Tensor:
    """Put what is in one partition together, attend within it, and put it back.

    Args:
        attention: (partitions, N, 3 C) -> (partitions, N, C).
        x: (B, T, J, 3 C).
        frames: of a partition.
        kind: of the partition, below ``KINDS``.

    Returns:
        (B, T, J, C).
    """
    far, of_places = kind // 2, kind % 2
    # (B, T, J, 3 C) -> (B, T', T'', P, L, 3 C), of which T' or T'' are the frames of a partition
    split = x.unflatten(2, (len(PARTS), -1)).unflatten(1, (frames, -1) if far else (-1, frames))
    within = (1 if far else 2, 3 if of_places else 4)
    order = [0, 3 - within[0], 7 - within[1], *within, 5]
    together = split.permute(order)
    mixed = attention(together.flatten(3, 4).flatten(0, 2)).reshape(*together.shape[:-1], -1)
    back = [order.index(axis) for axis in range(len(order))]
    return mixed.permute(back).flatten(3, 4).flatten(1, 2)


def _joints_of(skeleton: Skeleton) -> Tensor:
    """Return float32 (17, 20): how much of each joint of the skeleton is in each of ``PARTS``."""
    index = {joint: number for number, joint in enumerate(skeleton.joints)}
    shares = torch.zeros(len(index), sum(map(len, PARTS)))
    for column, joint in enumerate(joint for part in PARTS for joint in part):
        members = MEANS.get(joint, (joint,))
        for member in members:
            shares[index[member], column] = 1 / len(members)
    return shares


def _sines(frames: int, width: int, like: Tensor) -> Tensor:
    """Return the sinusoidal embedding of the frames, whose times are from -1 to 1; (T, C)."""
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * -(math.log(1e4) / width))
    times = 2 * torch.arange(frames, device=like.device) / frames - 1
    angles = times[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
