"""GeometricGCN: places and velocities of joints through a graph, attention and a recurrent network.

The geometric branch of CATS in the ICPR 2024 volume, without its visual streams and without
segmentation; see docs/fidelity.md. Letters: B segments, T frames, J joints, C channels.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.graph import adjacency
from bptubeformer.models.layers import Product, full_precision
from bptubeformer.skeleton import COCO_17, CocoSkeleton

__all__ = ["GeometricGCN"]
SIZES_OF_ITS_SOURCE = True


class GeometricGCN(Classifier):
    """Graph convolution, graph attention, bidirectional recurrent network, mean.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T; any.
        depth: graph convolutions.
        width: C, channels.
        recurrent_width: state of the recurrent network in each direction; not stated.
    """

    stages: ClassVar = {
        "tokeniser": ("graph",),
        "first transformer": ("attention",),
        "second transformer": (),
    }
    counted: ClassVar = {"params": 564_493, "macs": 114_742_528}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: CocoSkeleton = COCO_17,
        segment_length: Count = 24,
        depth: Depth = 4,
        width: Count = 256,
        recurrent_width: Count = 128,
    ):
        super().__init__()
        neighbours = torch.tensor(adjacency(skeleton).sum(axis=0) > 0).float()
        root = neighbours.sum(dim=0).rsqrt()
        self.register_buffer("neighbours", root[:, None] * neighbours * root, persistent=False)
        self.graph = nn.ModuleList(
            nn.Linear(width if layer else 4, width) for layer in range(depth)
        )
        self.product = Product()
        self.attention = _GraphAttention(width)
        self.recurrent = nn.GRU(width, recurrent_width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * recurrent_width, classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean state over frames, float32 (B, 2 recurrent_width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: its attention is not a transformer's.
        """
        places = segments.unflatten(-1, (-1, 2))
        velocities = torch.diff(places, dim=1, prepend=places[:, :1])
        x = torch.cat([places, velocities], dim=-1)  # (B, T, J, 4)
        neighbours = self.get_buffer("neighbours")
        with full_precision(segments):
            for layer in self.graph:
                x = torch.tanh(self.product(neighbours, layer(x)))
        frames = self.attention(x).mean(dim=2)
        states, _ = self.recurrent(frames)
        return states.mean(dim=1)


class _GraphAttention(nn.Module):
    """Attention between all joints of a frame, whose scores are sums of one number a joint."""

    def __init__(self, width: int):
        super().__init__()
        self.values = nn.Linear(width, width, bias=False)
        self.scores = nn.Linear(width, 2, bias=False)
        self.product = Product()

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T, J, C)."""
        values = self.values(x)
        to, of = self.scores(values).split(1, dim=-1)
        weights = F.leaky_relu(to + of.transpose(-1, -2), 0.2).softmax(dim=-1)
        return F.elu(self.product(weights, values))
