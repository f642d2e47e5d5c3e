"""The transformer encoder that every model here is made of.

Letters: B segments, N tokens, D width, H heads, d = D / H. Where ``...`` stands, G comes first if
the layer has one set of weights for each of G groups of tokens, as the body parts are.
"""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.models.geometry import check_heads

EPSILON = 1e-6
"""Of every LayerNorm; not stated in the paper, see docs/fidelity.md."""

FEW_TOKENS = 32
"""Up to so many tokens, plain matrix products are faster on a CPU than its fused attention."""

FEW_TOKENS_GPU, NARROW_HEAD_GPU = 64, 4
"""Up to so many tokens in heads so wide, they are faster on a GPU: its fused kernels compute tiles
of 64 tokens and 32 channels whatever is needed."""

SLICES_GPU = 40
"""On a GPU, the gradient of stacked weights is summed over so many slices of a batch: for one
product per group, it has more cores than the product has tiles."""


class Stacked(nn.Module):
    """A layer whose parameters are stacked: along the first dimension, one set a group."""

    weight: nn.Parameter
    bias: nn.Parameter

    def initialise_bias(self, inputs: int) -> None:
        """Draw the bias as torch does for layers with so many inputs."""
        nn.init.uniform_(self.bias, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))


class StackedLinear(Stacked):
    """``nn.Linear`` for each of G groups, as one batched matrix product."""

    def __init__(self, groups: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(groups, outputs))
        self.initialise_bias(inputs)

    def forward(self, x: Tensor) -> Tensor:
        """(G, B, ..., inputs) -> (G, B, ..., outputs)."""
        weight, bias = self.weight.transpose(1, 2), self.bias.unsqueeze(1)
        if x.is_cuda:
            slices = math.gcd(x.shape[1], SLICES_GPU)
            rows = x.unflatten(1, (slices, -1)).flatten(2, -2)
            mapped = rows @ weight.unsqueeze(1) + bias.unsqueeze(1)
            return mapped.reshape(*x.shape[:-1], -1)
        return torch.baddbmm(bias, x.flatten(1, -2), weight).unflatten(1, x.shape[1:-1])


class StackedLayerNorm(Stacked):
    """``nn.LayerNorm`` for each of G groups."""

    def __init__(self, groups: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(groups, width))
        self.bias = nn.Parameter(torch.zeros(groups, width))

    def forward(self, x: Tensor) -> Tensor:
        """(G, ..., D) -> (G, ..., D)."""
        each = (len(self.weight), *(1,) * (x.dim() - 2), -1)
        normal = F.layer_norm(x, x.shape[-1:], eps=EPSILON)
        return torch.addcmul(self.bias.view(each), normal, self.weight.view(each))


def linear(inputs: int, outputs: int, groups: int | None) -> nn.Module:
    """A linear layer, or one for each of ``groups``."""
    if groups is None:
        return nn.Linear(inputs, outputs)
    return StackedLinear(groups, inputs, outputs)


def layer_norm(width: int, groups: int | None) -> nn.Module:
    """A layer norm, or one for each of ``groups``."""
    if groups is None:
        return nn.LayerNorm(width, eps=EPSILON)
    return StackedLayerNorm(groups, width)


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
        tokens, width = q.shape[-2:]
        if q.is_cpu:
            plain = tokens <= FEW_TOKENS
        else:
            plain = tokens <= FEW_TOKENS_GPU and width <= NARROW_HEAD_GPU
        if weights is None and not plain:
            return F.scaled_dot_product_attention(q, k, v)
        # Keys stand first: over a short last dimension, torch's softmax is several times slower.
        by_key = (k @ (q * q.shape[-1] ** -0.5).transpose(-2, -1)).softmax(dim=-2)
        if weights is not None:
            weights.append(by_key.transpose(-2, -1))
        return (v.transpose(-2, -1) @ by_key).transpose(-2, -1)


class Product(nn.Module):
    """A matrix product of two tensors; a module of its own so that its MACs can be counted."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(..., N, K) and (..., K, M) -> (..., N, M)."""
        return x @ y


