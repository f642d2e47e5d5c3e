"""The packages of each conda environment; hide all others from its stages."""

import json
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from checkout import REPOSITORY
from generate import STAGES, modules

ENVIRONMENTS = {name: REPOSITORY / "envs" / f"{name}.yaml" for name in STAGES}


def pip_lines(path: Path) -> list[str]:
    """The lines that an environment file gives to pip, but for those of other platforms."""
    *_, last = yaml.safe_load(path.read_text())["dependencies"]
    needed = {line: Requirement(line).marker for line in last["pip"]}
    return [line for line, marker in needed.items() if marker is None or marker.evaluate()]


def pinned(path: Path) -> dict[str, str]:
    """Package and version of each of these lines."""
    lines = (line.partition(";")[0].strip().partition("==") for line in pip_lines(path))
    return {name: version for name, _, version in lines}


@cache
def installed(environment: str) -> frozenset[str]:
    """Top-level modules of the packages of an environment."""
    packages = set(pinned(ENVIRONMENTS[environment]))
    return frozenset(
        module
        for module, owners in packages_distributions().items()
        if packages & set(map(canonicalize_name, owners))
    )


def hidden() -> dict[str, list[str]]:
    """Modules from outside that some stage imports and that a stage's environment lacks."""
    everything = set().union(*map(modules, STAGES))
    return {
        stage: sorted(everything - installed(environment))
        for environment, stages in STAGES.items()
        for stage in stages
    }


HIDE = """
import json, os, sys
from importlib.machinery import PathFinder
stage = dict(zip(sys.orig_argv, sys.orig_argv[1:])).get("src")
with open(os.environ["BPTUBEFORMER_HIDDEN"]) as file:
    hidden = json.load(file).get(stage, [])
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        gone = name.split(".")[0] in hidden or name == "torch._dynamo" and stage != "complexity"
        return None if gone else super().find_spec(name, path, target)
sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


def hiding(folder: Path) -> dict[str, str]:
    """Variables with which ``python src <stage>`` finds only what its environment has."""
    (folder / "sitecustomize.py").write_text(HIDE)
    (folder / "hidden.json").write_text(json.dumps(hidden()))
    return {"PYTHONPATH": str(folder), "BPTUBEFORMER_HIDDEN": str(folder / "hidden.json")}
