"""Table 1: balanced accuracy of every fold and run, and the paper's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bptubeformer.data.store import read_fingerprint, read_trajectories, videos_of
from bptubeformer.errors import InputError
from bptubeformer.evaluation.learned import judged, marked, notes_of_marks
from bptubeformer.evaluation.metrics import METRICS, average_by, confusion, scores
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.tables import (
    ranges,
    render,
    signed,
    spread,
    triple,
    unsigned,
    write_table,
)
from bptubeformer.evaluation.uncertainty import SHARE, Counts, Estimate, bounds, by_trajectory
from bptubeformer.study import PREDICTIONS, Study, fold_folders

UNITS = ("segment", "trajectory", "video")
"""What is classified: a segment, or a trajectory or video by the mean logits of its segments."""


@dataclass
class Evaluation:
    """Scores of all folds of some runs, and the counts that intervals are made of."""

    folds: pd.DataFrame
    """run, protocol, fold, seed, unit, examples, classes, predicted_classes and ``METRICS``."""
    recalls: pd.DataFrame
    """run, protocol, fold, seed, unit, category, tested, correct, recall."""
    counts: pd.DataFrame = field(repr=False)
    """run, protocol, fold, seed, category, video, trajectory, tested, correct."""
    categories: tuple[str, ...]
    """Class names, in class order."""

    def counts_of(self, protocol: str) -> Counts:
        """Counts of all runs under one protocol."""
        return Counts.of(self.counts[self.counts["protocol"] == protocol], self.categories)


def evaluate(
    results: Path,
    store: Path,
    runs: Sequence[str],
    protocols: Sequence[str],
    folds: int,
    seeds: Sequence[int],
) -> Evaluation:
    """Score the predictions of all folds.

    Args:
        results: ``results/<dataset>``, with the predictions of all runs below it.
        store: the frame store, whose videos the trajectories belong to.
        runs: run names.
        protocols: protocol names.
        folds: number of folds.
        seeds: each fold was trained with each.

    Raises:
        InputError: a file is not a table of predictions, or has no test segment of some class.
    """
    video, video_labels = videos_of(store)
    trajectories, categories = read_trajectories(store)
    data = read_fingerprint(store)
    fold_rows, recall_rows, counts = [], [], []
    for protocol in protocols:
        for run in runs:
            for fold, seed, folder in fold_folders(results, protocol, run, folds, seeds):
                shown = Predictions.load(folder / PREDICTIONS)
                _refuse_foreign(shown, data, video, video_labels, folder / PREDICTIONS)
                _refuse_untested(shown, folder / PREDICTIONS)
                correct = shown.logits.argmax(axis=1) == shown.labels
                place = {"run": run, "protocol": protocol, "fold": fold, "seed": seed}
                counts.append(by_trajectory(place, shown.trajectory, correct, trajectories))
                for unit in UNITS:
                    scored, by_class = _score(shown, unit, video)
                    fold_rows.append({**place, "unit": unit, **scored})
                    recall_rows += [{**place, "unit": unit, **row} for row in by_class]
    return Evaluation(
        pd.DataFrame(fold_rows),
        pd.DataFrame(recall_rows),
        pd.concat(counts, ignore_index=True),
        tuple(categories),
    )


def _refuse_foreign(
    shown: Predictions, data: str, video: np.ndarray, video_labels: np.ndarray, path: Path
) -> None:
    own = (shown.data == data) & (shown.trajectory >= 0) & (shown.trajectory < len(video))
    if not own.all() or (video_labels[video[shown.trajectory]] != shown.labels).any():
        raise InputError(
            f"{path}: predictions for other trajectories than those of the store; write it again "
            "with: bptubeformer predict"
        )


def _refuse_untested(shown: Predictions, path: Path) -> None:
    untested = [name for i, name in enumerate(shown.categories) if not (shown.labels == i).any()]
    if untested:
        raise InputError(
            f"{path}: no test segment of {', '.join(untested)}: balanced accuracy is not defined; "
            "write it again with: bptubeformer split, train and predict"
        )


def _score(
    shown: Predictions, unit: str, video: np.ndarray
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Scores of a fold by one unit, and its recall class by class."""
    labels, logits = shown.labels, shown.logits
    if unit != "segment":
        groups = shown.trajectory if unit == "trajectory" else video[shown.trajectory]
        _, labels, logits = average_by(groups, labels, logits)
    counts = confusion(labels, logits.argmax(axis=1), len(shown.categories))
    tested, correct = counts.sum(axis=1), np.diag(counts)
    by_class = [
        {"category": name, "tested": n, "correct": k, "recall": k / n}
        for name, n, k in zip(shown.categories, tested, correct, strict=True)
    ]
    about = {"examples": len(labels), "classes": len(counts)}
    about["predicted_classes"] = int((counts.sum(axis=0) > 0).sum())
    return {**about, **scores(labels, logits)}, by_class


