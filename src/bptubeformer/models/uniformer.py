"""UniFormer: convolutions within tubelets first, attention over all of them after.

The video backbone of OpenEAR in the ICPR 2024 volume, on the grids of the body parts; see
docs/fidelity.md. Letters: B segments, P parts, t steps of time, R rows and columns of a grid,
C channels.
"""

from typing import ClassVar

from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import EPSILON, Block, weights_of
from bptubeformer.models.tubelets import TubeletConvolution
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["UniFormer"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "learning_rate": 0.0001, "batch_size": 8, "max_epochs": 100, "early_stopping_patience": 100,
}  # fmt: skip
REQUIRES = ("segment_length >= frames", "width % heads == 0")


class UniFormer(Classifier):
    """Local blocks on each part, global blocks on all parts.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T.
        frames: of a step of time: those that the first layer joins; not stated.
        width: C, channels; not stated.
        local_depth: blocks with local affinity, which is a depth-wise convolution; not stated.
        depth: blocks with attention over all tokens; not stated.
        heads: attention heads; not stated.
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches of the blocks with attention; not stated.
    """

    stages: ClassVar = {
        "tokeniser": ("stem",),
        "first transformer": ("local", "joined"),
        "second transformer": ("positions", "blocks"),
    }
    counted: ClassVar = {"params": 164_557, "macs": 37_225_792}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        frames: Count = 2,
        width: Count = 64,
        local_depth: Depth = 2,
        depth: Depth = 2,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__()
        kernel = (frames, 1, 1)
        self.side = side = skeleton.part_side
        self.stem = TubeletConvolution(
            skeleton, skeleton.part_grids("constant"), segment_length,
            kernel=kernel, stride=kernel, width=width,
        )  # fmt: skip
        nn.init.xavier_uniform_(self.stem.weight)
        self.local = nn.Sequential(*(_LocalBlock(width, mlp_ratio) for _ in range(local_depth)))
        self.joined = nn.Sequential(nn.Conv3d(width, width, (1, side, side)), nn.BatchNorm3d(width))
        self.positions = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=1, groups=width) for _ in range(depth)
        )
        self.blocks = nn.ModuleList(
            Block(width, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Linear(width, classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean of all tokens, float32 (B, C).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a block: ``parts and time``
                (B, H, P * t, P * t).
        """
        weights = weights_of(attention, "parts and time")
        stem = self.stem(segments)  # (P, B, t * R * R, C)
        parts = stem.shape[:2]
        # (P * B, C, t, R, R) -> (P * B, C, t)
        grids = stem.flatten(0, 1).transpose(1, 2).unflatten(-1, (-1, self.side, self.side))
        x = self.joined(self.local(grids)).flatten(2)
        for position, block in zip(self.positions, self.blocks, strict=True):
            x = x + position(x)
            # (P * B, C, t) -> (B, P * t, C), and back
            tokens = x.transpose(1, 2).unflatten(0, parts).transpose(0, 1).flatten(1, 2)
            tokens = block(tokens, weights)
            x = tokens.unflatten(1, (parts[0], -1)).transpose(0, 1).flatten(0, 1).transpose(1, 2)
        return self.norm(tokens).mean(dim=1)


class _LocalBlock(nn.Module):
    """Position, local affinity and MLP, all by convolutions; each on a residual branch."""

    def __init__(self, width: int, mlp_ratio: int):
        super().__init__()

        def depth_wise() -> nn.Conv3d:
            return nn.Conv3d(width, width, 3, padding=1, groups=width)

        self.position = depth_wise()
        self.affinity = nn.Sequential(
            nn.BatchNorm3d(width), nn.Conv3d(width, width, 1), depth_wise(),
            nn.Conv3d(width, width, 1),
        )  # fmt: skip
        self.mlp = nn.Sequential(
            nn.BatchNorm3d(width), nn.Conv3d(width, mlp_ratio * width, 1), nn.GELU(),
            nn.Conv3d(mlp_ratio * width, width, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, t, R, R) -> (B, C, t, R, R)."""
        x = x + self.position(x)
        x = x + self.affinity(x)
        return x + self.mlp(x)
