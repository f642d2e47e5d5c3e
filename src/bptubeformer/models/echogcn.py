"""EchoGCN: graph convolutions between levels of joints that spread from a centre, and back.

The student network of EchoGCN in the ICPR 2024 volume, one stream of joints, without distillation;
see docs/fidelity.md. Letters: B segments, C channels, T frames, N = 19 joints, K branches.
"""

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.graph import CENTRE, HIP, INWARD, MEANS, NECK
from bptubeformer.models.graph_layers import CoordinateNorm, Scales, residual
from bptubeformer.models.layers import Product, full_precision
from bptubeformer.skeleton import COCO_17, CocoSkeleton, Skeleton

__all__ = ["EchoGCN"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0004,
    "warmup_epochs": 5, "schedule": "cosine", "batch_size": 64, "max_epochs": 90,
    "early_stopping_patience": 90,
}  # fmt: skip
REQUIRES = ("width % 4 == 0", "neighbours <= 5")

LINKS = {
    **INWARD, NECK: CENTRE, HIP: NECK,
    **{joint: mean for mean in (NECK, HIP) for joint in MEANS[mean]},
}  # fmt: skip
"""The tree of the joints, as the next one on the way to the nose."""
JOINTS = (CENTRE, *LINKS)
PLAN = [(1, 1), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (4, 1)]
"""Channels of each of seven blocks over those of the first, and its stride over time. Strides are
not stated; frames are halved where channels are doubled, as in CTR-GCN."""
KERNEL = 5
"""Frames of a convolution over time."""


