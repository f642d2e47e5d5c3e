"""The base of all models: segments to an embedding, and the embedding to logits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from bptubeformer.models.coordinates import normalised

Criterion = Callable[[Tensor, Tensor], Tensor]


class Classifier(nn.Module):
    """A model of segments; a model is a subclass that says how they are embedded.

    ``build_model`` sets ``coordinates`` and ``image_size``, which any run may have.
    """

    stages: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Modules of each stage, by the stage's name: where in the model its MACs arise."""
    counted: ClassVar[Mapping[str, int]] = {}
    """Parameters, and MACs a segment as thop counts them, at 13 classes, 24 frames of COCO's joints
    and the default sizes: those of the source. Models of the paper have Table 2."""
    whole_batches: ClassVar[bool] = False
    """True for a model whose loss compares the segments of a batch with each other."""
    head: nn.Linear
    """From an embedding to logits."""
    coordinates: str = "pixels"
    """Coordinates of the segments that ``encode`` is given; see ``coordinates.normalised``."""
    image_size: Sequence[int] | None = None
    """Width and height of a frame in pixels."""

    def adapt(self, batches: Iterable[Tensor]) -> None:
        """Take from the training data what the model has to know of its scale.

        Called once, before training. What is kept has to be a buffer: it is saved with the weights.

        Args:
            batches: training segments float32 (B, T, V), pixels, batch by batch.
        """
        self.measure(self._seen(batch) for batch in batches)

    def embed(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Embedding (B, D) of segments float32 (B, T, V), pixels.

        Args:
            segments: of the model's length.
            attention: a dict to be filled with one list a transformer, one weight tensor a block.
        """
        return self.encode(self._seen(segments), attention)

    def forward(self, segments: Tensor) -> Tensor:
        """Logits (B, classes) of segments (B, T, V)."""
        return self.head(self.embed(segments))

    def loss(self, segments: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the training loss, a scalar; a model may add to that of its logits.

        Args:
            segments: float32 (B, T, V), pixels.
            targets: classes int64 (B,), or shares of the classes float32 (B, classes).
            criterion: the mean loss of logits (B, classes).
        """
        return criterion(self(segments).float(), targets)

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Do the model's part of ``adapt``; by default nothing.

        Args:
            batches: as for ``adapt``, in the coordinates of the run.
        """

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Do the model's part of ``embed``.

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: as for ``embed``.
        """
        raise NotImplementedError

    def _seen(self, segments: Tensor) -> Tensor:
        return normalised(segments, self.coordinates, self.image_size)
