"""The base of all models: segments to an embedding, and the embedding to logits."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from torch import Tensor, nn


class Classifier(nn.Module):
    """A model of segments; a model is a subclass that says how they are embedded."""

    stages: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Modules of each stage, by the stage's name: where in the model its MACs arise."""
    head: nn.Linear
    """From an embedding to logits."""

    def adapt(self, batches: Iterable[Tensor]) -> None:
        """Take from the training data what the model has to know of its scale; by default nothing.

        Called once, before training. What is kept has to be a buffer: it is saved with the weights.

        Args:
            batches: training segments float32 (B, T, V), pixels, batch by batch.
        """

    def embed(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Embedding (B, D) of segments float32 (B, T, V), pixels.

        Args:
            segments: of the model's length.
            attention: a dict to be filled with one list a transformer, one weight tensor a block.
        """
        raise NotImplementedError

    def forward(self, segments: Tensor) -> Tensor:
        """Logits (B, classes) of segments (B, T, V)."""
        return self.head(self.embed(segments))
