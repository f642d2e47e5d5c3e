"""BPT-token-sampling: BPTubeFormer that keeps the tubelets to which a class token attends.

Dynamic token sampling (ATS, Fayyaz et al., ECCV 2022, row 9 of the pieces of the ICPR 2024
volume), without parameters but for the class tokens; see docs/fidelity.md. Letters: P parts,
B segments, n tubelets of a part, K samples, H heads, e token width, d = e / H.
"""

from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.kinds import Count
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.layers import Encoder, Stacked

__all__ = ["BPTTokenSampling"]


class BPTTokenSampling(BPTubeFormer):
    """BPTubeFormer whose tubelet transformers end with a class token and at most K tubelets.

    The last block samples: what follows has to mask nothing. Its class token goes on to the
    body-part transformer, so that it learns.

    Args:
        samples: K, of each part.
        of_the_base: arguments of ``BPTubeFormer``.
    """

    counted: ClassVar = {"params": 1_008_717, "macs": 7_010_720}

    def __init__(self, *, samples: Count = 4, **of_the_base: Any):
        # The base asks for its encoder, which needs it.
        self.samples = samples
        super().__init__(**of_the_base)

    def tubelet_encoder(
        self, tubelets: int, width: int, parts: int, sizes: dict[str, Any]
    ) -> tuple[nn.Module, int]:
        """Return an encoder that ends with 1 + K tokens; arguments as for ``BPTubeFormer``."""
        return _Sampled(self.samples, width, groups=parts, **sizes), 1 + self.samples


class _ClassTokens(Stacked):
    """A learned token for each part."""

    def __init__(self, parts: int, width: int):
        super().__init__()
        self.token = nn.Parameter(torch.empty(parts, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """(P, B, n, e) -> (P, B, 1 + n, e)."""
        token = self.token.unsqueeze(1).expand(-1, x.shape[1], -1, -1)
        return torch.cat([token, x], dim=2)


class _Sampled(Encoder):
    def __init__(self, samples: int, width: int, *, groups: int, **sizes: Any):
        super().__init__(width, groups=groups, **sizes)
        self.class_tokens = _ClassTokens(groups, width)
        # (2 i - 1) / (2 K)
        quantiles = (np.arange(samples, dtype=np.float32) + 0.5) / samples
        self.register_buffer("quantiles", torch.tensor(quantiles), persistent=False)

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(P, B, n, e) -> (P, B, 1 + K, e), class token first; 0 where fewer were sampled."""
        *blocks, last = self.blocks
        x = self.class_tokens(x)
        for block in blocks:
            x = block(x, weights)
        return self._sampled(last, x, [] if weights is None else weights)

    def _sampled(self, block: Any, x: Tensor, weights: list[Tensor]) -> Tensor:
        """Do the last block for the sampled rows of its attention only."""
        attention = block.attention
        q, k, v = attention.split(block.norm1(x))
        mixed = attention.core(q, k, v, weights)
        index, first = self._chosen(weights[-1], v)
        # (P * B, 1 + K) -> (P, B, 1 + K, e)
        rows = index.view(*x.shape[:2], -1, 1).expand(-1, -1, -1, x.shape[-1])
        mixed = mixed.transpose(1, 2).reshape(x.shape).gather(2, rows)
        x = x.gather(2, rows) + block.drop(attention.out(mixed))
        x = x + block.drop(block.mlp(block.norm2(x)))
        return x * first.view(*x.shape[:3], 1)

    @torch.no_grad()
    def _chosen(self, weights: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Sample tubelets by the attention of the class token and the norms of their values.

        Args:
            weights: (P * B, H, 1 + n, 1 + n), class token first.
            values: (P * B, H, 1 + n, d).

        Returns:
            Rows int64 (P * B, 1 + K), the class token's and then ascending, and True for the first
            of equal ones.
        """
        scores = weights[:, :, 0, 1:] * values[:, :, 1:].norm(dim=-1)
        scores = (scores / scores.sum(dim=-1, keepdim=True)).mean(dim=1)
        quantiles = self.get_buffer("quantiles").expand(len(scores), -1).contiguous()
        index = torch.searchsorted(scores.cumsum(dim=-1), quantiles).clamp(max=scores.shape[-1] - 1)
        index = F.pad(1 + index, (1, 0))
        first = torch.ones_like(index, dtype=torch.bool)
        first[:, 1:] = index[:, 1:] != index[:, :-1]
        return index, first
