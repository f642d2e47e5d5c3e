"""The records of a training: ``run.json``, its settings and surroundings, and ``history.csv``."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from bptubeformer.kinds import (
    LONGEST,
    Count,
    Digest,
    Fingerprint,
    Flag,
    Kind,
    Moment,
    Name,
    NotNegative,
    line,
)
from bptubeformer.reading import reading
from bptubeformer.schema import section_of
from bptubeformer.sections import Record, Section
from bptubeformer.settings import TrainingSettings

COLUMNS = {
    "epoch": int, "train_loss": float, "validation_loss": float, "validation_accuracy": float,
    "learning_rate": float, "seconds": float, "best": bool,
}  # fmt: skip
"""Columns of ``history.csv``; losses are means over segments, in nats."""

MOST_BYTES = 20_000_000
"""Of ``history.csv``: a hundred thousand epochs have as many."""


class Settings(section_of(TrainingSettings)):  # type: ignore[misc]
    """``training``."""

    expected = "a mapping of training settings"


class Segments(Section):
    """``segments``: how many there were."""

    train: Count
    validation: Count


class Memory(Section):
    """``peak_memory_mb``; those of the device where it was a GPU."""

    host: NotNegative
    device_allocated: NotNegative = 0
    device_reserved: NotNegative = 0


class Fingerprints(Section):
    """``fingerprints``: of the store, the code and the split, and the content of the model.

    ``start`` is the content of the trained model that the training began with.
    """

    data: Fingerprint
    code: Fingerprint
    split: Fingerprint
    model: Digest
    start: Digest | None = None


class Versions(Section):
    """``versions``."""

    bptubeformer: Name
    python: Name
    torch: Name
    numpy: Name


class TrainingRecord(Record):
    """The content of ``run.json``."""

    expected = "the record of a training"
    writer = "bptubeformer train"
    run: Annotated[dict[str, Any], Kind("a mapping of model and hyperparameters")]
    training: Settings
    micro_batch: Count
    cuda_graphs: Flag
    split: Name
    """Path of the split."""
    segments: Segments
    epochs: Count
    best_epoch: Count
    device: Name
    visible_gpus: Annotated[
        str | None,
        Kind("a text in one line, or null", pattern=f"^$|{line()}", max_length=LONGEST),
    ]
    threads: Count
    resumed_after_epochs: Annotated[list[Count], Kind("a list of numbers of epochs")]
    ended: Moment
    seconds: NotNegative
    seconds_before_first_epoch: NotNegative
    peak_memory_mb: Memory
    fingerprints: Fingerprints
    versions: Versions


def read_history(path: Path) -> pd.DataFrame:
    """Read ``history.csv``: a row an epoch, with the columns of ``COLUMNS``.

    Raises:
        InputError: the file is not the history of a training.
    """
    with reading(path, "the history of a training", "bptubeformer train"):
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES / 1e6:.0f} MB")
        table = pd.read_csv(path, dtype=COLUMNS)
        known = list(table.columns) == list(COLUMNS) and isinstance(table.index, pd.RangeIndex)
        if not known or not len(table):
            raise ValueError(f"expected the columns {', '.join(COLUMNS)} and a row an epoch")
        if not np.isfinite(table.drop(columns="best").to_numpy(float)).all():
            raise ValueError("it has values that are not finite numbers")
        return table
