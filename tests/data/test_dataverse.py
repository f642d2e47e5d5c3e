from pathlib import Path

import pooch.core
import pytest

from bptubeformer.data import dataverse as client
from bptubeformer.data.dataverse import TOKEN_VARIABLE, download
from bptubeformer.errors import InputError
from data.dataverse_server import DOI, TOKEN, RemoteFile, dataverse


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Retries follow each other at once, and no token is taken from the environment."""
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(client.Retry, "get_backoff_time", lambda self: 0)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def access(number):
    return f"/api/access/datafile/{number}"


def test_all_files_arrive_in_their_folders(tmp_path):
    files = RemoteFile("a.csv", b"1,2\n", folder="Trajectories/Abuse"), RemoteFile("b.txt", b"x")
    with dataverse(*files) as server:
        paths = download(DOI, server.address, tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "Trajectories/Abuse/a.csv",
        "b.txt",
    ]
    assert [path.read_bytes() for path in paths] == [b"1,2\n", b"x"]


def test_a_progress_bar_is_shown(tmp_path, capsys):
    with dataverse(RemoteFile("a.csv", b"1,2\n" * 1000)) as server:
        download(DOI, server.address, tmp_path)
    shown = capsys.readouterr()
    assert "1/1 a.csv" in shown.out
    assert "100%" in shown.err


def test_a_second_download_fetches_only_what_is_missing_or_damaged(tmp_path):
    files = [RemoteFile(name, name.encode()) for name in ("whole", "missing", "damaged")]
    with dataverse(*files) as server:
        download(DOI, server.address, tmp_path)
        (tmp_path / "missing").unlink()
        (tmp_path / "damaged").write_bytes(b"half")
        server.asked.clear()
        download(DOI, server.address, tmp_path)
        assert server.asked[access(0)] == 0
        assert server.asked[access(1)] > 0
        assert server.asked[access(2)] > 0
    assert (tmp_path / "damaged").read_bytes() == b"damaged"


@pytest.mark.parametrize("relative", [True, False])
def test_files_of_an_earlier_version_are_removed(tmp_path, monkeypatch, relative):
    monkeypatch.chdir(tmp_path)
    folder = Path("raw") if relative else tmp_path / "raw"
    with dataverse(RemoteFile("kept", b"1"), RemoteFile("dropped", b"2")) as server:
        download(DOI, server.address, folder)
        del server.files[1]
        assert download(DOI, server.address, folder) == [folder / "kept"]
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(tmp_path):
    with (
        dataverse(RemoteFile("a.zip", b"changed", md5="0" * 32)) as server,
        pytest.raises(InputError, match=r"a\.zip.*checksum.*nothing was kept"),
    ):
        download(DOI, server.address, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_restricted_files_need_a_token(tmp_path, monkeypatch):
    with dataverse(RemoteFile("a.zip", b"a", restricted=True)) as server:
        with pytest.raises(InputError, match=rf"restricted, a\.zip first.*{TOKEN_VARIABLE}"):
            download(DOI, server.address, tmp_path)
        assert server.asked[access(0)] == 0
        monkeypatch.setenv(TOKEN_VARIABLE, "wrong")
        with pytest.raises(InputError, match="403, with the token") as refusal:
            download(DOI, server.address, tmp_path)
        assert "wrong" not in str(refusal.value)
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        (path,) = download(DOI, server.address, tmp_path)
    assert path.read_bytes() == b"a"


def test_the_token_stays_with_dataverse(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with dataverse(RemoteFile("a.zip", b"a", restricted=True, redirect=True)) as server:
        (path,) = download(DOI, server.address, tmp_path)
        assert server.token_at_storage == [""]
    assert path.read_bytes() == b"a"


def test_a_server_error_is_tried_again(tmp_path):
    with dataverse(RemoteFile("a.zip", b"a", faults=[500, 503])) as server:
        server.listing_faults = [500]
        (path,) = download(DOI, server.address, tmp_path)
    assert path.read_bytes() == b"a"


def test_a_server_that_stays_broken_is_reported(tmp_path):
    with (
        dataverse(RemoteFile("a.zip", b"a", faults=[500] * 50)) as server,
        pytest.raises(InputError, match=r"HTTP 500.*try again later"),
    ):
        download(DOI, server.address, tmp_path)


def test_csv_uploads_are_fetched_as_uploaded(tmp_path):
    file = RemoteFile("0002.tab", b"1,2\n", original_name="0002.csv")
    with dataverse(file) as server:
        (path,) = download(DOI, server.address, tmp_path)
    assert (path.name, path.read_bytes()) == ("0002.csv", b"1,2\n")


def test_an_unknown_dataset_is_reported(tmp_path):
    with (
        dataverse(RemoteFile("a", b"a")) as server,
        pytest.raises(InputError, match=r"does not list doi:10.1/none \(HTTP 404\)"),
    ):
        download("doi:10.1/none", server.address, tmp_path)


def test_no_server_is_reported(tmp_path):
    with dataverse() as server:
        address = server.address
    with pytest.raises(InputError, match="no usable answer"):
        download(DOI, address, tmp_path)


def test_a_listing_elsewhere_is_not_asked_with_the_token(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with dataverse(RemoteFile("a", b"a")) as server:
        server.listing_faults = [302]
        with pytest.raises(InputError, match=r"sends the request on.*dataset\.server"):
            download(DOI, server.address, tmp_path)


def test_an_empty_dataset_is_reported(tmp_path):
    with dataverse() as server, pytest.raises(InputError, match="no files"):
        download(DOI, server.address, tmp_path)


def test_a_listing_cannot_lead_out_of_the_folder(tmp_path):
    file = RemoteFile("a", b"a", folder="../..")
    with dataverse(file) as server, pytest.raises(InputError, match="outside the dataset"):
        download(DOI, server.address, tmp_path)
