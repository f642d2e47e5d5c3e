"""Tables as files: CSV for programs, Markdown for people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.atomic import write_csv, write_text
from bptubeformer.reading import reading
from bptubeformer.texts import from_table, in_markdown

TEXTS = frozenset({
    "run", "experiment", "kernel", "stride", "padding", "protocol", "unit", "metric",
    "category", "video", "person", "level", "part", "order", "grouping", "group",
    "comparison", "baseline", "stage", "modules", "transformer", "precision",
    "id", "where", "statement", "paper", "here", "verdict", "reason", "evidence",
    "question", "answer", "representation", "measure",
})  # fmt: skip
"""Columns of texts in all tables: a class or video may be called 0012, 1e5 or nan."""
AS_PRINTED = "as in Table 2"
"""Comparison of costs that the paper prints, at different segment lengths."""


def write_table(
    path: Path, table: pd.DataFrame, markdown: str | None = None, html: str | None = None
) -> None:
    """Write a table as CSV, and beside it for people.

    Args:
        path: of the CSV.
        table: what it holds.
        markdown: written as ``.md``, and as a page of its own as ``.html``.
        html: a page to be written instead.
    """
    for name in table.columns.difference(list(TEXTS)):
        if table[name].map(lambda cell: isinstance(cell, str)).any():
            raise TypeError(f"a column of texts that read_table does not know: {name}")
    # Here, because the notebooks read tables and need nothing that makes pages.
    from bptubeformer.evaluation.pages import page

    write_csv(path, table)
    if markdown is not None:
        write_text(path.with_suffix(".md"), markdown)
        write_text(path.with_suffix(".html"), html or page(markdown))


def read_table(path: Path) -> pd.DataFrame:
    """Read what ``write_table`` wrote; texts stay texts, whatever they look like.

    Args:
        path: of the CSV.

    Raises:
        InputError: the file is not a table.
    """
    with reading(path, "a table of results", "snakemake"):
        table = pd.read_csv(
            path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(TEXTS, str)
        )
        if not isinstance(table.index, pd.RangeIndex):
            raise ValueError("it has rows of more cells than columns")
    texts = [name for name in table.columns if name in TEXTS]
    return table.assign(**{name: table[name].map(from_table, na_action="ignore") for name in texts})


def means_of_folds(folders: Iterable[tuple[int, int, Path]], file: str, names: str) -> pd.DataFrame:
    """Read a small table of every training of a run; of several seeds, take the mean of each fold.

    Args:
        folders: number, seed and folder of each fold, as ``Study.fold_folders`` yields them.
        file: of the table in each folder.
        names: its column of texts.

    Returns:
        the columns of the table and ``fold``, a row for each text and fold.

    Raises:
        InputError: a file is not a table.
    """
    tables = (read_table(folder / file).assign(fold=fold) for fold, _, folder in folders)
    return pd.concat(tables).groupby([names, "fold"], sort=False).mean().reset_index()


def render(title: str, shown: pd.DataFrame, notes: Sequence[str]) -> str:
    """Markdown of a table under a title, its columns aligned for a terminal, notes below it."""
    escaped = shown.map(lambda cell: in_markdown(cell) if isinstance(cell, str) else cell)
    escaped.columns = [in_markdown(name) for name in shown.columns]
    table = escaped.to_markdown(index=False, disable_numparse=True)
    return "\n\n".join([f"# {title}", table, *notes]) + "\n"


def spread(mean: float, std: float) -> str:
    """``mean ± sd`` with four digits, as in Table 1; ``-`` where there is no mean."""
    if np.isnan(mean):
        return "-"
    return f"{mean:.4f}" if np.isnan(std) else f"{mean:.4f} ± {std:.4f}"


def signed(value: float) -> str:
    """A difference with its sign and four digits; ``-`` where there is none."""
    return "-" if np.isnan(value) else f"{round(value, 4) + 0.0:+.4f}"


def unsigned(value: float) -> str:
    """A number with four digits; ``-`` where there is none."""
    return "-" if np.isnan(value) else f"{value:.4f}"


def ranges(low: Iterable[float], high: Iterable[float], form: str = ".4f") -> list[str]:
    """Intervals as text, ``low to high``; ``-`` where there is none."""
    return [
        "-" if np.isnan(a) else f"{a:{form}} to {b:{form}}" for a, b in zip(low, high, strict=True)
    ]


def triple(values: Sequence[int] | None) -> str | None:
    """A kernel or stride as in Table 1: ``(2, 3, 3)``."""
    return None if values is None else f"({', '.join(map(str, values))})"
