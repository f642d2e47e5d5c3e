"""CTR-GCN: graph convolutions whose graph is refined for each channel and segment.

Chen et al., ICCV 2021; widths and initialisation of the graph from the authors' code.
Letters: B segments, C channels, T frames, J joints.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count
from bptubeformer.models.graph import adjacency
from bptubeformer.models.graph_layers import GraphNetwork, Scales, residual
from bptubeformer.models.layers import Product
from bptubeformer.skeleton import COCO_17, CocoSkeleton

__all__ = ["CTRGCN"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True,
    "weight_decay": 0.0004, "warmup_epochs": 5, "schedule": "milestones", "milestones": [35,
    55], "batch_size": 64, "max_epochs": 65, "early_stopping_patience": 65,
}  # fmt: skip
REQUIRES = ("width % 4 == 0", "kernel_frames % 2 == 1")

REDUCTION, LEAST_RELATION = 8, 8
"""Channels over those of the relations between joints, and relations of the coordinates."""
FIRST_SCALE = 1e-6
"""Of the normalisation after a graph convolution: a block begins as its residual."""


class CTRGCN(GraphNetwork):
    """Channel-wise topology refinement graph convolutional network.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T; any.
        width: channels of the first blocks, a multiple of 4; the last have four times as many.
        kernel_frames: frames that a convolution over time sees.
    """

    counted: ClassVar = {"params": 1_423_977, "macs": 238_343_872}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: CocoSkeleton = COCO_17,
        segment_length: Count = 24,
        width: Count = 64,
        kernel_frames: Count = 5,
    ):
        graph = torch.tensor(adjacency(skeleton))
        super().__init__(
            classes,
            skeleton,
            width,
            lambda inputs, outputs, stride: _Block(
                inputs, outputs, stride, graph, kernel_frames, with_residual=inputs > 2
            ),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                nn.init.zeros_(module.bias)
            elif isinstance(module, _RefinedGraph):
                nn.init.constant_(module.norm.weight, FIRST_SCALE)
        nn.init.normal_(self.head.weight, 0, (2 / classes) ** 0.5)


class _Block(nn.Module):
    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        graph: Tensor,
        kernel_frames: int,
        with_residual: bool,
    ):
        super().__init__()
        self.graph = _RefinedGraph(inputs, outputs, graph)
        self.time = Scales(outputs, kernel_frames, stride)
        self.residual = residual(inputs, outputs, stride) if with_residual else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, outputs, T / stride, J)."""
        y = self.time(self.graph(x))
        return torch.relu(y if self.residual is None else y + self.residual(x))


class _RefinedGraph(nn.Module):
    """One learned graph a subset, and what relations of the joints add to it in each channel."""

    def __init__(self, inputs: int, outputs: int, graph: Tensor):
        super().__init__()
        relations = inputs // REDUCTION or LEAST_RELATION
        self.graph = nn.Parameter(graph.clone())
        self.share = nn.Parameter(torch.zeros(1))
        subsets = range(len(graph))
        self.here, self.there = (
            nn.ModuleList(nn.Conv2d(inputs, relations, 1) for _ in subsets) for _ in range(2)
        )
        self.values = nn.ModuleList(nn.Conv2d(inputs, outputs, 1) for _ in subsets)
        self.refinement = nn.ModuleList(nn.Conv2d(relations, outputs, 1) for _ in subsets)
        self.product = Product()
        self.norm = nn.BatchNorm2d(outputs)
        self.residual = residual(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, outputs, T, J)."""
        total = torch.zeros((), device=x.device)
        for subset, graph in enumerate(self.graph):
            here, there = self.here[subset](x).mean(2), self.there[subset](x).mean(2)
            # (B, r, J) twice -> (B, r, J, J) -> (B, outputs, J, J), from column to row
            relations = torch.tanh(here.unsqueeze(-1) - there.unsqueeze(-2))
            refined = graph + self.share * self.refinement[subset](relations)
            total = total + self.product(self.values[subset](x), refined.transpose(-2, -1))
        return torch.relu(self.norm(total) + self.residual(x))
