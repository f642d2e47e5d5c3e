"""Predictions of a model on the test segments of a fold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.atomic import replacing
from bptubeformer.kinds import Digest, Fingerprint
from bptubeformer.reading import read_parquet, reading
from bptubeformer.sections import Record

LOGIT = "logit "
"""Prefix of the columns with logits; the class name follows."""


class About(Record):
    """The entries of the file beside the table."""

    expected = "a table of predictions"
    writer = "bptubeformer predict"
    data: Fingerprint
    model: Digest


@dataclass(frozen=True)
class Predictions:
    """A model's logits for the test segments of a fold."""

    starts: np.ndarray
    """int64 (n,): first frame of each segment in the frame store."""
    trajectory: np.ndarray
    """int64 (n,): index of the trajectory of each segment."""
    labels: np.ndarray
    """int64 (n,): true class index."""
    logits: np.ndarray
    """float32 (n, classes)."""
    categories: tuple[str, ...]
    """Class names."""
    data: str
    """Fingerprint of the store."""
    model: str
    """Hash of the content of the model."""

    def save(self, path: Path) -> None:
        """Write a segment a row: window_start, trajectory, label and a ``logit <class>`` each."""
        label = pd.Categorical.from_codes(self.labels, categories=list(self.categories))
        table = {"window_start": self.starts, "trajectory": self.trajectory, "label": label}
        table |= {f"{LOGIT}{name}": self.logits[:, i] for i, name in enumerate(self.categories)}
        frame = pd.DataFrame(table)
        frame.attrs = {"data": self.data, "model": self.model}
        with replacing(path) as partial:
            frame.to_parquet(partial, index=False)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read what ``save`` wrote.

        Raises:
            InputError: the file is not a table of predictions.
        """
        table, about = read_parquet(path, About)
        with reading(path, About.expected, About.writer):
            categories = [name[len(LOGIT) :] for name in table.columns if name.startswith(LOGIT)]
            labels = table["label"].cat.set_categories(categories)
            logits = table[[LOGIT + name for name in categories]].to_numpy(np.float32)
            if not len(logits) or not np.isfinite(logits).all() or labels.isna().any():
                raise ValueError("it has no rows, or values that are not numbers or classes")
            return cls(
                starts=table["window_start"].to_numpy(np.int64),
                trajectory=table["trajectory"].to_numpy(np.int64),
                labels=labels.cat.codes.to_numpy(np.int64),
                logits=logits,
                categories=tuple(categories),
                **about,
            )
