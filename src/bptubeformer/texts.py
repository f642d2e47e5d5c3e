"""Texts from outside, for each place that they go to: a terminal, Markdown, a figure, a table.

A name or a label may hold anything. Here it is written so that it is a text there, and not a
command, a formula, a tag or a second line. HTML is escaped by jinja2 and mistune.
"""

import re
from pathlib import PurePath

MARKUP = re.compile(r"[\\`*\[\]<|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
"""What Markdown takes for more than a letter; an underscore within a word is one."""
FORMULA = re.compile(r"'*[-=+@\t\r](?!\Z)")
"""How a cell begins that a spreadsheet takes for a formula, or that ``in_table`` has changed."""
NUMBER = re.compile(r"[-+][\d.]+")
INVISIBLE = "\N{ZERO WIDTH SPACE}"


def shown(name: PurePath | str) -> str:
    """A name in a message: one printable line.

    File names are bytes: control characters, line ends and what is not UTF-8 are escaped.
    """
    text = str(name).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def in_markdown(text: str) -> str:
    """A text in Markdown, also within the cell of a table: no link, no image, no emphasis."""
    return MARKUP.sub(r"\\\g<0>", shown(text))


def in_figure(text: str) -> str:
    """A text of a figure: dollars make no formula, and a legend shows what begins with _, too."""
    escaped = shown(text).replace("$", r"\$")
    return INVISIBLE + escaped if escaped.startswith("_") else escaped


def in_table(text: str) -> str:
    """A text as a cell that no spreadsheet executes: an apostrophe stands before a formula."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def from_table(cell: str) -> str:
    """The text that ``in_table`` made a cell of."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
