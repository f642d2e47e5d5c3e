"""The tables and verdicts of a received run once more, from its predictions, without training."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.config import studies_of
from bptubeformer.evaluation.tables import read_table
from bptubeformer.provenance.received import Received
from bptubeformer.stages import STAGES, TABLES, module_of, table_files
from bptubeformer.study import SUMMARY_FILE, Study
from bptubeformer.study import TABLES as FOLDER
from bptubeformer.verdict.summary import write_summary

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Numbers of two machines may differ by so much: sums are rounded in another order."""
FEW, LAST = 0.01, 4
"""Share of the numbers of a page that may be printed with another last digit, and the least number
of digits that they have."""
NUMBER = re.compile(r"\d+\.\d+")


def recompute(crate: Received, output: Path) -> None:
    """Write the tables and summaries of a run again; its own are not looked at.

    Args:
        crate: the run.
        output: an empty folder of the dataset's name; the tables go below it, and links to all
            else that the results hold.

    Raises:
        InputError: a file of the run is missing, or is not what it should be.
    """
    for path in crate.results.iterdir():
        if path.name not in crate.studies:
            (output / path.name).symlink_to(path.resolve())
    studies = studies_of(crate.config, output.parent)
    for study in map(studies.__getitem__, crate.studies):
        for table in TABLES:
            if table.wanted(study):
                name = STAGES[table.name].partition(":")[2]
                write = getattr(import_module(module_of(table.name)), name)
                write(Study.read(study.part(*table.reads)), study.table(next(table_files(table))))
        write_summary(study, crate.base, study.folder / SUMMARY_FILE)


def differences(crate: Received, output: Path) -> Iterator[str]:
    """Yield where the tables of a crate are not those computed again.

    Args:
        crate: the run.
        output: as ``recompute`` filled it.
    """
    again = _made(output, crate)
    rounded = False
    # Where numbers differ by rounding alone, so may the pages made of them.
    for name in again:
        path = output / name
        received = crate.results / name
        if not received.exists():
            yield f"{name} is missing"
        elif received.read_bytes() == path.read_bytes():
            print(f"{name}: the same to the last byte")
        elif path.suffix == ".csv":
            fault = _difference(read_table(received), read_table(path))
            if fault:
                yield f"{name}, {fault}"
            else:
                print(f"{name}: the same but for rounding")
                rounded = True
        elif rounded and _same_text(received.read_bytes(), path.read_text("utf-8")):
            print(f"{name}: the same but for rounding")
        else:
            yield f"{name} says something else than its table"


def _made(results: Path, crate: Received) -> list[Path]:
    """Tables and summaries of a run, as paths below its results; numbers first."""
    found = [
        path.relative_to(results)
        for study in crate.studies
        for pattern in (f"{FOLDER}/*", f"{Path(SUMMARY_FILE).stem}.*")
        for path in (results / study).glob(pattern)
    ]
    return sorted(found, key=lambda name: (name.suffix != ".csv", name))


def _same_text(received: bytes, again: str) -> bool:
    """Return True if few numbers of two pages differ, and by one in their last digit alone.

    Where rounding changes a table, a number may come to be printed with another last digit.
    """
    text = received.decode("utf-8", "replace")
    mine, theirs = NUMBER.findall(again), NUMBER.findall(text)
    if NUMBER.split(text) != NUMBER.split(again) or len(mine) != len(theirs):
        return False
    other = [(a, b) for a, b in zip(mine, theirs, strict=True) if a != b]
    digits = [len(a.partition(".")[2]) for a, _ in other]
    return len(other) <= max(1, FEW * len(mine)) and all(
        count >= LAST and abs(float(a) - float(b)) <= 1.01 * 10.0**-count
        for count, (a, b) in zip(digits, other, strict=True)
    )


def _difference(received: pd.DataFrame, again: pd.DataFrame) -> str | None:
    """The first cell in which two tables differ by more than rounding."""
    if list(received.columns) != list(again.columns) or len(received) != len(again):
        return "it has other rows or columns"
    for column in again:
        mine, theirs = again[column], received[column]
        if pd.api.types.is_numeric_dtype(mine) and pd.api.types.is_numeric_dtype(theirs):
            same = np.isclose(theirs, mine, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        else:
            same = ((mine == theirs) | (mine.isna() & theirs.isna())).to_numpy()
        if not same.all():
            row = int(np.argmin(same))
            return f"row {row + 2}, column {column}: {theirs[row]}; computed again: {mine[row]}"
    return None