def over_folds(values: pd.DataFrame, column: str) -> dict[str, float]:
    """Mean over folds and seeds; sample standard deviations (n - 1) over folds and over seeds.

    The deviation over folds is that of the means over seeds, and the other way round; a
    deviation of one value is NaN.

    Args:
        values: one row a fold and seed, with columns fold and seed.
        column: what to average.
    """
    return {
        "mean": values[column].mean(),
        "std": values.groupby("fold")[column].mean().std(ddof=1),
        "std_seeds": values.groupby("seed")[column].mean().std(ddof=1),
    }


def accuracy_table(
    evaluation: Evaluation,
    runs: Mapping[str, Mapping[str, Any]],
    baseline: str,
    learned: float | None = None,
    printed: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> pd.DataFrame:
    """Table 1: balanced accuracy by segment and the paper's, with 95 % intervals.

    Args:
        evaluation: of all these runs.
        runs: each run's experiment, model and hyperparameters, by name.
        baseline: the run that the others are compared with, on the trajectories that both test.
        learned: balanced accuracy from which a model has learned; None: see ``has_learned``.
        printed: the paper's mean and std of a run, by name.
    """
    rows = []
    segments = evaluation.folds[evaluation.folds["unit"] == "segment"]
    for protocol, of_protocol in segments.groupby("protocol", sort=False):
        counts = evaluation.counts_of(protocol)
        shared = counts.common(list(counts.tested))
        common = replace(counts, tested={r: n * shared for r, n in counts.tested.items()},
                         correct={r: n * shared for r, n in counts.correct.items()})  # fmt: skip
        for name, group in of_protocol.groupby("run", sort=False):
            run = runs[name]
            paper = printed.get(name, {})
            score = over_folds(group, "balanced_accuracy")
            own = counts.balanced_accuracy(name)
            paired = Estimate(np.nan, np.nan)
            if baseline in counts.tested and name != baseline:
                paired = counts.balanced_accuracy(name, baseline)
            rows.append(
                {
                    "run": name,
                    "experiment": run["experiment"],
                    "kernel": triple(run.get("kernel")),
                    "stride": triple(run.get("stride")),
                    "segment_length": run["segment_length"],
                    "padding": run.get("padding"),
                    "protocol": protocol,
                    "folds": group["fold"].nunique(),
                    "balanced_accuracy_mean": score["mean"],
                    "balanced_accuracy_std": score["std"],
                    "paper_mean": paper.get("mean", np.nan),
                    "paper_std": paper.get("std", np.nan),
                    "seeds": group["seed"].nunique(),
                    "balanced_accuracy_std_seeds": score["std_seeds"],
                    **bounds(own, "interval", SHARE),
                    "trajectories": own.trajectories,
                    "balanced_accuracy_common": common.balanced_accuracy(name).value,
                    "common_trajectories": int(shared.any(axis=(0, 1)).sum()),
                    "difference_to_baseline": paired.value,
                    **bounds(paired, "difference"),
                    "difference_trajectories": paired.trajectories,
                    "classes": group["classes"].max(),
                    **judged(group, learned),
                }
            )
    return pd.DataFrame(rows)


def write_accuracy(study: Study, output: Path) -> None:
    """Write Table 1: balanced accuracy of all runs, the paper's, and intervals.

    Args:
        study: whose runs were tested.
        output: accuracy.csv; metrics, recalls, folds and counts are written to the same folder.

    Raises:
        InputError: as for ``evaluate``.
    """
    evaluation = evaluate(
        study.results, study.store, list(study.runs), study.protocols, study.folds, study.seeds
    )
    write_table(output.with_name("folds.csv"), evaluation.folds)
    write_table(output.with_name("recalls.csv"), evaluation.recalls)
    write_table(output.with_name("counts.csv"), evaluation.counts)
    metrics = metrics_table(evaluation.folds)
    write_table(output.with_name("metrics.csv"), metrics, metrics_markdown(metrics, study.dataset))
    table = accuracy_table(
        evaluation, study.runs, study.baseline, study.learned, study.printed["accuracy"]
    )
    write_table(output, table, accuracy_markdown(table, study.dataset, study.baseline))


def metrics_table(folds: pd.DataFrame) -> pd.DataFrame:
    """Every score of every run by every unit: mean and deviations over folds and seeds.

    Returns:
        columns run, protocol, unit, metric, mean, std, std_seeds.
    """
    keys = ["protocol", "run", "unit"]
    return pd.DataFrame(
        {"run": run, "protocol": protocol, "unit": unit, "metric": metric}
        | over_folds(group, metric)
        for (protocol, run, unit), group in folds.groupby(keys, sort=False)
        for metric in METRICS
    )


def accuracy_markdown(table: pd.DataFrame, dataset: str, baseline: str) -> str:
    """The accuracy table for people: the columns of Table 1, mean +- sd, and the intervals."""
    shown = pd.DataFrame(
        {
            "Run": marked(table),
            "Experiment": table["experiment"],
            "Kernel": table["kernel"].fillna("-"),
            "Stride": table["stride"].fillna("-"),
            "Segment length": table["segment_length"],
            "Padding": table["padding"].fillna("-"),
            "Protocol": table["protocol"],
            "Folds": table["folds"],
            "Balanced accuracy": list(
                map(spread, table["balanced_accuracy_mean"], table["balanced_accuracy_std"])
            ),
            "95 % interval": ranges(table["interval_low"], table["interval_high"]),
            "Paper (HR-Crime)": [
                spread(mean, std)
                for mean, std in zip(table["paper_mean"], table["paper_std"], strict=True)
            ],
            f"Trajectories (with {baseline})": [
                f"{own} ({both or '-'})"
                for own, both in zip(
                    table["trajectories"], table["difference_trajectories"], strict=True
                )
            ],
            "On common trajectories": table["balanced_accuracy_common"].map(unsigned),
            f"Minus {baseline}": table["difference_to_baseline"].map(signed),
            "95 % interval of it": ranges(
                table["difference_low"], table["difference_high"], "+.4f"
            ),
        }
    )
    if table["seeds"].max() > 1:
        deviations = table["balanced_accuracy_std_seeds"].map("{:.4f}".format)
        shown.insert(9, "Sd over seeds", deviations)
    classes, seeds = table["classes"].max(), table["seeds"].max()
    common = ", ".join(map(str, table["common_trajectories"].unique()))
    over = "folds" if seeds == 1 else f"folds (each the mean of {seeds} seeds)"
    notes = [
        f"Balanced accuracy on {dataset}: mean ± sample standard deviation (n - 1) over {over}, by "
        f"segment; chance is {1 / classes:.4f} ({classes} classes). Intervals count the "
        "videos of the test sets (jackknife within classes) and trainings (folds, pooled over "
        "runs). A class with one test video gets the mean variance of the others.",
        f"On common trajectories: the same number on the {common} trajectories that all runs test. "
        "Runs with longer segments are tested on fewer trajectories. A difference to "
        f"{baseline} is taken on the trajectories that both runs test.",
    ]
    if (table["protocol"] == "predefined").any():
        notes.append(
            "Under `predefined`, all folds have one test set, that of the data. They differ in the "
            "seed of the training and, unless the data has validation recordings, in those."
        )
    notes += notes_of_marks(table)
    return render("Table 1: balanced accuracy", shown, notes)


def title_of(metric: str) -> str:
    """A metric's name as a heading: ``Macro F1``."""
    words = metric.replace("_", " ").replace("top3", "top-3").replace("f1", "F1")
    return words[0].upper() + words[1:]


def metrics_markdown(table: pd.DataFrame, dataset: str) -> str:
    """The metrics table for people: a run and unit a row, a metric a column."""
    rows = []
    for (protocol, run, unit), group in table.groupby(["protocol", "run", "unit"], sort=False):
        row = {"Run": run, "Protocol": protocol, "Unit": unit}
        for metric in group.itertuples():
            row[title_of(metric.metric)] = spread(metric.mean, metric.std)
        rows.append(row)
    notes = [
        f"On {dataset}: mean ± sample standard deviation (n - 1) over folds. Unit: what is "
        "classified; trajectories and videos by the mean of the logits of their segments. Macro "
        "means are over classes; macro recall is balanced accuracy by another name."
    ]
    return render("All metrics, by segment, trajectory and video", pd.DataFrame(rows), notes)
