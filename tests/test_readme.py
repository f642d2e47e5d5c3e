"""The README says what is there."""

import re
from pathlib import Path

import pytest

from conftest import REPOSITORY

DOCUMENTS = [
    REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links {target}"


def test_continuous_integration_calls_the_readmes_test_command():
    commands = re.findall(r"^(python3 -m venv .*)$", (REPOSITORY / "README.md").read_text(), re.M)
    assert len(commands) == 2
    assert commands[1] in (REPOSITORY / ".ci" / "run").read_text()
    assert commands[1].endswith("uv run pytest")


def test_every_fault_names_a_test_that_exists():
    rows = re.findall(
        r"^\| [^-].*\| ([^|]*) \|$", (REPOSITORY / "docs/faults.md").read_text(), re.M
    )
    named = [match for row in rows for match in re.findall(r"`([\w/]+)::(\w+)`", row)]
    assert len(named) > 60
    assert len(rows) - len([row for row in rows if "::" in row]) == len(
        [row for row in rows if row == "test"]
    )
    for file, test in named:
        assert f"def {test}(" in (REPOSITORY / "tests" / f"{file}.py").read_text(), test


def test_documents_name_files_of_the_code_that_exist():
    """Pages written by hand, and pages that a command wrote, go stale when a file is renamed."""
    folders = ("src", "tests", "benchmarks", "docs")
    files = {p.name for folder in folders for p in (REPOSITORY / folder).rglob("*.py")}
    named = {
        (document.name, Path(name).name)
        for document in [*DOCUMENTS, *sorted((REPOSITORY / "benchmarks").glob("*.md"))]
        for name in re.findall(r"`([\w/]+\.py)\b", document.read_text())
    }
    assert len(named) > 20
    for document, name in named:
        assert name in files, f"{document} names {name}"


def test_every_choice_names_a_key_that_exists():
    """Keys in docs/fidelity.md are keys of config.yaml, or files or names of the code."""
    config = (REPOSITORY / "config.yaml").read_text()
    code = {path.name for path in (REPOSITORY / "src").rglob("*.py")}
    code |= {f"notebooks/{path.name}" for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
    rows = re.findall(r"^\|.*\| ([^|]*) \|$", (REPOSITORY / "docs/fidelity.md").read_text(), re.M)
    keys = [key for cell in rows for key in re.findall(r"`([^`]+)`", cell)]
    assert len(keys) > 30
    source = "".join(path.read_text() for path in (REPOSITORY / "src").rglob("*.py"))
    for key in keys:
        last = key.split(".")[-1].rstrip("*")
        assert key in code or f"{last}" in config or key in source, key
