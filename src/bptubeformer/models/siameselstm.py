"""SiameseLSTM: a recurrent network that learns which segments are of one class.

JS-Siamese in the ICPR 2024 volume, on coordinates; see docs/fidelity.md. Letters: B segments,
T frames, V coordinates, D width of the projection.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.kinds import Count, Depth, Fraction
from bptubeformer.models.classifier import Classifier, Criterion
from bptubeformer.models.layers import full_precision
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["SiameseLSTM"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "learning_rate": 0.001, "max_epochs": 50, "early_stopping_patience": 50,
}  # fmt: skip


class SiameseLSTM(Classifier):
    """Recurrent network trained on pairs, and a linear classifier on what it has learned.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; any.
        width: of the state of each layer; not stated.
        depth: layers of the recurrent network.
        projection: D.
        margin: largest cosine of two classes that costs nothing; not stated.
    """

    stages: ClassVar = {"tokeniser": (), "first transformer": (), "second transformer": ()}
    counted: ClassVar = {"params": 357_261, "macs": 8_438_592}
    whole_batches: ClassVar = True

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        width: Count = 128,
        depth: Depth = 3,
        projection: Count = 64,
        margin: Fraction = 0.5,
    ):
        super().__init__()
        self.margin = margin
        self.recurrent = nn.LSTM(skeleton.values, width, num_layers=depth, batch_first=True)
        self.projection = nn.Linear(width, projection)
        self.head = nn.Linear(projection, classes)

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Projection of the last state of the last layer, of length 1, float32 (B, D).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        with full_precision(segments):
            states, _ = self.recurrent(segments)
            return F.normalize(self.projection(states[:, -1]), dim=-1)

    def loss(self, segments: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the loss of all pairs, and that of the classifier, which changes no other weight.

        Arguments as for ``Classifier.loss``.
        """
        embeddings = self.embed(segments)
        labels = targets.argmax(dim=-1) if targets.is_floating_point() else targets
        of_classifier = criterion(self.head(embeddings.detach()).float(), targets)
        with full_precision(segments):
            return of_classifier + loss_of_pairs(embeddings, labels, self.margin)


def loss_of_pairs(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean loss of the pairs of one class, and of those of two classes, added; a scalar.

    Args:
        embeddings: float32 (B, D), of length 1.
        labels: int64 (B,).
        margin: of the cosine of two classes.
    """
    cosine = embeddings @ embeddings.T
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    others = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    alike, apart = same & others, ~same
    near = ((1 - cosine).square() * alike).sum() / alike.sum().clamp(min=1)
    far = ((cosine - margin).clamp(min=0).square() * apart).sum() / apart.sum().clamp(min=1)
    return near + far
