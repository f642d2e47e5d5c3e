import json
import shutil
import subprocess
import sys

import pytest

from bptubeformer.fingerprint import command_fingerprint, fingerprint, reached
from conftest import REPOSITORY

PRINT = "import sys; sys.path.insert(0, sys.argv[1]); from bptubeformer.fingerprint import *; "


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, and a function that fingerprints a command in it."""
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")

    def fingerprint_of(*arguments: str) -> str:
        code = PRINT + f"print(command_fingerprint(*{arguments!r}))"
        command = [sys.executable, "-c", code, str(tmp_path / "src")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return tmp_path / "src" / "bptubeformer", fingerprint_of


def append(path, text):
    path.write_text(path.read_text() + text)


def test_comments_and_docstrings_do_not_count(copy):
    package, fingerprint_of = copy
    before = fingerprint_of("train", "sttran")
    append(package / "training" / "loop.py", "\n# a comment\n")
    path = package / "models" / "sttran.py"
    path.write_text(path.read_text().replace("Spatial-temporal transformer.", "Something else."))
    assert fingerprint_of("train", "sttran") == before


def test_the_version_does_not_count(copy):
    package, fingerprint_of = copy
    before = fingerprint_of("train", "sttran")
    (package / "__init__.py").write_text('"""Words."""\n\n__version__ = "9.9.9"\n')
    assert fingerprint_of("train", "sttran") == before


def test_the_package_holds_no_more_than_its_version():
    lines = (REPOSITORY / "src" / "bptubeformer" / "__init__.py").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith('"""')]
    assert len(code) == 1
    assert code[0].startswith("__version__ = ")


def test_a_model_counts_for_its_own_runs_only(copy):
    package, fingerprint_of = copy
    before = {model: fingerprint_of("train", model) for model in ("sttran", "bptubeformer")}
    append(package / "models" / "sttran.py", "\nNEW = 1\n")
    assert fingerprint_of("train", "sttran") != before["sttran"]
    assert fingerprint_of("train", "bptubeformer") == before["bptubeformer"]


def test_figures_do_not_count_for_training_and_shared_code_counts_for_all(copy):
    package, fingerprint_of = copy
    before = fingerprint_of("train", "sttran")
    append(package / "figures" / "style.py", "\nNEW = 1\n")
    assert fingerprint_of("train", "sttran") == before
    append(package / "atomic.py", "\nNEW = 1\n")
    assert fingerprint_of("train", "sttran") != before


def test_a_command_counts_what_it_refers_to_in_the_command_line_module(copy):
    package, fingerprint_of = copy
    before = {name: fingerprint_of(name) for name in ("train", "accuracy")}
    path = package / "cli.py"
    old = '"CPU threads of torch", type=count, default='
    path.write_text(path.read_text().replace(f"{old}1", f"{old}2"))
    assert fingerprint_of("train") != before["train"]
    assert fingerprint_of("accuracy") == before["accuracy"]


def test_a_notebook_counts_its_code_and_what_it_imports(tmp_path):
    def notebook(*cells, folder="here"):
        path = tmp_path / folder / "a.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"cells": list(cells)}))
        return fingerprint(str(path))

    code = {"cell_type": "code", "source": ["from bptubeformer.skeleton import PARTS\n"]}
    text = {"cell_type": "markdown", "source": ["words"]}
    assert notebook(code) == notebook(code, text) == notebook(code, folder="there")
    assert notebook(code) != notebook({**code, "source": ["PARTS = 1"]})
    assert notebook(code) != notebook({**code, "source": ["from bptubeformer import errors"]})


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no module"):
        fingerprint("bptubeformer.nothing")
    with pytest.raises(ValueError, match="no top-level definition of nothing"):
        command_fingerprint("nothing")


@pytest.mark.parametrize(
    ("command", "above"),
    [
        ("split", ("training", "evaluation", "figures", "verdict", "claims", "models")),
        ("train", ("evaluation", "figures", "verdict", "claims")),
        ("test", ("evaluation.accuracy", "evaluation.tables", "figures", "verdict", "claims")),
        ("accuracy", ("figures", "verdict", "models", "training")),
    ],
)
def test_a_command_reaches_nothing_above_it(command, above):
    """A reworded table, a new claim or a figure must not retrain anything."""
    prefixes = tuple(f"bptubeformer.{room}." for room in above)
    found = reached(f"bptubeformer.cli:{command}")
    assert [name for name in found if f"{name}.".startswith(prefixes)] == []
