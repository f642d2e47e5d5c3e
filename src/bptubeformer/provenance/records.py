"""Compare the records of a received run with each other.

A forged run may be consistent file by file: a checksum proves that a file is as it was written, not
that it belongs where it lies. Here every record is compared with all others that say the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bptubeformer.atomic import write_csv
from bptubeformer.config import categories_of
from bptubeformer.data.layout import plain
from bptubeformer.data.recordings import TRAJECTORIES
from bptubeformer.data.splits import PARTS_OF_SPLIT, Split, summarise
from bptubeformer.data.summary import Summary, of_classes
from bptubeformer.evaluation.inspection import (
    Embeddings,
    SegmentAttention,
    choose_segment,
    described_segment,
    sample_per_class,
)
from bptubeformer.evaluation.movement import read_movement
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.fingerprint import package_fingerprint, stage_fingerprint
from bptubeformer.models.files import read_weights
from bptubeformer.provenance.crate import CONFIG, INPUTS, KEPT, WEIGHTS, described_training
from bptubeformer.provenance.expected import Expected, Trained
from bptubeformer.provenance.received import LEFT_BEHIND, Received
from bptubeformer.reading import read_record
from bptubeformer.stages import tables_of
from bptubeformer.study import (
    ATTENTION,
    CALIBRATION,
    EMBEDDINGS,
    FIGURES,
    HISTORY,
    IDENTITY,
    MODEL,
    MOVEMENT,
    NOTEBOOKS,
    PREDICTIONS,
    PROJECTOR,
    RECORD,
    STORE,
    SUMMARY_FILE,
    Study,
)
from bptubeformer.texts import shown
from bptubeformer.training.loop import has_ended, rates_of
from bptubeformer.training.record import TrainingRecord, read_history

MOST_TRAININGS = 10_000
"""So many are named one by one."""
TRAINED = (MODEL, RECORD, HISTORY, PREDICTIONS)
"""Files of every fold."""
SLACK = 1.0
"""Seconds by which clocks that were read one after the other may differ."""


@dataclass(frozen=True)
class Records:
    """The records of a received run."""

    expected: Expected

    @property
    def crate(self) -> Received:
        """The run."""
        return self.expected.crate

    def file(self, path: Path) -> str:
        """Name a file of the results in a message."""
        return self.expected.file(path)

    def disagreements(self) -> Iterator[str]:
        """Yield what does not agree, a line each; nothing for a sound run.

        What is made of records that contradict each other is not looked at.
        """
        checks = (
            self._of_numbers, self._of_data, self._of_splits, self._of_files, self._of_trained,
            self._of_shown,
        )  # fmt: skip
        for check in checks:
            found = list(check())
            yield from found
            if found:
                return

    def _of_numbers(self) -> Iterator[str]:
        """The trainings that are there against those that the configuration asks for."""
        place = self.file(self.crate.results / CONFIG)
        there = {path.parent for path in self.crate.results.glob(f"*/*/fold*/{RECORD}")}
        runs, seeds = self.expected.runs, self.expected.config["seeds"]
        asked = len(runs) * self.expected.config["split"]["folds"] * len(seeds)
        # Before anything is made of these numbers.
        if asked > max(len(there), MOST_TRAININGS):
            yield f"{place}: it asks for {asked} trainings, there are {len(there)}"
            return
        (study, *_) = self.crate.studies.values()
        wanted = {folder for run in runs for _, _, folder in study.fold_folders(*run)}
        if wanted != there:
            first = self.file(min(wanted ^ there))
            yield (
                f"{place}: it asks for {asked} trainings, there are {len(there)}; the first that "
                f"differs: {first}"
            )

    def _of_files(self) -> Iterator[str]:
        """Files of the results that the run does not make."""
        results = self.crate.results
        made = {results / name for name in (CONFIG, INPUTS, STORE, WEIGHTS)}
        folders = {results / name for name in KEPT}
        for study in self.crate.studies.values():
            made |= {*tables_of(study), study.folder / SUMMARY_FILE}
            made.add((study.folder / SUMMARY_FILE).with_suffix(".html"))
            folders |= {study.folder / name for name in (FIGURES, NOTEBOOKS, PROJECTOR)}
            made |= {*study.shown_files(EMBEDDINGS), study.shown_folder / ATTENTION}
            made |= set(study.files(MOVEMENT, [study.shown], [study.protocol]))
            made |= set(study.files(IDENTITY, study.identity, study.compared_protocols))
            made |= set(study.files(CALIBRATION, study.calibration, [study.protocol]))
        made |= {one.folder / name for one in self.expected.trained for name in TRAINED}
        for path in sorted(results.rglob("*")):
            known = path in made or folders & {path, *path.parents} or path.name in LEFT_BEHIND
            if path.is_file() and not known:
                yield f"{self.file(path)}: nothing in the configuration makes it"

    def _of_data(self) -> Iterator[str]:
        """The store against the configuration, the summary and the paths of the inputs."""
        store, config = self.expected.store, self.expected.config
        place = self.file(self.crate.results / STORE)
        wanted = categories_of(config)
        if wanted is not None and list(store.categories) != list(wanted):
            yield f"{place}, categories: not those of the configuration"
        if store.skeleton.name != Path(config["dataset"]["skeleton"]).stem:
            yield f"{place}, skeleton: {store.skeleton.name} is not that of the configuration"
        path = self.crate.data / "summary.json"
        summary = read_record(path, Summary)
        counts = (summary["categories"], summary["frames"])
        if counts != (of_classes(store), int(store.offsets[-1])):
            yield f"{self.file(path)}: not of this store"
        dataset = config["dataset"]
        if summary["format"] != TRAJECTORIES or dataset["labels"] or dataset["group"]:
            return
        paths = [PurePosixPath(file["path"]) for file in self.crate.inputs]
        known = {
            (plain(path.parts[-3]), path.parts[-2], path.stem)
            for path in paths
            if len(path.parts) > 2
        }
        for one in store.trajectories.itertuples():
            if (plain(str(one.category)), one.video, one.person) not in known:
                yield (
                    f"{place}: the trajectory {shown(f'{one.category}/{one.video}/{one.person}')} "
                    f"is none of the files of {INPUTS}"
                )
                return

    def _of_splits(self) -> Iterator[str]:
        """Each split against the one that the configuration makes of the store."""
        folder = self.crate.data / "splits"
        wanted = {one.splits for one in self.expected.trained}
        files = set()
        for protocol, length in sorted(wanted):
            place = folder / protocol / f"T{length}"
            splits = self.expected.splits[protocol, length]
            for fold, expected in enumerate(splits):
                path = place / f"fold{fold}.parquet"
                files.add(path)
                found = Split.load(path)
                for key in ("data", "segment_length", "seed"):
                    if getattr(found, key) != getattr(expected, key):
                        yield (
                            f"{self.file(path)}, {key}: {getattr(found, key)}; the store and the "
                            f"configuration make {getattr(expected, key)}"
                        )
                if not _same_windows(found, expected):
                    yield (
                        f"{self.file(path)}, {_first_row(found, expected)}: not the windows that "
                        "the configuration makes of the store"
                    )
            path = place / "summary.csv"
            files.add(path)
            with TemporaryDirectory() as work:
                write_csv(Path(work, path.name), summarise(self.expected.store, splits))
                same = path.is_file() and path.read_bytes() == Path(work, path.name).read_bytes()
            if not same:
                yield f"{self.file(path)}: not the counts of these splits"
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path not in files and path.name not in LEFT_BEHIND:
                yield f"{self.file(path)}: a split of no run"

    def _of_trained(self) -> Iterator[str]:
        """Every fold, and whether two have one model."""
        heads: dict[bytes, str] = {}
        for one in self.expected.trained:
            yield from self._of_fold(one, heads)

    def _of_fold(self, one: Trained, heads: dict[bytes, str]) -> Iterator[str]:
        """Record, history, model and predictions of a fold against each other."""
        for name in TRAINED:
            path = one.folder / name
            if not path.exists() and path not in self.crate.without:
                yield f"{self.file(path)}: missing"
                return
        split = self.expected.split(one)
        record = read_record(one.folder / RECORD, TrainingRecord)
        yield from self._of_record(one, record, split)
        yield from of_history(self.file(one.folder / HISTORY), one, record)
        if one.folder / MODEL not in self.crate.without:
            yield from self._of_model(one, record, heads)
        yield from self._of_predictions(one, record, split)

    def _of_record(self, one: Trained, record: Mapping[str, Any], split: Split) -> Iterator[str]:
        place = self.file(one.folder / RECORD)
        yield from _unequal(f"{place}, run", record["run"], one.model)
        yield from _unequal(f"{place}, training", record["training"], one.settings)
        expected = {
            "data": self.expected.store.fingerprint,
            "split": split.fingerprint,
            "code": record["fingerprints"]["code"],
            "model": record["fingerprints"]["model"],
        }
        if one.training.start_from is not None:
            start = one.folder.parents[1] / one.training.start_from / one.folder.name / RECORD
            expected["start"] = read_record(start, TrainingRecord)["fingerprints"]["model"]
        if self.crate.code == package_fingerprint():
            model = one.model["model"]
            expected["code"] = stage_fingerprint("bptubeformer.training.job", model)
        yield from _unequal(f"{place}, fingerprints", record["fingerprints"], expected)
        left_out = self.expected.store.of_classes(one.training.left_out)
        segments = {
            part: len(split.windows(part, left_out)[0]) for part in PARTS_OF_SPLIT if part != "test"
        }
        yield from _unequal(f"{place}, segments", record["segments"], segments)
        path = ("splits", one.protocol, f"T{one.splits[1]}", f"fold{one.fold}.parquet")
        if PurePosixPath(record["split"]).parts[-4:] != path:
            yield f"{place}, split: {shown(record['split'])} is not that of its fold"
        if record["micro_batch"] > record["training"]["batch_size"]:
            yield f"{place}, micro_batch: larger than the batch"
        folder = self.crate.place / one.folder.relative_to(self.crate.results)
        said = self.crate.trainings.get(str(folder), {})
        try:
            expected = described_training(record, self.crate.place, folder)
        except (ValueError, OverflowError):
            yield f"{place}, ended: {record['ended']} is not a moment"
            return
        yield from _unequal(
            f"the metadata, #{folder}", {key: said.get(key) for key in expected}, expected
        )

    def _of_model(
        self, one: Trained, record: Mapping[str, Any], heads: dict[bytes, str]
    ) -> Iterator[str]:
        path = one.folder / MODEL
        place = self.file(path)
        about, weights = read_weights(path)
        expected = {
            "run": one.model,
            "categories": list(self.expected.store.categories),
            "data": self.expected.store.fingerprint,
            "skeleton": self.expected.store.skeleton.metadata,
            "training": one.settings,
            "split": record["fingerprints"]["split"],
            "content": record["fingerprints"]["model"],
        }
        yield from _unequal(place, {key: about[key] for key in expected}, expected)
        for name, values in weights.items():
            if values.ndim > 1 and not values.any():
                yield f"{place}: its weight {name} is zero everywhere; no training leaves it so"
        head = b"".join(
            values.numpy().tobytes()
            for name, values in sorted(weights.items())
            if name.startswith("head")
        )
        if head in heads:
            yield f"{place}: the weights of {heads[head]}; each fold has a model of its own"
        heads[head] = place

    def _of_predictions(
        self, one: Trained, record: Mapping[str, Any], split: Split
    ) -> Iterator[str]:
        path = one.folder / PREDICTIONS
        place, found = self.file(path), Predictions.load(path)
        starts, trajectory = split.windows("test")
        for key, here, expected in (
            ("window_start", found.starts, starts),
            ("trajectory", found.trajectory, trajectory),
            ("label", found.labels, self.expected.store.labels[trajectory]),
        ):
            yield from _rows_differ(place, key, here, expected)
        said = {"model": found.model, "data": found.data, "categories": list(found.categories)}
        expected = {
            "model": record["fingerprints"]["model"],
            "data": self.expected.store.fingerprint,
            "categories": list(self.expected.store.categories),
        }
        yield from _unequal(place, said, expected)

    def _of_shown(self) -> Iterator[str]:
        """Embeddings, movement and attention against the predictions of their model."""
        for study in self.crate.studies.values():
            yield from self._of_study(study)

    def _of_study(self, study: Study) -> Iterator[str]:
        for fold in range(study.folds):
            folder = study.results / study.protocol / study.shown / f"fold{fold}"
            if (folder / EMBEDDINGS).exists():
                yield from self._of_embeddings(folder)
        for path in study.files(MOVEMENT, [study.shown], [study.protocol]):
            if path.exists():
                yield from self._of_movement(path)
        if (study.shown_folder / ATTENTION).exists():
            yield from self._of_attention(study)

    def _of_embeddings(self, folder: Path) -> Iterator[str]:
        path, figures = folder / EMBEDDINGS, self.expected.config["figures"]
        place, found = self.file(path), Embeddings.load(path)
        tested = Predictions.load(folder / PREDICTIONS)
        chosen = sample_per_class(tested.labels, figures["per_class"], figures["seed"])
        yield from _rows_differ(place, "trajectory", found.trajectory, tested.trajectory[chosen])
        yield from _rows_differ(place, "label", found.label, tested.labels[chosen])
        predicted = tested.logits[chosen].argmax(axis=1)
        yield from _rows_differ(place, "predicted", found.predicted, predicted)
        said = {"model": found.model, "categories": list(found.categories)}
        expected = {"model": tested.model, "categories": list(tested.categories)}
        yield from _unequal(place, said, expected)

    def _of_movement(self, path: Path) -> Iterator[str]:
        place, found = self.file(path), read_movement(path, self.expected.store.skeleton)
        tested = Predictions.load(path.with_name(PREDICTIONS))
        for key, expected in (("window_start", tested.starts), ("trajectory", tested.trajectory)):
            yield from _rows_differ(place, key, found[key].to_numpy(), expected)
        yield from _unequal(place, {"model": found.attrs["model"]}, {"model": tested.model})

    def _of_attention(self, study: Study) -> Iterator[str]:
        path = study.shown_folder / ATTENTION
        found = SegmentAttention.load(path)
        tested = Predictions.load(study.shown_folder / PREDICTIONS)
        category = self.expected.config["figures"]["category"]
        chosen = choose_segment(tested.labels, tested.logits, tested.categories, category)
        person = self.expected.store.trajectories.iloc[tested.trajectory[chosen]]
        expected = described_segment(person, tested.logits[chosen], tested.categories)
        yield from _unequal(
            self.file(path), {**found.text, "model": found.model},
            {**expected, "model": tested.model},
        )  # fmt: skip
        length = study.runs[study.shown]["segment_length"]
        if found.segment.shape != (length, self.expected.store.skeleton.values):
            yield f"{self.file(path)}: a segment of another length or skeleton"


def _unequal(place: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys whose values differ."""
    for key in dict.fromkeys([*expected, *found]):
        here, there = found.get(key), expected.get(key)
        if here != there:
            yield f"{place}, {key}: {_short(here)}; all else says {_short(there)}"


