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


@dataclass
class Dataverse:
    """A running server: its address, its files and what it was asked for."""

    address: str
    files: list[RemoteFile]
    asked: Counter = field(default_factory=Counter)
    token_at_storage: list[str] = field(default_factory=list)
    listing_faults: list[int] = field(default_factory=list)


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
        if url.path == "/api/datasets/:persistentId/":
            if state.listing_faults:
                return self.answer(state.listing_faults.pop(0))
            if query["persistentId"] != [DOI]:
                return self.answer(404)
            files = [entry(number, file) for number, file in enumerate(state.files)]
            return self.answer(200, json.dumps({"data": {"latestVersion": {"files": files}}}))
        place, _, number = url.path.rpartition("/")
        file = state.files[int(number)]
        if place == "/storage":
            state.token_at_storage.append(self.headers.get("X-Dataverse-key", ""))
            return self.answer(200, file.content)
        if place != "/api/access/datafile":
            return self.answer(404)
        if file.restricted and self.headers.get("X-Dataverse-key") != TOKEN:
            return self.answer(403)
        if file.faults:
            return self.answer(file.faults.pop(0))
        if file.redirect:
            return self.answer(303, location=f"/storage/{number}")
        original = query.get("format") == ["original"]
        if original != (file.original_name is not None):
            return self.answer(200, b"another format")
        return self.answer(200, file.content)

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
        "id": number,
        "filename": file.name,
        "md5": file.md5 or hashlib.md5(file.content).hexdigest(),
    }
    data["checksum"] = {"type": "MD5", "value": data["md5"]}
    if file.original_name:
        data |= {"originalFileFormat": "text/csv", "originalFileName": file.original_name}
    listed = {"restricted": file.restricted, "dataFile": data}
    return listed | ({"directoryLabel": file.folder} if file.folder else {})
