"""Verify a received run: files against checksums, tables against predictions."""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import yaml
from rocrate.rocrate import ROCrate

from bptubeformer.data.archives import Budget, is_archive, unpack
from bptubeformer.data.layout import is_folder, walk_files
from bptubeformer.errors import InputError
from bptubeformer.evaluation.tables import read_table
from bptubeformer.fingerprint import package_fingerprint
from bptubeformer.provenance.crate import CONFIG
from bptubeformer.provenance.recompute import made_studies, recompute
from bptubeformer.reading import reading
from bptubeformer.study import SUMMARY_FILE, TABLES
from bptubeformer.texts import shown

METADATA = "ro-crate-metadata.json"
WRITER = "snakemake crate"
RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Numbers of two machines may differ by so much: sums are rounded in another order."""
MOST_BYTES = 10**12
NUMBER = re.compile(r"\d+\.\d+")


def check_crate(crate: Path, /) -> None:
    """Verify a received crate, and compute its tables and verdicts again from its predictions.

    Args:
        crate: the archive of a crate, or the folder it was unpacked to.

    Raises:
        InputError: a file is missing, changed or not listed, or a table is not what the
            predictions of the crate make.
    """
    with _unpacked(crate) as folder:
        files, code = _listed(folder)
        _verify(crate, folder, files)
        print(f"{len(files)} files: all there and as they were written")
        if _code_of(folder) != code:
            raise InputError(
                f"{shown(crate)}: its code is not that which it names ({code}); get the crate again"
            )
        same = "the code of this package"
        print(f"computed by {same if code == package_fingerprint() else 'other code: ' + code}")
        results, config = _results(folder)
        with tempfile.TemporaryDirectory() as place:
            output = Path(place, results.name)
            output.mkdir()
            studies = recompute(results, config, _base(folder), output)
            faults = list(_compare(results, output, studies))
    if faults:
        raise InputError(
            f"{shown(crate)}: {len(faults)} files are not what its predictions make; the first: "
            f"{faults[0]}; ask who computed it, or compute it again"
        )
    print("every table and verdict is what the predictions make")


@contextmanager
def _unpacked(crate: Path) -> Iterator[Path]:
    if is_folder(crate):
        yield crate
        return
    if not crate.exists():
        raise InputError(f"{shown(crate)}: no such crate; give its archive or its folder")
    if not is_archive(crate):
        raise InputError(f"{shown(crate)}: not an archive; give the .zip of a crate, or its folder")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "crate")
        unpack(crate, target, Budget(MOST_BYTES))
        yield target


def _listed(folder: Path) -> tuple[dict[PurePosixPath, tuple[int, str]], str]:
    """Bytes and SHA-256 of each file that the crate lists, and the fingerprint of its code."""
    with reading(folder / METADATA, "the metadata of a crate", WRITER):
        crate = ROCrate(folder)
        listed = {}
        for entity in crate.get_by_type("File"):
            path = PurePosixPath(unquote(entity.id))
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"its file {path} leads out of it")
            listed[path] = (int(entity["contentSize"]), str(entity["sha256"]))
        return listed, str(crate.mainEntity["additionalProperty"]["value"])


def _verify(crate: Path, folder: Path, files: Mapping[PurePosixPath, tuple[int, str]]) -> None:
    """Refuse a crate that is not, file by file, what it says it is."""
    for name, (size, digest) in files.items():
        path = folder / name
        if not path.is_file() or path.is_symlink():
            fault = "is missing, or a link"
        elif path.stat().st_size != size:
            fault = f"has {path.stat().st_size} bytes; {size} were written"
        else:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == digest:
                    continue
            fault = "was changed: its SHA-256 is another"
        raise InputError(f"{shown(crate)}: its file {shown(name)} {fault}; get the crate again")
    known = {folder / METADATA, *(folder / name for name in files)}
    foreign = [path for path in walk_files(folder) if path not in known]
    if foreign:
        raise InputError(
            f"{shown(crate)}: its file {shown(foreign[0].relative_to(folder))} is not one that was "
            "written; remove it, or get the crate again"
        )


def _results(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of the results, and the configuration of the run."""
    found = sorted(folder.glob("results/*"))
    path = (found[0] if found else folder / "results" / "<dataset>") / CONFIG
    with reading(path, "the configuration of a run", WRITER):
        if len(found) > 1:
            raise ValueError("there are results of more than one dataset")
        config = json.loads(path.read_text(encoding="utf-8"))
        if config["dataset"]["name"] != path.parent.name:
            raise ValueError("it is of another dataset")
        if not made_studies(config, path.parent):
            raise ValueError("no study of it has results")
        return path.parent, config


