"""The conda environments: versions of uv.lock, and all that their stages import."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.markers import Marker

from bptubeformer.cli import COMMANDS
from conftest import REPOSITORY
from environments import (
    ENVIRONMENTS,
    declared,
    environments,
    hiding,
    imports,
    modules_of,
    pinned,
)


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


INDIRECT = {
    "python": "the interpreter", "pip": "installs thop", "ipykernel": "executes notebooks",
    "setuptools": "thop imports distutils", "tabulate": "DataFrame.to_markdown",
    "pyarrow": "pandas reads and writes parquet",
}  # fmt: skip
"""Packages that an environment names though no stage imports them, and why."""
TOGETHER = {"pydantic_core": "pydantic"}
"""Modules of packages that come with another, in one version."""


def test_every_stage_has_an_environment():
    without = {"check", "predict"}  # for people, after a run
    assert set(environments()) == set(COMMANDS) - without


@pytest.mark.parametrize("stage", environments())
def test_an_environment_names_what_its_stages_import(stage):
    needed = {TOGETHER.get(name, name) for name in imports(stage, certain=True)}
    for path in environments()[stage]:
        assert needed <= declared(path), f"{path.name} lacks {sorted(needed - declared(path))}"


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_names_nothing_else(path):
    used = set().union(
        *(imports(stage) for stage, paths in environments().items() if path in paths)
    )
    idle = {name for name in pinned(path) if not modules_of({name}) & used}
    assert idle <= set(INDIRECT)


FAULTS = {
    "InputError('x.csv: wrong')": "bptubeformer: x.csv: wrong",
    "MemoryError()": "bptubeformer: too little memory; let fewer jobs run at a time",
    "RuntimeError('CUDA out of memory')": "bptubeformer: too little memory",
    "FileNotFoundError(2, 'No such file', 'x')": "bptubeformer: x: no such file",
    "OSError(28, 'No space left')": "bptubeformer: the disk is full",
    "PermissionError(13, 'Permission denied', 'x')": "bptubeformer: x: Permission denied",
    "KeyboardInterrupt()": "bptubeformer: interrupted",
    "RuntimeError('of the library')": "RuntimeError: of the library",
}
FAIL = """
import sys
sys.path.insert(0, "src")
from bptubeformer import cli
from bptubeformer.errors import InputError
def fail(**_):
    raise {fault}
cli.COMMANDS[{stage!r}] = (fail, ())
cli.main([{stage!r}])
"""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", ["ingest", "train", "notebook", "crate"])
def test_every_fault_is_told_with_what_the_environment_has(stage, fault, tmp_path):
    """One stage of each environment; what its environment lacks cannot be imported."""
    code = FAIL.format(fault=fault, stage=stage)
    # As ``python src <stage>``, for what hides modules.
    command = [sys.executable, "-c", code, "src", stage]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True,
        env={**os.environ, **hiding(tmp_path)},
    )  # fmt: skip
    assert FAULTS[fault] in done.stderr.strip().splitlines()[-1], done.stderr
    assert done.returncode == 1


HIDE = """
import sys
sys.path.insert(0, "src")
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError("No module named " + name)
sys.meta_path.insert(0, Hidden())
"""


def test_the_snakefile_needs_only_what_comes_with_snakemake():
    text = (REPOSITORY / "Snakefile").read_text()
    code = "\n".join(re.findall(r"^from bptubeformer[^(\n]*(?:\([^)]*\))?", text, re.M))
    assert "check_config" in code
    outside = set().union(*map(imports, environments()))
    hidden = sorted(outside - {"yaml", "pydantic", "pydantic_core", "jinja2"})
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
