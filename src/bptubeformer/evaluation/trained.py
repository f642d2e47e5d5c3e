"""A trained model and the test segments of its fold, for the stages that use them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import Split
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.kinds import Index, Options
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.files import TrainedModel, load_model
from bptubeformer.study import MODEL, of_fold
from bptubeformer.training.device import DEFAULT_MACHINE, Machine, choose_device


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
    training: Mapping[str, Any]
    """Settings of its training."""

    @classmethod
    def open(
        cls,
        store_file: Path,
        split_file: Path,
        model_file: Path,
        run: Mapping[str, Any] | None,
        device_name: str,
        threads: int,
        slots_per_gpu: int = 1,
    ) -> "TrainedFold":
        """Read the files of a fold.

        Args:
            store_file: the frame store.
            split_file: windows of the fold.
            model_file: the trained model.
            run: model and hyperparameters that it must have; any if it is empty.
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
        return cls.of(store, trained, split, device)

    @classmethod
    def of(
        cls,
        store: FrameStore,
        trained: TrainedModel,
        split: Split,
        device: torch.device,
    ) -> "TrainedFold":
        """Put a trained model and the test windows of its fold together.

        Args:
            store: the dataset.
            trained: the model, trained on it.
            split: the windows of its fold.
            device: where it is used.
        """
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
            training=trained.training,
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


@dataclass(frozen=True)
class TrainedFolds(Options):
    """The trained models of some folds of a run, as the command line names them.

    Args:
        store: frame store, written by ingest.
        splits: folder with fold<k>.parquet, written by split.
        folder: folder of a fold, with {fold} for its number; its model is read there.
        run: model and hyperparameters that the models must have; left out: any.
        folds: numbers of the folds; left out: the first.
    """

    store: Path
    splits: Path
    folder: Path
    run: dict[str, Any] | None = None
    folds: list[Index] | None = None
    machine: Machine = DEFAULT_MACHINE

    def __iter__(self) -> Iterator[tuple[TrainedFold, Path]]:
        """Yield the model of each fold, ready, and the folder of the fold.

        Raises:
            InputError: files do not belong together, or the device is not there.
        """
        machine = self.machine
        for fold in self.folds or [0]:
            place = of_fold(self.folder, fold)
            split, model = self.splits / f"fold{fold}.parquet", place / MODEL
            yield (
                TrainedFold.open(
                    self.store, split, model, self.run,
                    machine.device, machine.threads, machine.slots_per_gpu,
                ),
                place,
            )  # fmt: skip


def check_model(
    model_file: Path, trained: TrainedModel, run: Mapping[str, Any] | None, store: FrameStore
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
            "data with: bptubeformer classify"
        )
    if run and dict(run) != trained.run:
        raise InputError(
            f"{model_file}: a model of another run: it is {trained.run}, expected {dict(run)}; "
            "train it again with: bptubeformer train"
        )
