"""The effect of leakage: the same runs under each protocol; not in the paper."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.evaluation.accuracy import Evaluation, evaluate, over_folds
from bptubeformer.evaluation.learned import judged, marked, notes_of_marks
from bptubeformer.evaluation.tables import ranges, render, signed, spread, write_table
from bptubeformer.evaluation.uncertainty import SHARE, Counts, Estimate, bounds
from bptubeformer.study import HISTORY, Study, fold_folders
from bptubeformer.training.record import read_history

REFERENCE = "as-published"
"""The protocol whose results the others are compared with."""


def leakage_table(
    results: Path, evaluation: Evaluation, learned: float | None = None
) -> pd.DataFrame:
    """Validation and test accuracy of runs under several protocols, and the gaps.

    Args:
        results: ``results/<dataset>``, with ``history.csv`` of every fold below it.
        evaluation: of these runs under these protocols.
        learned: balanced accuracy from which a model has learned; None: see ``has_learned``.

    Returns:
        a row a run and protocol: balanced accuracy with its 95 % interval, ``gap`` to
        ``as-published`` with its interval, and plain accuracy on validation and test segments, of
        which the validation segments chose the epoch.
    """
    segments = evaluation.folds[evaluation.folds["unit"] == "segment"]
    folds, seeds = segments["fold"].nunique(), segments["seed"].unique()
    counts = Counts.of(evaluation.counts, evaluation.categories, ("protocol", "run"))
    keys: list[tuple[str, str]] = list(counts.tested)
    rows = []
    for protocol, run in sorted(keys, key=_by_run(keys)):
        group = segments[(segments["run"] == run) & (segments["protocol"] == protocol)]
        histories = [
            read_history(folder / HISTORY)
            for _, _, folder in fold_folders(results, protocol, run, folds, seeds)
        ]
        best = [history.loc[history["validation_loss"].idxmin()] for history in histories]
        score = over_folds(group, "balanced_accuracy")
        gap = Estimate(np.nan, np.nan)
        if protocol != REFERENCE and (REFERENCE, run) in counts.tested:
            # Each protocol has test sets of its own.
            gap = counts.balanced_accuracy((protocol, run), (REFERENCE, run), common=False)
        rows.append(
            {
                "run": run,
                "protocol": protocol,
                "folds": folds,
                "balanced_accuracy_mean": score["mean"],
                "balanced_accuracy_std": score["std"],
                **bounds(counts.balanced_accuracy((protocol, run)), "interval", SHARE),
                "gap": gap.value,
                **bounds(gap, "gap"),
                "validation_accuracy": np.mean([epoch["validation_accuracy"] for epoch in best]),
                "test_accuracy": group["accuracy"].mean(),
                **judged(group, learned),
            }
        )
    return pd.DataFrame(rows)


def write_leakage(study: Study, output: Path) -> None:
    """Write the table of the same runs under each protocol, with the gaps.

    Args:
        study: whose runs for this table were trained under all protocols.
        output: leakage.csv; .md and .html are written to the same folder.

    Raises:
        InputError: as for ``accuracy.evaluate``, or a file is not a history.
    """
    evaluation = evaluate(
        study.results,
        study.store,
        study.leakage,
        study.compared_protocols,
        study.folds,
        study.seeds,
    )
    table = leakage_table(study.results, evaluation, study.learned)
    write_table(output, table, leakage_markdown(table, study.dataset))


def leakage_markdown(table: pd.DataFrame, dataset: str) -> str:
    """The leakage table for people."""
    shown = pd.DataFrame(
        {
            "Run": marked(table),
            "Protocol": table["protocol"],
            "Balanced accuracy": list(
                map(spread, table["balanced_accuracy_mean"], table["balanced_accuracy_std"])
            ),
            "95 % interval": ranges(table["interval_low"], table["interval_high"]),
            f"Gap to {REFERENCE}": table["gap"].map(signed),
            "95 % interval of it": ranges(table["gap_low"], table["gap_high"], "+.4f"),
            "Validation accuracy": table["validation_accuracy"].map("{:.4f}".format),
            "Test accuracy": table["test_accuracy"].map("{:.4f}".format),
        }
    )
    notes = [
        f"On {dataset}, mean ± sample standard deviation (n - 1) over folds. `as-published` tests "
        "whole trajectories whose videos may also be in training, and validates on windows that "
        "overlap windows it trains on; `trajectory` keeps the windows of a trajectory together; "
        "under `video` no video is in two parts. Validation and test accuracy are plain shares of "
        "segments; the validation segments chose the epoch. Intervals count test videos and "
        "trainings (folds, pooled over all rows).",
        *notes_of_marks(table),
    ]
    return render("Leakage: the same runs under each protocol", shown, notes)


def _by_run(keys: Sequence[tuple[str, str]]) -> Callable[[tuple[str, str]], int]:
    """Order of the rows: run by run, and the protocols of a run one below the other."""
    runs = list(dict.fromkeys(run for _, run in keys))
    return lambda key: runs.index(key[1])
