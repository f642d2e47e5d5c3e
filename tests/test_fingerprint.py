import ast
import json
import shutil
import subprocess
import sys

import pytest

from bptubeformer import stages
from bptubeformer.fingerprint import fingerprint, imported, reached
from bptubeformer.stages import module_of
from conftest import REPOSITORY
from messages import is_sentence, makes_exception

PRINT = "import sys; sys.path.insert(0, sys.argv[1]); from bptubeformer.fingerprint import *; "


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, and a function that fingerprints a stage in it."""
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")

    def fingerprint_of(*arguments: str) -> str:
        stage, *models = arguments
        code = PRINT + f"print(stage_fingerprint(*{(module_of(stage), *models)!r}))"
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


class Reworded(ast.NodeTransformer):
    """Every text that ``tests/messages.py`` takes for a message, with other words."""

    def __init__(self, results):
        self.results = results
        self.count = 0
        self.inside = False

    def visit(self, node):
        before = self.inside
        refuses = isinstance(node, ast.Raise) or makes_exception(node)
        prints = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "print"
        self.inside = before or refuses or prints
        node = super().visit(node)
        self.inside = before
        return node

    def visit_Constant(self, node):
        text = node.value
        if isinstance(text, str) and (
            (self.inside and len(text.split()) > 1) or (not self.results and is_sentence(text))
        ):
            self.count += 1
            return ast.Constant(f"{text} in other words")
        return node


OF_MODELS = ("train", "predict", "embed", "attend", "complexity", "cost")
STAGES = {
    name: (module_of(name), *(("sttran", "m12") if name in OF_MODELS else ()))
    for name in stages.STAGES
}


@pytest.mark.slow
def test_rewording_every_message_plans_no_job(copy):
    """A changed constant changes the stages that compute with it, and no others."""
    package, _ = copy
    code = PRINT + (
        "import json; print(json.dumps({n: stage_fingerprint(*m) for n, m in "
        f"{STAGES!r}.items()}} | {{'package': package_fingerprint()}}))"
    )

    def all_of_them():
        command = [sys.executable, "-c", code, str(package.parent)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    before, reworded = all_of_them(), 0
    for path in package.rglob("*.py"):
        results = path.relative_to(package).parts[0] in (
            "claims.py", "evaluation", "figures", "provenance", "verdict",
        )  # fmt: skip
        words = Reworded(results)
        tree = words.visit(ast.parse(path.read_text()))
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
        reworded += words.count
    assert reworded > 300
    assert all_of_them() == before
    layers = package / "models" / "layers.py"
    layers.write_text(layers.read_text().replace("EPSILON = 1e-06", "EPSILON = 1e-05"))
    after = all_of_them()
    changed = {name for name in before if after[name] != before[name]}
    assert {"train", "predict", "embed", "attend"} <= changed
    assert not changed & {"acquire", "ingest", "split", "accuracy", "leakage", "verdict"}


def test_fingerprints_are_kept_for_the_next_process_until_a_file_changes(copy):
    package, fingerprint_of = copy
    kept = package.parents[1] / ".snakemake" / "fingerprints.json"
    first = fingerprint_of("split")
    assert not kept.exists()  # where Snakemake has no folder
    kept.parent.mkdir()
    assert fingerprint_of("split") == first
    known = json.loads(kept.read_text())
    assert first.strip() in known.values()
    kept.write_text(json.dumps({**known, module_of("split"): "kept"}))
    assert fingerprint_of("split") == "kept\n"
    append(package / "figures" / "style.py", "\nNEW = 1\n")
    assert fingerprint_of("split") == first
    for broken in ("", "[]", "{", '{"files": 5}'):
        kept.write_text(broken)
        assert fingerprint_of("split") == first


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


def test_a_notebook_counts_its_code_and_what_it_imports(tmp_path):
    def notebook(*cells, folder="here"):
        path = tmp_path / folder / "a.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"cells": list(cells)}))
        return fingerprint(str(path))

    code = {"cell_type": "code", "source": ["from bptubeformer.skeleton import COCO_17\n"]}
    text = {"cell_type": "markdown", "source": ["words"]}
    assert notebook(code) == notebook(code, text) == notebook(code, folder="there")
    assert notebook(code) != notebook({**code, "source": ["COCO_17 = 1"]})
    assert notebook(code) != notebook({**code, "source": ["from bptubeformer import errors"]})


def test_imports_from_outside_are_those_of_all_that_is_reached(tmp_path):
    notebook = tmp_path / "x.ipynb"
    source = ["import json, seaborn\n", "from bptubeformer.figures.style import SIZES"]
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source}]}))
    assert {"seaborn", "matplotlib"} <= imported(str(notebook))
    assert "json" not in imported(str(notebook))
    # Functions of data.splits import scikit-learn; none needs be called.
    assert "sklearn" in imported("bptubeformer.data.splits")
    assert "sklearn" not in imported("bptubeformer.data.splits", certain=True)
    # Only a type checker imports torch there.
    assert "torch" not in imported(module_of("synthetic"))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="is not a module of"):
        fingerprint("bptubeformer.nothing")


@pytest.mark.parametrize(
    ("stage", "above"),
    [
        ("split", ("training", "evaluation", "figures", "verdict", "claims", "models")),
        ("train", ("evaluation", "figures", "verdict", "claims")),
        (
            "predict",
            (
                "training.loop",
                "evaluation.accuracy",
                "evaluation.tables",
                "figures",
                "verdict",
                "claims",
            ),
        ),
        ("accuracy", ("figures", "verdict", "models", "training")),
    ],
)
def test_a_stage_reaches_nothing_above_it(stage, above):
    """A reworded table, a new claim or a figure must not retrain anything."""
    prefixes = tuple(f"bptubeformer.{room}." for room in above)
    found = reached(module_of(stage))
    assert [name for name in found if f"{name}.".startswith(prefixes)] == []
