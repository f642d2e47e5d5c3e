"""Download a dataset from a Dataverse installation through its native API.

The listing is ``GET /api/datasets/:persistentId/``, a file is ``GET /api/access/datafile/<id>``
(https://guides.dataverse.org/en/latest/api/). This module knows which files there are, what their
checksums are and when a token is needed; ``download`` fetches them.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urljoin

import requests
from pydantic import ConfigDict

from bptubeformer.data.addresses import host, is_private, refuse_secrets
from bptubeformer.data.archives import DEEPEST
from bptubeformer.data.download import (
    REDIRECTS,
    RETRIES,
    Refused,
    WrongChecksum,
    ask,
    chunks,
    is_name,
    keep,
    keep_only,
    session,
)
from bptubeformer.errors import InputError
from bptubeformer.kinds import Amount, Flag, Kind, Name, Text
from bptubeformer.sections import Section, accept
from bptubeformer.texts import shown

TOKEN_VARIABLE = "DATAVERSE_API_TOKEN"  # noqa: S105 (its name, not its value)
"""Environment variable with the user's personal API token; never written anywhere."""

CHECKSUMS = ("md5", "sha1", "sha256", "sha512")
LISTING_BYTES = 200_000_000
"""Largest listing that is read; one of 100,000 files has 100 MB."""


class Foreign(Section):
    """A mapping of a Dataverse installation; keys that are not used here are left alone."""

    model_config = ConfigDict(extra="ignore", strict=True)
    from_people = False


class Checksum(Foreign):
    """Algorithm and digest of a file."""

    expected = "a mapping with type and value"
    type: Name
    value: Name


class DataFile(Foreign):
    """A file, without its place."""

    expected = "a mapping with id and filename"
    id: Amount
    filename: Text
    checksum: Checksum | None = None
    md5: Name = ""
    filesize: Amount = 0
    originalFileFormat: Name = ""
    originalFileName: Text = ""
    originalFileSize: Amount = 0


class Entry(Foreign):
    """A file of a dataset."""

    expected = "a mapping with dataFile"
    dataFile: DataFile
    directoryLabel: Annotated[str, Kind("the path of a folder", max_length=4096)] = ""
    restricted: Flag = False


class Version(Foreign):
    """A version of a dataset."""

    files: Annotated[list[Entry], Kind("a list of files")]


class Dataset(Foreign):
    """``data`` of a listing."""

    latestVersion: Version


