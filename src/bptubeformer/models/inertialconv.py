"""InertialConv: velocities and accelerations of each part in place of its tubelets.

The inertial encoder of ATVIO, before the body-part transformer of the paper; see docs/fidelity.md.
Letters: B segments, T frames, P parts, C channels, D = 2 C.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import EPSILON, ClassToken, Encoder, initialise, weights_of
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["InertialConv"]
TRAINING_OF_ITS_SOURCE = {
    "betas": [0.9, 0.999], "weight_decay": 0.00035, "learning_rate": 0.001, "batch_size": 16,
    "max_epochs": 100, "early_stopping_patience": 100,
}  # fmt: skip
REQUIRES = ("segment_length >= 7", "2 * width % heads == 0")


class InertialConv(Classifier):
    """Two streams of convolutions over time for each part, then a transformer over the parts.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; at least 7: two differences, and two convolutions of
            three frames that leave one.
        width: C, channels of a stream.
        depth: blocks of the transformer.
        heads: attention heads.
        mlp_ratio: width of the hidden layer of a block over its own width.
        dropout: on the residual branches.
    """

    stages: ClassVar = {
        "tokeniser": ("velocity", "acceleration"),
        "first transformer": (),
        "second transformer": ("transformer",),
    }
    counted: ClassVar = {"params": 2_634_253, "macs": 22_269_952}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        width: Count = 128,
        depth: Depth = 4,
        heads: Count = 8,
        mlp_ratio: Count = 2,
        dropout: Share = 0.1,
    ):
        super().__init__()
        self.members = [*skeleton.members.values()]
        self.velocity, self.acceleration = (
            nn.ModuleList(_stream(2 * len(joints), width) for joints in self.members)
            for _ in range(2)
        )
        self.class_token = ClassToken(len(self.members), 2 * width)
        self.transformer = Encoder(
            2 * width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout
        )
        self.norm = nn.LayerNorm(2 * width, eps=EPSILON)
        self.head = nn.Linear(2 * width, classes)
        initialise(self, self.head)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Class-token embedding of segments, float32 (B, D).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: a dict to be filled with one weight tensor a block: ``body parts``
                (B, H, 1 + P, 1 + P), class token first.
        """
        places = segments.unflatten(-1, (-1, 2))
        parts = []
        for number, joints in enumerate(self.members):
            part = places[:, :, joints].flatten(-2).transpose(1, 2)  # (B, 2 J, T)
            velocity = self.velocity[number](part.diff(dim=-1))
            acceleration = self.acceleration[number](part.diff(n=2, dim=-1))
            parts.append(torch.cat([velocity.mean(-1), acceleration.mean(-1)], dim=-1))
        tokens = self.class_token(torch.stack(parts, dim=1))
        tokens = self.transformer(tokens, weights_of(attention, "body parts"))
        return self.norm(tokens)[:, 0]


def _stream(values: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(values, width, 3), nn.ReLU(), nn.Conv1d(width, width, 3), nn.ReLU(),
        nn.MaxPool1d(3, stride=1, padding=1),
    )  # fmt: skip
