"""The table of what models know of their uncertainty."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bptubeformer.evaluation.tables import means_of_folds, ranges, render, spread, write_table
from bptubeformer.evaluation.uncertainty import CONFIDENCE
from bptubeformer.kinds import CHANCE, ERROR
from bptubeformer.study import CALIBRATION, Study


def write_calibration(study: Study, output: Path) -> None:
    """Write the table of calibration and of what uncertainty tells apart.

    Args:
        study: whose runs were measured under its first protocol.
        output: calibration.csv; .md and .html are written to the same folder.

    Raises:
        InputError: a file is not a table.
    """
    table = calibration_table(study)
    write_table(output, table, calibration_markdown(table, study))


def calibration_table(study: Study) -> pd.DataFrame:
    """Return a row a run and measure.

    Returns:
        run, measure, folds, segments (mean over folds), mean, std, and the 95 % interval of the
        mean over folds, low and high.
    """
    rows = []
    for run in study.calibration:
        for measure, group in _measured(study, run).groupby("measure", sort=False):
            values = group["value"].dropna()
            low, high = _interval(values)
            rows.append(
                {
                    "run": run,
                    "measure": measure,
                    "folds": len(values),
                    "segments": group["segments"].mean(),
                    "mean": values.mean(),
                    "std": values.std(),
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows)


def _interval(values: pd.Series) -> tuple[float, float]:
    """Return the interval of a mean over folds, by Student's distribution, from 0 to 1."""
    if len(values) < 2:
        return np.nan, np.nan
    reach = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std() / np.sqrt(len(values))
    return max(values.mean() - reach, 0.0), min(values.mean() + reach, 1.0)


def better_by(study: Study, run: str, other: str, measure: str) -> np.ndarray:
    """Return by how much a run is better than another, in each fold where both were measured.

    Args:
        study: whose runs were measured under its first protocol.
        run: the run.
        other: the run that it is compared with, or ``CHANCE``.
        measure: one of ``MEASURES``; of a calibration error, the lower one is better.

    Returns:
        float64 (F,); F is 0 where no fold tests such segments.

    Raises:
        InputError: a file is not a table.
    """
    values = _of_folds(study, run, measure)
    others = 0.5 if other == CHANCE else _of_folds(study, other, measure)
    better = others - values if measure == ERROR else values - others
    return better.dropna().to_numpy()


def _of_folds(study: Study, run: str, measure: str) -> pd.Series:
    found = _measured(study, run)
    return found[found["measure"] == measure].set_index("fold")["value"]


def _measured(study: Study, run: str) -> pd.DataFrame:
    return means_of_folds(study.fold_folders(study.protocol, run), CALIBRATION, "measure")


def calibration_markdown(table: pd.DataFrame, study: Study) -> str:
    """The table for people."""
    shown = pd.DataFrame(
        {
            "Run": table["run"],
            "Measure": table["measure"],
            "Value": list(map(spread, table["mean"], table["std"])),
            "95 % interval": ranges(table["low"], table["high"]),
            "Segments of a fold": table["segments"].map("{:.0f}".format),
        }
    )
    notes = [
        f"On {study.dataset} under {study.protocol}, mean ± sample standard deviation (n - 1) over "
        "folds, whose interval it is. Calibration error: mean difference between confidence and "
        "share of correct segments, in 15 bins; 0 is best. All others: area under the ROC curve "
        "by which uncertainty tells such segments from test segments of the classes that were "
        "learned: 0.5 by chance, 1 is best. Uncertainty is the number of classes over the sum of "
        "evidence and 1 for each class; of a run without evidence, 1 - the largest probability. "
        "Each interval is of its row alone: tables/findings answers questions together.",
    ]
    return render("Calibration: does the model know when it does not know?", shown, notes)
