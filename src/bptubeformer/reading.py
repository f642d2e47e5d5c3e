"""Refuse a file that is not of the expected kind: by its name, in one line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bptubeformer.errors import InputError
from bptubeformer.sections import MOST_VALUES, Record, accept, is_large, parsed_yaml
from bptubeformer.texts import shown

if TYPE_CHECKING:
    import pandas

MOST_YAML = 1_000_000
"""Bytes of a YAML file: a person writes no more."""
MOST_CELLS = 200_000_000
"""Of a table: ten times the predictions of HR-Crime. A small file may unfold to any number."""


@contextmanager
def reading(path: Path, what: str, writer: str) -> Iterator[None]:
    """Read and check a file in the block; whatever goes wrong there is its fault.

    Libraries raise very different exceptions on a file that is damaged or of another kind.

    Args:
        path: of the file.
        what: it should be, with its article.
        writer: command that writes it.

    Raises:
        InputError: it is not there, or not what it should be.
    """
    if path.is_fifo() or path.is_socket() or path.is_char_device() or path.is_block_device():
        # Reading a pipe may wait for ever.
        raise InputError(f"{shown(path)}: a pipe, socket or device; expected {what}; remove it")
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{shown(path)}: no such file; write it with: {writer}") from error
    except Exception as error:
        reason = " ".join(shown(str(error).replace("\n", " ")).split())
        raise InputError(
            f"{shown(path)}: not {what} ({reason or type(error).__name__}); write it with: {writer}"
        ) from error


def read_record(path: Path, kind: type[Record]) -> dict[str, Any]:
    """Read a JSON file that a stage wrote.

    Args:
        path: of the file.
        kind: its description.

    Raises:
        InputError: it is not there, or not what it should be; names the key that is wrong.
    """
    with reading(path, kind.expected, kind.writer):
        if path.stat().st_size > kind.most_bytes:
            raise ValueError(f"more than {kind.most_bytes / 1e6:.0f} MB")
        return accept(kind, json.loads(path.read_text(encoding="utf-8")), shown(path))


def read_yaml(path: Path, what: str, writer: str) -> dict[str, Any]:
    """Read a mapping in YAML, whose aliases unfold to no more than a person writes.

    Raises:
        InputError: it is not there, or not a mapping.
    """
    with reading(path, what, writer):
        if path.stat().st_size > MOST_YAML:
            raise ValueError(f"more than {MOST_YAML / 1e6:.0f} MB")
        content = parsed_yaml(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or is_large(content, MOST_VALUES):
            raise ValueError("not a mapping, or one of too many values")
        return content


def read_parquet(path: Path, kind: type[Record]) -> tuple["pandas.DataFrame", dict[str, Any]]:
    """Read a table that a stage wrote, and what is said about it.

    Args:
        path: of the parquet file.
        kind: the description of what is said about the table, in ``DataFrame.attrs``.

    Raises:
        InputError: it is not there, or not what it should be; names the key that is wrong.
    """
    import pandas as pd
    import pyarrow.parquet

    with reading(path, kind.expected, kind.writer):
        size = pyarrow.parquet.read_metadata(path)
        if size.num_rows * size.num_columns > MOST_CELLS:
            raise ValueError(f"{size.num_rows} rows of {size.num_columns} columns")
        table = pd.read_parquet(path)
        return table, accept(kind, table.attrs, shown(path))
