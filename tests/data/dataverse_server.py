"""A small Dataverse: the two endpoints of the native API that this project speaks."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

DOI = "doi:10.34894/IRRDJE"
TOKEN = "00000000-1111-2222-3333-444444444444"


@dataclass
class RemoteFile:
    """A file as the server holds it."""

    name: str
    content: bytes
    folder: str = ""
    md5: str | None = None
    """What the listing says; None: the truth."""
    restricted: bool = False
    original_name: str | None = None
    """Set: a CSV upload that became a .tab file; ``content`` is the original."""
    faults: list[int] = field(default_factory=list)
    """HTTP statuses to answer with before the file is given."""
    redirect: bool = False
    """Given by a storage at another path, as Dataverse does with S3."""
    location: str | None = None
    """Where it redirects to instead; ``{self}`` is its own address."""
    size: int | None = None
    """What the listing says; None: the truth."""
    breaks_after: list[int] = field(default_factory=list)
    """Bytes after which the connection breaks, answer by answer."""
    pace: float = 0
    """Seconds between two bytes."""
    endless: bool = False
    """Sends its content again and again, without saying how much it is."""
    ranges: bool = True
    """Whether a part can be asked for."""
    wrong_part: list[bool] = field(default_factory=list)
    """Whether an answer with a part says that it is another one."""
    checksum_type: str = "MD5"
    id: object = None
    """What the listing says; None: its number."""


@dataclass
class Dataverse:
    """A running server: its address, its files and what it was asked for."""

    address: str
    files: list[RemoteFile]
    asked: Counter = field(default_factory=Counter)
    token_at_storage: list[str] = field(default_factory=list)
    listing_faults: list[int] = field(default_factory=list)
    onward: str | None = None
    """Where a listing is sent on to."""
    listing_pace: float = 0
    """Seconds between two bytes of it."""
    listing: str | None = None
    """What to answer instead of the listing."""
    sent: Counter = field(default_factory=Counter)
    """Bytes of content by path."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of every request."""


@contextmanager
def dataverse(*files: RemoteFile) -> Iterator[Dataverse]:
    """Serve ``files`` as the dataset ``DOI`` on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.state = Dataverse(f"http://127.0.0.1:{server.server_port}", list(files))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        state: Dataverse = self.server.state
        url = urlparse(self.path)
        query = parse_qs(url.query)
        state.asked[url.path] += 1
        state.headers.append(dict(self.headers))
        if url.path == "/api/datasets/:persistentId/":
            if state.listing_faults:
                return self.answer(state.listing_faults.pop(0), location=state.onward)
            if query["persistentId"] != [DOI]:
                return self.answer(404)
            if state.listing is not None and state.listing_pace:
                return self.give(RemoteFile("", state.listing.encode(), pace=state.listing_pace))
            if state.listing is not None:
                return self.answer(200, state.listing)
            files = [entry(number, file) for number, file in enumerate(state.files)]
            return self.answer(200, json.dumps({"data": {"latestVersion": {"files": files}}}))
        place, _, number = url.path.rpartition("/")
        file = state.files[int(number)]
        if place == "/storage":
            state.token_at_storage.append(self.headers.get("X-Dataverse-key", ""))
            return self.give(file)
        if place != "/api/access/datafile":
            return self.answer(404)
        if file.restricted and self.headers.get("X-Dataverse-key") != TOKEN:
            return self.answer(403)
        if file.faults:
            return self.answer(file.faults.pop(0))
        if file.location is not None:
            own = f"{state.address}{self.path}"
            return self.answer(303, location=file.location.replace("{self}", own))
        if file.redirect:
            return self.answer(303, location=f"/storage/{number}")
        original = query.get("format") == ["original"]
        if original != (file.original_name is not None):
            return self.answer(200, b"another format")
        return self.give(file)

    def give(self, file):
        """The content, or the part that was asked for, with what goes wrong on the way."""
        begin, whole = 0, len(file.content)
        asked = self.headers.get("Range")
        if asked and file.ranges:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= whole:
                return self.answer(416)
        self.send_response(206 if begin else 200)
        if begin:
            said = 0 if file.wrong_part and file.wrong_part.pop() else begin
            self.send_header("Content-Range", f"bytes {said}-{whole - 1}/{whole}")
        if not file.endless:
            self.send_header("Content-Length", str(whole - begin))
        self.end_headers()
        end = begin + file.breaks_after.pop(0) if file.breaks_after else whole
        size = 1 if file.pace else 1 << 16
        try:
            while True:
                for at in range(begin, min(end, whole), size):
                    part = file.content[at : min(at + size, end)]
                    # Before it goes: a client that has it may ask at once.
                    self.server.state.sent[urlparse(self.path).path] += len(part)
                    self.wfile.write(part)
                    threading.Event().wait(file.pace)  # tests switch time.sleep off
                if not file.endless:
                    break
        except OSError:
            pass  # nobody listens any more
        self.close_connection = True

    def answer(self, status, body=b"", location=None):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def entry(number: int, file: RemoteFile) -> dict:
    """A file as the listing describes it."""
    data = {
        "id": number if file.id is None else file.id,
        "filename": file.name,
        "filesize": len(file.content) if file.size is None else file.size,
        "md5": file.md5 or hashlib.md5(file.content).hexdigest(),
    }
    data["checksum"] = {"type": file.checksum_type, "value": data["md5"]}
    if file.original_name:
        data |= {"originalFileFormat": "text/csv", "originalFileName": file.original_name}
    listed = {"restricted": file.restricted, "dataFile": data}
    return listed | ({"directoryLabel": file.folder} if file.folder else {})
