"""Jobs on a trained model: predict a fold's test segments, embed them, attend to one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import Split, check_windows
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError, shown
from bptubeformer.evaluation.inference import attention_of, embed
from bptubeformer.evaluation.inspection import (
    Embeddings,
    SegmentAttention,
    choose_segment,
    sample_per_class,
)
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.models import TrainedModel, load_model
from bptubeformer.models.classifier import Classifier
from bptubeformer.training.device import choose_device
from bptubeformer.training.loop import predict
from bptubeformer.training.precision import check_precision


@dataclass(frozen=True)
class TrainedFold:
    """A trained model and the test windows of its fold, ready on a device."""

    store: FrameStore
    model: Classifier
    run: Mapping[str, Any]
    """Model and hyperparameters, as for ``build_model``."""
    categories: tuple[str, ...]
    starts: np.ndarray
    """int64 (n,): first frame of each test window."""
    trajectory: np.ndarray
    """int64 (n,): trajectory of each test window."""
    content: str
    """Hash of the content of the model."""
    device: torch.device

    @classmethod
    def open(
        cls,
        store_file: Path,
        split_file: Path,
        model_file: Path,
        run: Mapping[str, Any],
        device_name: str,
        threads: int,
        slots_per_gpu: int = 1,
    ) -> "TrainedFold":
        """Read the files of a fold.

        Args:
            store_file: the frame store.
            split_file: windows of the fold.
            model_file: the trained model.
            run: model and hyperparameters that it must have; nothing is asked for if it is empty.
            device_name: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
            threads: CPU threads of torch.
            slots_per_gpu: jobs that share a GPU.

        Raises:
            InputError: a file is not what it should be, or they do not belong together.
        """
        torch.set_num_threads(threads)
        device = choose_device(device_name, slots_per_gpu)
        store = FrameStore.load(store_file)
        trained = load_model(model_file)
        check_model(model_file, trained, run, store)
        split = Split.load(split_file)
        split.check(store, trained.run["segment_length"], split_file)
        starts, trajectory = split.windows("test")
        return cls(
            store=store,
            model=trained.model.to(device),
            run=trained.run,
            categories=tuple(trained.categories),
            starts=starts,
            trajectory=trajectory,
            content=trained.content,
            device=device,
        )

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,): true class index of each test window."""
        return self.store.labels[self.trajectory]

    def segments(self, chosen: np.ndarray | slice = slice(None)) -> Segments:
        """The test segments, or those at ``chosen``."""
        starts, trajectory = self.starts[chosen], self.trajectory[chosen]
        length = self.run["segment_length"]
        return Segments.of(self.store, starts, trajectory, length, self.device)


def predict_fold(fold: TrainedFold, precision: str, output: Path) -> None:
    """Logits of all test segments of a fold, written as ``predictions.parquet``."""
    check_precision(precision, fold.device)
    logits = predict(fold.model, fold.segments(), precision).cpu().numpy()
    Predictions(
        starts=fold.starts,
        trajectory=fold.trajectory,
        labels=fold.labels,
        logits=logits,
        categories=fold.categories,
        data=fold.store.fingerprint,
        model=fold.content,
    ).save(output)
    correct = float((logits.argmax(axis=1) == fold.labels).mean())
    print(f"{len(logits)} test segments, {100 * correct:.1f} % classified correctly")


def embed_fold(fold: TrainedFold, per_class: int, seed: int, output: Path) -> None:
    """Class-token embeddings of at most ``per_class`` test segments of each class."""
    chosen = sample_per_class(fold.labels, per_class, seed)
    embedding, predicted = embed(fold.model, fold.segments(chosen))
    shown = (embedding, fold.labels[chosen], predicted, fold.categories, fold.trajectory[chosen])
    Embeddings(*shown).save(output)


def attend_segment(
    store_file: Path,
    model_file: Path,
    run: Mapping[str, Any],
    predictions_file: Path,
    category: str,
    output: Path,
) -> None:
    """Attention of the last layer for the test segment that ``choose_segment`` chooses."""
    store = FrameStore.load(store_file)
    trained = load_model(model_file)
    check_model(model_file, trained, run, store)
    categories, length = trained.categories, trained.run["segment_length"]
    predictions = Predictions.load(predictions_file)
    _check_predictions(predictions, store, length, predictions_file)
    chosen = choose_segment(predictions.labels, predictions.logits, categories, category)
    start = predictions.starts[chosen]
    rows = slice(start, start + length)
    segment = store.frames[rows]
    person = store.trajectories.iloc[predictions.trajectory[chosen]]
    probability = softmax(predictions.logits[chosen])
    SegmentAttention(
        segment=segment,
        frame_number=store.frame_number[rows],
        attention=attention_of(trained.model, torch.tensor(segment)),
        text={
            "category": shown(person["category"]),
            "video": shown(person["video"]),
            "person": shown(person["person"]),
            "predicted": categories[int(probability.argmax())],
            "probability": f"{probability.max():.4f}",
        },
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
            "bptubeformer test"
        )


def check_model(
    model_file: Path, trained: TrainedModel, run: Mapping[str, Any], store: FrameStore
) -> None:
    """Refuse a model of other classes, of other data or of another run.

    Raises:
        InputError: says what it is, and what was expected.
    """
    if tuple(trained.categories) != store.categories:
        raise InputError(
            f"{model_file}: trained for the classes {', '.join(trained.categories)}, but the data "
            f"has {', '.join(store.categories)}; train it again with: bptubeformer train"
        )
    if trained.data != store.fingerprint:
        raise InputError(
            f"{model_file}: trained on other data ({trained.data}) than this store "
            f"({store.fingerprint}); train it again with: bptubeformer train, or use it on any "
            "data with: bptubeformer predict"
        )
    if run and dict(run) != trained.run:
        raise InputError(
            f"{model_file}: a model of another run: it is {trained.run}, expected {dict(run)}; "
            "train it again with: bptubeformer train"
        )
