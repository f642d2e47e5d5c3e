"""A crate that came from somebody: unpacked, its files compared with its list, and nothing run."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import ConfigDict
from rocrate.rocrate import ROCrate

from bptubeformer.checks import left_in
from bptubeformer.config import studies_of
from bptubeformer.data.archives import Budget, is_archive, unpack
from bptubeformer.data.layout import is_folder
from bptubeformer.data.manifest import MOST_BYTES, File, sha256_of
from bptubeformer.errors import InputError, refused_by_system
from bptubeformer.fingerprint import DATA, ROOT, package_fingerprint
from bptubeformer.kinds import Digest, Fingerprint, Kind
from bptubeformer.provenance.crate import CONFIG, INPUTS, WEIGHTS, with_skeleton
from bptubeformer.reading import MOST_YAML, read_record, read_yaml, reading
from bptubeformer.sections import Record, accept
from bptubeformer.study import STORE, Study
from bptubeformer.texts import shown

METADATA = "ro-crate-metadata.json"
WRITER = "snakemake crate"
MOST_METADATA = 20_000_000
"""Bytes of the metadata: those of twenty thousand files have as many."""
MOST_UNPACKED = 10**12
"""Bytes of all files of an archive."""
LEFT_BEHIND = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that an operating system leaves in a folder that was looked at."""
CHECKOUT, BASE = ROOT.parents[1], "config.yaml"
"""The checkout of this package, and its configuration."""
Files = Mapping[PurePosixPath, tuple[int, str]]
"""Bytes and SHA-256 of files, by their paths in the crate."""


class Inputs(Record):
    """The content of ``inputs.json``: the files of the dataset."""

    expected = "the list of the inputs"
    writer = WRITER
    most_bytes = MOST_BYTES
    files: Annotated[list[File], Kind("a list of one or more files", min_length=1)]


class Weights(Record):
    """The content of ``weights.json``: models that were left out."""

    expected = "the list of the models that were left out"
    writer = WRITER
    most_bytes = MOST_BYTES
    models: Annotated[list[File], Kind("a list of one or more files", min_length=1)]


class ListedFile(Record):
    """The used entries of a file in the metadata."""

    model_config = ConfigDict(extra="ignore", strict=True)
    expected = "the metadata of a file"
    writer = WRITER
    contentSize: Annotated[str, Kind("a number of bytes as a text", pattern="^[0-9]{1,15}$")]
    sha256: Digest


class ListedCode(Record):
    """The used entry of the package in the metadata."""

    model_config = ConfigDict(extra="ignore", strict=True)
    expected = "the fingerprint of the code"
    writer = WRITER
    value: Fingerprint


@dataclass(frozen=True)
class Received:
    """A crate whose files are as they were written."""

    name: str
    """Of the crate, for messages."""
    folder: Path
    """The folder of its files."""
    results: Path
    """``results/<dataset>`` in it."""
    config: Mapping[str, Any]
    """Its configuration, checked, without the runs and studies that it leaves out."""
    studies: Mapping[str, Study]
    """Those that have results."""
    code: str
    """Fingerprint of its package."""
    other_code: tuple[str, ...]
    """Files of its checkout that are not those of this one."""
    trainings: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """The entries of its metadata about each training, by the path of its folder."""
    without: frozenset[Path] = frozenset()
    """Models that are not in it."""

    @property
    def base(self) -> Path:
        """``config.yaml`` of its checkout."""
        return self.folder / BASE

    @property
    def data(self) -> Path:
        """Folder of what is said of the data."""
        return self.results / "data"

    @property
    def place(self) -> Path:
        """Path of the results, from the folder of the crate."""
        return self.results.relative_to(self.folder)

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """``path``, ``bytes`` and ``sha256`` of each file of the dataset."""
        return read_record(self.results / INPUTS, Inputs)["files"]