def _short(value: Any) -> str:
    text = shown(str(value))
    return text if len(text) <= 100 else f"{text[:100]}..."


def _rows_differ(place: str, key: str, found: np.ndarray, expected: np.ndarray) -> Iterator[str]:
    """Yield the first row in which a column differs."""
    if len(found) != len(expected):
        yield f"{place}: {len(found)} rows; expected {len(expected)}"
    elif not np.array_equal(found, expected):
        row = int(np.argmax(found != expected))
        yield f"{place}, row {row + 1}, {key}: {found[row]}; all else says {expected[row]}"


def _same_windows(found: Split, expected: Split) -> bool:
    return all(
        np.array_equal(getattr(found, key), getattr(expected, key))
        for key in ("starts", "trajectory", "part")
    )


def _first_row(found: Split, expected: Split) -> str:
    """Name the first row in which the windows of two splits differ."""
    count = min(len(found.starts), len(expected.starts))
    same = np.ones(count, dtype=bool)
    for key in ("starts", "trajectory", "part"):
        same &= getattr(found, key)[:count] == getattr(expected, key)[:count]
    return f"row {int(np.argmin(same)) + 1 if not same.all() else count + 1}"


def of_history(place: str, one: Trained, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a history contradicts its record, the stopping rule or the schedule.

    Args:
        place: its file, for messages.
        one: the fold.
        record: ``run.json``.

    Raises:
        InputError: the file is not a history.
    """
    history = read_history(one.folder / HISTORY)
    if len(history) > one.training.max_epochs:
        yield f"{place}: {len(history)} epochs; the training had ended before by its stopping rule"
        return
    losses = history["validation_loss"].to_numpy()
    lowest = np.minimum.accumulate(losses)
    best = np.concatenate([[True], losses[1:] < lowest[:-1]])
    yield from _rows_differ(place, "epoch", history["epoch"].to_numpy(), np.arange(len(losses)) + 1)
    yield from _rows_differ(place, "best", history["best"].to_numpy(), best)
    said = {"epochs": record["epochs"], "best_epoch": record["best_epoch"]}
    expected = {"epochs": len(losses), "best_epoch": int(np.argmin(losses)) + 1}
    yield from _unequal(f"{place}, {RECORD}", said, expected)
    if not has_ended(losses, one.training):
        yield f"{place}: {len(losses)} epochs; the training had not ended by its stopping rule"
    elif len(losses) > 1 and has_ended(losses[:-1], one.training):
        yield f"{place}: {len(losses)} epochs; the training had ended before by its stopping rule"
    rates = np.array(rates_of(losses, one.training))
    close = np.isclose(history["learning_rate"], rates, rtol=1e-5, atol=0)
    if not close.all():
        row = int(np.argmin(close))
        yield (
            f"{place}, row {row + 1}, learning_rate: {history['learning_rate'][row]}; the schedule "
            f"makes {rates[row]} of these losses"
        )
    inside = history["validation_accuracy"].between(0, 1) & (history["seconds"] >= 0)
    if not inside.all() or (history[["train_loss", "validation_loss"]] < 0).any(axis=None):
        yield f"{place}: a loss or time below 0, or an accuracy that is not a share"
    if history["seconds"].sum() > record["seconds"] + SLACK:
        yield f"{place}, seconds: its epochs took longer than the training ({RECORD}, seconds)"
    if any(epoch > len(losses) for epoch in record["resumed_after_epochs"]):
        yield f"{place}: resumed after an epoch that it does not have ({RECORD})"
