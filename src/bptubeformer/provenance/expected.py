"""The expected content of a received run: the folds and splits of its configuration and store."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pyarrow.parquet import read_metadata

from bptubeformer.config import model_of, training_of
from bptubeformer.data.splits import Split, make_splits
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.provenance.received import Received
from bptubeformer.reading import reading
from bptubeformer.settings import SplitSettings, TrainingSettings
from bptubeformer.study import STORE
from bptubeformer.texts import shown
from bptubeformer.training.start import resolved


@dataclass(frozen=True)
class Trained:
    """A fold of a run, as the configuration has it."""

    protocol: str
    run: str
    fold: int
    seed: int
    folder: Path
    model: dict[str, Any]
    """Model and hyperparameters."""
    training: TrainingSettings

    @property
    def settings(self) -> dict[str, Any]:
        """The training settings as JSON has them."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in vars(self.training).items()
        }

    @property
    def splits(self) -> tuple[str, int]:
        """Protocol and segment length of its split."""
        return self.protocol, self.model["segment_length"]


class Splits(dict[tuple[str, int], list[Split]]):
    """The splits that a configuration makes of a store, by protocol and segment length.

    Args:
        store: with or without its frames.
        config: the configuration.
        folder: of the recorded splits.
    """

    def __init__(self, store: FrameStore, config: Mapping[str, Any], folder: Path):
        super().__init__()
        self.store = store
        self.config = config
        self.folder = folder

    def __missing__(self, key: tuple[str, int]) -> list[Split]:
        protocol, length = key
        settings, step = SplitSettings(**self.config["split"]), self.config["windows"]["step"]
        rows = self.store.rows[self.store.rows >= max(length, settings.minimum_rows)]
        count = int(((rows - length) // step + 1).sum())
        path = self.folder / protocol / f"T{length}" / "fold0.parquet"
        with reading(path, "a split", "bptubeformer split"):
            recorded = read_metadata(path).num_rows
        # Before anything is made: a small file may name any number of frames.
        if recorded != count:
            raise InputError(
                f"{path}: {recorded} windows; the configuration makes {count} of the store"
            )
        self[key] = make_splits(self.store, protocol, length, step, settings)
        return self[key]


@dataclass(frozen=True)
class Expected:
    """The folds and splits of a received run, as its configuration and its store have them."""

    crate: Received

    @cached_property
    def store(self) -> FrameStore:
        """The store, with or without its frames."""
        return FrameStore.outline(self.crate.results / STORE)

    @cached_property
    def trained(self) -> list[Trained]:
        """Every fold that the studies of the run are made of, once."""
        config = self.config
        found = []
        (study, *_) = self.crate.studies.values()
        for protocol, run in self.runs:
            settings, model = training_of(config, run), model_of(config, run)
            splits = self.splits[protocol, model["segment_length"]]
            for fold, seed, folder in study.fold_folders(protocol, run):
                training = TrainingSettings(**settings, seed=seed + splits[fold].seed)
                training = resolved(training, folder.parents[1] / "{run}" / folder.name)
                found.append(Trained(protocol, run, fold, seed, folder, model, training))
        return found

    @cached_property
    def splits(self) -> Splits:
        """The splits that the configuration makes of the store."""
        return Splits(self.store, self.config, self.crate.data / "splits")

    def split(self, one: Trained) -> Split:
        """Return the split of a fold."""
        return self.splits[one.splits][one.fold]

    def file(self, path: Path) -> str:
        """Name a file of the results in a message."""
        return shown(path.relative_to(self.crate.folder))

    @property
    def runs(self) -> list[tuple[str, str]]:
        """Protocol and name of each run that the studies are made of, once."""
        found: dict[tuple[str, str], None] = {}
        for study in self.crate.studies.values():
            found |= dict.fromkeys((one, run) for one in study.protocols for run in study.runs)
            found |= dict.fromkeys(
                (one, run) for one in study.compared_protocols for run in study.leakage
            )
        return list(found)

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the run."""
        return self.crate.config
