"""BPT-multiview: one BPTubeFormer for each of several tubelet lengths, joined in five ways.

Multiview transformers (MTV, Yan et al., CVPR 2022, in Arnab's talk) on body parts; see
docs/fidelity.md. Letters: B segments, P parts, D width of a view, W width of the global encoder.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Share
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.classifier import Classifier, Criterion
from bptubeformer.models.layers import (
    EPSILON,
    ClassToken,
    Encoder,
    ScaledDotProduct,
    initialise,
    weights_of,
)
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["BPTMultiview"]
REQUIRES = (
    "len(frames) == len(depths)", "segment_length >= max(frames)", "global_width % heads == 0",
)  # fmt: skip

VIEWS = 3
"""Of the default; more are counted with the second transformer."""
BOTTLENECK = 4
"""Tokens that carry one view to the next; not stated."""


class BPTMultiview(Classifier):
    """Views of a segment by tubelets of different lengths, and an encoder over their class tokens.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment.
        frames: of a tubelet in each view, and between two of them; most tubelets first.
        depths: blocks of each transformer of a view; the talk: deeper where there are more tokens.
        fusion: ``ensemble``: views that know nothing of each other, the mean of their logits;
            ``late``: the global encoder only; and, before the last block of a view, from the one
            before it: ``mlp``: a perceptron over the tokens of both; ``bottleneck``: a few tokens;
            ``cross-view``: attention.
        toward: views that are told of others: those with ``fewer`` tubelets, or with ``more``; the
            talk does not say.
        token_width: of a tubelet token.
        heads: attention heads of each transformer.
        mlp_ratio: width of the hidden layer of a block over its own width.
        dropout: on the residual branches.
        global_width: W; not stated.
        global_depth: blocks of the global encoder; not stated.

    Raises:
        ValueError: the heads do not divide a width.
    """

    stages: ClassVar = {
        "tokeniser": tuple(f"views.{view}.tubelet_embedding" for view in range(VIEWS)),
        "first transformer": tuple(f"views.{view}.tubelet_transformers" for view in range(VIEWS)),
        "second transformer": ("views", "lateral", "joined"),
    }
    views: "Sequence[_View]"
    """As many as lengths of tubelets."""
    counted: ClassVar = {"params": 6_463_597, "macs": 38_287_680}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        frames: Sequence[Count] = (2, 4, 8),
        depths: Sequence[Depth] = (4, 2, 1),
        fusion: Literal["ensemble", "late", "mlp", "bottleneck", "cross-view"] = "cross-view",
        toward: Literal["fewer", "more"] = "fewer",
        token_width: Count = 32,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
        global_width: Count = 192,
        global_depth: Depth = 1,
    ):
        super().__init__()
        self.parts = tuple(skeleton.parts)
        sizes = {"heads": heads, "mlp_ratio": mlp_ratio, "dropout": dropout}
        views = [*zip(frames, depths, strict=True)]
        self.views = nn.ModuleList(  # type: ignore[assignment]
            _View(
                classes=classes, skeleton=skeleton, segment_length=segment_length,
                kernel=(length, "part", "part"), stride=(length, "part", "part"),
                token_width=token_width, depth=depth, **sizes,
            )
            for length, depth in (views if toward == "fewer" else views[::-1])
        )  # fmt: skip
        widths = [view.width for view in self.views]
        self.first = _FirstBottleneck(widths[0]) if fusion == "bottleneck" else nn.Identity()
        pairs = pairwise(widths) if fusion in LATERAL else ()
        self.lateral = nn.ModuleList(LATERAL[fusion](told, of, heads) for of, told in pairs)
        self.joined = (
            None if fusion == "ensemble" else _Joined(widths, global_width, global_depth, sizes)
        )
        self.head = nn.Linear(global_width if self.joined else sum(widths), classes)
        initialise(self, self.head)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class token of the global encoder (B, W); of an ensemble, those of all views (B, sum D).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a block: ``views``
                (B, H, 1 + views, 1 + views), class token first; empty for an ensemble.
        """
        found: list[Tensor] = []
        for number, view in enumerate(self.views):
            tokens = view.body_part_transformer(view.class_token(view.part_tokens(segments)))
            if number and self.lateral:
                tokens = self.lateral[number - 1](tokens, found[-1])
            else:
                tokens = self.first(tokens)
            found.append(view.last(tokens))
        tokens = [view.norm(out)[:, 0] for view, out in zip(self.views, found, strict=True)]
        if self.joined is None:
            return torch.cat(tokens, dim=1) / len(tokens)
        return self.joined(tokens, weights_of(attention, "views"))

    def loss(self, segments: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the loss of the logits; of an ensemble, the mean over its views."""
        if self.joined is not None:
            return super().loss(segments, targets, criterion)
        each = self.embed(segments).split([view.width for view in self.views], dim=1)
        weights = self.head.weight.split([view.width for view in self.views], dim=1)
        losses = [
            criterion(F.linear(len(each) * one, weight, self.head.bias).float(), targets)
            for one, weight in zip(each, weights, strict=True)
        ]
        return torch.stack(losses).mean()


class _View(BPTubeFormer):
    """BPTubeFormer without its head, and with its last block apart."""

    def __init__(self, *, depth: int, token_width: int, **of_the_base: Any):
        super().__init__(depth=depth, token_width=token_width, **of_the_base)
        self.width = self.norm.weight.numel()
        sizes = {key: of_the_base[key] for key in ("heads", "mlp_ratio", "dropout")}
        self.body_part_transformer = Encoder(self.width, depth=depth - 1, **sizes)
        self.last = Encoder(self.width, depth=1, **sizes)
        del self.head


class _Joined(nn.Module):
    """The global encoder over the class tokens of the views."""

    def __init__(self, widths: Sequence[int], width: int, depth: int, sizes: dict[str, Any]):
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(of_view, width) for of_view in widths)
        self.class_token = ClassToken(len(widths), width)
        self.encoder = Encoder(width, depth=depth, **sizes)
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, views: Sequence[Tensor], weights: list[Tensor] | None) -> Tensor:
        """(B, D) of each view -> (B, W)."""
        each = [project(view) for project, view in zip(self.projections, views, strict=True)]
        tokens = self.encoder(self.class_token(torch.stack(each, dim=1)), weights)
        return self.norm(tokens)[:, 0]


class _Perceptron(nn.Module):
    """Adds a perceptron over each token and its counterpart of the other view."""

    def __init__(self, told: int, of: int, heads: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(told + of, told), nn.GELU(), nn.Linear(told, told))

    def forward(self, tokens: Tensor, other: Tensor) -> Tensor:
        """(B, 1 + P, told) and (B, 1 + P, of) -> (B, 1 + P, told)."""
        return tokens + self.mlp(torch.cat([tokens, other], dim=-1))


class _CrossAttention(nn.Module):
    """Adds attention of each token to those of the other view."""

    def __init__(self, told: int, of: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=EPSILON) for width in (told, of))
        self.queries = nn.Linear(told, told)
        self.keys_and_values = nn.Linear(of, 2 * told)
        self.core = ScaledDotProduct()
        self.out = nn.Linear(told, told)

    def forward(self, tokens: Tensor, other: Tensor) -> Tensor:
        """(B, 1 + P, told) and (B, 1 + P, of) -> (B, 1 + P, told)."""
        q = self.queries(self.norms[0](tokens))
        k, v = self.keys_and_values(self.norms[1](other)).chunk(2, dim=-1)
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))
        mixed = self.core(q, k, v, None).transpose(1, 2).flatten(-2)
        return tokens + self.out(mixed)


class _FirstBottleneck(nn.Module):
    """Adds learned tokens to those of the first view."""

    def __init__(self, width: int):
        super().__init__()
        self.bottleneck = nn.Parameter(torch.empty(BOTTLENECK, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, 1 + P, D) -> (B, 1 + P + bottleneck, D)."""
        return torch.cat([tokens, self.bottleneck.expand(len(tokens), -1, -1)], dim=1)


class _NextBottleneck(nn.Module):
    """Adds the bottleneck of the other view, in the width of this one."""

    def __init__(self, told: int, of: int, heads: int):
        super().__init__()
        self.projection = nn.Linear(of, told)

    def forward(self, tokens: Tensor, other: Tensor) -> Tensor:
        """(B, 1 + P, told) and (B, ..., of) -> (B, 1 + P + bottleneck, told)."""
        return torch.cat([tokens, self.projection(other[:, -BOTTLENECK:])], dim=1)


LATERAL: dict[str, Callable[[int, int, int], nn.Module]] = {
    "mlp": _Perceptron, "cross-view": _CrossAttention, "bottleneck": _NextBottleneck,
}  # fmt: skip
"""Connections between two views, of the width of the view that is told, the other, and heads."""