class Attention(nn.Module):
    """Multi-head self-attention with bias in q, k and v."""

    def __init__(self, width: int, heads: int, groups: int | None = None):
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.qkv = linear(width, 3 * width, groups)
        self.core = ScaledDotProduct()
        self.out = linear(width, width, groups)

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(..., B, N, D) -> (..., B, N, D)."""
        mixed = self.core(*self.split(x), weights)
        # (... * B, H, N, d) -> (..., B, N, D)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of the heads: (..., B, N, D) -> (... * B, H, N, d)."""
        # (..., B, N, 3 D) -> (3, ... * B, H, N, d)
        qkv = self.qkv(x).flatten(0, -3).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        return q, k, v


class Dropout(nn.Module):
    """``nn.Dropout``; on a CPU with 16 random bits an element instead of a double."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        if not (self.training and self.probability and x.is_cpu):
            return F.dropout(x, self.probability, self.training)
        dropped = round(self.probability * 2**16)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        kept = bits >= dropped - 2**15
        return (x * kept).mul_(2**16 / (2**16 - dropped))


class StochasticDepth(nn.Module):
    """Leaves a branch out, for a random share of the segments in training."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, branch: Tensor) -> Tensor:
        """(..., B, N, D) -> (..., B, N, D); what is kept is scaled up."""
        if not (self.training and self.share):
            return branch
        kept = torch.rand((*branch.shape[:-2], 1, 1), device=branch.device) >= self.share
        return branch * kept / (1 - self.share)


class Block(nn.Module):
    """Pre-norm encoder block."""

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        mlp_ratio: int,
        dropout: float,
        groups: int | None = None,
        stochastic_depth: float = 0,
    ):
        super().__init__()
        self.norm1 = layer_norm(width, groups)
        self.attention = Attention(width, heads, groups)
        self.norm2 = layer_norm(width, groups)
        self.mlp = nn.Sequential(
            linear(width, mlp_ratio * width, groups),
            nn.GELU(),
            linear(mlp_ratio * width, width, groups),
        )
        self.drop = nn.Sequential(Dropout(dropout), StochasticDepth(stochastic_depth))

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(..., B, N, D) -> (..., B, N, D)."""
        x = x + self.drop(self.attention(self.norm1(x), weights))
        x = x + self.drop(self.mlp(self.norm2(x)))
        return x


class Encoder(nn.Module):
    """Blocks one after the other; the LayerNorm behind them belongs to the model.

    Args:
        width: D.
        depth: number of blocks.
        heads: attention heads, H.
        mlp_ratio: width of the hidden layer of a block over D.
        dropout: on the residual branches.
        groups: number G of groups of tokens, each of which has an encoder of its own; all are
            computed at once. None: one encoder.
        stochastic_depth: share of the segments that the last block leaves as they are in training;
            it grows with the depth.
    """

    def __init__(
        self,
        width: int,
        *,
        depth: int,
        heads: int,
        mlp_ratio: int,
        dropout: float,
        groups: int | None = None,
        stochastic_depth: float = 0,
    ):
        super().__init__()
        self.groups, self.heads = groups, heads
        self.blocks = nn.ModuleList(
            Block(
                width, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout, groups=groups,
                stochastic_depth=stochastic_depth * (block + 1) / depth,
            )
            for block in range(depth)
        )  # fmt: skip

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(..., B, N, D) -> (..., B, N, D).

        Args:
            x: the tokens.
            weights: a list that takes one (... * B, H, N, N) a block, or None.
        """
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


def two_layers(inputs: int, width: int, dropout: float) -> nn.Sequential:
    """Return a perceptron of two hidden layers, with dropout after each."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout),
    )  # fmt: skip


def initialise(model: nn.Module, head: nn.Linear) -> None:
    """Xavier-uniform on every parameter of two or more dimensions, tokens and positions included.

    Of stacked parameters, on those of each group for itself. The bias of the head is zero; other
    biases stay as torch makes them. Not stated in the paper; see docs/fidelity.md.
    """
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            for one in parameter.detach() if isinstance(module, Stacked) else [parameter]:
                if one.dim() > 1:
                    nn.init.xavier_uniform_(one)
    nn.init.zeros_(head.bias)


def full_precision(x: Tensor) -> AbstractContextManager:
    """Compute in float32 also under autocast: pixel coordinates need more digits than bfloat16."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def weights_of(attention: dict[str, list[Tensor]] | None, name: str) -> list[Tensor] | None:
    """A fresh list for the weights of one transformer; None where none are asked for."""
    return None if attention is None else attention.setdefault(name, [])
