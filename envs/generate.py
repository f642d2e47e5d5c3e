"""Write the conda environments: Python from conda-forge, all else from uv.lock by pip.

uv run python envs/generate.py            # after `uv lock`, or after a change of imports
uv run python envs/generate.py --check    # writes nothing; fails if a file is not up to date
"""

import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from bptubeformer import stages
from bptubeformer.fingerprint import imported
from bptubeformer.models import available
from bptubeformer.stages import module_of

HERE = Path(__file__).resolve().parent
FOR_PEOPLE = {"check", "classify"}
"""Commands that no rule runs."""
STAGES = {
    "data": ("synthetic", "acquire", "ingest", "split"),
    "figures": ("notebook", "overview", "projector"),
    "provenance": ("crate",),
}
STAGES["training"] = tuple(set(stages.STAGES) - FOR_PEOPLE - set().union(*STAGES.values()))
"""Commands of the package that rules run in each environment; what is in no other needs torch."""
BY_NAME = {
    "training": [f"bptubeformer.models.{model}" for model in available()],
    "figures": [str(path) for path in sorted(HERE.parent.glob("notebooks/*.ipynb"))],
}
"""Code that stages run though they do not import it."""
INDIRECT = {"pandas": {"pyarrow", "tabulate"}, "papermill": {"ipykernel"}}
"""Packages by the module that needs them for parquet, for Markdown, to execute notebooks."""
LAZY = {"torch"}
"""Left out unless an import is certain: functions that import it are reached, but not called."""
PYTHON = "3.11"
PLATFORMS = {
    "linux": {"platform_machine": "x86_64", "platform_system": "Linux"},
    "darwin": {"platform_machine": "arm64", "platform_system": "Darwin"},
}
# The last patch that there can be: conda takes the newest.
ANYWHERE = {
    "python_version": PYTHON, "python_full_version": f"{PYTHON}.99", "os_name": "posix",
    "implementation_name": "cpython", "platform_python_implementation": "CPython",
}  # fmt: skip


@cache
def modules(environment: str) -> frozenset[str]:
    """Return the modules from outside that an environment must have."""
    roots = [module_of(stage) for stage in STAGES[environment]]
    roots += ["bptubeformer.cli", *BY_NAME.get(environment, [])]
    return frozenset((imported(*roots) - LAZY) | imported(*roots, certain=True))


def requirements(environment: str) -> list[str]:
    """Return the locked packages of an environment, as pip reads them."""
    imports, owners = modules(environment), packages_distributions()
    names = {canonicalize_name(owner) for module in imports for owner in owners[module]}
    names = names.union(*(INDIRECT.get(module, ()) for module in imports))
    found = {platform: closure(names, platform) for platform in PLATFORMS}
    lines = []
    for line in sorted(set().union(*found.values())):
        having = [
            f"sys_platform == '{platform}'" for platform in PLATFORMS if line in found[platform]
        ]
        lines.append(line if len(having) == len(PLATFORMS) else f"{line} ; {' or '.join(having)}")
    return lines


def closure(names: Iterable[str], platform: str) -> set[str]:
    """Return the locked versions of packages, and of all that they need on a platform."""
    waiting, seen = [(name, "") for name in names], set()
    while waiting:
        wanted = name, extra = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        package = locked(platform)[name]
        extras = {"": package.get("dependencies", ()), **package.get("optional-dependencies", {})}
        for need in extras[extra]:
            if _applies([need["marker"]] if "marker" in need else None, platform):
                waiting += [(need["name"], extra) for extra in ("", *need.get("extra", ()))]
    return {f"{name}=={locked(platform)[name]['version']}" for name, _ in seen}


@cache
def locked(platform: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the packages of uv.lock for a platform, by name."""
    packages = tomllib.loads((HERE.parent / "uv.lock").read_text(encoding="utf-8"))["package"]
    kept = [one for one in packages if _applies(one.get("resolution-markers"), platform)]
    return {package["name"]: package for package in kept}


def _applies(markers: Iterable[str] | None, platform: str) -> bool:
    there = {**ANYWHERE, **PLATFORMS[platform], "sys_platform": platform}
    return markers is None or any(Marker(marker).evaluate(there) for marker in markers)


def text(environment: str) -> str:
    """Return the environment file."""
    return "\n".join([
        "# Generated from uv.lock and the imports of its stages: python envs/generate.py",
        f"name: bptubeformer-{environment}",
        "channels:", "  - conda-forge", "  - nodefaults",
        "dependencies:", f"  - python ={PYTHON}", "  - pip", "  - pip:",
        *(f"      - {line}" for line in requirements(environment)), "",
    ])  # fmt: skip


def main(arguments: list[str]) -> None:
    """Write the environment files, or name those that are not up to date."""
    files = {HERE / f"{environment}.yaml": text(environment) for environment in STAGES}
    if arguments == ["--check"]:
        old = [path.name for path in files if not path.exists() or path.read_text() != files[path]]
        sys.exit(f"run python envs/generate.py: {', '.join(old)}" if old else 0)
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
