"""From a source (DOI, URL, archive, folder) to verified files and a manifest of them."""

import hashlib
import json
import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from urllib.parse import unquote, urlparse

import pooch
import requests

from bptubeformer.atomic import write_text
from bptubeformer.data import dataverse
from bptubeformer.data.layout import walk_files
from bptubeformer.errors import InputError

ARCHIVES = tuple(suffix for _, suffixes, _ in shutil.get_unpack_formats() for suffix in suffixes)
UNPACKING_FAULTS = (
    shutil.ReadError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # an encrypted zip
    NotImplementedError,  # a compression that Python does not know
)
NESTING = 3
"""How deep archives inside archives are unpacked."""


def acquire(
    source: str, folder: Path, manifest: Path, *, server: str = "", checksum: str | None = None
) -> None:
    """Bring the files of a source here, verify them, unpack archives, and write a manifest.

    A local folder is used where it is and never written to. Downloads and unpacked archives stand
    under ``folder``; a download that is there and has its checksum is not repeated, so an
    interrupted acquisition goes on with the first missing file.

    Args:
        source: ``doi:...`` of a Dataverse dataset, an http(s) address, an archive, or a folder.
        folder: where downloads and unpacked archives go.
        manifest: JSON file to write: ``source``, ``folders`` (where to look for trajectories) and
            ``files`` (path, bytes, sha256), the sign that all went well.
        server: the Dataverse installation of a ``doi:`` source.
        checksum: ``algorithm:digest`` that an http(s) source must have; None where unknown.

    Raises:
        InputError: the source cannot be had or is not what it should be.
    """
    if source.startswith("doi:"):
        place = _place_of(folder, f"{server} {source}")
        paths = dataverse.download(source, server, place)
        folders = [place]
    elif source.startswith(("http://", "https://")):
        place = _place_of(folder, source)
        paths = [_download(source, place, checksum)]
        folders = [place]
    elif Path(source).is_dir():
        paths = walk_files(Path(source))
        folders = [Path(source)]
    elif Path(source).is_file():
        paths = [Path(source)]
        folders = []
    else:
        raise InputError(
            f"dataset.source: {source} is no folder and no file; expected doi:..., an http(s) "
            "address, an archive or a folder"
        )
    if _unpack_all(paths, folders, folder / "unpacked"):
        folders.append(folder / "unpacked")
    if not folders:
        raise InputError(f"{source}: not an archive; expected one of {', '.join(ARCHIVES)}")
    write_manifest(manifest, source, folders)


def write_manifest(manifest: Path, source: str, folders: list[Path]) -> None:
    """Write what was acquired: the folders to search and every file with its checksum."""
    files = [
        {"path": str(path), "bytes": path.stat().st_size, "sha256": _sha256(path)}
        for folder in folders
        for path in walk_files(folder)
    ]
    content = {"source": source, "folders": [str(folder) for folder in folders], "files": files}
    write_text(manifest, json.dumps(content, indent=1) + "\n")
    print(f"{len(files)} files, {sum(file['bytes'] for file in files) / 1e6:.1f} MB")


def manifest_folders(manifest: Path) -> list[Path]:
    """The folders of a manifest, to be searched for trajectories.

    Raises:
        InputError: the file is no manifest.
    """
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return [Path(folder) for folder in content["folders"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{manifest}: not a manifest; write it with: bptubeformer acquire"
        ) from error


def _download(url: str, folder: Path, checksum: str | None) -> Path:
    name = Path(unquote(urlparse(url).path)).name
    if not name:
        raise InputError(f"dataset.source: {url} names no file; expected the address of an archive")
    downloader = pooch.HTTPDownloader(
        progressbar=True, chunk_size=dataverse.CHUNK_BYTES, timeout=dataverse.TIMEOUT_S
    )
    keeper = pooch.create(
        path=folder,
        base_url="",
        registry={name: checksum},
        urls={name: url},
        retry_if_failed=dataverse.RETRIES,
    )
    try:
        keeper.fetch(name, downloader=downloader)
        return folder / name
    except ValueError as error:
        raise InputError(
            f"{url}: the file does not have the checksum {checksum} of dataset.checksum; nothing "
            "was kept; correct the checksum or the address"
        ) from error
    except requests.HTTPError as error:
        raise InputError(
            f"{url}: HTTP {error.response.status_code}; check dataset.source, or download the file "
            "by hand and give its path as dataset.source"
        ) from error
    except requests.RequestException as error:
        raise InputError(
            f"{url}: no usable answer ({type(error).__name__}); check the network, then try again"
        ) from error


def _place_of(folder: Path, source: str) -> Path:
    """Where a source is downloaded to; another source never finds the files of this one."""
    return folder / "download" / hashlib.sha256(source.encode()).hexdigest()[:12]


def _unpack_all(paths: list[Path], folders: list[Path], target: Path) -> bool:
    """Unpack every archive among ``paths``, and archives inside them; whether there was one.

    An archive becomes a folder of its name, in the folders that it stood in: a zip of one category
    or of one video keeps its place.
    """
    shutil.rmtree(target, ignore_errors=True)
    for depth in range(NESTING):
        archives = [path for path in paths if path.name.lower().endswith(ARCHIVES)]
        if not archives:
            return depth > 0
        paths = []
        for archive in archives:
            above = [folder for folder in (target, *folders) if archive.is_relative_to(folder)]
            place = archive.parent.relative_to(above[0]) if above else Path()
            unpacked = _free_name(target / place / _stem(archive))
            _unpack(archive, unpacked)
            paths += walk_files(unpacked)
    return True


def _unpack(archive: Path, target: Path) -> None:
    target.mkdir(parents=True)
    try:
        shutil.unpack_archive(archive, target, filter=_filter_for(archive))
    except UNPACKING_FAULTS as error:
        shutil.rmtree(target)
        raise InputError(
            f"{archive}: the archive cannot be unpacked ({error}); download it again"
        ) from error


def _filter_for(archive: Path) -> str | None:
    """Tar members that lead outside the folder are refused; zip members never do."""
    return None if archive.name.lower().endswith(".zip") else "data"


def _stem(archive: Path) -> str:
    name = archive.name
    suffix = max((s for s in ARCHIVES if name.lower().endswith(s)), key=len)
    return name[: -len(suffix)]


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
