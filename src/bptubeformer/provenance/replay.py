"""The results of a received run once more, from its models and the dataset, without training."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from bptubeformer.data.segments import Segments
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.evaluation.attend import attend_segment
from bptubeformer.evaluation.attention_movement import write_of_fold
from bptubeformer.evaluation.calibrate import calibrate_fold
from bptubeformer.evaluation.embed import embed_fold
from bptubeformer.evaluation.identify import identify_fold
from bptubeformer.evaluation.inspection import Embeddings, SegmentAttention
from bptubeformer.evaluation.movement import BETWEEN_PARTS, TUBELETS, read_movement
from bptubeformer.evaluation.predict import logits_of
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.tables import read_table
from bptubeformer.evaluation.trained import TrainedFold
from bptubeformer.kinds import UNLABELLED
from bptubeformer.models.files import load_model
from bptubeformer.progress import words
from bptubeformer.provenance.expected import Expected, Trained
from bptubeformer.study import (
    ATTENTION,
    CALIBRATION,
    EMBEDDINGS,
    HISTORY,
    IDENTITY,
    MODEL,
    MOVEMENT,
    PREDICTIONS,
)
from bptubeformer.training.device import Machine
from bptubeformer.training.forward import evaluate
from bptubeformer.training.precision import check_precision
from bptubeformer.training.recipe import Recipe
from bptubeformer.training.record import read_history

TOLERANCES = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}
"""Largest difference of two numbers, relative to the larger of the number and the usual size of
those beside it, by precision. On machines of one kind, numbers are the same to the bit."""
TINY = 1e-30
RANKS, FEW = 1e-3, 0.01
"""Rank correlations jump where two attentions are nearly equal: their mean may differ by so much,
and so large a share of single ones at all. As large a share of predicted classes may differ."""


@dataclass
class Replay:
    """The models of a received run, used once more."""

    expected: Expected
    store_file: Path
    machine: Machine
    largest: float = 0.0
    """Largest relative difference of two numbers until now."""
    changed: int = 0
    """Predicted classes that differ."""

    @cached_property
    def store(self) -> FrameStore:
        """The dataset."""
        return FrameStore.load(self.store_file)

    def differences(self, runs: Collection[str] | None) -> Iterator[str]:
        """Yield what the models do not make again, a line each; tell the progress.

        Args:
            runs: names of the runs to be replayed; None for all.
        """
        device = self.machine.choose()
        chosen = [one for one in self.expected.trained if runs is None or one.run in runs]
        # The costliest first: the time left is then known early.
        chosen.sort(key=lambda one: one.folder.joinpath(MODEL).stat().st_size, reverse=True)
        spent: dict[str, list[float]] = {}
        for number, one in enumerate(chosen, start=1):
            began = time.monotonic()
            yield from self.of_fold(one, one.folder / MODEL, device)
            spent.setdefault(one.run, []).append(time.monotonic() - began)
            times = [value for values in spent.values() for value in values]
            left = sum(np.mean(spent.get(later.run, times)) for later in chosen[number:])
            print(
                f"replayed {number} of {len(chosen)}: {one.protocol}/{one.run}/{one.folder.name}; "
                f"time left: about {words(float(left))}",
                flush=True,
            )

    def exactness(self) -> str:
        """Say how nearly the same the results were."""
        if not self.largest and not self.changed:
            return "to the bit"
        return f"within {self.largest:.1e}; {self.changed} predicted classes differ"

    def of_fold(self, one: Trained, model: Path, device: torch.device) -> Iterator[str]:
        """Yield what a model does not make again of what is recorded for a fold.

        Args:
            one: the fold.
            model: the file of its model.
            device: where it is used.
        """
        split = self.expected.split(one)
        trained = load_model(model)
        fold = TrainedFold.of(self.store, trained, split, device)
        precision = one.training.precision
        used, tolerance = _usable(precision, device), TOLERANCES[precision]
        found = Predictions.load(one.folder / PREDICTIONS)
        place = self.expected.file(one.folder / PREDICTIONS)
        try:
            logits = logits_of(fold, used)
        except InputError as error:
            yield f"{self.expected.file(one.folder / MODEL)}: {error}"
            return
        names = [f"logit {name}" for name in found.categories]
        # However small the logits are, the distance between them makes the class.
        distance = float(np.median(np.ptp(logits, axis=1)))
        yield from self._compare(place, names, found.logits, logits, tolerance, size=distance)
        other = found.logits.argmax(axis=1) != logits.argmax(axis=1)
        self.changed += int(other.sum())
        if other.mean() > FEW:
            yield f"{place}: {other.sum()} of {len(other)} predicted classes are not the model's"
        yield from self._of_validation(one, fold, used, tolerance)
        with TemporaryDirectory() as work:
            again = Path(work)
            if (one.folder / EMBEDDINGS).exists():
                yield from self._of_embeddings(one, fold, again / EMBEDDINGS, tolerance)
            if (one.folder / MOVEMENT).exists():
                yield from self._of_movement(one, fold, again / MOVEMENT, tolerance)
            if (one.folder / ATTENTION).exists():
                yield from self._of_attention(one, model, again / ATTENTION, tolerance)
            if (one.folder / IDENTITY).exists():
                yield from self._of_identity(one, fold, again / IDENTITY, tolerance)
            if (one.folder / CALIBRATION).exists():
                yield from self._of_calibration(one, fold, again / CALIBRATION, tolerance)

    def _of_validation(
        self, one: Trained, fold: TrainedFold, precision: str, tolerance: float
    ) -> Iterator[str]:
        """The loss of the epoch whose weights were kept."""
        left_out = self.store.of_classes(one.training.left_out)
        starts, trajectory = self.expected.split(one).windows("validation", left_out)
        segments = Segments.of(self.store, starts, trajectory, one.splits[1], fold.device)
        loss, accuracy = evaluate(
            fold.model, segments, precision, Recipe(one.training).validation_loss
        )
        history = read_history(one.folder / HISTORY)
        row = int(history["validation_loss"].idxmin())
        recorded = history.loc[row, ["validation_loss", "validation_accuracy"]].to_numpy(float)
        place = self.expected.file(one.folder / HISTORY)
        yield from self._compare(
            place, ["validation_loss"], recorded[None, :1], np.array([[loss]]), tolerance, row
        )
        yield from self._compare(
            place, ["validation_accuracy"], recorded[None, 1:], np.array([[accuracy]]),
            tolerance + 1 / len(segments), row,
        )  # fmt: skip

    def _of_embeddings(
        self, one: Trained, fold: TrainedFold, again: Path, tolerance: float
    ) -> Iterator[str]:
        figures = self.expected.config["figures"]
        embed_fold(fold, figures["per_class"], figures["seed"], again)
        found, made = Embeddings.load(one.folder / EMBEDDINGS), Embeddings.load(again)
        place = self.expected.file(one.folder / EMBEDDINGS)
        columns = [f"embedding {i}" for i in range(made.embedding.shape[1])]
        yield from self._compare(place, columns, found.embedding, made.embedding, tolerance)

    def _of_movement(
        self, one: Trained, fold: TrainedFold, again: Path, tolerance: float
    ) -> Iterator[str]:
        write_of_fold(fold, self.expected.config["figures"]["seed"], again)
        skeleton = self.store.skeleton
        found, made = (read_movement(p, skeleton) for p in (one.folder / MOVEMENT, again))
        place = self.expected.file(one.folder / MOVEMENT)
        numbers = [name for name in made if name not in ("window_start", "trajectory")]
        ranks = [name for name in numbers if name.startswith((BETWEEN_PARTS, TUBELETS))]
        exact = [name for name in numbers if name not in ranks]
        yield from self._compare(
            place, exact, found[exact].to_numpy(), made[exact].to_numpy(), tolerance
        )
        for name in ranks:
            here, there = found[name].to_numpy(), made[name].to_numpy()
            apart = ~np.isclose(here, there, rtol=0, atol=tolerance, equal_nan=True)
            if apart.mean() > FEW or abs(np.nanmean(here) - np.nanmean(there)) > RANKS:
                row = int(np.argmax(apart))
                yield f"{place}, row {row + 1}, {name}: {here[row]}; the model makes {there[row]}"

    def _of_identity(
        self, one: Trained, fold: TrainedFold, again: Path, tolerance: float
    ) -> Iterator[str]:
        figures = self.expected.config["figures"]
        identify_fold(fold, figures["per_class"], figures["seed"], again)
        yield from self._of_table(one.folder / IDENTITY, again, tolerance)

    def _of_calibration(
        self, one: Trained, fold: TrainedFold, again: Path, tolerance: float
    ) -> Iterator[str]:
        """All but what was measured of people without a class: they are not handed on."""
        figures = self.expected.config["figures"]
        calibrate_fold(fold, None, 1, figures["per_class"], figures["seed"], again)
        yield from self._of_table(one.folder / CALIBRATION, again, tolerance)

    def _of_table(self, path: Path, again: Path, tolerance: float) -> Iterator[str]:
        """Rows of a small table; in a share, one of its segments may differ."""
        found, made = read_table(path), read_table(again)
        place = self.expected.file(path)
        names = made.columns[0]
        found = found[found[names] != UNLABELLED].reset_index(drop=True)
        if list(found.columns) != list(made.columns) or not found[names].equals(made[names]):
            yield f"{place}: other rows or columns than the model makes"
            return
        numbers = [name for name in made.columns if name != names]
        fewest = max(float(made["segments"].min()), 1.0)
        yield from self._compare(
            place, numbers, found[numbers].to_numpy(float), made[numbers].to_numpy(float),
            tolerance + 1 / fewest,
        )  # fmt: skip

    def _of_attention(
        self, one: Trained, model: Path, again: Path, tolerance: float
    ) -> Iterator[str]:
        attend_segment(
            self.store_file, model, one.folder / PREDICTIONS, again,
            category=self.expected.config["figures"]["category"],
        )  # fmt: skip
        found, made = SegmentAttention.load(one.folder / ATTENTION), SegmentAttention.load(again)
        place = self.expected.file(one.folder / ATTENTION)
        if not np.array_equal(found.segment, made.segment) or not np.array_equal(
            found.frame_number, made.frame_number
        ):
            yield f"{place}, segment: not the frames of the data"
        if found.attention.keys() != made.attention.keys():
            yield f"{place}: attention of {', '.join(found.attention)}; the model has others"
            return
        for name, weights in made.attention.items():
            yield from self._compare(
                place, [f"attention {name}"], found.attention[name].reshape(-1, 1),
                weights.reshape(-1, 1), tolerance,
            )  # fmt: skip

    def _compare(
        self,
        place: str,
        columns: list[str],
        found: np.ndarray,
        made: np.ndarray,
        tolerance: float,
        before: int = 0,
        size: float | None = None,
    ) -> Iterator[str]:
        """Yield the cell in which two tables (rows, columns) differ most, if by too much.

        Args:
            place: of the file, for the message.
            columns: their names.
            found: the recorded numbers.
            made: the new numbers.
            tolerance: largest difference, relative to the larger of the number and ``size``.
            before: rows of the file above those of the tables.
            size: usual size of the numbers; the root of the mean square of each column where it is
                left out.
        """
        if found.shape != made.shape:
            yield f"{place}: {found.shape}; the model makes {made.shape}"
            return
        usual = size or np.sqrt(np.square(np.nan_to_num(made)).mean(axis=0))
        scale = np.maximum(np.maximum(usual, TINY), np.abs(np.nan_to_num(made)))
        apart = np.abs(np.nan_to_num(found - made)) / scale
        apart[np.isnan(found) != np.isnan(made)] = np.inf
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        self.largest = max(self.largest, float(apart[row, column]))
        if apart[row, column] > tolerance:
            yield (
                f"{place}, row {before + row + 1}, {columns[column]}: {found[row, column]}; the "
                f"model makes {made[row, column]}"
            )


def _usable(precision: str, device: torch.device) -> str:
    """Return the precision of a training where the device has it, else fp32."""
    try:
        check_precision(precision, device)
    except InputError:
        return "fp32"
    return precision
