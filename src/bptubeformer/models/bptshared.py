"""BPT-shared: BPTubeFormer with one tubelet transformer for all parts.

PolyViT (Arnab's talk, docs/fidelity.md) shares a transformer between inputs that keep tokenisers of
their own. Letters: P parts, B segments, n tubelets of a part, e token width.
"""

from typing import Any, ClassVar

from torch import Tensor, nn

from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.layers import Encoder

__all__ = ["BPTShared"]


class BPTShared(BPTubeFormer):
    """BPTubeFormer whose parts have convolutions and positions of their own, and no more."""

    counted: ClassVar = {"params": 4_786_029, "macs": 30_503_808}

    def tubelet_encoder(
        self, tubelets: int, width: int, parts: int, sizes: dict[str, Any]
    ) -> tuple[nn.Module, int]:
        """Return one transformer for all parts; arguments as for ``BPTubeFormer``."""
        return _OfAllParts(width, **sizes), tubelets


class _OfAllParts(Encoder):
    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """(P, B, n, e) -> (P, B, n, e); weights as of stacked encoders."""
        return super().forward(x.flatten(0, 1), weights).unflatten(0, x.shape[:2])
