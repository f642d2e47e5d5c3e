"""LightHART: a spatial block on each frame, then a transformer over patches of time.

The skeleton teacher STConvT of LightHART in the ICPR 2024 volume, which reports what its spatial
block is worth (docs/fidelity.md). Letters: B segments, T frames, J joints, C channels, N patches,
P frames of a patch, D width.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import EPSILON, ClassToken, Encoder, full_precision, weights_of
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["LightHART"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "sgd", "learning_rate": 0.0025, "max_epochs": 250, "early_stopping_patience":
    250,
}  # fmt: skip
REQUIRES = ("segment_length % patch_frames == 0", "channels % heads == 0")

KERNEL = 9


class LightHART(Classifier):
    """Spatial block, patches of time as tokens, transformer.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; a multiple of ``patch_frames``.
        spatial: the block before the patches: two layers of ``convolution``, a ``transformer`` over
            the joints of each frame, or ``none``.
        along: what the nine values of a kernel are: ``frames`` of one joint, or ``joints`` of one
            frame; the source can be read both ways.
        channels: C, of the spatial block, a multiple of the heads; not stated.
        patch_frames: P, frames of a token; not stated.
        token_width: D, width of a token.
        depth: blocks of the transformer, and of that over the joints.
        heads: attention heads; not stated.
        mlp_ratio: width of the hidden layer of a block over its own width; not stated.
        dropout: on the residual branches; not stated.

    Raises:
        ValueError: the heads do not divide the width.
    """

    stages: ClassVar = {
        "tokeniser": ("patches",),
        "first transformer": ("spatial",),
        "second transformer": ("transformer",),
    }
    counted: ClassVar = {"params": 55_309, "macs": 1_386_016}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        spatial: Literal["convolution", "transformer", "none"] = "convolution",
        along: Literal["frames", "joints"] = "frames",
        channels: Count = 16,
        patch_frames: Count = 4,
        token_width: Count = 32,
        depth: Depth = 2,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__()
        self.patch_frames = patch_frames
        joints = len(skeleton.joints)

        def encoder(width: int) -> Encoder:
            return Encoder(width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout)

        self.spatial: nn.Module = nn.Identity()
        if spatial == "convolution":
            self.spatial = _Convolution(channels, (1, KERNEL) if along == "frames" else (KERNEL, 1))
        elif spatial == "transformer":
            self.spatial = _JointTransformer(joints, encoder(channels), channels)
        values = joints * patch_frames * (2 if spatial == "none" else channels)
        self.patches = nn.Linear(values, token_width)
        self.class_token = ClassToken(segment_length // patch_frames, token_width)
        nn.init.normal_(self.class_token.positions, std=0.02)
        self.transformer = encoder(token_width)
        self.norm = nn.LayerNorm(token_width, eps=EPSILON)
        self.head = nn.Linear(token_width, classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class-token embedding of segments.

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a block: ``patches``
                (B, H, 1 + N, 1 + N), class token first, and, with a transformer over joints,
                ``joints`` (B * T, H, J, J).

        Returns:
            float32 (B, D).
        """
        frames = segments.unflatten(-1, (-1, 2))  # (B, T, V) -> (B, T, J, 2)
        if isinstance(self.spatial, _JointTransformer):
            frames = self.spatial(frames, weights_of(attention, "joints"))
        else:
            frames = self.spatial(frames)
        with full_precision(segments):
            # (B, T, J, C) -> (B, N, P * J * C) -> (B, N, D)
            patches = self.patches(frames.unflatten(1, (-1, self.patch_frames)).flatten(2))
        tokens = self.transformer(self.class_token(patches), weights_of(attention, "patches"))
        return self.norm(tokens)[:, 0]


class _Convolution(nn.Sequential):
    """Two convolutions of the joints over time: (B, T, J, 2) -> (B, T, J, C)."""

    def __init__(self, channels: int, kernel: tuple[int, int]):
        super().__init__(
            nn.Conv2d(2, channels, kernel, padding="same"), nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, padding="same"), nn.ReLU(),
        )  # fmt: skip

    def forward(self, frames: Tensor) -> Tensor:
        with full_precision(frames):
            return super().forward(frames.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)


class _JointTransformer(nn.Module):
    """A transformer over the joints of each frame: (B, T, J, 2) -> (B, T, J, C)."""

    def __init__(self, joints: int, encoder: Encoder, channels: int):
        super().__init__()
        self.embedding = nn.Linear(2, channels)
        self.positions = nn.Parameter(torch.randn(joints, channels) * 0.02)
        self.encoder = encoder

    def forward(self, frames: Tensor, weights: list[Tensor] | None) -> Tensor:
        with full_precision(frames):
            tokens = self.embedding(frames.flatten(0, 1)) + self.positions
        return self.encoder(tokens, weights).unflatten(0, frames.shape[:2])
