"""A conda channel of what is installed here, and a ``conda`` that makes environments from it.

No conda and no channel can be reached from a test. The packages of this one are links to the
distributions of the running environment; solving and installing them is rattler's work.
"""

import asyncio
import ensurepip
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path, PurePath

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from rattler import (
    Channel,
    Gateway,
    MatchSpec,
    Subdir,
    VirtualPackage,
    VirtualPackageOverrides,
    install,
    solve,
)
from rattler.exceptions import SolverError
from rattler.index import index_fs

CONDA_VERSION = "24.7.1"  # the oldest that Snakemake takes
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
METAPACKAGES = {"pytorch-cpu": "cpu*", "pytorch-gpu": "cuda*"}  # and the build that each is for
PLATFORM = str(Subdir.current())
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"lib/{PYTHON}/site-packages"
PREFIX = "/placeholder/of/the/prefix"  # in a package's scripts; rattler puts in the real one
# Of the two builds, conda takes that with the higher number unless there is no driver.
TORCH_BUILDS = (("cpu_0", 0, []), ("cuda_1", 1, ["__cuda"]))
PIP_WHEEL = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))

# On a busy machine a thread of rattler now and then crashes Python (0.28): then once more.
CONDA = """#!/bin/sh
{python} -I {module} {home} "$@"
status=$?
[ $status -gt 128 ] || exit $status
exec {python} -I {module} {home} "$@"
"""
ACTIVATE = """export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" PATH="$1/bin:$PATH"
"""


@dataclass
class Package:
    """A conda package: its files are links or texts, by their places in the prefix."""

    name: str
    version: str
    depends: list[str] = field(default_factory=list)
    build: str = "0"
    build_number: int = 0
    links: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``<name>-<version>-<build>.tar.bz2``."""
        index = {
            "name": self.name, "version": self.version, "depends": self.depends,
            "build": self.build, "build_number": self.build_number, "subdir": PLATFORM,
        }  # fmt: skip
        paths = [{"_path": name, "path_type": "softlink"} for name in self.links]
        for name, text in self.texts.items():
            scripted = {"prefix_placeholder": PREFIX, "file_mode": "text"}
            paths.append({"_path": name, "path_type": "hardlink", "size_in_bytes": len(text),
                          **(scripted if PREFIX.encode() in text else {})})  # fmt: skip
        described = {
            "info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
        }
        name = f"{self.name}-{self.version}-{self.build}.tar.bz2"
        with tarfile.open(folder / name, "w:bz2", compresslevel=1) as archive:
            for path, text in {**described, **self.texts}.items():
                member = tarfile.TarInfo(path)
                member.size = len(text)
                member.mode = 0o755 if path.startswith("bin/") else 0o644
                archive.addfile(member, io.BytesIO(text))
            for path, target in self.links.items():
                member = tarfile.TarInfo(path)
                member.type, member.linkname = tarfile.SYMTYPE, str(target)
                archive.addfile(member)


def conda_name(name: str) -> str:
    """Conda's name of a distribution."""
    return CONDA_NAMES.get(canonicalize_name(name), canonicalize_name(name))


def public_version(distribution: Distribution) -> str:
    """Its version without what follows a plus."""
    return Version(distribution.version).public


def requirements(name: str, extras: Iterable[str] = ()) -> Iterator[str]:
    """What a distribution needs here, directly; a needed extra stands for what it needs."""
    for text in metadata.requires(name) or []:
        needed = Requirement(text)
        markers = [{"extra": extra} for extra in ("", *extras)]
        if needed.marker is None or any(map(needed.marker.evaluate, markers)):
            yield canonicalize_name(needed.name)
            if needed.extras:
                yield from requirements(needed.name, needed.extras)


def closure(names: Iterable[str]) -> dict[str, list[str]]:
    """The distributions, all that they need, and what each of these needs."""
    found: dict[str, list[str]] = {}
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = sorted(set(requirements(name)))
            waiting += found[name]
    return found


def files_of(distribution: Distribution) -> dict[PurePath, Path]:
    """The files of a distribution, by their places in the prefix."""
    prefix = Path(str(distribution.locate_file(""))).parents[2]
    located = (
        Path(os.path.normpath(distribution.locate_file(file))) for file in distribution.files or []
    )
    kept = (path for path in located if path.parent.name != "__pycache__")
    return {PurePath(path.relative_to(prefix)): path for path in kept}


def package_of(name: str, needs: list[str], owners: Counter[PurePath]) -> Package:
    """A distribution as a package of links, to whole folders where these are its alone."""
    distribution = metadata.distribution(name)
    depends = ["python", *map(conda_name, needs)]
    package = Package(conda_name(name), public_version(distribution), depends)
    for place, path in files_of(distribution).items():
        prefix = str(path)[: -len(str(place)) - 1]
        if place.parts[0] == "bin" and path.read_bytes().startswith(b"#!"):
            text = path.read_bytes().replace(prefix.encode(), PREFIX.encode())
            package.texts[str(place)] = text
        else:
            own = next(part for part in (*reversed(place.parents), place) if owners[part] < 2)
            package.links[str(own)] = Path(prefix, own)
    return package


def python_package() -> Package:
    """The base interpreter, with the prefix for its own and no packages but the prefix's."""
    home = Path(sys.base_prefix, "bin")
    settings = f"home = {home}\ninclude-system-site-packages = false\n"
    return Package(
        "python",
        ".".join(map(str, sys.version_info[:3])),
        links={f"bin/{name}": home / PYTHON for name in ("python", "python3", PYTHON)},
        texts={"pyvenv.cfg": settings.encode()},
    )


