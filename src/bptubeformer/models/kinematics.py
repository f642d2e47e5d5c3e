"""KinematicsMLP: hand-made features of posture and movement, principal components, a perceptron.

The features of HAPTICS in the ICPR 2024 volume; see docs/fidelity.md. Letters: B segments, T
frames, f frames of a window, N windows.
"""

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count, Fraction
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.kinematic_features import CHAINS, feature_count, windowed_features
from bptubeformer.models.layers import Product, full_precision
from bptubeformer.skeleton import COCO_17, CocoSkeleton

__all__ = ["KinematicsMLP"]
SIZES_OF_ITS_SOURCE = True
TRAINING_OF_ITS_SOURCE = {
    "optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.0004,
}  # fmt: skip
REQUIRES = ("segment_length >= frames", "width % 2 == 0")


class KinematicsMLP(Classifier):
    """Features of windows of frames, their principal components, a perceptron of two layers.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has; with the joints of COCO.
        segment_length: frames of a segment, T.
        frames: f, of a window. The embedding is the mean over all windows of the segment; with f
            as long as the segment, that of one.
        mean: what positions are relative to: the mean of ``all`` values, as printed, or of each of
            the two ``axes``, which hides where in the picture a person is.
        kept: share of the dimensions that the principal components keep.
        width: of the first hidden layer, even; the second is half as wide. Not stated.

    The components are those of the training data, which ``adapt`` finds; until then, the first
    features as they are.
    """

    stages: ClassVar = {
        "tokeniser": ("product",),
        "first transformer": (),
        "second transformer": (),
    }
    counted: ClassVar = {"params": 47_885, "macs": 1_009_792}
    body: Tensor
    """int64 (12,): joints of the chains."""
    centre: Tensor
    """float32 (features,): mean of the training data."""
    components: Tensor
    """float32 (features, components): orthonormal columns, the largest variance first."""

    def __init__(
        self,
        *,
        classes: int,
        skeleton: CocoSkeleton = COCO_17,
        segment_length: Count = 24,
        frames: Count = 3,
        mean: Literal["all", "axes"] = "all",
        kept: Fraction = 0.3,
        width: Count = 256,
    ):
        super().__init__()
        self.frames, self.mean = frames, mean
        index = {joint: number for number, joint in enumerate(skeleton.joints)}
        body = torch.tensor([index[joint] for chain in CHAINS for joint in chain])
        self.register_buffer("body", body, persistent=False)
        features = feature_count(frames)
        components = max(1, round(kept * features))
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("components", torch.eye(features, components))
        self.product = Product()
        self.mlp = nn.Sequential(
            nn.Linear(components, width), nn.ReLU(), nn.Linear(width, width // 2), nn.ReLU()
        )
        self.head = nn.Linear(width // 2, classes)

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Take the principal components of the features; the windows are those of ``encode``."""
        count, total = 0, torch.zeros_like(self.centre, dtype=torch.float64)
        products = torch.diag(total)
        for segments in batches:
            features, used = self._features(segments)
            rows = features[used].double()
            count += len(rows)
            total += rows.sum(dim=0)
            products += rows.T @ rows
        centre = total / count
        _, ascending = torch.linalg.eigh(products / count - torch.outer(centre, centre))
        components = ascending.flip(-1)[:, : self.components.shape[1]]
        # An eigenvector has no sign of its own: here its largest entry is positive.
        largest = components.gather(0, components.abs().argmax(0, keepdim=True))
        self.centre.copy_(centre)
        self.components.copy_(components * largest.sign())

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Mean of the embeddings of the windows, float32 (B, width / 2).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        features, used = self._features(segments)
        with full_precision(segments):
            reduced = self.product(features - self.centre, self.components)
        share = used / used.sum(dim=1, keepdim=True)
        return (self.mlp(reduced) * share.unsqueeze(-1)).sum(dim=1)

    def _features(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``windowed_features`` of segments (B, T, V)."""
        body = segments.unflatten(-1, (-1, 2)).index_select(2, self.body)
        return windowed_features(body, self.frames, self.mean)
