"""Texts from outside, for each place that they go to: a terminal, Markdown, a figure, a table.

A name or a label may hold anything. It must not become a command, a formula, a tag or a second
line. jinja2 and mistune escape HTML.
"""

import re
from pathlib import PurePath

MARKUP = re.compile(r"[\\`*\[\]<|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
"""Characters that are markup in Markdown; an underscore within a word is not."""
FORMULA = re.compile(r"'*[-=+@\t\r](?!\Z)")
"""Start of a cell that a spreadsheet executes, or that ``in_table`` has changed."""
NUMBER = re.compile(r"[-+][\d.]+")
INVISIBLE = "\N{ZERO WIDTH SPACE}"


def shown(name: PurePath | str) -> str:
    """Return a name as one printable line, for a message.

    File names are bytes: control characters, line ends and what is not UTF-8 are escaped.
    """
    text = str(name).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def in_markdown(text: str) -> str:
    """Escape a text for Markdown and its tables: it makes no link, image or emphasis."""
    return MARKUP.sub(r"\\\g<0>", shown(text))


def in_figure(text: str) -> str:
    """Escape a text for a figure: dollars make no formula, legends keep a leading underscore."""
    escaped = shown(text).replace("$", r"\$")
    return INVISIBLE + escaped if escaped.startswith("_") else escaped


def in_table(text: str) -> str:
    """Write a text as a cell that no spreadsheet executes: a formula gets an apostrophe."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def from_table(cell: str) -> str:
    """Return the text of a cell that ``in_table`` wrote."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
