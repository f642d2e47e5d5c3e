"""The stage that computes the attention of a model for one test segment (paper, Fig. 4)."""

from pathlib import Path
from typing import Any

import torch

from bptubeformer.data.splits import check_windows
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.evaluation.inference import attention_of
from bptubeformer.evaluation.inspection import SegmentAttention, choose_segment, described_segment
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.trained import check_model
from bptubeformer.models.files import load_model


def attend_segment(
    store: Path,
    model: Path,
    predictions: Path,
    output: Path,
    run: dict[str, Any] | None = None,
    category: str = "",
) -> None:
    """Compute the attention of the last layer for the segment that ``choose_segment`` chooses.

    Args:
        store: frame store, written by ingest.
        model: model.safetensors, written by train.
        predictions: written by predict.
        output: attention (safetensors).
        run: model and hyperparameters that the model must have; left out: any.
        category: whose surest correct test segment to take.

    Raises:
        InputError: files do not belong together.
    """
    frames = FrameStore.load(store)
    trained = load_model(model)
    check_model(model, trained, run, frames)
    categories, length = trained.categories, trained.run["segment_length"]
    shown_by = Predictions.load(predictions)
    _check_predictions(shown_by, frames, length, predictions)
    chosen = choose_segment(shown_by.labels, shown_by.logits, categories, category)
    start = shown_by.starts[chosen]
    rows = slice(start, start + length)
    segment = frames.frames[rows]
    person = frames.trajectories.iloc[shown_by.trajectory[chosen]]
    SegmentAttention(
        segment=segment,
        frame_number=frames.frame_number[rows],
        attention=attention_of(trained.model, torch.tensor(segment)),
        text=described_segment(person, shown_by.logits[chosen], categories),
        model=trained.content,
    ).save(output)


def _check_predictions(
    predictions: Predictions, store: FrameStore, length: int, path: Path
) -> None:
    """Refuse predictions for other segments than those of a store."""
    check_windows(predictions.starts, predictions.trajectory, store, length, path)
    labels = store.labels[predictions.trajectory]
    mine = (predictions.data, predictions.categories) == (store.fingerprint, store.categories)
    if not mine or (labels != predictions.labels).any():
        raise InputError(
            f"{path}: predictions for other data than this store; write it again with: "
            "bptubeformer predict"
        )
