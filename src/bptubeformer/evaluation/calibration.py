"""The table of what models know of their uncertainty."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bptubeformer.evaluation.tables import means_of_folds, ranges, render, spread, write_table
from bptubeformer.evaluation.uncertainty import CONFIDENCE
from bptubeformer.study import CALIBRATION, Study

ERROR = "calibration error"
UNDECIDED = "cannot tell"


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
        mean over folds, low and high; ``answer`` to the question whether uncertainty tells
        these segments from those of the classes that were learned.
    """
    rows = []
    for run in study.calibration:
        found = means_of_folds(study.fold_folders(study.protocol, run), CALIBRATION, "measure")
        for measure, group in found.groupby("measure", sort=False):
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
                    "answer": "" if measure == ERROR else _answer(low, high),
                }
            )
    return pd.DataFrame(rows)


def _interval(values: pd.Series) -> tuple[float, float]:
    """Return the interval of a mean over folds, by Student's distribution, from 0 to 1."""
    if len(values) < 2:
        return np.nan, np.nan
    reach = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std() / np.sqrt(len(values))
    return max(values.mean() - reach, 0.0), min(values.mean() + reach, 1.0)


def _answer(low: float, high: float) -> str:
    if low > 0.5:
        return "yes"
    return "no: surer of these" if high < 0.5 else UNDECIDED


def calibration_markdown(table: pd.DataFrame, study: Study) -> str:
    """The table for people."""
    shown = pd.DataFrame(
        {
            "Run": table["run"],
            "Measure": table["measure"],
            "Value": list(map(spread, table["mean"], table["std"])),
            "95 % interval": ranges(table["low"], table["high"]),
            "Told apart": table["answer"],
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
        "Intervals are of one row each: of twenty answers, one may be wrong.",
    ]
    return render("Calibration: does the model know when it does not know?", shown, notes)
