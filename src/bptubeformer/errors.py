"""Errors: the exception for input that a person can correct, and the words for its message."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath


class InputError(Exception):
    """Something given from outside is wrong: a file, a key, a value.

    The message says what is wrong, where it is (file, row, key), what was expected and what
    to do. The command line prints the message alone, without a traceback.
    """


FULL = (errno.ENOSPC, errno.EDQUOT)
"""A disk or a quota is full."""
REMEDIES = {
    **dict.fromkeys(FULL, "make room, then run the same command again"),
    errno.ENOENT: "check the path given",
    errno.EROFS: "choose a folder on a file system that can be written",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ELOOP: "remove the link that leads to itself",
    errno.ENAMETOOLONG: "use shorter names, or fewer folders within each other",
    errno.EIO: "the disk or its connection failed; run the same command again",
    errno.ESTALE: "the network file system lost it; run the same command again",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check the path and your rights"),
}
"""Remedy for each refusal of the operating system, by error number."""
BY_TEXT = (*FULL, errno.EROFS, errno.EFBIG, errno.EIO)
"""Refusals that libraries report as text only."""


def refused_by_system(error: BaseException) -> str | None:
    """Return what the operating system refused and what to do; None for any other error.

    Args:
        error: an OSError, or the error of a library that has its text.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        found = [reason for reason in BY_TEXT if os.strerror(reason) in str(error)]
        if not found:
            return None
        number = found[0]
    words = "the disk is full" if number in FULL else os.strerror(number).lower()
    return f"{words}; {REMEDIES.get(number, 'check the path')}"


@contextmanager
def naming(path: PurePath) -> Iterator[None]:
    """Add the path to an error of the operating system that has none, such as that of a write."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED")
"""Texts of torch's allocator for the CPU, of the CUDA driver and of CUDA's libraries."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return True if this error, or one in its chain, is an out-of-memory error."""
    while error is not None:
        text = str(error)
        if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False
