"""Write the tables of results.md from results of the workflow; the words around them stay.

    uv run python docs/results.py results/<dataset> ...

A table is between ``<!-- <dataset> -->`` and ``<!-- end -->``. It needs the study ``paper``.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bptubeformer.evaluation.learned import FOLDS_DIFFER, NOT_LEARNED, marked
from bptubeformer.evaluation.tables import ranges, read_table, signed, spread

PAGE = Path(__file__).with_name("results.md")


def tables_of(results: Path) -> str:
    """Return Table 1 of a dataset in Markdown, a table a protocol; and notes."""
    table = read_table(results / "paper" / "tables" / "accuracy.csv")
    parts = []
    for protocol, rows in table.groupby("protocol", sort=False):
        differences = zip(
            rows["difference_to_baseline"].map(signed),
            ranges(rows["difference_low"], rows["difference_high"], "+.2f"),
            strict=True,
        )
        shown = {
            "Run": marked(rows),
            "Segment length": rows["segment_length"],
            "Balanced accuracy": list(
                map(spread, rows["balanced_accuracy_mean"], rows["balanced_accuracy_std"])
            ),
            "95 % interval": ranges(rows["interval_low"], rows["interval_high"], ".2f"),
            f"Minus {rows['run'].iloc[0]}": [
                value if value == "-" else f"{value} ({interval})"
                for value, interval in differences
            ],
            "Epochs": [_epochs(results / str(protocol) / run) for run in rows["run"]],
        }
        rendered = pd.DataFrame(shown).to_markdown(index=False, disable_numparse=True)
        parts.append(f"Protocol `{protocol}`:\n\n{rendered}")
    return "\n\n".join([*parts, _notes(results, table)])


def _epochs(run: Path) -> str:
    return ", ".join(str(len(read_table(path))) for path in sorted(run.glob("fold?/history.csv")))


def _notes(results: Path, table: pd.DataFrame) -> str:
    records = [json.loads(path.read_text()) for path in results.glob("*/*/fold?/run.json")]
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
    """Replace the tables of these results."""
    page = PAGE.read_text(encoding="utf-8")
    for results in map(Path, folders):
        place = re.compile(rf"(<!-- {re.escape(results.name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(page):
            sys.exit(f"{PAGE.name}: no place for {results.name}: expected <!-- {results.name} -->")
        tables = tables_of(results)
        page = place.sub(lambda found, tables=tables: f"{found[1]}\n{tables}\n\n{found[2]}", page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
