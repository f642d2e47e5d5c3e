"""Fetch one file over HTTP(S) from a server that nobody vouches for.

Pooch keeps the files: it compares checksums, tries again with growing pauses, and moves a file to
its name when it is whole. This module is how a file arrives: within a size, not slower than a
pace, over redirects to http(s) alone, and from where an earlier try stopped.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.parse import urljoin, urlsplit

import pooch
import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from bptubeformer.data.addresses import host
from bptubeformer.errors import InputError, naming
from bptubeformer.texts import shown

TIMEOUT_S = 60
"""How long a server may take to answer, and to send what is too little."""
SLOWEST = 1000
"""Bytes a second that must arrive, on average over ``TIMEOUT_S``."""
RETRIES = 4
ANSWER_S = TIMEOUT_S * (RETRIES + 1)
"""How long the head of an answer may take in all, line by line and try by try."""
CHUNK_BYTES = 1 << 20
REDIRECTS = {301, 302, 303, 307, 308}
MOST_REDIRECTS = 5
BUSY = (429, 500, 502, 503, 504)
"""Answers after which it pays to ask again."""
LONGEST_NAME = 200
"""Bytes of a file's name; file systems take 255, and ours stands before it while it arrives."""
PART = ".part-"
"""What the name of a file that has begun to arrive begins with."""


class Refused(Exception):
    """A server answers a request with an error.

    Args:
        status: HTTP status of the answer.
    """

    def __init__(self, status: int):
        super().__init__(f"HTTP {status}")
        self.status = status


class WrongChecksum(Exception):
    """The file failed its checksum on every attempt."""


def session(connect: int = 0) -> requests.Session:
    """A session that asks again after a server error, waiting longer each time.

    Args:
        connect: how often it connects again; 0 where pooch asks again as a whole.
    """
    # It would log addresses that a server redirected to, which may hold what opens a storage.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    retry = Retry(
        total=RETRIES,
        connect=connect,
        read=0,
        backoff_factor=0.5,
        status_forcelist=BUSY,
        raise_on_status=False,
        redirect=False,
        respect_retry_after_header=False,  # a server does not decide how long we wait
    )
    made = requests.Session()
    made.mount("http://", HTTPAdapter(max_retries=retry))
    made.mount("https://", HTTPAdapter(max_retries=retry))
    return made


def keep(
    url: str, path: Path, checksum: str | None, limit: int, headers: Mapping[str, str] | None = None
) -> None:
    """Bring a file here unless it is here already.

    Args:
        url: its address.
        path: where it goes.
        checksum: ``algorithm:digest`` that it must have; None where unknown.
        limit: the largest size, in bytes.
        headers: for the server of ``url`` alone; not sent on where it redirects to.

    Raises:
        InputError: it is too large or redirects to something other than http(s).
        Refused: the server answers with an error.
        WrongChecksum: it has another checksum, again and again.
        requests.RequestException: it does not come, again and again.
    """
    keeper = pooch.create(
        path=path.parent,
        base_url="",
        registry={path.name: checksum},
        urls={path.name: url},
        retry_if_failed=RETRIES,
    )
    part = path.with_name(f"{PART}{path.name}")

    def downloader(url: str, output_file: str, _: pooch.Pooch) -> None:
        # Without a checksum nothing would tell two halves of different files from one.
        if checksum is None:
            part.unlink(missing_ok=True)
        _fetch(url, part, limit, headers or {})
        part.replace(output_file)

    try:
        keeper.fetch(path.name, downloader=downloader)
    except requests.RequestException:
        raise  # some of them are a ValueError, too
    except ValueError as error:
        raise WrongChecksum(str(error)) from error


def is_name(name: str) -> bool:
    """Return True if a file from elsewhere may have this name here, and no file of ours has it."""
    plain = name not in ("", ".", "..") and not name.startswith(PART) and shown(name) == name
    return plain and len(name.encode()) <= LONGEST_NAME


