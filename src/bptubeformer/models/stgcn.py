"""ST-GCN: graph convolutions over the joints and convolutions over time, in turn.

Yan, Xiong and Lin, AAAI 2018; widths, strides and initialisation from the authors' code. Letters:
B segments, C channels, T frames, J joints, K subsets of neighbours.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.graph import adjacency
from bptubeformer.models.graph_layers import PLAN, CoordinateNorm, over_time, residual
from bptubeformer.models.layers import Product
from bptubeformer.skeleton import COCO_17, CocoSkeleton

__all__ = ["STGCN"]


class STGCN(Classifier):
    """Spatial-temporal graph convolutional network.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T; any.
        width: channels of the first blocks; the last have four times as many.
        kernel_frames: frames that a convolution over time sees.
        dropout: at the end of each block.
    """

    stages: ClassVar = {
        "tokeniser": ("norm",),
        "first transformer": (),
        "second transformer": (),
    }
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
        super().__init__()
        graph = torch.tensor(adjacency(skeleton))
        self.norm = CoordinateNorm(skeleton)
        channels = [2, *(width * factor for factor, _ in PLAN)]
        self.blocks = nn.Sequential(
            *(
                _Block(channels[i], channels[i + 1], stride, graph, kernel_frames, dropout, i > 0)
                for i, (_, stride) in enumerate(PLAN)
            )
        )
        self.head = nn.Linear(channels[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.weight, 0, 0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.02)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean over frames and joints of the last block, float32 (B, 4 width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        return self.blocks(self.norm(segments)).mean(dim=(2, 3))


class _Block(nn.Module):
    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        graph: Tensor,
        kernel_frames: int,
        dropout: float,
        with_residual: bool,
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
            nn.Dropout(dropout),
        )
        self.residual = residual(inputs, outputs, stride) if with_residual else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, J) -> (B, outputs, T / stride, J)."""
        graph = self.get_buffer("graph") * self.importance
        subsets = self.subsets(x).unflatten(1, (len(graph), -1))
        y = self.time(self.product(subsets, graph.unsqueeze(1)).sum(dim=1))
        return torch.relu(y if self.residual is None else y + self.residual(x))
