"""Download a dataset from a Dataverse installation through its native API.

The listing is ``GET /api/datasets/:persistentId/``, a file is ``GET /api/access/datafile/<id>``
(https://guides.dataverse.org/en/latest/api/). Pooch fetches, verifies and resumes by file; this
module knows which files there are, what their checksums are and when a token is needed.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin

import pooch
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from bptubeformer.data.layout import walk_files
from bptubeformer.errors import InputError

TOKEN_VARIABLE = "DATAVERSE_API_TOKEN"
"""Environment variable with the user's personal API token; never written anywhere."""

TIMEOUT_S = 60
RETRIES = 4
CHUNK_BYTES = 1 << 20
REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset as its listing describes it."""

    path: PurePosixPath
    url: str
    checksum: str
    """``algorithm:hexadecimal digest``, as pooch takes it."""
    restricted: bool


def download(doi: str, server: str, folder: Path) -> list[Path]:
    """Download every file of a dataset; files that are there and verified are not fetched again.

    Args:
        doi: ``doi:10.34894/IRRDJE``.
        server: base address of the Dataverse installation, ``https://dataverse.nl``.
        folder: where the files go, in the folders of the dataset; it then holds nothing else.

    Returns:
        The files, in the order of the listing.

    Raises:
        InputError: unknown dataset, access refused, wrong checksum, or no answer.
    """
    session = _session()
    remote = list_files(doi, server, session)
    closed = [file for file in remote if file.restricted]
    if closed and not _token():
        raise InputError(
            f"{doi}: {len(closed)} of {len(remote)} files are restricted, {closed[0].path} first; "
            f"ask for access on the dataset's page at {server}, then set {TOKEN_VARIABLE} to your "
            "API token"
        )
    keeper = pooch.create(
        path=folder,
        base_url="",
        registry={str(file.path): file.checksum for file in remote},
        urls={str(file.path): file.url for file in remote},
        retry_if_failed=RETRIES,
    )
    paths = []
    for number, file in enumerate(remote, start=1):
        print(f"{number}/{len(remote)} {file.path}", flush=True)
        _fetch(keeper, file, session, server)
        paths.append(folder / file.path)
    # What an earlier version of the dataset had and this one has not would be taken for data.
    for stale in set(walk_files(folder)) - set(paths):
        stale.unlink()
    return paths


def list_files(doi: str, server: str, session: requests.Session) -> list[RemoteFile]:
    """The files of the latest version of a dataset."""
    url = urljoin(server, "/api/datasets/:persistentId/")
    try:
        response = session.get(
            url,
            params={"persistentId": doi},
            headers=_headers(),
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise InputError(_no_answer(url, error)) from error
    if response.status_code in REDIRECTS:
        # Not followed: the token would go along.
        raise InputError(
            f"{server} sends the request on to {response.headers.get('Location')}; give the "
            "address that answers itself as dataset.server"
        )
    if response.status_code != 200:
        raise InputError(_refusal(response, f"{server} does not list {doi}"))
    try:
        entries = response.json()["data"]["latestVersion"]["files"]
        files = [_remote_file(entry, server) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{url}: not the listing of a Dataverse dataset ({error!r}); check dataset.server"
        ) from error
    if not files:
        raise InputError(f"{doi}: the dataset has no files; check dataset.source")
    return files


def _remote_file(entry: dict[str, Any], server: str) -> RemoteFile:
    data = entry["dataFile"]
    # Dataverse turns CSV uploads into .tab files; the file as uploaded is the "original" format.
    tabular = "originalFileFormat" in data
    name = data.get("originalFileName", data["filename"]) if tabular else data["filename"]
    path = PurePosixPath(entry.get("directoryLabel", ""), name)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"{server}: the listing names the file {path}, outside the dataset")
    if "checksum" in data:
        checksum = f"{data['checksum']['type'].replace('-', '')}:{data['checksum']['value']}"
    else:
        checksum = f"md5:{data['md5']}"
    query = "?format=original" if tabular else ""
    url = urljoin(server, f"/api/access/datafile/{data['id']}{query}")
    return RemoteFile(path, url, checksum.lower(), bool(entry.get("restricted", False)))


def _fetch(keeper: pooch.Pooch, file: RemoteFile, session: requests.Session, server: str) -> None:
    def downloader(url: str, output_file: str, pooch_: pooch.Pooch) -> None:
        url, headers = _storage_address(session, url)
        pooch.HTTPDownloader(
            progressbar=True, chunk_size=CHUNK_BYTES, headers=headers, timeout=TIMEOUT_S
        )(url, output_file, pooch_)

    try:
        keeper.fetch(str(file.path), downloader=downloader)
    except ValueError as error:
        raise InputError(
            f"{file.path}: what {server} sent does not have the checksum of the listing "
            f"({file.checksum}), {RETRIES + 1} times; nothing was kept; try again later, or tell "
            "the publisher"
        ) from error
    except requests.RequestException as error:
        raise InputError(_no_answer(f"{server}, {file.path}", error)) from error


def _storage_address(session: requests.Session, url: str) -> tuple[str, dict[str, str]]:
    """Where the bytes are, and the headers to send there.

    Dataverse may redirect to a storage of another host; the token stays with Dataverse.
    """
    with session.get(
        url, headers=_headers(), timeout=TIMEOUT_S, stream=True, allow_redirects=False
    ) as response:
        if response.status_code in REDIRECTS:
            return urljoin(url, response.headers["Location"]), {}
        if response.status_code != 200:
            raise InputError(_refusal(response, f"{url} was refused"))
    return url, _headers()


def _session() -> requests.Session:
    """A session that repeats a request after a server error, waiting longer each time."""
    retry = Retry(total=RETRIES, backoff_factor=0.5, status_forcelist=(500, 502, 503, 504))
    retry.raise_on_status = False
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


def _token() -> str:
    return os.environ.get(TOKEN_VARIABLE, "").strip()


def _headers() -> dict[str, str]:
    return {"X-Dataverse-key": _token()} if _token() else {}


def _refusal(response: requests.Response, what: str) -> str:
    status = response.status_code
    if status in (401, 403):
        with_token = "with the token" if _token() else "without a token"
        return (
            f"{what} (HTTP {status}, {with_token} of {TOKEN_VARIABLE}); ask for access on the "
            f"dataset's page, then set {TOKEN_VARIABLE} to your API token"
        )
    if status == 404:
        return f"{what} (HTTP 404); check dataset.source and dataset.server"
    return f"{what} (HTTP {status}); try again later: what has arrived is kept"


def _no_answer(where: str, error: requests.RequestException) -> str:
    return (
        f"{where}: no usable answer ({type(error).__name__}); check the network and "
        "dataset.server, then try again: what has arrived is kept"
    )
