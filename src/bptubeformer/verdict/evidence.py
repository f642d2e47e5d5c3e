"""The results of a finished run that claims are tested against."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bptubeformer.claims import papers_runs
from bptubeformer.data.store import read_trajectories
from bptubeformer.errors import InputError
from bptubeformer.evaluation.tables import read_table
from bptubeformer.evaluation.uncertainty import Counts, read_counts
from bptubeformer.places import fold_folders
from bptubeformer.reading import reading
from bptubeformer.verdict import gate
from bptubeformer.verdict.rules import Rules


class NotRun(InputError):
    """This run did not compute something that a claim needs; the message names it."""


@dataclass(frozen=True)
class Evidence:
    """The results of one dataset, read when they are asked for.

    Every reader raises ``NotRun`` where its file, or the run in it, is not there.
    """

    results: Path
    """``results/<dataset>``."""
    config: Mapping[str, Any]
    """The configuration of this run of the workflow."""
    scope: str = "tables"
    """Folder of the tables on accuracy: ``tables``, or ``extended`` with the controls."""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.config["dataset"]["name"]

    @cached_property
    def closed_by(self) -> list[str]:
        """Reasons why claims about results are not judged here; none where they are."""
        trajectories, _ = read_trajectories(self.file("data/frames.safetensors"))
        return gate.closed_by(self.config, trajectories)

    @property
    def rules(self) -> Rules:
        """Decision rules with the settings of this run."""
        statistics = self.config["statistics"]
        return Rules(statistics["margin"], statistics["minimum_videos"])

    @property
    def counts_file(self) -> str:
        """Path of the table of counts, below the results."""
        return f"{self.scope}/counts.csv"

    @cached_property
    def counts(self) -> Counts:
        """Tested and correct segments of all runs under the first protocol."""
        table = read_counts(self.file(self.counts_file))
        _, categories = read_trajectories(self.file("data/frames.safetensors"))
        return Counts.of(table[table["protocol"] == self.protocol], categories)

    def check_trained(self, *runs: str) -> None:
        """Refuse runs that have no counts."""
        for run in runs:
            if run not in self.counts.tested:
                raise NotRun(f"{run} was not trained{self._hint(run)}")

    def _hint(self, run: str) -> str:
        return ": snakemake extended" if run in self.config["controls"] else ""

    @property
    def protocol(self) -> str:
        """The protocol that the claims are tested under: the first."""
        return self.config["protocols"][0]

    @property
    def shown_run(self) -> str:
        """The run of the attention and embedding figures."""
        return self.config["figures"]["run"]

    def check_shown(self, run: str) -> None:
        """Refuse figures of another run than the one that a claim is about."""
        if self.shown_run != run:
            raise NotRun(f"the figures are of {self.shown_run}, the claim is about {run}")

    @property
    def shown_fold(self) -> Path:
        """Folder, below the results, of the fold of these figures."""
        return Path(self.protocol, self.shown_run, f"fold{self.config['figures']['fold']}")

    def file(self, name: str | Path) -> Path:
        """A file of the results."""
        path = self.results / name
        if not path.exists():
            raise NotRun(f"{name} was not made")
        return path

    def table(self, name: str) -> pd.DataFrame:
        """A table of the results."""
        return read_table(self.file(name))

    @property
    def accuracy_file(self) -> str:
        """Path of the table of accuracy, below the results."""
        return f"{self.scope}/accuracy.csv"

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Balanced accuracy under the first protocol, by run."""
        table = self.table(self.accuracy_file)
        return table[table["protocol"] == self.protocol].set_index("run")

    def accuracy_of(self, run: str) -> pd.Series:
        """A run's row of ``accuracy``."""
        if run not in self.accuracy.index:
            raise NotRun(f"{run} was not trained{self._hint(run)}")
        return self.accuracy.loc[run]

    @property
    def configured(self) -> list[str]:
        """The paper's runs that the configuration has not left out."""
        return [run for run in papers_runs() if run in self.config["runs"]]

    def mean_of(self, run: str) -> float:
        """A run's mean balanced accuracy."""
        return float(self.accuracy_of(run)["balanced_accuracy_mean"])

    @cached_property
    def recalls(self) -> pd.DataFrame:
        """Recall of each class by segment, mean over folds and seeds: categories by runs."""
        table = self.table(f"{self.scope}/recalls.csv")
        shown = table[(table["protocol"] == self.protocol) & (table["unit"] == "segment")]
        return shown.pivot_table(index="category", columns="run", values="recall", sort=False)

    def recalls_of(self, run: str) -> pd.Series:
        """A run's recalls by category."""
        self.accuracy_of(run)
        return self.recalls[run]

    @cached_property
    def complexity(self) -> pd.DataFrame:
        """MACs and parameters, by run."""
        return self.table("tables/complexity.csv").set_index("run")

    def complexity_of(self, run: str) -> pd.Series:
        """A run's row of ``complexity``."""
        if run not in self.complexity.index:
            raise NotRun(f"{run} is not in the configuration")
        return self.complexity.loc[run]

    @cached_property
    def stages(self) -> pd.DataFrame:
        """MACs of each run by stage."""
        return self.table("tables/complexity_stages.csv").set_index(["run", "stage"])

    def transformers_of(self, run: str) -> pd.DataFrame:
        """A run's transformers, by name: tokens, class_token, width, heads, depth."""
        table = self.table("tables/transformers.csv").set_index("run")
        if run not in table.index:
            raise NotRun(f"{run} is not in the configuration")
        return table.loc[[run]].set_index("transformer")

    def folds_of(self, run: str) -> list[Path]:
        """Folders of the folds of a run that was trained."""
        folds, seeds = self.config["split"]["folds"], self.config["seeds"]
        places = fold_folders(self.results, self.protocol, run, folds, seeds)
        folders = [folder for _, _, folder in places if (folder / "run.json").exists()]
        if not folders:
            raise NotRun(f"{run} was not trained")
        return folders

    def records_of(self, runs: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """``run.json`` of every fold, by run."""
        return {run: [_record(folder) for folder in self.folds_of(run)] for run in runs}

    @cached_property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """``run.json`` of every fold of the paper's runs, by run."""
        if not self.configured:
            raise NotRun("no run of the paper was trained")
        return self.records_of(self.configured)

    def silhouettes(self, grouping: str) -> pd.DataFrame:
        """Silhouettes by one reading of Fig. 5b, by group."""
        table = self.table("tables/silhouettes.csv")
        return table[table["grouping"] == grouping].set_index("group")


def _record(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    with reading(path, "the record of a training", "bptubeformer train"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("it is not a mapping")
        return record
