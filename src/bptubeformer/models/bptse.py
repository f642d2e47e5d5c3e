"""BPT-SE: BPTubeFormer whose encoded parts are weighed, channel by channel.

The channel attention that ATVIO fuses two streams with, on the streams of the body parts; see
docs/fidelity.md. Letters: P parts, B segments, n tubelets of a part, e token width.
"""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from bptubeformer.models.bptubeformer import BPTubeFormer

__all__ = ["BPTSE"]
TRAINING_OF_ITS_SOURCE = {
    "betas": [0.9, 0.999], "weight_decay": 0.00035, "learning_rate": 0.001, "batch_size": 16,
    "max_epochs": 100, "early_stopping_patience": 100,
}  # fmt: skip

REDUCTION, LEAST = 16, 8
"""Channels over those of the hidden layer of squeeze-and-excitation, and the fewest of these; not
stated."""


class BPTSE(BPTubeFormer):
    """BPTubeFormer with channel attention before the body-part transformer.

    Args:
        channel_attention: ``CA-A``: squeeze-and-excitation of the channels of all parts. The others
            weigh the channels of each part by itself, and then each part by one number: from the
            weighed parts (``CA-B``), or from the parts as they were, by a convolution and its mean
            (``CA-C``) or by one layer on the mean (``CA-D``).
        of_the_base: arguments of ``BPTubeFormer``.
    """

    stages: ClassVar = {
        **BPTubeFormer.stages,
        "second transformer": ("of_each", "of_all", *BPTubeFormer.stages["second transformer"]),
    }
    counted: ClassVar = {"params": 4_926_103, "macs": 30_507_008}

    def __init__(
        self,
        *,
        channel_attention: Literal["CA-A", "CA-B", "CA-C", "CA-D"] = "CA-A",
        **of_the_base: Any,
    ):
        super().__init__(**of_the_base)
        token_width = self.tubelet_norm.weight.numel()
        parts, channels = len(self.parts), len(self.parts) * token_width
        alone = channel_attention == "CA-A"
        self.of_weighed = channel_attention == "CA-B"
        self.of_each = nn.ModuleList(_squeeze(token_width) for _ in range(0 if alone else parts))
        self.of_all: nn.Module
        if alone:
            self.of_all = _squeeze(channels)
        elif channel_attention == "CA-C":
            self.of_all = nn.Conv1d(channels, parts, 3, padding=1)
        else:
            self.of_all = nn.Linear(channels, parts)

    def weigh(self, tubelets: Tensor) -> Tensor:
        """Multiply each channel of each part (P, B, n, e) by weights from 0 to 1."""
        weighed = tubelets
        if len(self.of_each):
            each = [
                part * layer(part.mean(dim=1)).sigmoid().unsqueeze(1)
                for layer, part in zip(self.of_each, tubelets, strict=True)
            ]
            weighed = torch.stack(each)
        # (P, B, n, e) -> (B, P * e, n)
        maps = (weighed if self.of_weighed else tubelets).permute(1, 0, 3, 2).flatten(1, 2)
        if isinstance(self.of_all, nn.Conv1d):
            logits = self.of_all(maps).mean(dim=-1)
        else:
            logits = self.of_all(maps.mean(dim=-1))
        # (B, P * e) or (B, P) -> (P, B, 1, e) or (P, B, 1, 1)
        weights = logits.sigmoid().unflatten(1, (len(tubelets), -1)).transpose(0, 1)
        return weighed * weights.unsqueeze(2)


def _squeeze(channels: int) -> nn.Sequential:
    """Return squeeze-and-excitation, after the mean and before the sigmoid."""
    hidden = max(channels // REDUCTION, LEAST)
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