def _code_of(folder: Path) -> str:
    """Fingerprint of the package in a crate; its code is read, and never run."""
    place = folder / "src" / "bptubeformer"
    with reading(place, "the code of a checkout", WRITER):
        return package_fingerprint(place)


def _base(folder: Path) -> Path:
    """``config.yaml`` of the checkout in a crate."""
    path = folder / "config.yaml"
    with reading(path, "the configuration of a checkout", WRITER):
        dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    return path


def _made(results: Path, studies: Sequence[Path]) -> list[Path]:
    """Tables and summaries of a run, as paths below its results; numbers first."""
    found = [
        path.relative_to(results)
        for study in studies
        for pattern in (f"{TABLES}/*", f"{Path(SUMMARY_FILE).stem}.*")
        for path in (results / study).glob(pattern)
    ]
    return sorted(found, key=lambda name: (name.suffix != ".csv", name))


def _compare(results: Path, output: Path, studies: Sequence[Path]) -> Iterator[str]:
    """Yield the differences between the tables of a crate and those computed again."""
    again = _made(output, studies)
    for name in sorted(set(_made(results, studies)) - set(again)):
        yield f"{name} is made of nothing in the crate"
    rounded = False
    # Where numbers differ by rounding alone, so may the pages made of them.
    for name in again:
        path = output / name
        received = results / name
        if not received.exists():
            yield f"{name} is missing"
        elif received.read_bytes() == path.read_bytes():
            print(f"{name}: the same to the last byte")
        elif path.suffix == ".csv":
            fault = _difference(read_table(received), read_table(path))
            if fault:
                yield f"{name}, {fault}"
            else:
                print(f"{name}: the same but for rounding")
                rounded = True
        elif rounded and _same_text(received.read_text("utf-8"), path.read_text("utf-8")):
            print(f"{name}: the same but for rounding")
        else:
            yield f"{name} says something else than its table"


def _same_text(received: str, again: str) -> bool:
    """Return True if two pages differ only in the last printed digit of numbers."""
    mine, theirs = NUMBER.findall(again), NUMBER.findall(received)
    return (
        NUMBER.split(received) == NUMBER.split(again)
        and len(mine) == len(theirs)
        and all(
            abs(float(a) - float(b)) <= 1.01 * 10.0 ** -len(a.partition(".")[2])
            for a, b in zip(mine, theirs, strict=True)
        )
    )


def _difference(received: pd.DataFrame, again: pd.DataFrame) -> str | None:
    """The first cell in which two tables differ by more than rounding."""
    if list(received.columns) != list(again.columns) or len(received) != len(again):
        return "it has other rows or columns"
    for column in again:
        mine, theirs = again[column], received[column]
        if pd.api.types.is_numeric_dtype(mine) and pd.api.types.is_numeric_dtype(theirs):
            same = np.isclose(theirs, mine, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        else:
            same = ((mine == theirs) | (mine.isna() & theirs.isna())).to_numpy()
        if not same.all():
            row = int(np.argmin(same))
            return f"row {row + 2}, column {column}: {theirs[row]}; computed again: {mine[row]}"
    return None
