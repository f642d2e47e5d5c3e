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
import pandas as pd
import torch

from bptubeformer.config import SYNTHETIC, reading_of
from bptubeformer.data.acquire import acquire
from bptubeformer.data.archives import is_archive
from bptubeformer.data.ingest import write_store
from bptubeformer.data.manifest import Manifest
from bptubeformer.data.reader import text_of
from bptubeformer.data.segments import Segments
from bptubeformer.data.store import FrameStore
from bptubeformer.data.summary import Summary
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
from bptubeformer.evaluation.tables import read_table
from bptubeformer.evaluation.trained import TrainedFold
from bptubeformer.kinds import Gigabytes, Options
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
from bptubeformer.reading import read_record, reading
from bptubeformer.settings import ReadingSettings
from bptubeformer.study import STORE
from bptubeformer.texts import shown
from bptubeformer.training.device import Machine
from bptubeformer.training.forward import evaluate
from bptubeformer.training.record import read_history

TOLERANCES = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}
"""Largest difference of two numbers, relative to the larger of the number and the usual size of
those beside it, by precision. On machines of one kind, numbers are the same to the bit."""
TINY = 1e-30
WHICH = ("category", "video", "person", "row", "column", "reason")
"""Columns of ``rejected.csv`` that are the same wherever the data is."""
RANKS, FEW = 1e-3, 0.01
"""Rank correlations jump where two attentions are nearly equal: their mean may differ by so much,
and so large a share of single ones at all. As large a share of predicted classes may differ."""


def data_of(records: Records, source: "Source", work: Path, threads: int) -> tuple[Path, list[str]]:
    """Read the dataset of a received run, and compare it with what the run says of it.

    Args:
        records: of the run.
        source: where the data is.
        work: a folder for what is unpacked and read.
        threads: files that are read at a time.

    Returns:
        The frame store, and what differs, a line each.

    Raises:
        InputError: the data cannot be had or read.
    """
    config = records.crate.config
    manifest = work / "manifest.json"
    if source.data == SYNTHETIC:
        made = config.get("synthetic", {})
        write_synthetic(work / "raw", manifest, made.get("seed", 0), made.get("size", 1.0))
    else:
        acquire(
            source.data, work / "raw", manifest, source.server, max_gigabytes=source.max_gigabytes
        )
    faults = list(_other_files(records, read_record(manifest, Manifest)))
    settings = reading_of(config)
    if settings["labels"] is not None:
        if source.labels is None:
            raise InputError(
                f"{records.crate.name}: its labels are in a table, {shown(settings['labels'])}; "
                "give that with --labels"
            )
        settings["labels"] = str(source.labels)
    store = work / "frames.safetensors"
    write_store(
        manifest, store, list(records.store.categories),
        ReadingSettings(**settings), threads,
    )  # fmt: skip
    place = records.file(records.crate.results / STORE)
    found, made = records.store, FrameStore.load(store)
    if found.fingerprint != made.fingerprint:
        faults.append(
            f"{place}, fingerprint: {found.fingerprint}; the frames of {shown(source.data)} make "
            f"{made.fingerprint}"
        )
    elif (
        not found.trajectories.equals(made.trajectories)
        or found.categories != made.categories
        or found.skeleton.table != made.skeleton.table
    ):
        faults.append(f"{place}: its trajectories, classes or joints are not those of the data")
    data = records.crate.results / "data"
    if read_record(data / "summary.json", Summary) != read_record(work / "summary.json", Summary):
        faults.append(f"{records.file(data / 'summary.json')}: not the numbers of the data")
    if not _rejected(data).equals(_rejected(work)):
        faults.append(f"{records.file(data / 'rejected.csv')}: not the rejected files of the data")
    return store, faults


def _rejected(folder: Path) -> pd.DataFrame:
    """The list of rejected files, without their places."""
    path = folder / "rejected.csv"
    with reading(path, "a list of rejected files", "bptubeformer ingest"):
        return read_table(path)[list(WHICH)].astype(str)


def _other_files(records: Records, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first file that a run and a source do not share.

    An archive may be given as the folder it was unpacked to: archives are passed over.
    """
    place = records.file(records.crate.results / INPUTS)

    def content(one: Mapping[str, Any]) -> tuple[Any, Any]:
        return one["sha256"], one["bytes"]

    def known(files: Collection[Mapping[str, Any]]) -> Counter[tuple[Any, Any]]:
        return Counter(content(one) for one in files if not is_archive(Path(one["path"])))

    theirs, mine = records.crate.inputs, manifest["files"]
    missing, more = known(theirs) - known(mine), known(mine) - known(theirs)
    here = {content(one) for one in mine}
    packed = [one for one in theirs if is_archive(Path(one["path"])) and content(one) not in here]
    if packed:
        print(f"not compared: {len(packed)} archives of {place}; only what was in them")
    for digests, files, words_for in (
        (missing, theirs, "is not in the data, or has another content there"),
        (more, mine, "is in the data, and not listed"),
    ):
        for one in files:
            if digests[content(one)]:
                name = shown(PurePosixPath(text_of(one["path"])).name)
                yield f"{place}: {sum(digests.values())} files; the first, {name}, {words_for}"
                break


@dataclass(frozen=True)
class Source(Options):
    """The dataset of a received run.

    Args:
        data: the dataset, as in dataset.source; each model classifies its test segments again.
        server: the Dataverse installation of a doi: dataset; that of the crate is not asked.
        max_gigabytes: no more is downloaded or unpacked.
        labels: the table of labels, where the run has one.
    """

    data: str = ""
    server: str = ""
    max_gigabytes: Gigabytes = 100
    labels: Path | None = None


@dataclass
class Replay:
    """The models of a received run, used once more."""

    records: Records
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
        chosen = [one for one in self.records.trained if runs is None or one.run in runs]
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
        split = self.records.splits[one.splits][one.fold]
        trained = load_model(model)
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
        # What all classes share changes no probability.
        gaps = logits - logits.max(axis=1, keepdims=True)
        yield from self._compare(
            place, names, found.logits, logits, tolerance, size=float(np.median(-gaps.min(axis=1)))
        )
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
            place, ["validation_loss"], recorded[None, :1], np.array([[loss]]), tolerance, row
        )
        yield from self._compare(
            place, ["validation_accuracy"], recorded[None, 1:], np.array([[accuracy]]),
            tolerance + 1 / len(segments), row,
        )  # fmt: skip

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

    def _of_attention(
        self, one: Trained, model: Path, again: Path, tolerance: float
    ) -> Iterator[str]:
        attend_segment(
            self.store_file, model, one.folder / PREDICTIONS, again,
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
            size: usual size of the numbers; their median where it is left out.
        """
        if found.shape != made.shape:
            yield f"{place}: {found.shape}; the model makes {made.shape}"
            return
        known = np.abs(made[~np.isnan(made)])
        if size is None:
            size = float(np.median(known)) if len(known) else 0.0
        scale = np.maximum(max(size, TINY), np.abs(np.nan_to_num(made)))
        apart = np.abs(np.nan_to_num(found - made)) / scale
        apart[np.isnan(found) != np.isnan(made)] = np.inf
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        self.largest = max(self.largest, float(apart[row, column]))
        if apart[row, column] > tolerance:
            yield (
                f"{place}, row {before + row + 1}, {columns[column]}: {found[row, column]}; the "
                f"model makes {made[row, column]}"
            )
