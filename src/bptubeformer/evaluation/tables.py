"""How tables are written: CSV for programs, Markdown for people."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bptubeformer.atomic import replacing, write_text


def write_table(path: Path, table: pd.DataFrame, markdown: str | None = None) -> None:
    """Write a table as CSV, and beside it as Markdown."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
    if markdown is not None:
        write_text(path.with_suffix(".md"), markdown)


def render(title: str, shown: pd.DataFrame, notes: Sequence[str]) -> str:
    """Markdown of a table under a title, its columns aligned for a terminal, notes below it."""
    table = shown.to_markdown(index=False, disable_numparse=True)
    return "\n\n".join([f"# {title}", table, *notes]) + "\n"
