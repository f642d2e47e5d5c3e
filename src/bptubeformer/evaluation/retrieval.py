"""The table of how well videos are recognised by their segments, under each protocol."""

from pathlib import Path

import pandas as pd

from bptubeformer.evaluation.tables import means_of_folds, render, spread, unsigned, write_table
from bptubeformer.study import IDENTITY, Study


def write_retrieval(study: Study, output: Path) -> None:
    """Write the table of the probe by retrieval.

    Args:
        study: whose runs for this table were probed under all protocols.
        output: retrieval.csv; .md and .html are written to the same folder.

    Raises:
        InputError: a file is not a table.
    """
    table = retrieval_table(study)
    write_table(output, table, retrieval_markdown(table, study))


def retrieval_table(study: Study) -> pd.DataFrame:
    """Return a row a run, representation and protocol.

    Returns:
        run, representation, protocol, folds, segments (mean over folds), guessed_mean,
        guessed_std, chance, chance_in_class, times_chance (of the latter).
    """
    rows = []
    for run in study.identity:
        for protocol in study.compared_protocols:
            folds = means_of_folds(study.fold_folders(protocol, run), IDENTITY, "representation")
            for name, group in folds.groupby("representation", sort=False):
                rows.append(
                    {
                        "run": run,
                        "representation": name,
                        "protocol": protocol,
                        "folds": len(group),
                        "segments": group["segments"].mean(),
                        "guessed_mean": group["guessed"].mean(),
                        "guessed_std": group["guessed"].std(),
                        "chance": group["chance"].mean(),
                        "chance_in_class": group["chance_in_class"].mean(),
                        "times_chance": group["guessed"].mean() / group["chance_in_class"].mean(),
                    }
                )
    return pd.DataFrame(rows)


def retrieval_markdown(table: pd.DataFrame, study: Study) -> str:
    """The table for people."""
    shown = pd.DataFrame(
        {
            "Run": table["run"],
            "Representation": table["representation"],
            "Protocol": table["protocol"],
            "Video guessed": list(map(spread, table["guessed_mean"], table["guessed_std"])),
            "Chance": table["chance"].map(unsigned),
            "Chance within the class": table["chance_in_class"].map(unsigned),
            "Times that": table["times_chance"].map("{:.1f}".format),
            "Segments of a fold": table["segments"].map("{:.0f}".format),
        }
    )
    notes = [
        f"On {study.dataset}: share of test segments whose nearest other test segment is of the "
        "same video, mean ± sample standard deviation (n - 1) over folds. Nearest by Euclidean "
        "distance of class tokens, or of coordinates in pixels; of the same trajectory only where "
        "the two share no frame. Chance: the share of its video in the segments that may be "
        "nearest, of all classes or of its own: a token that knows the class alone is as good as "
        "the latter. A model that knows the video of a segment can know its class without knowing "
        "the action, where the video was in training too (`as-published`, `trajectory`)."
    ]
    return render("Identity: does a segment give its video away?", shown, notes)
