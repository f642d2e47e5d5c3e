"""ST-GCN: graph convolutions over the joints and convolutions over time, in turn.

Yan, Xiong and Lin, AAAI 2018; widths, strides and initialisation from the authors' code. Letters:
B segments, C channels, T frames, J joints, K subsets of neighbours.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Share
from bptubeformer.models.graph import adjacency
from bptubeformer.models.graph_layers import GraphNetwork, over_time, residual
from bptubeformer.models.layers import Product
from bptubeformer.skeleton import COCO_17, CocoSkeleton

__all__ = ["STGCN"]
SIZES_OF_ITS_SOURCE = True
REQUIRES = ("kernel_frames % 2 == 1",)
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True,
    "weight_decay": 0.0001, "schedule": "milestones", "milestones": [10, 50], "batch_size":
    64, "max_epochs": 80, "early_stopping_patience": 80,
}  # fmt: skip


class STGCN(GraphNetwork):
    """Spatial-temporal graph convolutional network.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T; any.
        width: channels of the first blocks; the last have four times as many.
        kernel_frames: frames that a convolution over time sees.
        dropout: at the end of each block but the first.
    """

    counted: ClassVar = {"params": 3_076_399, "macs": 443_858_368}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: CocoSkeleton = COCO_17,
        segment_length: Count = 24,
        width: Count = 64,
        kernel_frames: Count = 9,
        dropout: Share = 0.5,
    ):
        graph = torch.tensor(adjacency(skeleton))
        super().__init__(
            classes,
            skeleton,
            width,
            lambda inputs, outputs, stride: _Block(
                inputs, outputs, stride, graph, kernel_frames, dropout, first=inputs == 2
            ),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.weight, 0, 0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.02)


class _Block(nn.Module):
    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        graph: Tensor,
        kernel_frames: int,
        dropout: float,
        first: bool,
    ):
        super().__init__()
        self.register_buffer("graph", graph, persistent=False)
        self.importance = nn.Parameter(torch.ones_like(graph))
        self.subsets = nn.Conv2d(inputs, len(graph) * outputs, 1)
        self.product = Product()
        self.time = nn.Sequential(
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            over_time(outputs, outputs, kernel_frames, stride),
            nn.BatchNorm2d(outputs),
            nn.Dropout(0 if first else dropout),
        )
        self.residual = None if first else residual(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, outputs, T / stride, J)."""
        graph = self.get_buffer("graph") * self.importance
        subsets = self.subsets(x).unflatten(1, (len(graph), -1))
        y = self.time(self.product(subsets, graph.unsqueeze(1)).sum(dim=1))
        return torch.relu(y if self.residual is None else y + self.residual(x))
