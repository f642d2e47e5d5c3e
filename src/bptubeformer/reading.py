"""Refuse a file that is not of the expected kind: by its name, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bptubeformer.errors import InputError
from bptubeformer.texts import shown


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
