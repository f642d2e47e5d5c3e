"""Predictions of a model on the test segments of a fold, as a table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.atomic import replacing
from bptubeformer.errors import InputError

LOGIT = "logit "
"""Prefix of the columns with logits; the class name follows."""


def predictions_file(results: Path, protocol: str, run: str, fold: int) -> Path:
    """Where the predictions of one fold of a run stand, below ``results/<dataset>``."""
    return results / protocol / run / f"fold{fold}" / "predictions.parquet"


def prediction_table(
    starts: np.ndarray,
    trajectory: np.ndarray,
    labels: np.ndarray,
    logits: np.ndarray,
    categories: Sequence[str],
) -> pd.DataFrame:
    """One row a test segment.

    Args:
        starts: int64 (n,), first frame of each segment in the frame store.
        trajectory: int64 (n,), index of its trajectory.
        labels: int64 (n,), true class index.
        logits: float32 (n, classes).
        categories: class names.

    Returns:
        columns ``window_start``, ``trajectory``, ``label`` (category) and a ``logit <class>`` each.
    """
    table = {
        "window_start": starts,
        "trajectory": trajectory,
        "label": pd.Categorical.from_codes(labels, categories=list(categories)),
    }
    table |= {f"{LOGIT}{name}": logits[:, i] for i, name in enumerate(categories)}
    return pd.DataFrame(table)


def save_predictions(path: Path, table: pd.DataFrame) -> None:
    """Write a prediction table as parquet, whole or not at all."""
    with replacing(path) as partial:
        table.to_parquet(partial, index=False)


def load_predictions(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labels int64 (n,), logits float32 (n, classes) and class names of a saved table.

    Raises:
        InputError: the file is not a table of predictions.
    """
    try:
        table = pd.read_parquet(path)
        categories = [name[len(LOGIT) :] for name in table.columns if name.startswith(LOGIT)]
        labels = table["label"].cat.set_categories(categories).cat.codes.to_numpy(np.int64)
        logits = table[[LOGIT + name for name in categories]].to_numpy(np.float32)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: not a table of predictions ({error}); write it with: bptubeformer predict"
        ) from error
    return labels, logits, categories
