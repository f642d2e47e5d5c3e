"""LimbCNN: one convolutional branch a limb, joined by a multilayer perceptron.

The network tCNN-IMU of the limb-branch study in the ICPR 2024 volume (docs/fidelity.md): the
convolutional counterpart of five part encoders. Letters: B segments, T frames, V coordinates.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, NotNegative, Share
from bptubeformer.models.augmentation import noisy
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import two_layers
from bptubeformer.skeleton import COCO_17, CocoSkeleton

__all__ = ["LimbCNN"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "rmsprop", "momentum": 0.9, "weight_decay": 0.0005, "batch_size": 100,
}  # fmt: skip
REQUIRES = ("segment_length > depth * (kernel_frames - 1)",)

LIMBS = {
    "left arm": ("left shoulder", "left elbow", "left wrist"),
    "right arm": ("right shoulder", "right elbow", "right wrist"),
    "left leg": ("left hip", "left knee", "left ankle"),
    "right leg": ("right hip", "right knee", "right ankle"),
    "head": ("nose", "left eye", "right eye", "left ear", "right ear"),
}


class LimbCNN(Classifier):
    """Convolutions over time, for each limb apart.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T; each layer takes ``kernel_frames - 1``.
        branches: ``limbs``, or the body ``parts`` of the skeleton.
        depth: convolutional layers of a branch.
        width: filters of a layer; not stated.
        kernel_frames: frames that a filter sees; not stated.
        mlp_width: of both hidden layers of the perceptron; not stated.
        dropout: in the perceptron.
        noise: standard deviation of the normal noise on training segments, in the unit of the
            coordinates.
    """

    stages: ClassVar = {
        "tokeniser": ("branches",),
        "first transformer": (),
        "second transformer": (),
    }
    counted: ClassVar = {"params": 9_492_813, "macs": 34_466_816}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: CocoSkeleton = COCO_17,
        segment_length: Count = 24,
        branches: Literal["limbs", "parts"] = "limbs",
        depth: Depth = 4,
        width: Count = 64,
        kernel_frames: Count = 5,
        mlp_width: Count = 512,
        dropout: Share = 0.5,
        noise: NotNegative = 0.01,
    ):
        super().__init__()
        left = segment_length - depth * (kernel_frames - 1)
        self.noise = noise
        self.members = _limbs_of(skeleton) if branches == "limbs" else [*skeleton.members.values()]
        self.branches = nn.ModuleList(_branch(depth, width, kernel_frames) for _ in self.members)
        values = 2 * sum(map(len, self.members))
        self.mlp = two_layers(width * left * values, mlp_width, dropout)
        self.head = nn.Linear(mlp_width, classes)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.orthogonal_(parameter)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """All branches through the perceptron, float32 (B, mlp_width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        if self.training:
            segments = noisy(segments, self.noise)
        joints = segments.unflatten(-1, (-1, 2))
        # (B, T, J', 2) -> (B, 1, T, V') -> (B, C, T', V')
        limbs = [
            branch(joints[:, :, members].flatten(-2).unsqueeze(1)).flatten(1)
            for branch, members in zip(self.branches, self.members, strict=True)
        ]
        return self.mlp(torch.cat(limbs, dim=1))


def _branch(depth: int, width: int, frames: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in range(depth):
        layers += [nn.Conv2d(width if layer else 1, width, (frames, 1)), nn.ReLU()]
    return nn.Sequential(*layers)


def _limbs_of(skeleton: CocoSkeleton) -> list[list[int]]:
    index = {joint: number for number, joint in enumerate(skeleton.joints)}
    return [[index[joint] for joint in limb] for limb in LIMBS.values()]
