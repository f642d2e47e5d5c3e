"""Files that are either whole or not there."""

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bptubeformer.errors import InputError, refused_by_system
from bptubeformer.texts import in_table, shown

if TYPE_CHECKING:
    import pandas


LOCK = ".lock"
"""Locked file in a folder that a process has for itself."""


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
            return folder, _locked(folder / LOCK, wait=True)
        except FileNotFoundError:
            continue  # another process took it for that of a killed one
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return folder, None


NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems answer that cannot lock files."""


def _locked(path: Path, *, wait: bool = False) -> int:
    """Open a file and lock it until the process ends, or closes it.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: its folder is not there, or files cannot be locked.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have removed it before it was locked.
            if os.path.samestat(path.stat(), os.fstat(file)):
                return file
        except FileNotFoundError:
            pass
        except OSError:
            os.close(file)
            raise
        os.close(file)


def remove_partial(path: Path) -> None:
    """Remove what processes that were killed while they wrote ``path`` left beside it."""
    partial = re.compile(rf"\.partial-[0-9a-f]+-{re.escape(path.name)}")
    for folder in path.parent.iterdir():
        if partial.fullmatch(folder.name):
            # Locked: its process lives. Gone: another process removed it.
            with suppress(OSError):
                lock = _locked(folder / LOCK)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


@contextmanager
def alone_in(folder: Path, does: str) -> Iterator[None]:
    """Keep a folder for this process: a job of a cluster outlives the Snakemake that sent it.

    Args:
        folder: is made if it is not there, and removed if it stays empty.
        does: what the process does there, for the message.

    Raises:
        InputError: another process has the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = None
    try:
        lock = _locked(folder / LOCK)
    except BlockingIOError as error:
        raise InputError(
            f"{shown(folder)}: another process {does}; wait for it, or end it (on a cluster: "
            "scancel), then run the same command again"
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)
        with suppress(OSError):  # something is in it
            folder.rmdir()


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
