import hashlib
import http.server
import json
import shutil
import threading
import zipfile
from functools import partial
from pathlib import Path

import pooch.core
import pytest

from bptubeformer.data import download
from bptubeformer.data.acquire import acquire
from bptubeformer.data.layout import folder_state
from bptubeformer.data.manifest import manifest_folders
from bptubeformer.errors import InputError
from conftest import trajectory_rows, write_csv
from data.dataverse_server import DOI, RemoteFile, dataverse


@pytest.fixture
def folder(tmp_path):
    """A dataset of one trajectory."""
    write_csv(tmp_path / "source" / "Abuse" / "Abuse001" / "1.csv", trajectory_rows())
    return tmp_path / "source"


@pytest.fixture
def archive(folder, tmp_path):
    """The same dataset as a zip."""
    return Path(shutil.make_archive(tmp_path / "data", "zip", folder))


@pytest.fixture
def get(tmp_path):
    """Acquire into a fresh folder; give back the manifest."""

    def run(source, **settings):
        acquire(str(source), tmp_path / "raw", tmp_path / "manifest.json", **settings)
        return json.loads((tmp_path / "manifest.json").read_text())

    return run


def csv_names(manifest):
    return [file["path"].rsplit("/", 3)[-3:] for file in manifest["files"]
            if file["path"].endswith(".csv")]  # fmt: skip


@pytest.fixture
def web(tmp_path):
    """Serve a folder over HTTP."""
    (tmp_path / "web").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = partial(Quiet, directory=tmp_path / "web")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield tmp_path / "web", f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_folder_is_used_where_it_is(folder, get, tmp_path):
    manifest = get(folder)
    assert manifest["folders"] == [str(folder)]
    (file,) = manifest["files"]
    content = (folder / "Abuse" / "Abuse001" / "1.csv").read_bytes()
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["bytes"] == len(content)
    assert not (tmp_path / "raw").exists()


def test_an_archive_is_unpacked(archive, get):
    assert csv_names(get(archive)) == [["Abuse", "Abuse001", "1.csv"]]


def test_a_tar_archive_is_unpacked(folder, get, tmp_path):
    assert csv_names(get(shutil.make_archive(tmp_path / "data", "gztar", folder))) == [
        ["Abuse", "Abuse001", "1.csv"]
    ]


