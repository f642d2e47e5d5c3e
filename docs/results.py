"""Write the tables of results.md from results of the workflow; the words around them stay.

    uv run python docs/results.py results/<dataset>/<study> ...

The tables of a study are between ``<!-- <dataset>/<study> -->`` and ``<!-- end -->``: the accuracy
under each protocol and, where the study has them, leakage, findings and movement. Its figure of
learning curves is copied to ``pictures/``.
"""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bptubeformer.evaluation.leakage import REFERENCE
from bptubeformer.evaluation.learned import FOLDS_DIFFER, NOT_LEARNED, marked
from bptubeformer.evaluation.tables import ranges, read_table, signed, spread

PAGE = Path(__file__).with_name("results.md")
PICTURES = Path(__file__).with_name("pictures")


def tables_of(study: Path) -> str:
    """Return the tables of a study in Markdown, notes, and its learning curves."""
    accuracy = _table(study, "accuracy")
    costs = _table(study, "complexity").set_index("run")
    parts = [
        f"Protocol `{protocol}`:\n\n{_accuracy(rows, costs, study.parent / str(protocol))}"
        for protocol, rows in accuracy.groupby("protocol", sort=False)
    ]
    parts.append(_notes(study.parent, accuracy))
    if (study / "tables" / "leakage.csv").exists():
        parts.append(f"The same runs under each protocol:\n\n{_leakage(_table(study, 'leakage'))}")
    if (study / "tables" / "findings.csv").exists():
        parts.append(f"Questions:\n\n{_findings(_table(study, 'findings'))}")
    if (study / "tables" / "movement.csv").exists():
        parts.append(f"Attention and movement:\n\n{_movement(_table(study, 'movement'))}")
    curves = study / "figures" / "learning_curves.svg"
    if curves.exists():
        picture = f"learning-{study.parent.name}.svg"
        shutil.copy(curves, PICTURES / picture)
        parts.append(
            f"![Losses and accuracies of all runs, epoch by epoch]({PICTURES.name}/{picture})"
        )
    return "\n\n".join(parts)


def _table(study: Path, name: str) -> pd.DataFrame:
    return read_table(study / "tables" / f"{name}.csv")


def _accuracy(rows: pd.DataFrame, costs: pd.DataFrame, protocol: Path) -> str:
    """Table 1 under one protocol, and what a segment costs."""
    costs = costs.loc[rows["run"]]
    differences = _with_interval(rows, "difference_to_baseline", "difference")
    return _rendered(
        {
            "Run": marked(rows),
            "Segment length": rows["segment_length"],
            "Balanced accuracy": list(
                map(spread, rows["balanced_accuracy_mean"], rows["balanced_accuracy_std"])
            ),
            "95 % interval": ranges(rows["interval_low"], rows["interval_high"], ".2f"),
            f"Minus {rows['run'].iloc[0]}": differences,
            f"MACs of {costs['batch_size'].iloc[0]:,} segments (10^9)": list(
                costs["macs_with_attention"].map("{:.1f}".format)
            ),
            "Parameters (10^6)": costs["params"].map("{:.2f}".format).to_list(),
            "Epochs": [_epochs(protocol / run) for run in rows["run"]],
        }
    )


def _leakage(rows: pd.DataFrame) -> str:
    return _rendered(
        {
            "Run": marked(rows),
            "Protocol": rows["protocol"],
            "Balanced accuracy": list(
                map(spread, rows["balanced_accuracy_mean"], rows["balanced_accuracy_std"])
            ),
            f"Gap to {REFERENCE}": _with_interval(rows, "gap", "gap"),
        }
    )


def _movement(rows: pd.DataFrame) -> str:
    rows = rows[rows["order"] == "true"]
    return _rendered(
        {
            "Attention": rows["level"],
            "Part": rows["part"],
            "Rank correlation with speed": _with_interval(rows, "rank_correlation", "interval"),
            "Minus that of shuffled frames": _with_interval(
                rows, "minus_shuffled", "minus_shuffled"
            ),
        }
    )


def _findings(rows: pd.DataFrame) -> str:
    return _rendered(
        {
            "Question": rows["question"],
            "Answer": rows["answer"] + ": " + rows["reason"],
            "Difference": _with_interval(rows, "difference", "difference"),
        }
    )


def _with_interval(rows: pd.DataFrame, name: str, of: str) -> list[str]:
    intervals = ranges(rows[f"{of}_low"], rows[f"{of}_high"], "+.2f")
    return [
        value if value == "-" else f"{value} ({interval})"
        for value, interval in zip(rows[name].map(signed), intervals, strict=True)
    ]


def _rendered(columns: dict[str, Any]) -> str:
    return pd.DataFrame(columns).to_markdown(index=False, disable_numparse=True)


def _epochs(run: Path) -> str:
    return ", ".join(str(len(read_table(path))) for path in sorted(run.glob("fold?/history.csv")))


def _notes(results: Path, table: pd.DataFrame) -> str:
    trained = [
        results / protocol / run
        for protocol, run in zip(table["protocol"], table["run"], strict=True)
    ]
    records = [
        json.loads(path.read_text())
        for run in trained
        for path in sorted(run.glob("fold?/run.json"))
    ]
    machines = ", ".join(sorted({record["device"] for record in records}))
    versions = ", ".join(sorted({record["versions"]["torch"] for record in records}))
    hours = sum(record["seconds"] for record in records) / 3600
    training = records[0]["training"]
    return (
        f"Mean ± sample standard deviation over {table['folds'].max()} folds; chance is "
        f"{1 / table['classes'].max():.4f}. {NOT_LEARNED}: has not learned; {FOLDS_DIFFER}: folds "
        f"differ. Epochs: of each fold. {len(records)} trainings with batches of "
        f"{training['batch_size']}, at most {training['max_epochs']} epochs, on {machines} with "
        f"torch {versions}, together {hours:.1f} hours of their processes."
    )


def main(folders: Sequence[str]) -> None:
    """Replace the tables of these studies."""
    page = PAGE.read_text(encoding="utf-8")
    for study in map(Path, folders):
        name = f"{study.parent.name}/{study.name}"
        place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(page):
            sys.exit(f"{PAGE.name}: no place for {name}: expected <!-- {name} -->")
        tables = tables_of(study)
        page = place.sub(lambda found, tables=tables: f"{found[1]}\n{tables}\n\n{found[2]}", page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
