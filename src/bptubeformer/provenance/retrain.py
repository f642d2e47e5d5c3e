"""One training of a received run once more, from its recorded settings, seed and data."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.evaluation.metrics import scores
from bptubeformer.evaluation.predict import logits_of
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.trained import TrainedFold
from bptubeformer.models.files import load_model
from bptubeformer.provenance.expected import Expected, Trained
from bptubeformer.reading import read_record
from bptubeformer.study import HISTORY, MODEL, PREDICTIONS, RECORD
from bptubeformer.texts import shown
from bptubeformer.training.device import Machine, processor
from bptubeformer.training.job import train_fold
from bptubeformer.training.record import TrainingRecord, read_history

WITHIN = 3
"""Standard deviations of the other recorded trainings within which another one is expected."""
LEAST = 3
"""Other trainings without which their standard deviation says nothing."""


def chosen(expected: Expected, name: str) -> Trained:
    """Return the training of a name such as ``BPT-V2/fold0`` or ``video/BPT-V2/fold0-seed1``.

    Raises:
        InputError: there is no such training.
    """
    wanted = Path(name).parts
    for one in expected.trained:
        if one.folder.parts[-len(wanted) :] == wanted and len(wanted) > 1:
            return one
    first = "/".join(expected.trained[0].folder.parts[-3:])
    raise InputError(f"--retrain {shown(name)}: no such training; give one such as {first}")


@dataclass(frozen=True)
class Again:
    """A training of a received run, and the same once more."""

    expected: Expected
    one: Trained
    folder: Path
    """Of the new training."""

    @classmethod
    def train(
        cls, expected: Expected, one: Trained, store: Path, work: Path, machine: Machine
    ) -> "Again":
        """Split the data and train a fold as its record says.

        Args:
            expected: of the run.
            one: the training.
            store: the frame store.
            work: a folder for the split and the results.
            machine: where it is trained, if it was trained on a GPU.

        Raises:
            InputError: as for ``train_fold``.
        """
        record = read_record(one.folder / RECORD, TrainingRecord)
        split_file = work / f"fold{one.fold}.parquet"
        split = expected.split(one)
        split.save(split_file)
        on_gpu = "device_allocated" in record["peak_memory_mb"]
        folder = work / one.protocol / one.run / one.folder.name
        train_fold(
            store, split_file, one.model,
            replace(one.training, seed=one.training.seed - split.seed),
            machine.device if on_gpu else "cpu",
            machine.threads if on_gpu else min(record["threads"], os.cpu_count() or 1),
            folder,
            others=one.folder.parents[1] / "{run}" / one.folder.name,
        )  # fmt: skip
        return cls(expected, one, folder)

    def to_the_bit(self) -> bool:
        """Return True if the new model is the recorded one."""
        old, new = (read_record(folder / RECORD, TrainingRecord) for folder in self.folders)
        return old["fingerprints"]["model"] == new["fingerprints"]["model"]

    @property
    def folders(self) -> tuple[Path, Path]:
        """Of the recorded training and of the new one."""
        return self.one.folder, self.folder

    def exactly(self) -> Iterator[str]:
        """Yield where the history of the same model is another one."""
        old, new = (
            read_history(folder / HISTORY).drop(columns="seconds") for folder in self.folders
        )
        for row in np.flatnonzero((old != new).any(axis=1))[:1]:
            yield (
                f"{self.expected.file(self.one.folder / HISTORY)}, row {row + 1}: "
                f"{old.iloc[row].to_dict()}; the training makes {new.iloc[row].to_dict()}"
            )

    def on_the_same_machine(self) -> bool:
        """Return True if the record names this processor, as many threads and these versions."""
        old, new = (read_record(folder / RECORD, TrainingRecord) for folder in self.folders)
        keys = ("device", "threads", "micro_batch", "versions")
        return all(old[key] == new[key] for key in keys) and old["device"] == processor()

    @property
    def others(self) -> list[Path]:
        """Folders of the other trainings of the run under its protocol."""
        return [
            one.folder for one in self.expected.trained
            if (one.protocol, one.run) == (self.one.protocol, self.one.run)
            and one.folder != self.one.folder
        ]  # fmt: skip

    def by_spread(self, store: Path) -> Iterator[str]:
        """Yield what differs by more than the other recorded trainings differ from each other."""
        place = self.expected.file(self.one.folder)
        curves = [read_history(folder / HISTORY)["validation_loss"] for folder in self.others]
        theirs, mine = (
            read_history(folder / HISTORY)["validation_loss"] for folder in self.folders
        )
        epochs = min(len(mine), len(theirs), *(len(curve) for curve in curves))
        spread = float(np.std([curve[:epochs] for curve in curves], axis=0, ddof=1).mean())
        apart = float((mine[:epochs] - theirs[:epochs]).abs().mean())
        yield from _judged(f"{place}/{HISTORY}, validation_loss", apart, spread)
        found = [_score(Predictions.load(folder / PREDICTIONS)) for folder in self.others]
        apart = abs(_score(Predictions.load(self.one.folder / PREDICTIONS)) - self._score(store))
        yield from _judged(
            f"{place}/{PREDICTIONS}, balanced accuracy", apart, float(np.std(found, ddof=1))
        )

    def _score(self, store: Path) -> float:
        """Balanced accuracy of the new model on the test segments."""
        trained = load_model(self.folder / MODEL)
        split = self.expected.split(self.one)
        fold = TrainedFold.of(FrameStore.load(store), trained, split, torch.device("cpu"))
        return scores(fold.labels, logits_of(fold, "fp32"))["balanced_accuracy"]


def _score(predictions: Predictions) -> float:
    return scores(predictions.labels, predictions.logits)["balanced_accuracy"]


def _judged(what: str, apart: float, spread: float) -> Iterator[str]:
    """Print a difference beside the spread of the recorded trainings; yield it if it is larger."""
    text = f"{what}: differs by {apart:.4f}; the other trainings by {spread:.4f} (sd)"
    print(text)
    if not apart <= WITHIN * spread:
        yield f"{text}; expected at most {WITHIN} sd"
