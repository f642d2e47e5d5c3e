"""From a source (DOI, URL, archive, folder) to verified files and a manifest of them."""

import hashlib
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

import requests

from bptubeformer.data import dataverse
from bptubeformer.data.addresses import host, refuse_secrets
from bptubeformer.data.archives import ARCHIVES, Budget, Damaged, is_archive, stem, unpack
from bptubeformer.data.download import RETRIES, Refused, WrongChecksum, is_name, keep, keep_only
from bptubeformer.data.layout import is_file, is_folder, walk_files
from bptubeformer.data.manifest import sha256_of, write_manifest
from bptubeformer.errors import InputError
from bptubeformer.kinds import Gigabytes
from bptubeformer.locks import alone_in
from bptubeformer.texts import shown

NESTING = 3
"""How deep archives inside archives are unpacked."""


def acquire(
    source: str,
    folder: Path,
    output: Path,
    server: str = "",
    checksum: str | None = None,
    max_gigabytes: Gigabytes = 100,
) -> None:
    """Bring the files of a source here, verify them, unpack archives, and write a manifest.

    A local folder is used where it is and never written to. Downloads and unpacked archives are
    under ``folder``; a download that is there and has its checksum is not repeated, so an
    interrupted acquisition goes on with the first missing file, and within it where it stopped.

    Args:
        source: ``doi:...`` of a Dataverse dataset, an http(s) address, an archive, or a folder.
        folder: where downloads and unpacked archives go.
        output: manifest to write (JSON): ``source``, ``folders`` (where to look for trajectories)
            and ``files`` (path, bytes, sha256), the sign that all went well.
        server: the Dataverse installation of a ``doi:`` source.
        checksum: ``algorithm:digest`` that an http(s) source must have; empty where unknown.
        max_gigabytes: no more is downloaded, and archives unpack to no more, in 10^9 bytes.

    Raises:
        InputError: the source cannot be had or is not what it should be.
    """
    with alone_in(folder, "acquires a dataset"):
        _acquire(source, folder, output, server, checksum, int(max_gigabytes * 1e9))


def _acquire(
    source: str, folder: Path, output: Path, server: str, checksum: str | None, limit: int
) -> None:
    if source.startswith("doi:"):
        place = _place_of(folder, f"{server} {source}")
        paths = dataverse.download(source, server, place, limit)
        folders = [place]
    elif source.startswith(("http://", "https://")):
        place = _place_of(folder, source)
        paths = [_download(source, place, checksum or None, limit)]
        folders = [place]
    elif is_folder(Path(source)):
        paths = walk_files(Path(source))
        folders = [Path(source)]
    elif is_file(Path(source)):
        paths = [Path(source)]
        folders = []
    else:
        raise InputError(
            f"dataset.source: {shown(source)} is neither a folder nor a file; expected doi:..., an "
            "http(s) address, an archive or a folder"
        )
    try:
        if _unpack_all(paths, folders, folder / "unpacked", Budget(limit)):
            folders.append(folder / "unpacked")
    except Damaged as error:
        if source.startswith(("http://", "https://")) and not checksum:
            # It may have been cut short on its way, and nothing but this tells.
            paths[0].unlink()
            raise InputError(f"{error}: what came was removed, run the same command") from error
        raise
    if not folders:
        raise InputError(f"{shown(source)}: not an archive; expected one of {', '.join(ARCHIVES)}")
    write_manifest(output, source, folders)


def _download(url: str, folder: Path, checksum: str | None, limit: int) -> Path:
    refuse_secrets("dataset.source", url)
    name = Path(unquote(urlparse(url).path)).name
    if not is_name(name):
        raise InputError(f"dataset.source: {url} names no file; expected the address of an archive")
    path = folder / name
    try:
        keep(url, path, checksum, limit)
    except Refused as error:
        raise InputError(
            f"{url}: HTTP {error.status}; check dataset.source, or download the file by hand and "
            "give its path as dataset.source"
        ) from None
    except requests.RequestException as error:
        raise InputError(
            f"{url}: no usable answer from {host(url)} ({type(error).__name__}), {RETRIES + 1} "
            "times; check the network, then try again"
        ) from None
    except WrongChecksum as error:
        raise InputError(
            f"{url}: the file does not have the checksum {checksum} of dataset.checksum; nothing "
            "was kept; correct the checksum or the address"
        ) from error
    keep_only(folder, [path])
    if checksum is None:
        print(f"not compared with a checksum: {path.name} is sha256:{sha256_of(path)}")
    return path


def _place_of(folder: Path, source: str) -> Path:
    """Return the download folder of a source; another source never finds the files of this one."""
    return folder / "download" / hashlib.sha256(source.encode()).hexdigest()[:12]


def _unpack_all(paths: list[Path], folders: list[Path], target: Path, budget: Budget) -> bool:
    """Unpack every archive among ``paths``, and archives inside them; whether there was one.

    An archive becomes a folder of its name, in the folders that it stood in: a zip of one category
    or of one video keeps its place.
    """
    shutil.rmtree(target, ignore_errors=True)
    for depth in range(NESTING):
        # A pipe, or a link to nothing, is not a trajectory, even with the name of one.
        archives = [path for path in paths if is_archive(path) and is_file(path)]
        if not archives:
            return depth > 0
        paths = []
        for archive in archives:
            above = [folder for folder in (target, *folders) if archive.is_relative_to(folder)]
            place = archive.parent.relative_to(above[0]) if above else Path()
            unpacked = _free_name(target / place / stem(archive))
            unpack(archive, unpacked, budget)
            paths += walk_files(unpacked)
    deeper = [path for path in paths if is_archive(path) and is_file(path)]
    if deeper:
        raise InputError(
            f"{shown(deeper[0])}: an archive inside {NESTING} others; unpack it by hand, and give "
            "the folder as dataset.source"
        )
    return True


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
