"""The conda environments: from uv.lock, with all that their stages import."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import generate
from bptubeformer import stages
from checkout import REPOSITORY, clone, snakemake
from environments import ENVIRONMENTS, hiding, installed, pinned
from generate import STAGES, closure, modules, text


@pytest.mark.parametrize("environment", STAGES)
def test_an_environment_file_is_up_to_date(environment):
    """After ``uv lock`` or a new import: python envs/generate.py."""
    assert ENVIRONMENTS[environment].read_text() == text(environment)


def test_check_names_the_files_that_are_not_up_to_date(monkeypatch, tmp_path):
    monkeypatch.setattr(generate, "text", lambda environment: f"{environment}\n")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    generate.main([])
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.yaml" for name in STAGES}
    (tmp_path / "figures.yaml").write_text("older")
    with pytest.raises(SystemExit, match=r"python envs/generate.py: figures.yaml$"):
        generate.main(["--check"])


def test_there_is_a_file_for_each_environment_and_no_other():
    assert set(ENVIRONMENTS.values()) == set((REPOSITORY / "envs").glob("*.yaml"))


@pytest.mark.parametrize("environment", STAGES)
def test_an_environment_has_what_its_stages_import(environment):
    lacking = modules(environment) - installed(environment)
    assert lacking == set()


def test_torch_is_where_models_are_computed_and_nowhere_else():
    assert [name for name in STAGES if "torch" in pinned(ENVIRONMENTS[name])] == ["training"]


def test_a_closure_follows_extras_and_leaves_out_other_platforms():
    """The CUDA libraries are extras of one of torch's requirements, for Linux alone."""
    linux, mac = (closure(["torch"], platform) for platform in ("linux", "darwin"))
    assert any(line.startswith("nvidia-cublas==") for line in linux)
    assert mac < linux
    assert not any(line.startswith(("nvidia-", "triton==")) for line in mac)


def test_packages_of_one_platform_have_a_marker():
    lines = yaml.safe_load(ENVIRONMENTS["training"].read_text())["dependencies"][-1]["pip"]
    marked = {
        line.partition("==")[0] for line in lines if line.endswith("; sys_platform == 'linux'")
    }
    assert {"nvidia-cublas", "triton"} <= marked
    assert "torch" not in marked


PRINT_RULES = """
with open("rules.json", "w") as file:
    json.dump({rule.name: [str(rule.conda_env), rule.shellcmd] for rule in workflow.rules
               if rule.shellcmd}, file)
"""


@pytest.mark.slow
def test_every_rule_names_the_environment_of_its_stage(tmp_path):
    checkout = clone(tmp_path / "bptubeformer")
    with (checkout / "Snakefile").open("a") as file:
        file.write(PRINT_RULES)
    found = set()
    for config in ("config.yaml", "demo.yaml"):  # one downloads, one makes its data
        done = snakemake(checkout, "--list-rules", "--configfile", config)
        assert done.returncode == 0, done.stderr
        for rule, (conda, command) in json.loads((checkout / "rules.json").read_text()).items():
            if rule == "remove_leftovers":
                continue  # it runs no stage
            stage = re.match(r"python src (\w+|{params.stage:q})", command)[1]
            found.add((Path(conda).stem, rule if stage.startswith("{") else stage))
    declared = {(name, stage) for name, stages in STAGES.items() for stage in stages}
    assert found == declared
    assert {stage for _, stage in declared} == set(stages.STAGES) - generate.FOR_PEOPLE


FAULTS = {
    "InputError('x.csv: wrong')": "bptubeformer: x.csv: wrong",
    "MemoryError()": "bptubeformer: too little memory; let fewer jobs run at a time",
    "RuntimeError('CUDA out of memory')": "bptubeformer: too little memory",
    "FileNotFoundError(2, 'No such file', 'x')": "bptubeformer: x: no such file",
    "OSError(28, 'No space left')": "bptubeformer: the disk is full; make room",
    "PermissionError(13, 'Permission denied', 'x')": "bptubeformer: x: permission denied",
    "KeyboardInterrupt()": "bptubeformer: interrupted",
    "RuntimeError('of the library')": "RuntimeError: of the library",
}
FAIL = """
import sys
sys.path.insert(0, "src")
from bptubeformer import cli
from bptubeformer.errors import InputError
for fault in {faults}:
    try:
        with cli.errors_in_one_line():
            cli.function_of({stage!r})
            raise eval(fault)
    except SystemExit as ended:
        print(ended.code)
    except RuntimeError as error:
        print("RuntimeError:", error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["ingest", "train", "notebook", "crate"])
def test_every_fault_is_told_with_what_the_environment_has(stage, tmp_path):
    """One stage of each environment; what its environment lacks cannot be imported."""
    code = FAIL.format(faults=list(FAULTS), stage=stage)
    # As ``python src <stage>``, for what hides modules.
    command = [sys.executable, "-c", code, "src", stage]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True,
        env={**os.environ, **hiding(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for told, expected in zip(done.stdout.splitlines(), FAULTS.values(), strict=True):
        assert expected in told


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
    outside = set().union(*map(modules, STAGES))
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
