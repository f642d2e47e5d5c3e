"""What each stage imports, what its conda environment has, and how to hide everything else."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from bptubeformer import fingerprint
from bptubeformer.models import available
from checkout import REPOSITORY

ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
PYPI_NAMES = {
    "pytorch-cpu": "torch", "pytorch-gpu": "torch", "matplotlib-base": "matplotlib",
}  # fmt: skip
"""Packages that conda-forge calls otherwise."""
NOTEBOOKS = REPOSITORY / "notebooks"


def pinned(path: Path) -> dict[str, str]:
    """Package and version of every line of an environment, by the names of the package index."""
    pins = {}
    for line in yaml.safe_load(path.read_text())["dependencies"]:
        for entry in line["pip"] if isinstance(line, dict) else [line]:
            name, _, version = re.sub("=+", "=", entry.replace(" ", "")).partition("=")
            pins[PYPI_NAMES.get(name, name)] = version
    return pins


@cache
def environments() -> dict[str, list[Path]]:
    """The environments that the rules name for each stage."""
    found: dict[str, list[Path]] = {}
    for rules in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *(?:use )?rule ", rules.read_text(), flags=re.M)[1:]:
            named = re.search(r"envs/(\w+|{TRAINING})\.yaml", rule)
            stage = re.search(r"python src (\w+)", rule)
            if named and stage:
                names = ["training-cpu", "training-cuda"] if "{" in named[1] else [named[1]]
                found[stage[1]] = [REPOSITORY / "envs" / f"{name}.yaml" for name in names]
    return found


@cache
def imports(stage: str, certain: bool = False) -> set[str]:
    """Top-level modules from outside that a stage can come to import, notebooks included.

    Args:
        stage: a command of the command line.
        certain: only those that it imports in any case, not those that functions import.
    """
    cli = fingerprint._parse("bptubeformer.cli")
    trees: list[ast.AST] = [*fingerprint._definitions(cli, stage)]
    trees += [node for node in cli.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if stage == "notebook":
        trees += [tree for path in NOTEBOOKS.glob("*.ipynb")
                  for tree in fingerprint._notebook(str(path))]  # fmt: skip
    names = {name for tree in trees for name in _imported(tree)}
    if stage in ("train", "test", "embed", "attend", "complexity", "cost"):
        names |= {f"bptubeformer.models.{model}" for model in available()}
    waiting, seen = sorted(names), set()
    while waiting:
        name = waiting.pop()
        path = fingerprint._path(name) if name.startswith("bptubeformer.") else None
        if name in seen or path is None:
            continue
        seen.add(name)
        tree = ast.parse(path.read_text())
        found = set(_imported(_without_functions(tree) if certain else tree))
        names |= found
        waiting += [*found, name.rsplit(".", 1)[0]]
    outside = {name.split(".")[0] for name in names}
    return outside - set(sys.stdlib_module_names) - {"bptubeformer"}


def _without_functions(tree: ast.Module) -> ast.Module:
    kept = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return ast.Module(kept, [])


def _imported(node: ast.AST) -> Iterator[str]:
    """Modules that a syntax tree imports, but for those that only a type checker reads."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for inside in ast.iter_child_nodes(node):
        yield from _imported(inside)


@cache
def declared(path: Path) -> frozenset[str]:
    """Modules of the packages that an environment names."""
    return modules_of(set(pinned(path)))


@cache
def installed(path: Path) -> frozenset[str]:
    """Modules of the packages that an environment names, and of all that these need."""
    names, waiting = set(), [_plain(name) for name in pinned(path)]
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        try:
            needed = [Requirement(line) for line in requires(name) or ()]
        except PackageNotFoundError:
            continue
        waiting += [
            _plain(one.name) for one in needed
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]  # fmt: skip
    return modules_of(names)


def modules_of(packages: set[str]) -> frozenset[str]:
    """Top-level modules of packages."""
    packages = set(map(_plain, packages))
    return frozenset(
        module
        for module, owners in packages_distributions().items()
        if packages & {_plain(owner) for owner in owners}
    )


def _plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def hidden() -> dict[str, list[str]]:
    """Modules from outside that some stage imports and that a stage's environments lack."""
    everything = set().union(*map(imports, environments()))
    return {
        stage: sorted(everything - set.intersection(*(set(installed(path)) for path in paths)))
        for stage, paths in environments().items()
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
        return None if name.split(".")[0] in hidden else super().find_spec(name, path, target)
sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


def hiding(folder: Path) -> dict[str, str]:
    """Variables with which ``python src <stage>`` finds only what its environment has."""
    (folder / "sitecustomize.py").write_text(HIDE)
    (folder / "hidden.json").write_text(json.dumps(hidden()))
    return {"PYTHONPATH": str(folder), "BPTUBEFORMER_HIDDEN": str(folder / "hidden.json")}
