"""BPT-mirrored: BPTubeFormer that also sees how far frames are from their mirrored ones.

The mirrored differences of RSTAN in the ICPR 2024 volume, as more channels of the tubelets; see
docs/fidelity.md. Letters: B segments, T frames, V = 2 J coordinates.
"""

from typing import Any, ClassVar

from torch import Tensor, nn

from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.tubelets import Grids, TubeletConvolution, Tubelets
from bptubeformer.skeleton import Skeleton

__all__ = ["BPTMirrored"]


class BPTMirrored(BPTubeFormer):
    """BPTubeFormer whose tubelets have four channels: places, and differences to the mirror."""

    counted: ClassVar = {"params": 4_928_653, "macs": 30_572_928}

    def tokeniser(
        self, skeleton: Skeleton, grids: Grids, segment_length: int, **sizes: Any
    ) -> Tubelets:
        """Return the two convolutions; arguments as for ``TubeletConvolution``."""
        return _FourChannels(
            *(TubeletConvolution(skeleton, grids, segment_length, **sizes) for _ in range(2))
        )


class _FourChannels(nn.Module):
    """The convolution over four channels, as the sum of two over two."""

    def __init__(self, places: TubeletConvolution, differences: TubeletConvolution):
        super().__init__()
        self.places, self.differences = places, differences
        self.shape, self.frames = places.shape, places.frames

    @property
    def bias(self) -> nn.Parameter:
        """(G, e)."""
        return self.places.bias

    def forward(self, segments: Tensor) -> Tensor:
        """(B, T, V) -> (G, B, n, e)."""
        return self.places(segments) + self.differences(mirrored_differences(segments))


def mirrored_differences(segments: Tensor) -> Tensor:
    """Return the distance of each coordinate from that of the mirrored frame, T - 1 - t.

    Args:
        segments: float32 (B, T, V); a joint at 0, 0 is missing.

    Returns:
        float32 (B, T, V), not negative; 0 where the joint is missing in one of the frames.
    """
    mirrored = segments.flip(1)
    joints = segments.unflatten(-1, (-1, 2)).any(-1, keepdim=True)
    both = (joints & joints.flip(1)).expand(*joints.shape[:-1], 2).flatten(-2)
    return (segments - mirrored).abs() * both