def pip_package() -> Package:
    """The pip that comes with Python, as files."""
    with zipfile.ZipFile(PIP_WHEEL) as wheel:
        texts = {f"{SITE_PACKAGES}/{name}": wheel.read(name) for name in wheel.namelist()}
    return Package("pip", ensurepip.version(), ["python"], texts=texts)


def torch_packages(torch: Package) -> Iterator[Package]:
    """Builds as conda-forge has them, and its names for each; the files are the same."""
    for build, number, needs in TORCH_BUILDS:
        depends = [*torch.depends, *needs]
        yield Package(torch.name, torch.version, depends, build, number, torch.links, torch.texts)
    for name, build in METAPACKAGES.items():
        yield Package(name, torch.version, [f"{torch.name} =={torch.version} {build}"])


def build_channel(folder: Path, distributions: Iterable[str]) -> None:
    """Make a channel of installed distributions, of all that they need, of Python and of pip."""
    target = folder / PLATFORM
    target.mkdir(parents=True)
    owners = Counter(
        parent
        for name in {distribution.name for distribution in metadata.distributions()}
        for parent in {
            parent for place in files_of(metadata.distribution(name)) for parent in place.parents
        }
    )
    python_package().write(target)
    pip_package().write(target)
    for name, needs in closure(distributions).items():
        package = package_of(name, needs, owners)
        for variant in torch_packages(package) if name == "torch" else [package]:
            variant.write(target)
    asyncio.run(index_fs(folder, write_zst=False, write_shards=False))


def distributions_of(*environments: Path) -> set[str]:
    """The distributions that environment files name, whether of the channel or of pip."""
    found = set()
    pypi_names = {conda: name for name, conda in CONDA_NAMES.items()}
    pypi_names |= dict.fromkeys(METAPACKAGES, "torch")
    for path in environments:
        for line in yaml.safe_load(path.read_text())["dependencies"]:
            for spec in line["pip"] if isinstance(line, dict) else [line]:
                name = re.match(r"[\w.-]+", spec)[0]
                found.add(pypi_names.get(name, name))
    return found - {"python", "pip"}


def write_conda(home: Path) -> Path:
    """Write ``bin/conda`` and ``bin/activate`` into a folder with a ``channel``; that ``bin``."""
    folder = home / "bin"
    folder.mkdir()
    words = {"python": sys.executable, "module": __file__, "home": str(home)}
    conda = CONDA.format(**{name: shlex.quote(word) for name, word in words.items()})
    (folder / "conda").write_text(conda)
    (folder / "conda").chmod(0o755)
    (folder / "activate").write_text(ACTIVATE)
    return folder


def write_wheel(folder: Path, distribution: Distribution) -> None:
    """Pack an installed distribution into the wheel that it came from."""
    (tag,) = distribution.read_text("WHEEL").split("Tag: ")[1].splitlines()[:1]
    name = canonicalize_name(distribution.name).replace("-", "_")
    version = Version(distribution.version)  # as written it may be 0.1.1-2209072238
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        for file in distribution.files or []:
            if ".." not in file.parts and file.name not in ("INSTALLER", "REQUESTED"):
                wheel.write(distribution.locate_file(file), str(file))


def pip_install(prefix: Path, specs: list[str]) -> None:
    """Install the section ``pip`` with the environment's pip, from wheels of what is installed."""
    with tempfile.TemporaryDirectory() as wheels:
        for spec in specs:
            write_wheel(Path(wheels), metadata.distribution(Requirement(spec).name))
        pip = [prefix / "bin" / "python", "-I", "-m", "pip", "--isolated", "install", "--quiet"]
        offline = ["--disable-pip-version-check", "--no-index", "--find-links", wheels]
        subprocess.run([*pip, *offline, *specs], check=True)


async def create_environment(home: Path, file: Path, prefix: Path) -> None:
    """Solve an environment file against the channel, whatever channels it names, and install it."""
    lines = yaml.safe_load(file.read_text())["dependencies"]
    records = await solve(
        [Channel((home / "channel").as_uri())],
        # As conda reads them; a string alone would be read strictly, without =2.13.0=cpu*.
        [MatchSpec(line) for line in lines if isinstance(line, str)],
        gateway=Gateway(cache_dir=home / "cache"),
        virtual_packages=VirtualPackage.detect(VirtualPackageOverrides.from_env()),
    )
    await install(records, prefix, cache_dir=home / "cache", show_progress=False)
    for line in lines:
        if isinstance(line, dict):
            pip_install(prefix, line["pip"])


def main(argv: list[str]) -> None:
    """Answer the calls of Snakemake; the first argument is the folder that has the channel."""
    home, *command = argv
    match command:
        case ["--version"]:
            print(f"conda {CONDA_VERSION}")
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": home, "platform": PLATFORM}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", "--quiet", "--no-default-packages",
              "--file", file, "--prefix", prefix]:  # fmt: skip
            try:
                asyncio.run(create_environment(Path(home), Path(file), Path(prefix)))
            except (SolverError, subprocess.CalledProcessError) as error:
                sys.exit(f"conda: {error}")
        case ["clean", "-y", "--tarballs"]:
            pass  # what Snakemake asks for after each environment; rattler keeps none
        case _:
            sys.exit(f"conda: not known here: {shlex.join(command)}")


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # threads of rattler may still hold objects of a Python that ends
