"""HSA-CTS: attention that knows hyperedges of joints, then a graph of its own for each channel.

HSA-CTS of the ICPR 2024 volume, with a classifier of segments in place of dance notation; see
docs/fidelity.md. Letters: B segments, C channels, T frames, J joints, H heads, d = C / H.
"""

from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Partition
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.graph_layers import CoordinateNorm, Scales, residual
from bptubeformer.models.layers import Product
from bptubeformer.partition import AS_IT_IS, partitioned
from bptubeformer.skeleton import COCO_17, SIDES, Skeleton

__all__ = ["HSACTS"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "sgd", "learning_rate": 0.01, "weight_decay": 0.0005, "schedule":
    "milestones", "milestones": [20, 40, 60], "batch_size": 32, "max_epochs": 80,
    "early_stopping_patience": 80,
}  # fmt: skip
REQUIRES = ("head_width % 4 == 0",)

HEADS = 9
TOPOLOGIES = 3
"""Graphs in parallel, each with its own refinement for each channel."""
PLAN = [(1, 1), (2, 2), (2, 1), (4, 2)]
"""Channels of each of four stacks over those of the first, and its stride over time. Not stated."""
KERNEL = 5
"""Frames of a convolution over time; not stated."""


class HSACTS(Classifier):
    """Stacks of hypergraph self-attention, channel topologies and multi-scale convolution.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; any.
        partition: of the joints into parts (``partition.partitioned``). The parts are hyperedges;
            so are all joints of the left side, and all of the right.
        distance: between two joints, in steps: within a hyperedge of the ``hypergraph``, or along
            the ``limbs`` of the skeleton; the source can be read both ways.
        head_width: channels of a head in the first stack, a multiple of 4; the last has four times
            as many. Not stated.

    Raises:
        ValueError: the partition is of other joints.
    """

    stages: ClassVar = {
        "tokeniser": ("norm", "embedding"),
        "first transformer": ("stacks",),
        "second transformer": (),
    }
    counted: ClassVar = {"params": 242_547, "macs": 56_524_560}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        partition: Partition = AS_IT_IS,
        distance: Literal["hypergraph", "limbs"] = "hypergraph",
        head_width: Count = 4,
    ):
        super().__init__()
        incidence = _hyperedges(partitioned(skeleton, partition))
        limbs = np.eye(len(incidence))[np.array(skeleton.limbs, int).reshape(-1, 2)].sum(axis=1)
        steps = _distances(incidence if distance == "hypergraph" else limbs.T)
        width = HEADS * head_width
        self.norm = CoordinateNorm(skeleton.values)
        self.embedding = nn.Conv2d(2, width, 1)
        channels = [width, *(width * factor for factor, _ in PLAN)]
        self.stacks = nn.Sequential(
            *(
                _Stack(channels[i], channels[i + 1], stride, incidence, steps)
                for i, (_, stride) in enumerate(PLAN)
            )
        )
        self.head = nn.Linear(channels[-1], classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean over frames and joints of the last stack, float32 (B, 36 head_width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: its attention is within single frames.
        """
        return self.stacks(self.embedding(self.norm(segments))).mean(dim=(2, 3))


class _Stack(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, stride: int, incidence: np.ndarray, steps: np.ndarray
    ):
        super().__init__()
        shared = torch.tensor(_normalised(incidence))
        self.attention = _HypergraphAttention(inputs, incidence, steps, shared)
        self.topologies = _Topologies(inputs, outputs, shared)
        self.time = Scales(outputs, KERNEL, stride)
        self.residual = residual(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, outputs, T / stride, J)."""
        y = self.time(self.topologies(x + self.attention(x)))
        return torch.relu(y + self.residual(x))


class _HypergraphAttention(nn.Module):
    """Attention of the joints of a frame to each other and to each other's hyperedges."""

    def __init__(self, width: int, incidence: np.ndarray, steps: np.ndarray, shared: Tensor):
        super().__init__()
        degrees, degree = np.unique(incidence.sum(axis=1), return_inverse=True)
        lengths, length = np.unique(steps, return_inverse=True)
        self.centrality = nn.Parameter(torch.zeros(width, 1, len(degrees)))
        self.closeness = nn.Parameter(torch.zeros(len(lengths)))
        self.importance = nn.Parameter(torch.zeros(HEADS, 1, width // HEADS))
        self.mapping = nn.Conv2d(width, 3 * width, 1)
        self.mapping_of_edges = nn.Conv2d(width, width, 1)
        self.to_edges, self.scores, self.edge_scores, self.mixture = (Product() for _ in range(4))
        self.register_buffer("degree", torch.tensor(degree), persistent=False)
        self.register_buffer("length", torch.tensor(length.reshape(steps.shape)), persistent=False)
        self.register_buffer("shared", shared, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, C, T, J)."""
        mapped = self.mapping(x + self.centrality[..., self.get_buffer("degree")])
        # (B, n C, T, J) -> (n, B, T, H, d, J)
        q, k, v = mapped.unflatten(1, (3, HEADS, -1)).permute(1, 0, 4, 2, 3, 5)
        e = self.mapping_of_edges(x).unflatten(1, (HEADS, -1)).permute(0, 3, 1, 2, 4)
        edges = self.to_edges(e, self.get_buffer("shared"))
        # Keys come first, as in ``layers.ScaledDotProduct``: (B, T, H, J, J) and (B, T, H, J, 1)
        scores = self.scores((k + edges).transpose(-2, -1), q)
        of_edges = self.edge_scores(self.importance, edges).transpose(-2, -1)
        bias = self.closeness[self.get_buffer("length")]
        weights = ((scores + of_edges) * q.shape[-2] ** -0.5 + bias).softmax(dim=-2)
        # (B, T, H, d, J) -> (B, H, d, T, J)
        return self.mixture(v, weights).permute(0, 2, 3, 1, 4).flatten(1, 2)


class _Topologies(nn.Module):
    """Graph convolutions in parallel: the hypergraph and what joints differ in, in each channel."""

    def __init__(self, inputs: int, outputs: int, shared: Tensor):
        super().__init__()
        self.share = nn.Parameter(torch.zeros(TOPOLOGIES, 1, 1, 1))
        self.refinement = nn.Conv2d(inputs, TOPOLOGIES * outputs, 1)
        self.values = nn.Conv2d(inputs, TOPOLOGIES * outputs, 1)
        self.product = Product()
        self.norm = nn.BatchNorm2d(outputs)
        self.register_buffer("shared", shared, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, outputs, T, J)."""
        places = x.mean(dim=2)
        # (B, C, J, J), from row to column -> (B, 3, outputs, J, J)
        differences = torch.tanh(places.unsqueeze(-2) - places.unsqueeze(-1))
        refinement = self.refinement(differences).unflatten(1, (TOPOLOGIES, -1))
        graphs = self.get_buffer("shared") + self.share * refinement
        values = self.values(x).unflatten(1, (TOPOLOGIES, -1))
        return self.norm(self.product(values, graphs).sum(dim=1))


def _hyperedges(skeleton: Skeleton) -> np.ndarray:
    """Return float64 (J, hyperedges): 1 where a joint is in a part, or on a side."""
    sides = [
        [number for number, joint in enumerate(skeleton.joints) if joint.startswith(side)]
        for side in SIDES
    ]
    incidence = np.zeros((len(skeleton.joints), len(skeleton.members) + len(sides)))
    for edge, joints in enumerate([*skeleton.members.values(), *sides]):
        incidence[joints, edge] = 1
    return incidence


def _normalised(incidence: np.ndarray) -> np.ndarray:
    """Return float32 (J, J): how much joints share hyperedges, by the degrees of both."""
    of_joints = incidence.sum(axis=1, keepdims=True)
    of_edges = np.maximum(incidence.sum(axis=0), 1)
    scaled = incidence / np.sqrt(of_joints * of_edges)
    return np.asarray(scaled @ scaled.T, np.float32)


def _distances(incidence: np.ndarray) -> np.ndarray:
    """Return int64 (J, J): steps between two joints, each within one edge; -1: not connected."""
    near = incidence @ incidence.T > 0
    reached = np.eye(len(near), dtype=bool)
    steps = np.where(reached, 0, -1)
    for step in range(1, len(near)):
        further = (reached @ near) & ~reached
        steps[further] = step
        reached |= further
    return steps
