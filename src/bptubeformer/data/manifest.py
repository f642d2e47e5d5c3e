"""The manifest of a dataset: its files with their checksums, and the folders to search."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from bptubeformer.atomic import write_text
from bptubeformer.data.layout import is_file, walk_files
from bptubeformer.errors import InputError
from bptubeformer.kinds import Amount, Digest, Kind, Text
from bptubeformer.reading import read_record
from bptubeformer.sections import Record, Section
from bptubeformer.texts import shown

MOST_BYTES = 200_000_000
"""Of a list of files: that of a million has as many."""


class File(Section):
    """A file of a dataset."""

    expected = "a mapping with path, bytes and sha256"
    path: Text
    bytes: Amount | None
    """None, like the checksum, where it cannot be read."""
    sha256: Digest | None


class Manifest(Record):
    """The content of ``manifest.json``: all that was acquired."""

    expected = "a manifest"
    writer = "bptubeformer acquire"
    most_bytes = MOST_BYTES
    source: Text
    folders: Annotated[list[Text], Kind("a list of one or more folders", min_length=1)]
    """Folders of skeletons."""
    files: Annotated[list[File], Kind("a list of files")]


def write_manifest(manifest: Path, source: str, folders: list[Path]) -> None:
    """Write what was acquired: the folders to search and every file with its checksum."""
    files = [_described(path) for folder in folders for path in walk_files(folder)]
    if not files:
        raise InputError(f"{shown(source)}: no file in it; give the data in HR-Crime's layout")
    content = {"source": source, "folders": [str(folder) for folder in folders], "files": files}
    write_text(manifest, json.dumps(content, indent=1) + "\n")
    total = sum(int(file["bytes"] or 0) for file in files)
    print(f"{len(files)} files, {total / 1e6:.1f} MB")


def _described(path: Path) -> dict[str, str | int | None]:
    """Path, size and checksum of a file; none if it cannot be read or is not a file."""
    described: dict[str, str | int | None] = {"path": str(path), "bytes": None, "sha256": None}
    # What there is to read of it is the business of ingest, which says what is wrong with it.
    with suppress(OSError):
        if is_file(path):
            described |= size_and_digest(path)
    return described


def size_and_digest(path: Path) -> dict[str, str | int]:
    """Return ``bytes`` and ``sha256`` of a file."""
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def manifest_folders(manifest: Path) -> list[Path]:
    """The folders of a manifest, to be searched for trajectories.

    Raises:
        InputError: the file is not a manifest.
    """
    return [Path(folder) for folder in read_record(manifest, Manifest)["folders"]]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
