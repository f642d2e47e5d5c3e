"""Table 1: balanced accuracy of every fold and run, beside the paper's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bptubeformer.evaluation.metrics import balanced_accuracy, confusion
from bptubeformer.evaluation.paper import printed
from bptubeformer.evaluation.predictions import load_predictions, predictions_file
from bptubeformer.evaluation.tables import render


def folds_table(
    results: Path, runs: Sequence[str], protocols: Sequence[str], folds: int
) -> pd.DataFrame:
    """Balanced accuracy of every fold.

    Args:
        results: ``results/<dataset>``, with the predictions of all runs below it.
        runs: run names.
        protocols: protocol names.
        folds: number of folds.

    Returns:
        columns run, protocol, fold, balanced_accuracy, segments, classes_tested, classes.
    """
    rows = []
    for protocol in protocols:
        for run in runs:
            for fold in range(folds):
                path = predictions_file(results, protocol, run, fold)
                labels, logits, categories = load_predictions(path)
                counts = confusion(labels, logits.argmax(axis=1), len(categories))
                rows.append(
                    {
                        "run": run,
                        "protocol": protocol,
                        "fold": fold,
                        "balanced_accuracy": balanced_accuracy(counts),
                        "segments": len(labels),
                        "classes_tested": int((counts.sum(axis=1) > 0).sum()),
                        "classes": len(categories),
                    }
                )
    return pd.DataFrame(rows)


def accuracy_table(folds: pd.DataFrame, runs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Table 1: mean and sample standard deviation (n - 1) over folds, beside the paper's.

    Args:
        folds: what ``folds_table`` returns.
        runs: each run's experiment, model and hyperparameters, by name.
    """
    rows = []
    for (protocol, name), group in folds.groupby(["protocol", "run"], sort=False):
        run = runs[name]
        paper = printed()["table_1"].get(name, {})
        score = group["balanced_accuracy"]
        rows.append(
            {
                "run": name,
                "experiment": run["experiment"],
                "kernel": _triple(run.get("kernel")),
                "stride": _triple(run.get("stride")),
                "segment_length": run["segment_length"],
                "padding": run.get("padding"),
                "protocol": protocol,
                "folds": len(group),
                "balanced_accuracy_mean": score.mean(),
                "balanced_accuracy_std": score.std(ddof=1),
                "paper_mean": paper.get("mean", np.nan),
                "paper_std": paper.get("std", np.nan),
                "classes_tested": group["classes_tested"].min(),
                "classes": group["classes"].max(),
            }
        )
    return pd.DataFrame(rows)


def accuracy_markdown(table: pd.DataFrame, dataset: str) -> str:
    """The accuracy table for people: the columns of Table 1, mean +- sd."""
    missing = table["classes_tested"] < table["classes"]
    shown = pd.DataFrame(
        {
            "Run": table["run"],
            "Experiment": table["experiment"],
            "Kernel": table["kernel"].fillna("-"),
            "Stride": table["stride"].fillna("-"),
            "Segment length": table["segment_length"],
            "Padding": table["padding"].fillna("-"),
            "Protocol": table["protocol"],
            "Folds": table["folds"],
            "Balanced accuracy": [
                _spread(mean, std) + (" *" if starred else "")
                for mean, std, starred in zip(
                    table["balanced_accuracy_mean"],
                    table["balanced_accuracy_std"],
                    missing,
                    strict=True,
                )
            ],
            "Paper (HR-Crime)": [
                _spread(mean, std)
                for mean, std in zip(table["paper_mean"], table["paper_std"], strict=True)
            ],
        }
    )
    classes = table["classes"].max()
    notes = [
        f"Balanced accuracy on {dataset}: mean ± sample standard deviation over folds, by segment; "
        f"chance is {1 / classes:.4f} ({classes} classes)."
    ]
    if missing.any():
        notes.append(
            "\\* Not every class has a test segment of this length: the mean is over "
            + ", ".join(
                f"{row.classes_tested} of {row.classes} ({row.run}, {row.protocol})"
                for row in table[missing].itertuples()
            )
            + "."
        )
    return render("Table 1: balanced accuracy", shown, notes)


def _spread(mean: float, std: float) -> str:
    if np.isnan(mean):
        return "-"
    return f"{mean:.4f} ± {std:.4f}"


def _triple(values: Sequence[int] | None) -> str | None:
    return None if values is None else f"({', '.join(map(str, values))})"
