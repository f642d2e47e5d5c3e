"""The conda environments: versions of uv.lock, and all that their stages import."""

import ast
import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.markers import Marker

from conftest import REPOSITORY

ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
PYPI_NAMES = {
    "pytorch-cpu": "torch", "pytorch-gpu": "torch", "matplotlib-base": "matplotlib",
}  # fmt: skip


def pinned(path):
    """Package and version of every line, by the names of the package index."""
    pins = {}
    for line in yaml.safe_load(path.read_text())["dependencies"]:
        for entry in line["pip"] if isinstance(line, dict) else [line]:
            name, _, version = re.sub("=+", "=", entry.replace(" ", "")).partition("=")
            pins[PYPI_NAMES.get(name, name)] = version
    return pins


@pytest.fixture(scope="module")
def locked():
    """Version of each package that uv.lock has for the Python of the environments, on Linux."""
    pythons = {pinned(path)["python"] for path in ENVIRONMENTS}
    (python,) = pythons
    # The last patch that there can be: conda takes the newest.
    machine = {"python_version": python, "python_full_version": f"{python}.99",
               "sys_platform": "linux", "platform_machine": "x86_64"}  # fmt: skip
    versions = {}
    for package in tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]:
        markers = package.get("resolution-markers")
        if markers is None or any(Marker(marker).evaluate(machine) for marker in markers):
            assert package["name"] not in versions
            versions[package["name"]] = package.get("version")
    return versions


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_versions_are_those_of_the_lock_file(path, locked):
    pins = {name: pin for name, pin in pinned(path).items() if name not in ("python", "pip")}
    assert pins == {name: locked[name] for name in pins}


def test_every_rule_names_an_environment_that_exists():
    named = set()
    for rules in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        text = rules.read_text()
        found = re.findall(r'conda:\n\s+f?"\.\./\.\./envs/(\w+|{TRAINING})\.yaml"', text)
        # What "use rule ... as ..." does not name it has from the other rule.
        assert len(found) == len(re.findall(r"^ *rule \w+:", text, re.M)), rules.name
        named |= set(found)
    named = {name for name in named if name != "{TRAINING}"} | {"training-cpu", "training-cuda"}
    assert named == {path.stem for path in ENVIRONMENTS}


def test_the_environments_for_training_differ_in_the_build_of_torch_alone():
    cpu, cuda = (
        yaml.safe_load((REPOSITORY / "envs" / f"training-{kind}.yaml").read_text())["dependencies"]
        for kind in ("cpu", "cuda")
    )
    differing = [(one, other) for one, other in zip(cpu, cuda, strict=True) if one != other]
    ((one, other),) = differing
    assert one.replace("pytorch-cpu", "pytorch-gpu") == other


TRAINING = (
    "from bptubeformer import cli\nfrom bptubeformer.training import job\n"
    "from bptubeformer.evaluation import accuracy, clusters, complexity, job, leakage, movement\n"
    "from bptubeformer.evaluation import classify, pages\n"
    "from bptubeformer.verdict import judge, page, summary"
)
IMPORTS = {
    "data": "from bptubeformer import cli\n"
    "from bptubeformer.data import acquire, layout, splits, synthetic, trajectories",
    "training-cpu": TRAINING,
    "training-cuda": TRAINING,
    "figures": "from bptubeformer import cli\nfrom bptubeformer.figures import execute, projector",
    "provenance": "from bptubeformer import cli\nfrom bptubeformer.provenance import crate",
}
# What a stage may import from outside, as module names, is what its environment declares.
MODULES = {
    "pyyaml": "yaml", "scikit-learn": "sklearn", "setuptools": "distutils",
    "adjusttext": "adjustText",
}  # fmt: skip
OPTIONAL = (
    "torch", "thop", "pooch", "yaml", "rocrate", "pydantic", "filelock", "seaborn",
    "matplotlib", "papermill", "nbconvert", "sklearn", "jinja2", "tensorboard", "tabulate",
    "adjustText", "mistune",
)  # fmt: skip


HIDE = """
import sys
sys.path.insert(0, "src")
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError("No module named " + name)
sys.meta_path.insert(0, Hidden())
"""


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_a_stage_imports_only_what_its_environment_has(path):
    """The stage's modules are imported with everything hidden that the environment lacks."""
    code = IMPORTS[path.stem]
    if path.stem == "figures":
        for notebook in (REPOSITORY / "notebooks").glob("*.ipynb"):
            for cell in json.loads(notebook.read_text())["cells"]:
                source = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
                for node in ast.parse(source).body:
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        code += "\n" + ast.unparse(node)
    has = {MODULES.get(name, name) for name in pinned(path)}
    hidden = [name for name in OPTIONAL if name not in has]
    hide = HIDE.format(hidden=hidden)
    done = subprocess.run([sys.executable, "-c", hide + code], cwd=REPOSITORY, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_snakefile_needs_only_what_comes_with_snakemake():
    text = (REPOSITORY / "Snakefile").read_text()
    code = "\n".join(re.findall(r"^from bptubeformer[^(\n]*(?:\([^)]*\))?", text, re.M))
    assert "check_config" in code
    optional = [name for name in OPTIONAL if name not in ("yaml", "pydantic")]
    hidden = [*optional, "numpy", "pandas", "pyarrow", "safetensors", "scipy"]
    done = subprocess.run([sys.executable, "-c", HIDE.format(hidden=hidden) + code],
                          cwd=REPOSITORY, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_value_in_a_shell_command_is_quoted():
    for rules in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        for command in re.findall(r"shell:\n((?: +\".*\n)+)", rules.read_text()):
            values = re.findall(r"(?<!\{)\{([^{}]+)\}", command)
            assert values
            assert [value for value in values if not value.endswith(":q")] == [], rules.name


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import pickle\n\npickle.loads(b'')\n", "S301"),
        ("import torch\n\ntorch.load('x')\n", "TID251"),
        ("import numpy\n\nnumpy.load('x', allow_pickle=True)\n", "TID251"),
        ("import yaml\n\nyaml.load('x', Loader=yaml.Loader)\n", "S506"),
        ("import subprocess\n\nsubprocess.run('x', shell=True)\n", "S602"),
        ("import tarfile\n\ntarfile.open('x').extractall('y')\n", "S202"),
        ("eval('1')\n", "S307"),
        ("exec('1')\n", "S102"),
    ],
)
def test_the_linter_refuses_what_executes_files(code, rule):
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", "src/bptubeformer/x.py",
               "--output-format", "concise", "-"]  # fmt: skip
    done = subprocess.run(command, input=code, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert f" {rule} " in done.stdout, done.stdout
