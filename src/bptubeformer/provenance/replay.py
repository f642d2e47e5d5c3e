"""The results of a received run once more, from its models and the dataset, without training."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from bptubeformer.config import SYNTHETIC, reading_of
from bptubeformer.data.acquire import acquire
from bptubeformer.data.archives import is_archive
from bptubeformer.data.ingest import write_store
from bptubeformer.data.manifest import Manifest
from bptubeformer.data.reader import text_of
from bptubeformer.data.segments import Segments
from bptubeformer.data.store import FrameStore
from bptubeformer.data.synthetic import write_synthetic
from bptubeformer.errors import InputError
from bptubeformer.evaluation.attend import attend_segment
from bptubeformer.evaluation.attention_movement import write_of_fold
from bptubeformer.evaluation.embed import embed_fold
from bptubeformer.evaluation.inspection import Embeddings, SegmentAttention
from bptubeformer.evaluation.movement import BETWEEN_PARTS, TUBELETS, read_movement
from bptubeformer.evaluation.predict import logits_of
from bptubeformer.evaluation.predictions import FILE as PREDICTIONS
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.trained import TrainedFold
from bptubeformer.models.files import FILE as MODEL
from bptubeformer.models.files import load_model
from bptubeformer.progress import words
from bptubeformer.provenance.crate import INPUTS
from bptubeformer.provenance.records import (
    ATTENTION,
    EMBEDDINGS,
    HISTORY,
    MOVEMENT,
    Records,
    Trained,
)
from bptubeformer.reading import read_record
from bptubeformer.settings import ReadingSettings
from bptubeformer.study import STORE
from bptubeformer.texts import shown
from bptubeformer.training.device import Machine
from bptubeformer.training.forward import evaluate
from bptubeformer.training.record import read_history

TOLERANCES = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}
"""Largest difference of two numbers, relative to the larger of 1 and the number, by precision.
On machines of one kind, numbers are the same to the bit."""
RANKS, FEW = 1e-3, 0.01
"""Rank correlations jump where two attentions are nearly equal: their mean may differ by so much,
and so large a share of single ones at all."""


def data_of(
    records: Records, source: str, labels: Path | None, work: Path, threads: int
) -> tuple[Path, list[str]]:
    """Read the dataset of a received run, and compare it with what the run says of it.

    Args:
        records: of the run.
        source: as ``dataset.source``: a folder, an archive, doi:..., an address, or synthetic.
        labels: the table of labels, where the run has one.
        work: a folder for what is unpacked and read.
        threads: files that are read at a time.

    Returns:
        The frame store, and what differs, a line each.

    Raises:
        InputError: the data cannot be had or read.
    """
    config = records.crate.config
    dataset = config["dataset"]
    manifest = work / "manifest.json"
    if source == SYNTHETIC:
        made = config.get("synthetic", {})
        write_synthetic(work / "raw", manifest, made.get("seed", 0), made.get("size", 1.0))
    else:
        acquire(
            source, work / "raw", manifest, dataset["server"], dataset["checksum"],
            dataset["max_gigabytes"],
        )  # fmt: skip
    faults = list(_other_files(records, read_record(manifest, Manifest)))
    reading = reading_of(config)
    if reading["labels"] is not None:
        if labels is None:
            raise InputError(
                f"{records.crate.name}: its labels are in a table, {shown(reading['labels'])}; "
                "give that with --labels"
            )
        reading["labels"] = str(labels)
    store = work / "frames.safetensors"
    write_store(
        manifest, store, list(records.store.categories),
        ReadingSettings(**reading), threads,
    )  # fmt: skip
    place = records.file(records.crate.results / STORE)
    found, made = records.store, FrameStore.load(store)
    if found.fingerprint != made.fingerprint:
        faults.append(
            f"{place}, fingerprint: {found.fingerprint}; the frames of {shown(source)} make "
            f"{made.fingerprint}"
        )
    elif (
        not found.trajectories.equals(made.trajectories)
        or found.categories != made.categories
        or found.skeleton.table != made.skeleton.table
    ):
        faults.append(f"{place}: its trajectories, classes or joints are not those of the data")
    return store, faults


def _other_files(records: Records, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first file that a run and a source do not share.

    An archive may be given as the folder it was unpacked to: archives are passed over.
    """
    place = records.file(records.crate.results / INPUTS)

    def known(files: Collection[Mapping[str, Any]]) -> Counter[str]:
        return Counter(str(one["sha256"]) for one in files if not is_archive(Path(one["path"])))

    theirs, mine = records.crate.inputs, manifest["files"]
    missing, more = known(theirs) - known(mine), known(mine) - known(theirs)
    for digests, files, words_for in (
        (missing, theirs, "is not in the data, or has another content there"),
        (more, mine, "is in the data, and not listed"),
    ):
        for one in files:
            if digests[str(one["sha256"])]:
                name = shown(PurePosixPath(text_of(one["path"])).name)
                yield f"{place}: {sum(digests.values())} files; the first, {name}, {words_for}"
                break


