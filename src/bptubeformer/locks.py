"""Files that one process has locked, and folders that it has for itself.

A lock ends with its process. The package filelock fits locks that nobody removes; these are removed
with their folder, also while another process waits for them.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bptubeformer.errors import InputError
from bptubeformer.texts import shown

LOCK = ".lock"
"""Locked file in a folder that a process has for itself."""
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems answer that cannot lock files."""


def locked(path: Path, *, wait: bool = False) -> int:
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


@contextmanager
def alone_in(folder: Path, does: str) -> Iterator[None]:
    """Keep a folder for this process: a job of a cluster outlives the Snakemake that sent it.

    Args:
        folder: is made if it is not there, and removed if it stays empty.
        does: the words after "another process" in the message.

    Raises:
        InputError: another process has the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = None
    try:
        lock = locked(folder / LOCK)
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
