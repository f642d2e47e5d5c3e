"""Files for the figures of a trained model: class-token embeddings and attention.

Without torch: the notebooks read these records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.special import log_softmax, softmax

from bptubeformer.atomic import replacing
from bptubeformer.kinds import Digest, Line, Name, Names
from bptubeformer.metadata import describe, pack
from bptubeformer.reading import reading
from bptubeformer.sections import Record
from bptubeformer.texts import shown


class AboutEmbeddings(Record):
    """The entries of a file of embeddings beside them."""

    expected = "a file of embeddings"
    writer = "bptubeformer embed"
    categories: Names
    model: Digest


class AboutAttention(Record):
    """The entries of a file of attention beside it."""

    expected = "the attention of a segment"
    writer = "bptubeformer attend"
    category: Name
    predicted: Name
    probability: Line
    video: Name
    person: Name
    model: Digest


@dataclass(frozen=True)
class Embeddings:
    """Class-token embeddings of test segments, for t-SNE and silhouettes (paper, Fig. 5)."""

    embedding: np.ndarray
    """float32 (n, D)."""
    label: np.ndarray
    """int64 (n,): true class index."""
    predicted: np.ndarray
    """int64 (n,): predicted class index."""
    categories: tuple[str, ...]
    trajectory: np.ndarray
    """int64 (n,): index of the trajectory of each segment."""
    model: str
    """Hash of the content of the model."""

    def save(self, path: Path) -> None:
        """Write to one safetensors file."""
        arrays = {"embedding": self.embedding, "label": self.label, "predicted": self.predicted}
        arrays["trajectory"] = self.trajectory
        about = {"categories": self.categories, "model": self.model}
        with replacing(path) as partial:
            save_file(arrays, partial, metadata=pack(about))

    @classmethod
    def load(cls, path: Path) -> "Embeddings":
        """Read what ``save`` wrote.

        Raises:
            InputError: the file holds no embeddings.
        """
        with (
            reading(path, AboutEmbeddings.expected, AboutEmbeddings.writer),
            safe_open(path, framework="np") as file,
        ):
            about = describe(file.metadata(), AboutEmbeddings, path)
            found = cls(
                embedding=file.get_tensor("embedding"),
                label=file.get_tensor("label"),
                predicted=file.get_tensor("predicted"),
                categories=tuple(about["categories"]),
                trajectory=file.get_tensor("trajectory"),
                model=about["model"],
            )
            found._check()
            return found

    def _check(self) -> None:
        """Refuse arrays that do not belong together.

        Raises:
            ValueError: says which.
        """
        shape = (len(self.embedding),)
        if self.embedding.ndim != 2 or not np.isfinite(self.embedding).all():
            raise ValueError("its embeddings are not a table of finite numbers")
        if self.trajectory.shape != shape or (self.trajectory < 0).any():
            raise ValueError("its trajectories are not one for each embedding")
        for name, classes in (("label", self.label), ("predicted", self.predicted)):
            known = (classes >= 0) & (classes < len(self.categories))
            if classes.shape != shape or not known.all():
                raise ValueError(f"its {name} is not one of its classes for each embedding")


@dataclass(frozen=True)
class SegmentAttention:
    """Attention of the last layer of every transformer for one test segment (paper, Fig. 4)."""

    segment: np.ndarray
    """float32 (T, V), pixels."""
    frame_number: np.ndarray
    """int32 (T,): number of each frame in the video."""
    attention: dict[str, np.ndarray]
    """``body parts`` (H, 1 + P, 1 + P), class token first, and each part (H, n, n); rows sum to
    1."""
    text: dict[str, str]
    """category, predicted, probability (of the predicted class), video, person."""
    model: str
    """Hash of the content of the model."""

    def save(self, path: Path) -> None:
        """Write to one safetensors file."""
        arrays = {"segment": self.segment, "frame_number": self.frame_number}
        arrays |= {f"attention {name}": weights for name, weights in self.attention.items()}
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        with replacing(path) as partial:
            save_file(arrays, partial, metadata=pack({**self.text, "model": self.model}))

    @classmethod
    def load(cls, path: Path) -> "SegmentAttention":
        """Read what ``save`` wrote.

        Raises:
            InputError: the file holds no attention.
        """
        with (
            reading(path, AboutAttention.expected, AboutAttention.writer),
            safe_open(path, framework="np") as file,
        ):
            names = [name for name in file.keys() if name.startswith("attention ")]  # noqa: SIM118
            text = describe(file.metadata(), AboutAttention, path)
            model = text.pop("model")
            found = cls(
                segment=file.get_tensor("segment"),
                frame_number=file.get_tensor("frame_number"),
                attention={n.removeprefix("attention "): file.get_tensor(n) for n in names},
                text=text,
                model=model,
            )
            found._check()
            return found

    def _check(self) -> None:
        """Refuse arrays that do not belong together.

        Raises:
            ValueError: says which.
        """
        count, values = self.segment.shape
        if count != len(self.frame_number) or values % 2:
            raise ValueError("its segment is not one skeleton for each frame")
        for name, weights in self.attention.items():
            tokens = weights.shape[-1]
            if weights.ndim != 3 or weights.shape[1] != tokens or not _sum_to_one(weights):
                raise ValueError(f"its attention of {name} is not a square of shares for each head")


def described_segment(
    person: pd.Series, logits: np.ndarray, categories: Sequence[str]
) -> dict[str, str]:
    """Return what is said of a shown segment: ``SegmentAttention.text``.

    Args:
        person: row of its trajectory: category, video, person.
        logits: float32 (classes,).
        categories: class names.
    """
    probability = softmax(logits)
    return {
        **{key: shown(person[key]) for key in ("category", "video", "person")},
        "predicted": categories[int(probability.argmax())],
        "probability": f"{probability.max():.4f}",
    }


def _sum_to_one(weights: np.ndarray) -> bool:
    return bool((weights >= 0).all() and np.allclose(weights.sum(axis=-1), 1, atol=1e-4))


def sample_per_class(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Indices of at most ``per_class`` examples of each class, ascending, int64 (n,)."""
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        chosen.append(generator.permutation(members)[:per_class])
    return np.sort(np.concatenate(chosen))


def choose_segment(
    labels: np.ndarray, logits: np.ndarray, categories: Sequence[str], category: str
) -> int:
    """The test segment to show: the surest correct one of ``category``.

    The paper shows a segment of Abuse (section 4) and does not say how it was chosen. Where the
    data has no such category, or no test segment of it, the surest of all; where none of the
    category is classified correctly, the one nearest to it.

    Args:
        labels: int64 (n,), true class index.
        logits: float32 (n, classes).
        categories: class names.
        category: whose segment to prefer.

    Returns:
        Position in ``labels``.
    """
    log_probability = log_softmax(logits, axis=1)
    sureness = log_probability[np.arange(len(labels)), labels]
    correct = logits.argmax(axis=1) == labels
    wanted = np.ones(len(labels), dtype=bool)
    if category in categories and (labels == categories.index(category)).any():
        wanted = labels == categories.index(category)
    if (wanted & correct).any():
        wanted &= correct
    return int(np.where(wanted, sureness, -np.inf).argmax())