@dataclass
class Replay:
    """The models of a received run, used once more."""

    records: Records
    store_file: Path
    machine: Machine
    largest: float = 0.0
    """Largest difference of two numbers until now, relative to the larger of 1 and the number."""

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
        chosen = [one for one in self.records.trained if runs is None or one.run in runs]
        # The costliest first: the time left is then known early.
        chosen.sort(key=lambda one: one.folder.joinpath(MODEL).stat().st_size, reverse=True)
        spent: dict[str, list[float]] = {}
        for number, one in enumerate(chosen, start=1):
            began = time.monotonic()
            yield from self._of_fold(one, device)
            spent.setdefault(one.run, []).append(time.monotonic() - began)
            times = [value for values in spent.values() for value in values]
            left = sum(np.mean(spent.get(later.run, times)) for later in chosen[number:])
            print(
                f"replayed {number} of {len(chosen)}: {one.protocol}/{one.run}/{one.folder.name}; "
                f"time left: about {words(float(left))}",
                flush=True,
            )

    def _of_fold(self, one: Trained, device: torch.device) -> Iterator[str]:
        split = self.records.splits[one.splits][one.fold]
        trained = load_model(one.folder / MODEL)
        fold = TrainedFold.of(self.store, trained, *split.windows("test"), device)
        precision = one.training.precision
        # A processor computes the products of any precision in full.
        used = precision if device.type == "cuda" else "fp32"
        tolerance = TOLERANCES[precision]
        found = Predictions.load(one.folder / PREDICTIONS)
        place = self.records.file(one.folder / PREDICTIONS)
        try:
            logits = logits_of(fold, used)
        except InputError as error:
            yield f"{self.records.file(one.folder / MODEL)}: {error}"
            return
        names = [f"logit {name}" for name in found.categories]
        yield from self._compare(place, names, found.logits, logits, tolerance)
        yield from self._of_validation(one, fold, used, tolerance)
        with TemporaryDirectory() as work:
            again = Path(work)
            if (one.folder / EMBEDDINGS).exists():
                yield from self._of_embeddings(one, fold, again / EMBEDDINGS, tolerance)
            if (one.folder / MOVEMENT).exists():
                yield from self._of_movement(one, fold, again / MOVEMENT, tolerance)
            if (one.folder / ATTENTION).exists():
                yield from self._of_attention(one, again / ATTENTION, tolerance)

    def _of_validation(
        self, one: Trained, fold: TrainedFold, precision: str, tolerance: float
    ) -> Iterator[str]:
        """The loss of the epoch whose weights were kept."""
        starts, trajectory = self.records.splits[one.splits][one.fold].windows("validation")
        segments = Segments.of(self.store, starts, trajectory, one.splits[1], fold.device)
        loss, accuracy = evaluate(fold.model, segments, precision)
        history = read_history(one.folder / HISTORY)
        row = int(history["validation_loss"].idxmin())
        recorded = history.loc[row, ["validation_loss", "validation_accuracy"]].to_numpy(float)
        place = self.records.file(one.folder / HISTORY)
        yield from self._compare(
            place, ["validation_loss"], recorded[None, :1], np.array([[loss]]), 10 * tolerance, row
        )
        if abs(recorded[1] - accuracy) > FEW:
            yield (
                f"{place}, row {row + 1}, validation_accuracy: {recorded[1]:.4f}; the model makes "
                f"{accuracy:.4f}"
            )

    def _of_embeddings(
        self, one: Trained, fold: TrainedFold, again: Path, tolerance: float
    ) -> Iterator[str]:
        figures = self.records.crate.config["figures"]
        embed_fold(fold, figures["per_class"], figures["seed"], again)
        found, made = Embeddings.load(one.folder / EMBEDDINGS), Embeddings.load(again)
        place = self.records.file(one.folder / EMBEDDINGS)
        columns = [f"embedding {i}" for i in range(made.embedding.shape[1])]
        yield from self._compare(place, columns, found.embedding, made.embedding, tolerance)

    def _of_movement(
        self, one: Trained, fold: TrainedFold, again: Path, tolerance: float
    ) -> Iterator[str]:
        write_of_fold(fold, self.records.crate.config["figures"]["seed"], again)
        skeleton = self.store.skeleton
        found, made = (read_movement(p, skeleton) for p in (one.folder / MOVEMENT, again))
        place = self.records.file(one.folder / MOVEMENT)
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

    def _of_attention(self, one: Trained, again: Path, tolerance: float) -> Iterator[str]:
        attend_segment(
            self.store_file, one.folder / MODEL, one.folder / PREDICTIONS, again,
            category=self.records.crate.config["figures"]["category"],
        )  # fmt: skip
        found, made = SegmentAttention.load(one.folder / ATTENTION), SegmentAttention.load(again)
        place = self.records.file(one.folder / ATTENTION)
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
    ) -> Iterator[str]:
        """Yield the cell in which two tables (rows, columns) differ most, if by too much.

        Args:
            place: of the file, for the message.
            columns: their names.
            found: the recorded numbers.
            made: the new numbers.
            tolerance: largest difference, relative to the larger of 1 and the number.
            before: rows of the file above those of the tables.
        """
        if found.shape != made.shape:
            yield f"{place}: {found.shape}; the model makes {made.shape}"
            return
        apart = np.abs(np.nan_to_num(found - made)) / np.maximum(1, np.abs(np.nan_to_num(made)))
        apart[np.isnan(found) != np.isnan(made)] = np.inf
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        self.largest = max(self.largest, float(apart[row, column]))
        if apart[row, column] > tolerance:
            yield (
                f"{place}, row {before + row + 1}, {columns[column]}: {found[row, column]}; the "
                f"model makes {made[row, column]}"
            )
