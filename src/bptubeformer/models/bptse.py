"""BPT-SE: BPTubeFormer whose encoded parts are weighed, channel by channel.

The channel attention that ATVIO fuses two streams with, on the streams of the body parts; see
docs/fidelity.md. Letters: P parts, B segments, n tubelets of a part, e token width.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Padding, Share, Tubelet
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["BPTSE"]

REDUCTION, LEAST = 16, 8
"""Channels over those of the hidden layer of squeeze-and-excitation, and the fewest of these; not
stated."""


class BPTSE(BPTubeFormer):
    """BPTubeFormer with channel attention before the body-part transformer.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        kernel: of a tubelet: frames, rows, columns.
        stride: of the tubelets.
        segment_length: frames of a segment.
        padding: of the body-part grids.
        token_width: e, width of a tubelet token.
        depth: blocks of each transformer.
        heads: attention heads.
        mlp_ratio: width of the hidden layer of a block over its own width.
        dropout: on the residual branches.
        channel_attention: ``CA-A``: squeeze-and-excitation of the channels of all parts; ``CA-B``:
            of each part, then of all; ``CA-C``: a convolution, then its mean; ``CA-D``: one layer
            on the mean.
    """

    stages: ClassVar = {
        **BPTubeFormer.stages,
        "second transformer": ("of_each", "of_all", *BPTubeFormer.stages["second transformer"]),
    }
    counted: ClassVar = {"params": 4_926_103, "macs": 30_507_008}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        kernel: Tubelet = (2, "part", "part"),
        stride: Tubelet = (2, "part", "part"),
        segment_length: Count = 24,
        padding: Padding = "constant",
        token_width: Count = 32,
        depth: Depth = 4,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
        channel_attention: Literal["CA-A", "CA-B", "CA-C", "CA-D"] = "CA-A",
    ):
        super().__init__(
            classes=classes, skeleton=skeleton, kernel=kernel, stride=stride,
            segment_length=segment_length, padding=padding, token_width=token_width, depth=depth,
            heads=heads, mlp_ratio=mlp_ratio, dropout=dropout,
        )  # fmt: skip
        parts, channels = len(self.parts), len(self.parts) * token_width
        self.of_each = nn.ModuleList(
            _squeeze(token_width) for _ in range(parts if channel_attention == "CA-B" else 0)
        )
        self.of_all: nn.Module
        if channel_attention == "CA-C":
            self.of_all = nn.Conv1d(channels, channels, 3, padding=1)
        elif channel_attention == "CA-D":
            self.of_all = nn.Linear(channels, channels)
        else:
            self.of_all = _squeeze(channels)

    def weigh(self, tubelets: Tensor) -> Tensor:
        """Multiply each channel of each part (P, B, n, e) by a weight from 0 to 1."""
        if len(self.of_each):
            each = [
                part * layer(part.mean(dim=1)).sigmoid().unsqueeze(1)
                for layer, part in zip(self.of_each, tubelets, strict=True)
            ]
            tubelets = torch.stack(each)
        # (P, B, n, e) -> (B, P * e, n)
        maps = tubelets.permute(1, 0, 3, 2).flatten(1, 2)
        if isinstance(self.of_all, nn.Conv1d):
            logits = self.of_all(maps).mean(dim=-1)
        else:
            logits = self.of_all(maps.mean(dim=-1))
        # (B, P * e) -> (P, B, 1, e)
        weights = logits.sigmoid().unflatten(1, (len(tubelets), -1)).transpose(0, 1)
        return tubelets * weights.unsqueeze(2)


def _squeeze(channels: int) -> nn.Sequential:
    """Return squeeze-and-excitation, after the mean and before the sigmoid."""
    hidden = max(channels // REDUCTION, LEAST)
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
