"""The models written the plain way: read this file first.

One ``nn.Conv3d`` and one encoder for each body part, ``nn.Linear``, ``nn.LayerNorm``,
``nn.Dropout`` and torch's attention. The other files of this folder compute the same numbers
faster; tests compare outputs and gradients, benchmarks the times. No run uses these models.

Letters: B segments, T frames, t tubelets of a part, P parts, D width of a token.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.partition import AS_IT_IS, partitioned
from bptubeformer.skeleton import COCO_17, Skeleton


class Block(nn.Module):
    """A pre-norm transformer block: attention, then an MLP with GELU (docs/fidelity.md).

    Args:
        width: of a token, D.
        heads: of the attention.
        mlp_ratio: width of the hidden layer over that of a token.
        dropout: probability, after attention and MLP.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens after the block, float32 (B, tokens, D) as the given ones."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.drop(self.out(mixed))
        return x + self.drop(self.mlp(self.norm2(x)))


def encoder(run: Mapping[str, Any], width: int) -> nn.Sequential:
    """Return a transformer of ``depth`` blocks for tokens of a width."""
    settings = (run["heads"], run["mlp_ratio"], run["dropout"])
    return nn.Sequential(*(Block(width, *settings) for _ in range(run["depth"])))


class PlainBPTubeFormer(nn.Module):
    """BPTubeFormer (paper, section 2): tubelets of each part, then the parts and a class token.

    Args:
        run: model and hyperparameters, as in ``config.yaml``.
        classes: number of classes.
        skeleton: whose joints a frame has.
    """

    def __init__(self, run: Mapping[str, Any], classes: int, skeleton: Skeleton = COCO_17):
        super().__init__()
        skeleton = partitioned(skeleton, run.get("partition", AS_IT_IS))
        width, length = run["token_width"], run["segment_length"]
        kernel, stride = tuple(run["kernel"]), tuple(run["stride"])
        self.parts = tuple(torch.tensor(grid) for grid in skeleton.parts.values())
        self.side = side = skeleton.part_side
        time, rows, columns = (
            (size - k) // s + 1
            for size, k, s in zip((length, side, side), kernel, stride, strict=True)
        )
        tubelets = time * rows * columns
        self.padding = run["padding"]
        self.convolutions = nn.ModuleList(nn.Conv3d(2, width, kernel, stride) for _ in self.parts)
        self.positions = nn.ParameterList(torch.zeros(tubelets, width) for _ in self.parts)
        self.encoders = nn.ModuleList(encoder(run, width) for _ in self.parts)
        self.tubelet_norm = nn.LayerNorm(width, eps=1e-6)
        wide = run.get("body_part_width") or tubelets * width
        projected = bool(run.get("body_part_width"))
        self.projection = nn.Linear(tubelets * width, wide) if projected else nn.Identity()
        self.class_token = nn.Parameter(torch.zeros(1, 1, wide))
        self.body_part_positions = nn.Parameter(torch.zeros(1 + len(self.parts), wide))
        self.body_part_encoder = encoder(run, wide)
        self.norm = nn.LayerNorm(wide, eps=1e-6)
        self.head = nn.Linear(wide, classes)

    def grid(self, joints: Tensor, cells: Tensor) -> Tensor:
        """Reshape the joints of a part (B, 2, T, 1 + J) to its padded grid (B, 2, T, R, R)."""
        grid = joints[..., cells.flatten()].unflatten(-1, cells.shape)
        rows, columns = (self.side - size for size in cells.shape)
        return F.pad(grid, (columns, 0, rows - rows // 2, rows // 2, 0, 0), mode=self.padding)

    def forward(self, segments: Tensor) -> Tensor:
        """Return logits float32 (B, classes) of segments float32 (B, T, V), in pixels."""
        joints = segments.unflatten(-1, (-1, 2)).permute(0, 3, 1, 2)
        joints = F.pad(joints, (0, 1))  # a cell without a joint
        encodings = []
        for i, cells in enumerate(self.parts):
            tubelets = self.convolutions[i](self.grid(joints, cells)).flatten(2).transpose(1, 2)
            tubelets = self.encoders[i](tubelets + self.positions[i])
            encodings.append(self.tubelet_norm(tubelets).flatten(1))
        tokens = self.projection(torch.stack(encodings, dim=1))
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        tokens = self.body_part_encoder(tokens + self.body_part_positions)
        return self.head(self.norm(tokens)[:, 0])


class PlainSTTran(nn.Module):
    """ST-Tran, the baseline (paper, section 3): joints of a frame, then frames and a class token.

    Args:
        run: model and hyperparameters, as in ``config.yaml``.
        classes: number of classes.
        skeleton: whose joints a frame has.
    """

    def __init__(self, run: Mapping[str, Any], classes: int, skeleton: Skeleton = COCO_17):
        super().__init__()
        width, length = run["token_width"], run["segment_length"]
        count = len(skeleton.joints)
        wide = count * width
        self.joint_embedding = nn.Linear(2, width)
        self.joint_positions = nn.Parameter(torch.zeros(count, width))
        self.spatial_encoder = encoder(run, width)
        self.spatial_norm = nn.LayerNorm(width, eps=1e-6)
        self.class_token = nn.Parameter(torch.zeros(1, 1, wide))
        self.frame_positions = nn.Parameter(torch.zeros(1 + length, wide))
        self.temporal_encoder = encoder(run, wide)
        self.norm = nn.LayerNorm(wide, eps=1e-6)
        self.head = nn.Linear(wide, classes)

    def forward(self, segments: Tensor) -> Tensor:
        """Return logits float32 (B, classes) of segments float32 (B, T, V), in pixels."""
        batch, length, _ = segments.shape
        joints = segments.reshape(batch * length, -1, 2)
        joints = self.spatial_encoder(self.joint_embedding(joints) + self.joint_positions)
        frames = self.spatial_norm(joints).reshape(batch, length, -1)
        frames = torch.cat([self.class_token.expand(batch, -1, -1), frames], dim=1)
        frames = self.temporal_encoder(frames + self.frame_positions)
        return self.head(self.norm(frames)[:, 0])


class PlainTTubeFormer(nn.Module):
    """TTubeFormer (paper, section 4): tubelets of the whole skeleton and a class token.

    Args:
        run: model and hyperparameters, as in ``config.yaml``.
        classes: number of classes.
        skeleton: whose joints a frame has.
    """

    def __init__(self, run: Mapping[str, Any], classes: int, skeleton: Skeleton = COCO_17):
        super().__init__()
        width, kernel, stride = run["token_width"], tuple(run["kernel"]), tuple(run["stride"])
        self.convolution = nn.Conv3d(2, width, kernel, stride)
        self.side = skeleton.side
        sizes = (run["segment_length"], self.side, self.side)
        time, rows, columns = (
            (size - k) // s + 1 for size, k, s in zip(sizes, kernel, stride, strict=True)
        )
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1 + time * rows * columns, width))
        self.encoder = encoder(run, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, segments: Tensor) -> Tensor:
        """Return logits float32 (B, classes) of segments float32 (B, T, V), in pixels."""
        cells = F.pad(segments, (0, 2 * self.side**2 - segments.shape[-1]))
        grid = cells.unflatten(-1, (self.side, self.side, 2)).permute(0, 4, 1, 2, 3)
        tubelets = self.convolution(grid).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(tubelets), -1, -1), tubelets], dim=1)
        return self.head(self.norm(self.encoder(tokens + self.positions))[:, 0])


PLAIN: dict[str, type[PlainBPTubeFormer] | type[PlainSTTran] | type[PlainTTubeFormer]] = {
    "bptubeformer": PlainBPTubeFormer,
    "sttran": PlainSTTran,
    "ttubeformer": PlainTTubeFormer,
}
"""Plain form of each model that has another."""
