"""Files that are either whole or not there."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bptubeformer.errors import InputError, shown

if TYPE_CHECKING:
    import pandas


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; move it to ``path`` once the block has ended well.

    If the block raises, the partial file is removed and an older ``path`` stays as it was. What a
    killed process left beside ``path`` is removed, too.

    Raises:
        InputError: the disk is full.
    """
    path = Path(path)
    # In a folder of its own: some writers leave files of their own beside it when they are killed.
    folder = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_partial(path)
        folder.mkdir()
        yield folder / path.name
        # A power cut must neither leave the name without the content, nor take back the name.
        with (folder / path.name).open("rb") as file:
            os.fsync(file.fileno())
        (folder / path.name).replace(path)
        place = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    except Exception as error:
        if full_disk(error):
            raise InputError(
                f"{shown(path)}: the disk is full; nothing half-written was kept; make room, then "
                "run the same command again"
            ) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def full_disk(error: BaseException) -> bool:
    """Return True if an error, of Python or of a library, says that the disk or a quota is full."""
    reasons = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in reasons or any(
        os.strerror(reason) in str(error) for reason in reasons
    )


def remove_partial(path: Path) -> None:
    """Remove what processes that were killed while they wrote ``path`` left beside it."""
    partial = re.compile(rf"\.partial-\d+-{re.escape(path.name)}")
    for other in path.parent.iterdir():
        if partial.fullmatch(other.name):
            shutil.rmtree(other) if other.is_dir() else other.unlink()


def write_csv(path: Path | str, table: "pandas.DataFrame") -> None:
    """Write a table as CSV, whole or not at all."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