def test_archives_inside_a_folder_and_inside_archives_are_unpacked(folder, get, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    shutil.make_archive(tmp_path / "inner", "zip", folder)
    with zipfile.ZipFile(outer / "outer.zip", "w") as file:
        file.write(tmp_path / "inner.zip", "inner.zip")
    before = folder_state(str(outer))
    assert csv_names(get(outer)) == [["Abuse", "Abuse001", "1.csv"]]
    assert folder_state(str(outer)) == before


def test_a_zip_of_one_category_takes_its_name(folder, get, tmp_path):
    (tmp_path / "zips").mkdir()
    shutil.make_archive(tmp_path / "zips" / "Abuse", "zip", folder / "Abuse")
    assert csv_names(get(tmp_path / "zips")) == [["Abuse", "Abuse001", "1.csv"]]


def test_a_doi_is_downloaded_and_unpacked(archive, get, tmp_path):
    remote = RemoteFile("Trajectories.zip", archive.read_bytes())
    with dataverse(remote) as server:
        manifest = get(DOI, server=server.address)
    assert manifest["source"] == DOI
    assert csv_names(manifest) == [["Abuse", "Abuse001", "1.csv"]]
    assert manifest_folders(tmp_path / "manifest.json") == [
        *(tmp_path / "raw" / "download").iterdir(),
        tmp_path / "raw" / "unpacked",
    ]


def test_an_address_is_downloaded_once_and_checked(archive, get, web, monkeypatch):
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    folder, address = web
    shutil.copy(archive, folder / "data.zip")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    url = f"{address}/data.zip"
    with pytest.raises(InputError, match=r"data\.zip: the file does not have the checksum"):
        get(url, checksum="sha256:" + "0" * 64)
    assert csv_names(get(url, checksum=f"sha256:{digest}")) == [["Abuse", "Abuse001", "1.csv"]]
    (folder / "data.zip").unlink()
    get(url, checksum=f"sha256:{digest}")


def test_an_address_that_is_not_there_is_reported(get, web, monkeypatch):
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    with pytest.raises(InputError, match="HTTP 404"):
        get(f"{web[1]}/none.zip")
    with pytest.raises(InputError, match="names no file"):
        get(f"{web[1]}/")


def test_a_source_that_is_nothing_is_refused(get, tmp_path):
    with pytest.raises(InputError, match="is neither a folder nor a file"):
        get(tmp_path / "none")
    (tmp_path / "table.csv").write_text("1")
    with pytest.raises(InputError, match="not an archive"):
        get(tmp_path / "table.csv")


def test_a_damaged_archive_is_reported_and_leaves_no_manifest(archive, get, tmp_path):
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be unpacked"):
        get(archive)
    assert not (tmp_path / "manifest.json").exists()


def test_a_byte_that_changed_in_an_archive_is_reported(archive, get, tmp_path):
    content = bytearray(archive.read_bytes())
    content[content.index(b".csv") + 20] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        get(archive)
    assert not list((tmp_path / "raw" / "unpacked").iterdir())


def test_a_zip_of_one_video_keeps_its_place(folder, get, tmp_path):
    category = tmp_path / "zips" / "Trajectories" / "Abuse"
    category.mkdir(parents=True)
    shutil.make_archive(category / "Abuse001", "zip", folder / "Abuse" / "Abuse001")
    assert csv_names(get(tmp_path / "zips")) == [["Abuse", "Abuse001", "1.csv"]]


def test_another_address_never_finds_the_files_of_the_one_before(archive, folder, get, web):
    root, address = web
    for version in ("v1", "v2"):
        (root / version).mkdir()
    shutil.copy(archive, root / "v1" / "data.zip")
    write_csv(folder / "Abuse" / "Abuse001" / "2.csv", trajectory_rows())
    shutil.make_archive(root / "v2" / "data", "zip", folder)
    assert len(csv_names(get(f"{address}/v1/data.zip"))) == 1
    assert len(csv_names(get(f"{address}/v2/data.zip"))) == 2


def test_what_is_no_manifest_is_refused(tmp_path):
    empty = '{"source": "a", "folders": [], "files": []}'
    for text, words in (
        ("{", "not a manifest"), ("{}", "source is missing; write the file again with: bptube"),
        (empty, r"folders = \[\]: expected a list of one or more folders"),
    ):  # fmt: skip
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(InputError, match=words):
            manifest_folders(tmp_path / "manifest.json")


def test_a_change_of_a_local_source_is_noticed(folder):
    before = folder_state(str(folder))
    assert folder_state(str(folder)) == before
    write_csv(folder / "Abuse" / "Abuse001" / "2.csv", trajectory_rows())
    assert folder_state(str(folder)) != before
    assert folder_state("doi:10.34894/IRRDJE") == ""


@pytest.mark.parametrize(
    "url",
    ["https://me:secret@host/data.zip", "https://secret@host/data.zip",
     "https://host/data.zip?key=secret", "https://host/data.zip?v=1&Access_Token=secret"],
)  # fmt: skip
def test_a_secret_in_the_address_is_refused(get, tmp_path, url):
    with pytest.raises(InputError, match="a password or token in it") as refusal:
        get(url)
    assert "secret" not in str(refusal.value)
    assert not (tmp_path / "manifest.json").exists()


def test_too_large_a_download_and_too_large_an_archive_are_refused(archive, get, web):
    shutil.copy(archive, web[0] / "data.zip")
    with pytest.raises(InputError, match="sends more than the 1e-07 GB that are left"):
        get(f"{web[1]}/data.zip", max_gigabytes=1e-7)
    with pytest.raises(InputError, match="unpacks to more than the 1e-06 GB that are left"):
        get(archive, max_gigabytes=1e-6)


def test_archives_share_what_may_be_unpacked(folder, get, tmp_path):
    (tmp_path / "zips").mkdir()
    for name in ("Abuse", "Arson"):
        shutil.make_archive(tmp_path / "zips" / name, "zip", folder / "Abuse")
    size = sum(path.stat().st_size for path in folder.rglob("*.csv")) / 1e9
    assert len(csv_names(get(tmp_path / "zips", max_gigabytes=2 * size + 1e-5))) == 2
    with pytest.raises(InputError, match=r"left of dataset\.max_gigabytes"):
        get(tmp_path / "zips", max_gigabytes=1.5 * size)


def test_archives_in_archives_without_end_are_refused(folder, get, tmp_path):
    inner = Path(shutil.make_archive(tmp_path / "0", "zip", folder))
    for depth in range(1, 4):
        with zipfile.ZipFile(tmp_path / f"{depth}.zip", "w") as file:
            file.write(inner, inner.name)
        inner = tmp_path / f"{depth}.zip"
    with pytest.raises(InputError, match=r"0\.zip: an archive inside 3 others; unpack it by hand"):
        get(inner)


def test_a_download_without_a_checksum_says_what_it_has(archive, get, web, capsys):
    shutil.copy(archive, web[0] / "data.zip")
    get(f"{web[1]}/data.zip")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert f"data.zip is sha256:{digest}" in capsys.readouterr().out


def test_a_server_that_is_not_there_is_reported(get, web, monkeypatch):
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(download.Retry, "get_backoff_time", lambda self: 0)
    with pytest.raises(InputError, match=r"no usable answer from http://127\.0\.0\.1:1 \(Conn"):
        get("http://127.0.0.1:1/data.zip")


def test_a_download_that_was_cut_short_is_fetched_anew(archive, get, web):
    """Without a checksum nothing tells until it is unpacked."""
    (web[0] / "data.zip").write_bytes(archive.read_bytes()[:-100])
    for _ in range(2):
        with pytest.raises(InputError, match=r"cannot be unpacked .* what came was removed, run"):
            get(f"{web[1]}/data.zip")
    shutil.copy(archive, web[0] / "data.zip")
    assert get(f"{web[1]}/data.zip")["files"]


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_an_archive_without_a_file_is_refused(get, tmp_path, form):
    (tmp_path / "empty").mkdir()
    archive = shutil.make_archive(str(tmp_path / "none"), form, tmp_path / "empty")
    with pytest.raises(InputError, match="no file in it"):
        get(archive)
