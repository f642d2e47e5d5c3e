"""The one exception for input that a person can put right, and how names stand in its message."""

from pathlib import Path


class InputError(Exception):
    """Something given from outside is wrong: a file, a key, a value.

    The message says what is wrong, where it stands (file, row, key), what was expected and what
    to do. The command line prints the message alone, without a traceback.
    """


def shown(name: Path | str) -> str:
    """A name that may hold anything, as one printable line.

    File names are bytes: control characters, line ends and what is no UTF-8 are escaped.
    """
    text = str(name).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