@contextmanager
def opened(crate: Path) -> Iterator[Received]:
    """Unpack a crate where it is an archive, and compare its files with its list.

    Args:
        crate: the archive of a crate, or the folder it was unpacked to.

    Raises:
        InputError: a file is missing, changed or not listed, or is not what it should be; names the
            crate and the file in it, never a temporary path.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        folder = crate if is_folder(crate) else place / "crate"
        with renamed(place, ""), renamed(folder, f"{shown(crate)}: "):
            yield _open(crate, folder, place)


def _open(crate: Path, folder: Path, place: Path) -> Received:
    """Unpack a crate to a folder, unless it is one, and compare its files with its list."""
    if not is_folder(crate):
        if not crate.exists():
            raise InputError(f"{shown(crate)}: no such crate; give its archive or its folder")
        if not is_archive(crate):
            raise InputError(
                f"{shown(crate)}: not an archive; give the .zip of a crate, or its folder"
            )
        unpack(crate, folder, Budget(MOST_UNPACKED))
    files, code, trainings = _listed(folder)
    left_out = _left_out(folder)
    _verify(crate, folder, files, left_out)
    print(f"{len(files)} files: all there and as they were written")
    if _code_of(folder) != code:
        raise InputError(
            f"{shown(crate)}: its code is not that which it names ({code}); get the crate again"
        )
    results, config = _results(folder, place)
    studies = studies_of(config, results.parent)
    made = {name: study for name, study in studies.items() if study.folder.is_dir()}
    if not made:
        raise InputError(f"{results / CONFIG}: no study of it has results; write it with: {WRITER}")
    return Received(
        name=shown(crate), folder=folder, results=results, config=config, studies=made,
        code=code, other_code=tuple(_other_code(folder, files)), trainings=trainings,
        without=frozenset(folder / path for path in left_out if not (folder / path).exists()),
    )  # fmt: skip


@contextmanager
def renamed(place: Path, name: str) -> Iterator[None]:
    """Let messages about files below a folder name something else: ``place`` is not for people."""
    try:
        yield
    except (InputError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError):
            text = f"{shown(str(error.filename))}: {refused_by_system(error)}"
        raise InputError(text.replace(f"{place}/", name)) from error


def _listed(folder: Path) -> tuple[Files, str, dict[str, dict[str, Any]]]:
    """The files that a crate lists, the fingerprint of its code, and its trainings."""
    with reading(folder / METADATA, "the metadata of a crate", WRITER):
        if (folder / METADATA).stat().st_size > MOST_METADATA:
            raise ValueError(f"more than {MOST_METADATA / 1e6:.0f} MB")
        crate = ROCrate(folder)
        listed: dict[PurePosixPath, tuple[int, str]] = {}
        for entity in crate.get_by_type("File"):
            path = PurePosixPath(unquote(entity.id))
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"its file {path} leads out of it")
            if path in listed:
                raise ValueError(f"it lists the file {path} twice")
            of = f"{folder / METADATA}: {shown(path)}"
            about = accept(ListedFile, entity.properties(), of)
            listed[path] = (int(about["contentSize"]), about["sha256"])
        said = crate.mainEntity["additionalProperty"].properties()
        code = accept(ListedCode, said, f"{folder / METADATA}: its code")["value"]
        actions = crate.get_by_type("CreateAction")
        trainings = {unquote(one.id).removeprefix("#"): one.properties() for one in actions}
        return listed, code, trainings


def _left_out(folder: Path) -> Files:
    """The models that a crate without weights lists."""
    lists = sorted(folder.glob(f"results/*/{WEIGHTS}"))
    found = {}
    for path in lists:
        for model in read_record(path, Weights)["models"]:
            below = PurePosixPath(model["path"])
            if below.is_absolute() or ".." in below.parts or model["sha256"] is None:
                raise InputError(f"{path}: {shown(below)} is not the path of a model in the crate")
            found[PurePosixPath(path.parent.relative_to(folder)) / below] = (
                model["bytes"], model["sha256"],
            )  # fmt: skip
    return found


def _verify(crate: Path, folder: Path, files: Files, left_out: Files) -> None:
    """Refuse a crate that is not, file by file, what it says it is."""
    there = set(_walk(crate, folder))
    added = {name: about for name, about in left_out.items() if name in there}
    for name, (size, digest) in {**files, **added}.items():
        path = folder / name
        if name not in there:
            fault = "is missing"
        elif path.stat().st_size != size:
            fault = f"has {path.stat().st_size} bytes; {size} were written"
        else:
            if sha256_of(path) == digest:
                continue
            fault = "was changed: its SHA-256 is another"
        raise InputError(f"{shown(crate)}: its file {shown(name)} {fault}; get the crate again")
    foreign = sorted(there - {PurePosixPath(METADATA), *files, *left_out})
    if foreign:
        raise InputError(
            f"{shown(crate)}: its file {shown(foreign[0])} is not one that was written; remove it, "
            "or get the crate again"
        )


def _walk(crate: Path, folder: Path) -> Iterator[PurePosixPath]:
    """Yield every file below a folder, hidden ones too; links, pipes and devices are refused."""
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            entries = list(found)
        for entry in entries:
            name = PurePosixPath(Path(entry.path).relative_to(folder))
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                raise InputError(
                    f"{shown(crate)}: its file {shown(name)} is a link, pipe or device; expected a "
                    "file or folder; get the crate again"
                )
            elif entry.name not in LEFT_BEHIND:
                yield name


def _code_of(folder: Path) -> str:
    """Fingerprint of the package in a crate; its code is read, and never run."""
    place = folder / "src" / "bptubeformer"
    with reading(place, "the code of a checkout", WRITER):
        return package_fingerprint(ROOT if _same_files(place, ROOT) else place)


def _same_files(place: Path, other: Path) -> bool:
    """Return True if two packages have the same code: their fingerprints are the same, too."""
    names, others = (
        {path.relative_to(root) for path in root.rglob("*") if path.suffix in (".py", *DATA)}
        for root in (place, other)
    )
    return names == others and all(
        (place / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def _other_code(folder: Path, files: Files) -> Iterator[str]:
    """Files of the checkout in a crate that this checkout does not have, or has otherwise."""
    for name in sorted(files):
        mine, theirs = CHECKOUT / name, folder / name
        if name.parts[0] != "results" and theirs.is_file() and name != PurePosixPath(BASE):
            same = mine.is_file() and mine.read_bytes() == theirs.read_bytes()
            if not same:
                yield str(name)


def _results(folder: Path, place: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of the results, and the configuration of the run."""
    found = sorted(path for path in folder.glob("results/*") if path.is_dir())
    path = (found[0] if found else folder / "results" / "<dataset>") / CONFIG
    with reading(path, "the configuration of a run", WRITER):
        if len(found) > 1:
            raise ValueError("there are results of more than one dataset")
        if path.stat().st_size > MOST_YAML:
            raise ValueError(f"more than {MOST_YAML / 1e6:.0f} MB")
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not a mapping")
        for section in ("runs", "studies", "dataset"):
            if not isinstance(config.get(section), dict):
                raise ValueError(f"its {section} are not a mapping")
    read_yaml(folder / BASE, "the configuration of a checkout", WRITER)
    try:
        checked = left_in(with_skeleton(config, path.parent / STORE, place))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if checked["dataset"]["name"] != path.parent.name:
        raise InputError(f"{path}: it is of another dataset; get the crate again")
    return path.parent, checked
