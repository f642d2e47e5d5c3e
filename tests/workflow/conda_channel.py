"""A conda channel that has Python and pip, and a ``conda`` that makes environments from it.

No conda and no channel can be reached from a test. Python and pip are those that run the tests;
rattler solves and installs them. The rest of an environment is installed by pip or uv: from the
package index, or from wheels that hold the metadata of what is installed here, with links to it.
"""

import asyncio
import ensurepip
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
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
    Subdir,
    VirtualPackage,
    VirtualPackageOverrides,
    install,
    solve,
)
from rattler.exceptions import SolverError
from rattler.index import index_fs

CONDA_VERSION = "24.7.1"  # the oldest that Snakemake takes
PLATFORM = str(Subdir.current())
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"lib/{PYTHON}/site-packages"
PREFIX = "/placeholder/of/the/prefix"  # in a package's scripts; rattler puts in the real one
PIP_WHEEL = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))

# On a busy machine a thread of rattler now and then crashes Python (0.28): then once more.
CONDA = """#!/bin/sh
{python} -I {module} {home} {source} "$@"
status=$?
[ $status -gt 128 ] || exit $status
exec {python} -I {module} {home} {source} "$@"
"""
ACTIVATE = """export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" PATH="$1/bin:$PATH"
"""


@dataclass
class Package:
    """A conda package: its files are links or texts, by their places in the prefix."""

    name: str
    version: str
    depends: list[str] = field(default_factory=list)
    links: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``<name>-<version>-0.tar.bz2``."""
        index = {
            "name": self.name, "version": self.version, "depends": self.depends,
            "build": "0", "build_number": 0, "subdir": PLATFORM,
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
        archive_path = folder / f"{self.name}-{self.version}-0.tar.bz2"
        with tarfile.open(archive_path, "w:bz2", compresslevel=1) as archive:
            for path, text in {**described, **self.texts}.items():
                member = tarfile.TarInfo(path)
                member.size = len(text)
                member.mode = 0o755 if path.startswith("bin/") else 0o644
                archive.addfile(member, io.BytesIO(text))
            for path, target in self.links.items():
                member = tarfile.TarInfo(path)
                member.type, member.linkname = tarfile.SYMTYPE, str(target)
                archive.addfile(member)


def files_of(distribution: Distribution) -> dict[PurePath, Path]:
    """The files of a distribution, by their places in the prefix."""
    prefix = Path(str(distribution.locate_file(""))).parents[2]
    located = (
        Path(os.path.normpath(distribution.locate_file(file))) for file in distribution.files or []
    )
    kept = (path for path in located if path.parent.name != "__pycache__")
    return {PurePath(path.relative_to(prefix)): path for path in kept}


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


def build_channel(folder: Path) -> None:
    """Make a channel of Python and pip."""
    target = folder / PLATFORM
    target.mkdir(parents=True)
    python_package().write(target)
    pip_package().write(target)
    asyncio.run(index_fs(folder, write_zst=False, write_shards=False))


def links() -> dict[str, dict[str, str]]:
    """Targets of the links that stand for each distribution, by their places in the prefix.

    A link leads to a whole folder where this is of one distribution alone. Metadata and scripts
    are left out: pip writes them.
    """
    # The first of a name counts, as for imports: setuptools brings copies of other packages.
    installed = reversed(list(metadata.distributions()))
    files = {canonicalize_name(one.name): files_of(one) for one in installed}
    owners = Counter(
        folder
        for places in files.values()
        for folder in {folder for place in places for folder in place.parents}
    )
    found: dict[str, dict[str, str]] = {name: {} for name in files}
    for name, places in files.items():
        for place, path in places.items():
            if place.parts[0] != "bin" and ".dist-info/" not in str(place):
                own = next(part for part in (*reversed(place.parents), place) if owners[part] < 2)
                found[name][str(own)] = str(path)[: -len(str(place))] + str(own)
    return found


def write_conda(home: Path, source: str) -> Path:
    """Write ``bin/conda`` and ``bin/activate``, and the channel; return that ``bin``.

    Args:
        home: an empty folder.
        source: what pip installs from, ``index`` or ``links``.
    """
    build_channel(home / "channel")
    (home / "links.json").write_text(json.dumps(links()))
    folder = home / "bin"
    folder.mkdir()
    words = {"python": sys.executable, "module": __file__, "home": str(home), "source": source}
    conda = CONDA.format(**{name: shlex.quote(word) for name, word in words.items()})
    (folder / "conda").write_text(conda)
    (folder / "conda").chmod(0o755)
    (folder / "activate").write_text(ACTIVATE)
    return folder


def write_wheel(folder: Path, requirement: Requirement) -> None:
    """Pack the metadata of an installed distribution, and none of its files, as a wheel.

    One that is not installed, such as a CUDA library, needs nothing and has nothing.
    """
    try:
        distribution = metadata.distribution(requirement.name)
        version = str(Version(distribution.version))  # as written it may be 0.1.1-2209072238
        texts = {name: distribution.read_text(name) for name in ("METADATA", "entry_points.txt")}
    except metadata.PackageNotFoundError:
        version = str(requirement.specifier).removeprefix("==")
        head = f"Metadata-Version: 2.1\nName: {requirement.name}\nVersion: {version}\n"
        texts = {"METADATA": head}
    texts["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    name = f"{canonicalize_name(requirement.name).replace('-', '_')}-{version}"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        kept = {f"{name}.dist-info/{file}": text for file, text in texts.items() if text}
        record = f"{name}.dist-info/RECORD"
        kept[record] = "".join(f"{place},,\n" for place in [*kept, record])
        for place, text in kept.items():
            wheel.writestr(place, text)


def pip_install(home: Path, source: str, prefix: Path, lines: list[str]) -> None:
    """Install the section ``pip``: from the index, or as links to what is installed here."""
    python = prefix / "bin" / "python"
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "requirements.txt").write_text("\n".join(lines))
        if source == "index":
            uv = os.environ.get("UV") or shutil.which("uv")
            command = [uv, "pip", "install", "--quiet", "--python", python] if uv else pip
            subprocess.run([*command, "-r", folder / "requirements.txt"], check=True)
            return
        wanted = [Requirement(line) for line in lines]
        wanted = [one for one in wanted if one.marker is None or one.marker.evaluate()]
        # Nothing but what the file lists: pip fails if a package needs another one.
        for requirement in wanted:
            write_wheel(folder, requirement)
        offline = ["--isolated", "--no-index", "--find-links", folder]
        subprocess.run([*pip, *offline, "-r", folder / "requirements.txt"], check=True)
    targets = json.loads((home / "links.json").read_text())
    for requirement in wanted:
        for place, target in targets.get(canonicalize_name(requirement.name), {}).items():
            (prefix / place).parent.mkdir(parents=True, exist_ok=True)
            (prefix / place).symlink_to(target)


async def create_environment(home: Path, source: str, file: Path, prefix: Path) -> None:
    """Solve an environment file against the channel, whatever channels it names, and install it."""
    lines = yaml.safe_load(file.read_text())["dependencies"]
    records = await solve(
        [Channel((home / "channel").as_uri())],
        [line for line in lines if isinstance(line, str)],
        gateway=Gateway(cache_dir=home / "cache"),
        virtual_packages=VirtualPackage.detect(VirtualPackageOverrides.from_env()),
    )
    await install(records, prefix, cache_dir=home / "cache", show_progress=False)
    for line in lines:
        if isinstance(line, dict):
            pip_install(home, source, prefix, line["pip"])


def main(argv: list[str]) -> None:
    """Answer the calls of Snakemake; the first two arguments are those of ``write_conda``."""
    home, source, *command = argv
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
                asyncio.run(create_environment(Path(home), source, Path(file), Path(prefix)))
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