class EchoGCN(Classifier):
    """Seven blocks over the branches of the Echo graph and time, and the mean of the last.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T; any.
        centre: the joint from which the levels spread.
        width: channels of the first blocks, a multiple of 4; the last have four times as many.
        neighbours: of a joint in node activation, and of a branch in hierarchical activation, at
            most 5; not stated.
    """

    stages: ClassVar = {"tokeniser": ("norm",), "first transformer": (), "second transformer": ()}
    counted: ClassVar = {"params": 467_559, "macs": 45_077_696}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: CocoSkeleton = COCO_17,
        segment_length: Count = 24,
        centre: Literal["mid-hip", "neck"] = "mid-hip",
        width: Count = 32,
        neighbours: Count = 3,
    ):
        super().__init__()
        self.register_buffer("halves", torch.tensor(_halves_of(skeleton)), persistent=False)
        self.norm = CoordinateNorm(2 * len(JOINTS))
        levels, graph = (torch.tensor(one) for one in _echo_graph(centre))
        channels = [0, *(width * factor for factor, _ in PLAN)]
        self.blocks = nn.ModuleList(
            _Block(channels[i], channels[i + 1], stride, levels, graph, neighbours)
            for i, (_, stride) in enumerate(PLAN)
        )
        self.head = nn.Linear(channels[-1], classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean over frames and joints of the last block, float32 (B, 4 width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        # (B, T, N, 2 joints, 2 coordinates); where one of two joints is missing, the other counts.
        pairs = segments.unflatten(-1, (-1, 2))[:, :, self.get_buffer("halves")]
        there = (pairs != 0).any(dim=-1, keepdim=True).sum(dim=-2)
        places = self.norm((pairs.sum(dim=-2) / there.clamp(min=1)).flatten(-2))
        x = places[:, :0]  # the first block has the coordinates only
        for block in self.blocks:
            x = block(torch.cat([places, x], dim=1))
            places = places[:, :, :: block.stride]
        return x.mean(dim=(2, 3))


class _Block(nn.Module):
    """Branches over the graph, weighed by what they hold, and convolutions over time."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        levels: Tensor,
        graph: Tensor,
        neighbours: int,
    ):
        super().__init__()
        branches, quarter = len(graph), outputs // 4
        self.stride = stride
        self.register_buffer("levels", levels, persistent=False)
        self.graph = nn.Parameter(graph.clone())
        self.reduction = nn.Conv2d(2 + inputs, branches * quarter, 1)
        self.subsets = nn.Conv2d(branches * quarter, 3 * branches * quarter, 1, groups=branches)
        self.product = Product()
        self.similar = _Similar(neighbours)
        self.nodes = nn.Conv1d(2 * branches * quarter, branches * quarter, 1, groups=branches)
        self.hierarchy = nn.Sequential(
            _Similar(neighbours), nn.Conv1d(2 * outputs, outputs, 1), nn.Sigmoid()
        )
        self.norm = nn.BatchNorm2d(outputs)
        self.time = Scales(outputs, KERNEL, stride)
        self.residual = residual(inputs, outputs, stride) if inputs else None

    def forward(self, placed: Tensor) -> Tensor:
        """(B, 2 + C, T, N), coordinates first -> (B, outputs, T / stride, N)."""
        branches = len(self.graph)
        reduced = self.reduction(placed)  # (B, K * q, T, N), where q is a quarter of the outputs
        # (B, K * 3 * q, T, N) -> (B, K, 3, q, T, N) -> (B, K, 3 * q, T, N)
        subsets = self.subsets(reduced).unflatten(1, (branches, 3, -1))
        moving = self.product(subsets.flatten(3, 4), self.graph).view_as(subsets).flatten(2, 3)
        # (B, K, q, N) -> (B, K, 2 * q, N) -> (B, K, q, N)
        activated = self.similar(reduced.mean(dim=2).unflatten(1, (branches, -1)))
        still = self.nodes(activated.flatten(1, 2)).unflatten(1, (branches, -1))
        largest = torch.cat([moving.amax(dim=3), still], dim=2)  # (B, K, C, N)
        levels = (largest * self.get_buffer("levels").unsqueeze(1)).sum(dim=-1)  # (B, K, C)
        share = self.hierarchy(levels.transpose(1, 2)).transpose(1, 2)[..., None]  # (B, K, C, 1)
        of_moving, of_still = share.split([moving.shape[2], still.shape[2]], dim=2)
        moving = (moving * of_moving.unsqueeze(-1)).sum(dim=1)  # (B, 3 * q, T, N)
        still = (still * of_still).sum(dim=1).unsqueeze(2)  # (B, q, 1, N)
        x = torch.cat([moving, still.expand(-1, -1, moving.shape[2], -1)], dim=1)
        y = self.time(torch.relu(self.norm(x)))
        return torch.relu(y if self.residual is None else y + self.residual(placed[:, 2:]))


class _Similar(nn.Module):
    """The mean of the nearest others in the space of features, and the point itself."""

    def __init__(self, neighbours: int):
        super().__init__()
        self.neighbours = neighbours
        self.similarity, self.mean = Product(), Product()

    def forward(self, x: Tensor) -> Tensor:
        """(..., C, N) -> (..., 2 C, N)."""
        with torch.no_grad(), full_precision(x):
            points = x.detach().float()
            squares = points.square().sum(dim=-2).unsqueeze(-1)
            # Squared distances from each column, but for its own square, which changes no order.
            distances = squares - 2 * self.similarity(points.transpose(-1, -2), points)
            distances.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
            nearest = distances.topk(self.neighbours, dim=-2, largest=False).indices
            shares = torch.zeros_like(distances).scatter_(-2, nearest, 1 / self.neighbours)
        return torch.cat([self.mean(x, shares.to(x.dtype)), x], dim=-2)


def _halves_of(skeleton: Skeleton) -> np.ndarray:
    """Return int64 (N, 2): the joints of the skeleton that each of ``JOINTS`` is the mean of."""
    return np.array(
        [
            [skeleton.joints.index(member) for member in MEANS.get(joint, (joint, joint))]
            for joint in JOINTS
        ]
    )


def _echo_graph(centre: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints of each branch, and the Echo graph between them.

    Args:
        centre: one of ``JOINTS``.

    Returns:
        The share of each joint in the mean of a branch, float32 (K, N), and three subsets of a
        branch, float32 (K, 3, N, N): a joint itself, away from the centre, and towards it. From
        row to column; columns sum to 1 or 0.
    """
    reached = np.array([joint == centre for joint in JOINTS])
    linked = np.array([[LINKS.get(a) == b or LINKS.get(b) == a for b in JOINTS] for a in JOINTS])
    levels = [reached]
    while not reached.all():
        levels.append(linked[reached].any(axis=0) & ~reached)
        reached = reached | levels[-1]
    levels += [reached, reached]
    members = np.array([near | far for near, far in pairwise(levels)], np.float32)
    subsets = [
        [np.diag(near | far), np.outer(near, far), np.outer(far, near)]
        for near, far in pairwise(levels)
    ]
    graph = np.array(subsets, np.float32)
    return (
        members / members.sum(axis=1, keepdims=True),
        graph / np.maximum(graph.sum(axis=2, keepdims=True), 1),
    )