def keep_only(folder: Path, paths: Iterable[Path]) -> None:
    """Remove from a folder of downloads what is none of them, any longer or yet."""
    for other in {path for path in folder.rglob("*") if not path.is_dir()} - set(paths):
        other.unlink()


def _fetch(url: str, part: Path, limit: int, headers: Mapping[str, str]) -> None:
    """Write what ``url`` gives to ``part``, behind what is there already."""
    have = part.stat().st_size if part.exists() else 0
    # Content is stored as it is: no compression on the way, which would hide its size.
    asked = {**headers, "Accept-Encoding": "identity"}
    if have:
        asked["Range"] = f"bytes={have}-"
    with session() as client, _follow(client, url, asked) as response:
        if response.status_code == 416:
            part.unlink(missing_ok=True)
            raise requests.ConnectionError(f"nothing behind byte {have}")
        if response.status_code not in (200, 206):
            raise Refused(response.status_code)
        if response.status_code == 200:
            have = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("another part than the one asked for")
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        if (total or 0) > limit:
            raise _too_large(url, limit)
        with (
            naming(part),
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, ncols=79) as bar,
        ):
            for chunk in chunks(response):
                have += len(chunk)
                if have > limit:
                    raise _too_large(url, limit)
                file.write(chunk)
                bar.update(len(chunk))


def _follow(client: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """The answer behind all redirects; only ``Range`` and the like go along."""
    for _ in range(MOST_REDIRECTS + 1):
        try:
            response = ask(client, url, headers)
            if response.status_code not in REDIRECTS:
                return response
            response.close()
            onward = urljoin(url, response.headers.get("Location", ""))
            urlsplit(onward)
        except requests.RequestException:
            raise
        except ValueError as error:
            raise InputError(
                f"{host(url)}: an address, or one that it redirects to, is none; check the address"
            ) from error
        if urlsplit(onward).scheme not in ("http", "https"):
            raise InputError(
                f"{host(url)}: redirects to {urlsplit(onward).scheme}:, expected http or https; "
                "check the address"
            )
        if urlsplit(url).scheme == "https" and urlsplit(onward).scheme == "http":
            raise InputError(
                f"{host(url)}: redirects from https to http, where anyone may change what comes; "
                "check the address"
            )
        kept = ("Range", "Accept-Encoding")
        url, headers = onward, {name: headers[name] for name in kept if name in headers}
    raise InputError(f"{host(url)}: redirects more than {MOST_REDIRECTS} times; check the address")


def ask(
    client: requests.Session,
    url: str,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
) -> requests.Response:
    """The head of an answer; a server that sends it without end is given up.

    A time-out of requests starts again with every line.

    Raises:
        requests.RequestException: there is none.
    """
    found: Queue[requests.Response | Exception] = Queue()

    def get() -> None:
        try:
            found.put(
                client.get(
                    url,
                    params=params,
                    headers=dict(headers),
                    stream=True,
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                )
            )
        except Exception as error:
            found.put(error)

    Thread(target=get, daemon=True).start()
    try:
        answer = found.get(timeout=ANSWER_S)
    except Empty:
        raise requests.Timeout(f"no whole answer in {ANSWER_S} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the bytes of an answer as they arrive; give up a server that sends next to nothing."""
    began, arrived = time.monotonic(), 0
    while True:
        try:
            chunk = response.raw.read1(CHUNK_BYTES)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise requests.ConnectionError(f"the connection broke: {error}") from error
        if not chunk:
            return
        yield chunk
        arrived += len(chunk)
        if (seconds := time.monotonic() - began) > TIMEOUT_S:
            if arrived < SLOWEST * seconds:
                raise requests.Timeout(f"{arrived} bytes in {seconds:.0f} s")
            began, arrived = time.monotonic(), 0


def _too_large(url: str, limit: int) -> InputError:
    return InputError(
        f"{host(url)}: sends more than the {limit / 1e9:.4g} GB that are left of "
        "dataset.max_gigabytes; raise it if you trust the source"
    )