class Listing(Foreign):
    """The answer of an installation."""

    data: Dataset


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset as its listing describes it."""

    path: PurePosixPath
    url: str
    checksum: str
    """``algorithm:hexadecimal digest``, as pooch takes it."""
    size: int
    """Bytes; 0 where the listing does not say."""
    restricted: bool


def download(doi: str, server: str, folder: Path, limit: int) -> list[Path]:
    """Download every file of a dataset; files that are there and verified are not fetched again.

    Args:
        doi: ``doi:10.34894/IRRDJE``.
        server: base address of the Dataverse installation, ``https://dataverse.nl``.
        folder: where the files go, in the folders of the dataset; it then holds nothing else.
        limit: the largest size of all files together, in bytes.

    Returns:
        The files, in the order of the listing.

    Raises:
        InputError: unknown dataset, access refused, too large, wrong checksum, or no answer.
    """
    refuse_secrets("dataset.server", server)
    if _token() and not is_private(server):
        raise InputError(
            f"dataset.server = {server}: the token of {TOKEN_VARIABLE} would go over the network "
            "for all to read; give the https address, or unset the variable"
        )
    remote = list_files(doi, server)
    closed = [file for file in remote if file.restricted]
    if closed and not _token():
        raise InputError(
            f"{doi}: {len(closed)} of {len(remote)} files are restricted, "
            f"{shown(str(closed[0].path))} first; ask for access on the dataset's page at "
            f"{server}, then set {TOKEN_VARIABLE} to your API token"
        )
    total = sum(file.size for file in remote)
    if total > limit:
        raise InputError(
            f"{doi}: {total / 1e9:.4g} GB in {len(remote)} files, more than the {limit / 1e9:.4g} "
            "GB of dataset.max_gigabytes; raise it if this is what you want"
        )
    paths = []
    for number, file in enumerate(remote, start=1):
        print(f"{number}/{len(remote)} {shown(str(file.path))}", flush=True)
        path = folder / file.path
        _fetch(file, path, server, limit)
        limit -= path.stat().st_size
        paths.append(path)
    # What an earlier version of the dataset had and this one has not would be taken for data.
    keep_only(folder, paths)
    return paths


def list_files(doi: str, server: str) -> list[RemoteFile]:
    """The files of the latest version of a dataset."""
    url = urljoin(server, "/api/datasets/:persistentId/")
    try:
        headers = {**_headers(), "Accept-Encoding": "identity"}
        with (
            session(connect=RETRIES) as client,
            ask(client, url, headers, {"persistentId": doi}) as response,
        ):
            content = b""
            for chunk in chunks(response):
                content += chunk
                if len(content) > LISTING_BYTES:
                    break
    except requests.RequestException as error:
        raise InputError(_no_answer(url, error)) from None
    except ValueError as error:
        raise InputError(
            f"dataset.server = {server}: not a valid address, or it redirects to an invalid one; "
            "correct it"
        ) from error
    if response.status_code in REDIRECTS:
        # Not followed: the token would go along.
        onward = host(urljoin(url, response.headers.get("Location", "")))
        raise InputError(
            f"{server} sends the request on to {onward}; give the address that answers itself as "
            "dataset.server"
        )
    if response.status_code != 200:
        raise InputError(_refusal(response.status_code, f"{server} does not list {doi}"))
    if len(content) > LISTING_BYTES:
        raise InputError(
            f"{url}: a listing of more than {LISTING_BYTES / 1e6:.0f} MB; check dataset.server"
        )
    try:
        listing = accept(Listing, json.loads(content), url)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{url}: not the listing of a Dataverse dataset ({type(error).__name__}); check "
            "dataset.server"
        ) from error
    except InputError as error:
        raise InputError(
            f"{error}; not the listing of a Dataverse dataset; check dataset.server"
        ) from error
    files = [_remote_file(one, server) for one in listing["data"]["latestVersion"]["files"]]
    if not files:
        raise InputError(f"{doi}: the dataset has no files; check dataset.source")
    seen: set[PurePosixPath] = set()
    folders = {folder for file in files for folder in file.path.parents}
    for file in files:
        if file.path in seen or file.path in folders:
            raise InputError(
                f"{server}: the listing names the file {shown(str(file.path))} twice; download the "
                "files by hand and give their folder as dataset.source"
            )
        seen.add(file.path)
    return files


def _remote_file(entry: dict[str, Any], server: str) -> RemoteFile:
    data = entry["dataFile"]
    # Dataverse turns CSV uploads into .tab files; the file as uploaded is the "original" format.
    tabular = "originalFileFormat" in data
    name = data.get("originalFileName", data["filename"]) if tabular else data["filename"]
    path = PurePosixPath(entry.get("directoryLabel", ""), name)
    fault = ""
    if path.is_absolute() or not path.parts or not all(map(is_name, path.parts)):
        fault = "outside the dataset or not a name of a file"
    elif len(path.parts) > DEEPEST:
        fault = f"more than {DEEPEST} folders deep"
    if fault:
        raise InputError(
            f"{server}: the listing names the file {shown(str(path))[:200]}, {fault}; download the "
            "files by hand and give their folder as dataset.source"
        )
    if data.get("checksum"):
        kind, digest = data["checksum"]["type"].replace("-", "").lower(), data["checksum"]["value"]
    else:
        kind, digest = "md5", data.get("md5", "")
    if kind not in CHECKSUMS or not digest:
        raise InputError(
            f"{server}: {shown(str(path))} has no checksum that can be compared ({shown(kind)}); "
            "download it by hand and give its path as dataset.source"
        )
    query = "?format=original" if tabular else ""
    url = urljoin(server, f"/api/access/datafile/{data['id']}{query}")
    size = data.get("originalFileSize" if tabular else "filesize", 0)
    return RemoteFile(
        path, url, f"{kind}:{digest.lower()}", size, bool(entry.get("restricted", False))
    )


def _fetch(file: RemoteFile, path: Path, server: str, limit: int) -> None:
    name = shown(str(file.path))
    try:
        keep(file.url, path, file.checksum, limit, _headers())
    except requests.RequestException as error:
        raise InputError(_no_answer(f"{server}, {name}", error)) from None
    except Refused as error:
        raise InputError(_refusal(error.status, f"{file.url} was refused")) from None
    except WrongChecksum as error:
        raise InputError(
            f"{name}: what {server} sent does not have the checksum of the listing "
            f"({file.checksum}), {RETRIES + 1} times; nothing was kept; try again later, or tell "
            "the publisher"
        ) from error


def _token() -> str:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not (token.isascii() and token.isprintable()):
        raise InputError(
            f"{TOKEN_VARIABLE}: letters that no token has; copy it once more, without quotes"
        )
    return token


def _headers() -> dict[str, str]:
    return {"X-Dataverse-key": _token()} if _token() else {}


def _refusal(status: int, what: str) -> str:
    if status in (401, 403):
        with_token = "with the token" if _token() else "without a token"
        return (
            f"{what} (HTTP {status}, {with_token} of {TOKEN_VARIABLE}); ask for access on the "
            f"dataset's page, then set {TOKEN_VARIABLE} to your API token"
        )
    if status == 404:
        return f"{what} (HTTP 404); check dataset.source and dataset.server"
    return f"{what} (HTTP {status}); try again later: what has arrived is kept"


def _no_answer(where: str, error: Exception) -> str:
    return (
        f"{where}: no usable answer ({type(error).__name__}); check the network and "
        "dataset.server, then try again: what has arrived is kept"
    )
