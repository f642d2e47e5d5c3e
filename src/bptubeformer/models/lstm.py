"""LSTM: a recurrent network over the frames of a segment.

One of the networks of the limb-branch study in the ICPR 2024 volume (docs/fidelity.md). Letters:
B segments, T frames, V coordinates, D width.
"""

from typing import ClassVar

from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, NotNegative, Share
from bptubeformer.models.augmentation import noisy
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import full_precision, two_layers
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["LSTM"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "rmsprop", "momentum": 0.9, "weight_decay": 0.0005, "batch_size": 50,
}  # fmt: skip


class LSTM(Classifier):
    """Long short-term memory, four layers and a multilayer perceptron.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; any.
        width: D, of the state of each layer.
        depth: layers of the recurrent network.
        mlp_width: of both hidden layers of the perceptron; not stated.
        dropout: in the perceptron.
        noise: standard deviation of the normal noise on training segments, in the unit of the
            coordinates.
    """

    stages: ClassVar = {
        "tokeniser": (),
        "first transformer": (),
        "second transformer": (),
    }
    counted: ClassVar = {"params": 2_012_941, "macs": 45_403_392}

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        width: Count = 256,
        depth: Depth = 4,
        mlp_width: Count = 256,
        dropout: Share = 0.5,
        noise: NotNegative = 0.01,
    ):
        super().__init__()
        self.noise = noise
        self.recurrent = nn.LSTM(skeleton.values, width, num_layers=depth, batch_first=True)
        self.mlp = two_layers(width, mlp_width, dropout)
        self.head = nn.Linear(mlp_width, classes)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.orthogonal_(parameter)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Last state of the last layer through the perceptron, float32 (B, mlp_width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        if self.training:
            segments = noisy(segments, self.noise)
        with full_precision(segments):
            states, _ = self.recurrent(segments)
        return self.mlp(states[:, -1])
