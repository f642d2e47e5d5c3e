"""The transformer encoder that every model here is made of.

Letters: B segments, N tokens, D width, H heads, d = D / H.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.models.geometry import check_heads

EPSILON = 1e-6
"""Of every LayerNorm; not stated in the paper, see docs/fidelity.md."""


class ScaledDotProduct(nn.Module):
    """``softmax(q k^T / sqrt(d)) v``; a module of its own so that its MACs can be counted."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, weights: list[Tensor] | None) -> Tensor:
        """Mix the values; put the weights (B, H, N, N) into ``weights`` where it is a list.

        Args:
            q: (B, H, N, d)
            k: (B, H, N, d)
            v: (B, H, N, d)
            weights: None for the fused kernel, which does not give the weights away.

        Returns:
            (B, H, N, d)
        """
        if weights is None:
            return F.scaled_dot_product_attention(q, k, v)
        weight = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)
        weights.append(weight)
        return weight @ v


class Attention(nn.Module):
    """Multi-head self-attention with bias in q, k and v."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.core = ScaledDotProduct()
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        # (B, N, 3 D) -> (3, B, H, N, d)
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = self.core(q, k, v, weights)
        # (B, H, N, d) -> (B, N, D)
        return self.out(mixed.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """Pre-norm encoder block."""

    def __init__(self, width: int, *, heads: int, mlp_ratio: int, dropout: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.drop(self.attention(self.norm1(x), weights))
        x = x + self.drop(self.mlp(self.norm2(x)))
        return x


class Encoder(nn.Module):
    """Blocks one after the other; the LayerNorm behind them belongs to the model."""

    def __init__(self, width: int, *, depth: int, heads: int, mlp_ratio: int, dropout: float):
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout) for _ in range(depth)
        )

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(B, N, D) -> (B, N, D); ``weights`` takes one (B, H, N, N) a block."""
        for block in self.blocks:
            x = block(x, weights)
        return x


class ClassToken(nn.Module):
    """A learned token in front of the others, and a learned position for each."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, width))
        self.positions = nn.Parameter(torch.zeros(1 + tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, 1 + N, D)."""
        return torch.cat([self.token.expand(len(x), 1, -1), x], dim=1) + self.positions


def initialise(model: nn.Module, head: nn.Linear) -> None:
    """Xavier-uniform on every parameter of two or more dimensions, tokens and positions included.

    The bias of the head is zero; other biases stay as torch makes them. Not stated in the paper;
    see docs/fidelity.md.
    """
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    nn.init.zeros_(head.bias)


def weights_of(attention: dict[str, list[Tensor]] | None, name: str) -> list[Tensor] | None:
    """A fresh list for the weights of one transformer; None where none are asked for."""
    return None if attention is None else attention.setdefault(name, [])
