"""The results of a finished run that claims are tested against."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bptubeformer.claims import papers_runs
from bptubeformer.data.store import read_skeleton_of, read_trajectories
from bptubeformer.errors import InputError
from bptubeformer.evaluation.tables import read_table
from bptubeformer.evaluation.uncertainty import Counts
from bptubeformer.reading import read_record
from bptubeformer.skeleton import Skeleton
from bptubeformer.study import RECORD, STORE, TABLES, Study
from bptubeformer.training.record import TrainingRecord
from bptubeformer.verdict import gate
from bptubeformer.verdict.rules import Rules

ACCURACY, COUNTS, RECALLS = "tables/accuracy.csv", "tables/counts.csv", "tables/recalls.csv"
METRICS_TABLE = "tables/metrics.csv"


class NotRun(InputError):
    """This run did not compute something that a claim needs; the message names it."""


@dataclass(frozen=True)
class Evidence:
    """The results of one dataset, read when they are asked for.

    Every reader raises ``NotRun`` where its file, or the run in it, is not there.
    """

    study: Study

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of this run of the workflow."""
        return self.study.config

    @cached_property
    def closed_by(self) -> list[str]:
        """Reasons why claims about results are not judged here; none where they are."""
        trajectories, _ = read_trajectories(self.file(STORE))
        return gate.closed_by(self.study, trajectories)

    @cached_property
    def skeleton(self) -> Skeleton:
        """The skeleton of the dataset."""
        return read_skeleton_of(self.file(STORE))

    @property
    def rules(self) -> Rules:
        """Decision rules with the settings of this run."""
        return Rules(self.study.margin, self.study.minimum_videos)

    @cached_property
    def counts(self) -> Counts:
        """Tested and correct segments of all runs under the first protocol."""
        table = read_table(self.file(COUNTS))
        _, categories = read_trajectories(self.file(STORE))
        return Counts.of(table[table["protocol"] == self.protocol], categories)

    def check_trained(self, *runs: str) -> None:
        """Refuse runs that have no counts."""
        for run in runs:
            if run not in self.counts.tested:
                raise NotRun(f"{run} was not trained{self._hint(run)}")

    def _hint(self, run: str) -> str:
        for name, study in self.config["studies"].items():
            if name != self.study.name and run in study["runs"]:
                return f": snakemake {name}"
        return ""

    @property
    def protocol(self) -> str:
        """The protocol that the claims are tested under: the first."""
        return self.study.protocol

    def check_shown(self, run: str) -> None:
        """Refuse figures of another run than the one that a claim is about."""
        if self.study.shown != run:
            raise NotRun(f"the figures are of {self.study.shown}, the claim is about {run}")

    @property
    def shown_fold(self) -> Path:
        """Folder, below the results, of the fold of these figures."""
        return self.study.shown_folder.relative_to(self.study.results)

    def place(self, name: str | Path) -> Path:
        """Return where a file of the evidence is: a table of the study, or below the results."""
        name = Path(name)
        below = self.study.folder if name.parts[0] == TABLES else self.study.results
        return below / name

    def file(self, name: str | Path) -> Path:
        """Return the path of a file of the evidence."""
        path = self.place(name)
        if not path.exists():
            raise NotRun(f"{name} was not made")
        return path

    def table(self, name: str) -> pd.DataFrame:
        """A table of the results."""
        return read_table(self.file(name))

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Balanced accuracy under the first protocol, by run."""
        table = self.table(ACCURACY)
        return table[table["protocol"] == self.protocol].set_index("run")

    def accuracy_of(self, run: str) -> pd.Series:
        """A run's row of ``accuracy``."""
        if run not in self.accuracy.index:
            raise NotRun(f"{run} was not trained{self._hint(run)}")
        return self.accuracy.loc[run]

    @property
    def configured(self) -> list[str]:
        """The paper's runs that the configuration has not left out."""
        return [run for run in papers_runs() if run in self.study.runs]

    def mean_of(self, run: str) -> float:
        """A run's mean balanced accuracy."""
        return float(self.accuracy_of(run)["balanced_accuracy_mean"])

    @cached_property
    def recalls(self) -> pd.DataFrame:
        """Recall of each class by segment, mean over folds and seeds: categories by runs."""
        table = self.table(RECALLS)
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
        places = self.study.fold_folders(self.protocol, run)
        folders = [folder for _, _, folder in places if (folder / RECORD).exists()]
        if not folders:
            raise NotRun(f"{run} was not trained")
        return folders

    def records_of(self, runs: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """``run.json`` of every fold, by run."""
        return {
            run: [read_record(folder / RECORD, TrainingRecord) for folder in self.folds_of(run)]
            for run in runs
        }

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
