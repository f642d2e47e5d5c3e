"""Docstrings begin with a verb or a noun: an engineer reads them once."""

import ast
import re

import pytest

from conftest import REPOSITORY

FOLDERS = ("src", "tests", "benchmarks", "docs", "envs")
FILES = sorted(path for name in FOLDERS for path in (REPOSITORY / name).rglob("*.py"))
BARE = re.compile(r"(What|How|Whether|Which|Where|Why|Who|That)\b(?!.*\?$)")
"""A clause without a verb of its own; a question may begin so."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_docstrings_begin_with_a_verb_or_a_noun(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            assert not BARE.match(first), f"{path.name}: {first}"
