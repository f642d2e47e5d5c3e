"""Errors: the exception for input that a person can correct, and its message."""

from pathlib import PurePath


class InputError(Exception):
    """Something given from outside is wrong: a file, a key, a value.

    The message says what is wrong, where it is (file, row, key), what was expected and what
    to do. The command line prints the message alone, without a traceback.
    """


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


def shown(name: PurePath | str) -> str:
    """A name that may hold anything, as one printable line.

    File names are bytes: control characters, line ends and what is not UTF-8 are escaped.
    """
    text = str(name).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
