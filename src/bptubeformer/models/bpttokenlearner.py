"""BPT-tokenlearner: BPTubeFormer that learns a few tokens of the tubelets of each part.

TokenLearner (Ryoo et al., NeurIPS 2021, in Arnab's talk) between the blocks of the tubelet
transformers; see docs/fidelity.md. Letters: P parts, B segments, n tubelets of a part, S learned
tokens, e token width.
"""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.layers import Encoder, Product, StackedLinear

__all__ = ["BPTTokenLearner"]

AFTER = 2
"""Blocks of a tubelet transformer before the tokens are learned; all, if it has fewer."""


class BPTTokenLearner(BPTubeFormer):
    """BPTubeFormer whose parts have a few learned tokens after the second block.

    Args:
        tokens: S, of each part.
        learner: of the share of each tubelet in each token: an ``mlp`` or a ``convolution`` over
            time on the tubelets, ``attention`` with learned queries, or ``mean``: of neighbouring
            tubelets, not learned.
        of_the_base: arguments of ``BPTubeFormer``.
    """

    counted: ClassVar = {"params": 717_473, "macs": 4_667_520}

    def __init__(
        self,
        *,
        tokens: Count = 4,
        learner: Literal["mlp", "convolution", "attention", "mean"] = "mlp",
        **of_the_base: Any,
    ):
        # The base asks for its encoder, which needs them.
        self.tokens, self.learner = tokens, learner
        super().__init__(**of_the_base)

    def tubelet_encoder(
        self, tubelets: int, width: int, parts: int, sizes: dict[str, Any]
    ) -> tuple[nn.Module, int]:
        """Return an encoder that ends with S tokens; arguments as for ``BPTubeFormer``."""
        shares = _shares(self.learner, parts, tubelets, width, self.tokens)
        return _Learned(width, shares, groups=parts, **sizes), self.tokens


class _Learned(Encoder):
    def __init__(self, width: int, shares: nn.Module, **sizes: Any):
        super().__init__(width, **sizes)
        self.shares = shares
        self.product = Product()

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(P, B, n, e) -> (P, B, S, e)."""
        for number, block in enumerate(self.blocks):
            if number == AFTER:
                x = self.learned(x)
            x = block(x, weights)
        return x if len(self.blocks) > AFTER else self.learned(x)

    def learned(self, x: Tensor) -> Tensor:
        """(P, B, n, e) -> (P, B, S, e)."""
        return self.product(self.shares(x).softmax(dim=-1), x)


def _shares(learner: str, parts: int, tubelets: int, width: int, tokens: int) -> nn.Module:
    """Return what maps tubelets (P, B, n, e) to the logits of their shares (P, B, S, n)."""
    if learner == "mlp":
        return nn.Sequential(
            StackedLinear(parts, width, width), nn.GELU(), StackedLinear(parts, width, tokens),
            _Transposed(),
        )  # fmt: skip
    if learner == "convolution":
        return _Convolution(parts, width, tokens)
    if learner == "attention":
        return nn.Sequential(StackedLinear(parts, width, tokens), _Transposed())
    return _Neighbours(tubelets, tokens)


class _Transposed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """(..., n, S) -> (..., S, n)."""
        return x.transpose(-2, -1)


class _Convolution(nn.Module):
    """A convolution over three tubelets of each part."""

    def __init__(self, parts: int, width: int, tokens: int):
        super().__init__()
        self.parts = parts
        self.convolution = nn.Conv1d(parts * width, parts * tokens, 3, padding=1, groups=parts)

    def forward(self, x: Tensor) -> Tensor:
        """(P, B, n, e) -> (P, B, S, n)."""
        maps = self.convolution(x.permute(1, 0, 3, 2).flatten(1, 2))
        return maps.unflatten(1, (self.parts, -1)).transpose(0, 1)


class _Neighbours(nn.Module):
    """Equal shares of neighbouring tubelets."""

    def __init__(self, tubelets: int, tokens: int):
        super().__init__()
        if tokens > tubelets:
            raise ValueError(
                f"{tokens} means of {tubelets} tubelets; use at most {tubelets} tokens"
            )
        of = np.arange(tubelets) * tokens // tubelets
        logits = np.where(np.arange(tokens)[:, None] == of, 0, -np.inf)
        self.register_buffer("logits", torch.tensor(logits, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(P, B, n, e) -> (P, B, S, n)."""
        return self.get_buffer("logits").expand(*x.shape[:2], -1, -1)
