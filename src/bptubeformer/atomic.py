"""Files that are either whole or not there."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bptubeformer.errors import InputError, refused_by_system
from bptubeformer.locks import LOCK, NO_LOCKS, locked
from bptubeformer.texts import in_table, shown

if TYPE_CHECKING:
    import pandas


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; move it to ``path`` once the block has ended well.

    If the block raises, the partial file is removed and an older ``path`` stays as it was. What a
    killed process left beside ``path`` is removed, too. Several processes may write ``path`` at the
    same time: the last one wins. The file gets the rights of the umask, whatever its writer chose.

    Raises:
        InputError: the operating system refuses, for example because the disk is full.
    """
    path = Path(path)
    folder = lock = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_partial(path)
        folder, lock = _partial_folder(path)
        yield folder / path.name
        (folder / path.name).chmod(folder.stat().st_mode & 0o666)
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
        reason = refused_by_system(error)
        # A refusal that names another file is about that one.
        if reason is not None and getattr(error, "filename", None) in (None, str(path)):
            raise InputError(f"{shown(path)}: {reason}; nothing half-written was kept") from error
        raise
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _partial_folder(path: Path) -> tuple[Path, int | None]:
    """Make a folder beside ``path`` for a file that becomes ``path``, and lock it.

    It is a folder, because some writers leave files of their own beside theirs when they are
    killed. Nobody removes it while it is locked.

    Returns:
        The folder, and the file that holds the lock; None where files cannot be locked.
    """
    while True:
        folder = path.with_name(f".partial-{secrets.token_hex(4)}-{path.name}")
        folder.mkdir()
        try:
            return folder, locked(folder / LOCK, wait=True)
        except FileNotFoundError:
            continue  # another process took it for that of a killed one
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return folder, None


def remove_partial(path: Path) -> None:
    """Remove what processes that were killed while they wrote ``path`` left beside it."""
    partial = re.compile(rf"\.partial-[0-9a-f]+-{re.escape(path.name)}")
    for folder in path.parent.iterdir():
        if partial.fullmatch(folder.name):
            # Locked: its process lives. Gone: another process removed it.
            with suppress(OSError):
                lock = locked(folder / LOCK)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def write_csv(path: Path | str, table: "pandas.DataFrame") -> None:
    """Write a table as CSV, whole or not at all; no spreadsheet executes a cell of it."""
    texts = table.select_dtypes(["object", "string", "category"])
    safe = {
        name: column.map(lambda cell: in_table(cell) if isinstance(cell, str) else cell)
        for name, column in texts.items()
    }
    with replacing(path) as partial:
        table.assign(**safe).to_csv(partial, index=False, lineterminator="\n")


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
