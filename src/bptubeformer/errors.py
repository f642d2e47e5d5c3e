"""The one exception for input that a person can put right."""


class InputError(Exception):
    """Something given from outside is wrong: a file, a key, a value.

    The message says what is wrong, where it stands (file, row, key), what was expected and what
    to do. The command line prints the message alone, without a traceback.
    """
