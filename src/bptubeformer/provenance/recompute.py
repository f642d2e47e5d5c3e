"""The tables and verdicts of a finished run once more, from its predictions, without training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bptubeformer.config import SECTIONS, counted, described, judged
from bptubeformer.data.splits import Split
from bptubeformer.data.store import read_trajectories
from bptubeformer.errors import InputError
from bptubeformer.evaluation.accuracy import evaluate, write_accuracy
from bptubeformer.evaluation.clusters import write_silhouettes
from bptubeformer.evaluation.complexity import write_complexity
from bptubeformer.evaluation.leakage import write_leakage
from bptubeformer.evaluation.movement import write_movement
from bptubeformer.evaluation.predictions import FILE, Predictions
from bptubeformer.kinds import PROTOCOLS
from bptubeformer.models import read_content
from bptubeformer.places import fold_folders
from bptubeformer.verdict.evidence import Evidence
from bptubeformer.verdict.page import write_verdict
from bptubeformer.verdict.summary import write_summary

TABLES, EXTENDED, SUMMARY = "tables", "extended", "summary.md"


@dataclass(frozen=True)
class Settings:
    """The keys of a configuration that the tables depend on."""

    dataset: str
    runs: Mapping[str, Mapping[str, Any]]
    """Experiment, model and hyperparameters of each run and control."""
    counted: Mapping[str, Mapping[str, Any]]
    """The same of the runs whose cost is counted: these, and those that are not trained."""
    papers_runs: tuple[str, ...]
    protocols: tuple[str, ...]
    folds: int
    seeds: tuple[int, ...]
    baseline: str
    learned: float | None
    bootstrap: tuple[int, int]
    leakage_runs: tuple[str, ...]
    batch_size: int
    """Segments of the batch whose MACs are counted."""
    shown_run: str
    shown_fold: int
    figures_seed: int

    @property
    def shown_folds(self) -> list[int]:
        """All folds, the one of the figures first."""
        return sorted(range(self.folds), key=lambda fold: (fold != self.shown_fold, fold))

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
        """Those of a configuration; ``KeyError`` where it lacks one."""
        config = settled(config)
        statistics, figures = config["statistics"], config["figures"]
        return cls(
            dataset=config["dataset"]["name"],
            runs=described(config),
            counted=counted(config),
            papers_runs=tuple(config["runs"]),
            protocols=tuple(config["protocols"]),
            folds=config["split"]["folds"],
            seeds=tuple(config["seeds"]),
            baseline=statistics["baseline"],
            learned=statistics["learned"],
            bootstrap=(statistics["bootstrap_samples"], statistics["bootstrap_seed"]),
            leakage_runs=tuple(config["leakage"]["runs"]),
            batch_size=config["complexity"]["batch_size"],
            shown_run=figures["run"],
            shown_fold=figures["fold"],
            figures_seed=figures["seed"],
        )


def recompute(
    results: Path, config: Mapping[str, Any], base: Mapping[str, Any], output: Path
) -> None:
    """Write the tables and the summary of a run again.

    Args:
        results: ``results/<dataset>`` of the run; its tables are not looked at.
        config: its configuration.
        base: ``config.yaml`` of its checkout, which the summary compares with.
        output: an empty folder of the dataset's name; the tables go below it, and links to
            all else that the results hold.

    Raises:
        InputError: a file of the run is missing, or is not what it should be.
    """
    config = settled(config)
    settings = Settings.of(config)
    for path in results.iterdir():
        if path.name not in (TABLES, EXTENDED) and path.stem != Path(SUMMARY).stem:
            (output / path.name).symlink_to(path.resolve())
    store = output / "data" / "frames.safetensors"
    _, categories = read_trajectories(store)
    tables = output / TABLES
    write_complexity(
        settings.counted, len(categories), settings.batch_size, tables / "complexity.csv"
    )
    if settings.leakage_runs:
        check_tested(output, settings, settings.leakage_runs, PROTOCOLS)
        evaluation = evaluate(
            output, store, settings.leakage_runs, PROTOCOLS, settings.folds, settings.seeds
        )
        write_leakage(output, evaluation, tables / "leakage.csv")
    first = settings.protocols[0]
    shown = output / first / settings.shown_run
    write_silhouettes(
        [shown / f"fold{fold}" / "embeddings.safetensors" for fold in settings.shown_folds],
        store,
        settings.figures_seed,
        tables / "silhouettes.csv",
    )
    places = fold_folders(output, first, settings.shown_run, settings.folds, settings.seeds)
    movements = [folder / "movement.parquet" for _, _, folder in places]
    write_movement(movements, store, settings.bootstrap, tables / "movement.csv")
    scopes = {TABLES: settings.papers_runs}
    if (results / EXTENDED).exists():
        scopes[EXTENDED] = tuple(settings.runs)
    for scope, runs in scopes.items():
        check_tested(output, settings, runs, settings.protocols)
        evaluation = evaluate(
            output, store, runs, settings.protocols, settings.folds, settings.seeds
        )
        described_runs = {run: settings.runs[run] for run in runs}
        write_accuracy(
            evaluation, described_runs, settings.baseline, settings.learned, output.name,
            output / scope / "accuracy.csv",
        )  # fmt: skip
        write_verdict(Evidence(output, judged(config), scope), output / scope / "verdict.csv")
    write_summary(Evidence(output, judged(config)), base, output / SUMMARY)


def settled(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the runs that it leaves out."""
    runs = {
        section: {name: run for name, run in config[section].items() if run is not None}
        for section in SECTIONS
    }
    return {**config, **runs}


def check_tested(
    results: Path, settings: Settings, runs: Sequence[str], protocols: Sequence[str]
) -> None:
    """Refuse predictions that are not of their fold's test segments by their fold's model.

    Raises:
        InputError: names the file.
    """
    for protocol in protocols:
        for run in runs:
            length = settings.runs[run]["segment_length"]
            places = fold_folders(results, protocol, run, settings.folds, settings.seeds)
            for fold, _, folder in places:
                split = (
                    results / "data" / "splits" / protocol / f"T{length}" / f"fold{fold}.parquet"
                )
                tested = Split.load(split).windows("test")
                shown = Predictions.load(folder / FILE)
                mine = (shown.starts, shown.trajectory)
                if not all(map(np.array_equal, mine, tested)):
                    raise InputError(
                        f"{folder / FILE}: not of the test segments of {split.name}; write it "
                        "again with: bptubeformer test"
                    )
                if shown.model != read_content(folder / "model.safetensors"):
                    raise InputError(
                        f"{folder / FILE}: made by another model than the one beside it; write it "
                        "again with: bptubeformer test"
                    )
