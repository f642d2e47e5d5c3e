import io
import json
import random
import socket
import threading
import traceback
from contextlib import suppress
from pathlib import Path

import pooch.core
import pytest
import requests

from bptubeformer.data import dataverse as client
from bptubeformer.data import download as transfer
from bptubeformer.data.dataverse import TOKEN_VARIABLE, download, list_files
from bptubeformer.errors import InputError
from data.dataverse_server import DOI, TOKEN, RemoteFile, dataverse
from mutations import mutations, within_seconds

LIMIT = 10_000_000
LARGE = bytes(range(256)) * 4000


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Retries follow each other at once, and no token is taken from the environment."""
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(transfer.Retry, "get_backoff_time", lambda self: 0)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def access(number):
    return f"/api/access/datafile/{number}"


def test_all_files_arrive_in_their_folders(tmp_path):
    files = RemoteFile("a.csv", b"1,2\n", folder="Trajectories/Abuse"), RemoteFile("b.txt", b"x")
    with dataverse(*files) as server:
        paths = download(DOI, server.address, tmp_path, LIMIT)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "Trajectories/Abuse/a.csv",
        "b.txt",
    ]
    assert [path.read_bytes() for path in paths] == [b"1,2\n", b"x"]


def test_a_progress_bar_is_shown(tmp_path, capsys):
    with dataverse(RemoteFile("a.csv", b"1,2\n" * 1000)) as server:
        download(DOI, server.address, tmp_path, LIMIT)
    shown = capsys.readouterr()
    assert "1/1 a.csv" in shown.out
    assert "100%" in shown.err


def test_a_second_download_fetches_only_what_is_missing_or_damaged(tmp_path):
    files = [RemoteFile(name, name.encode()) for name in ("whole", "missing", "damaged")]
    with dataverse(*files) as server:
        download(DOI, server.address, tmp_path, LIMIT)
        (tmp_path / "missing").unlink()
        (tmp_path / "damaged").write_bytes(b"half")
        server.asked.clear()
        download(DOI, server.address, tmp_path, LIMIT)
        assert server.asked[access(0)] == 0
        assert server.asked[access(1)] > 0
        assert server.asked[access(2)] > 0
    assert (tmp_path / "damaged").read_bytes() == b"damaged"


@pytest.mark.parametrize("relative", [True, False])
def test_files_of_an_earlier_version_are_removed(tmp_path, monkeypatch, relative):
    monkeypatch.chdir(tmp_path)
    folder = Path("raw") if relative else tmp_path / "raw"
    with dataverse(RemoteFile("kept", b"1"), RemoteFile("dropped", b"2")) as server:
        download(DOI, server.address, folder, LIMIT)
        del server.files[1]
        assert download(DOI, server.address, folder, LIMIT) == [folder / "kept"]
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(tmp_path):
    with (
        dataverse(RemoteFile("a.zip", b"changed", md5="0" * 32)) as server,
        pytest.raises(InputError, match=r"a\.zip.*checksum.*nothing was kept"),
    ):
        download(DOI, server.address, tmp_path, LIMIT)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_restricted_files_need_a_token(tmp_path, monkeypatch):
    with dataverse(RemoteFile("a.zip", b"a", restricted=True)) as server:
        with pytest.raises(InputError, match=rf"restricted, a\.zip first.*{TOKEN_VARIABLE}"):
            download(DOI, server.address, tmp_path, LIMIT)
        assert server.asked[access(0)] == 0
        monkeypatch.setenv(TOKEN_VARIABLE, "wrong")
        with pytest.raises(InputError, match="403, with the token") as refusal:
            download(DOI, server.address, tmp_path, LIMIT)
        assert "wrong" not in str(refusal.value)
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
    assert path.read_bytes() == b"a"


def test_the_token_stays_with_dataverse(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with dataverse(RemoteFile("a.zip", b"a", restricted=True, redirect=True)) as server:
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
        assert server.token_at_storage == [""]
    assert path.read_bytes() == b"a"


def test_a_server_error_is_tried_again(tmp_path):
    with dataverse(RemoteFile("a.zip", b"a", faults=[500, 503])) as server:
        server.listing_faults = [500]
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
    assert path.read_bytes() == b"a"


def test_a_server_that_stays_broken_is_reported(tmp_path):
    with (
        dataverse(RemoteFile("a.zip", b"a", faults=[500] * 50)) as server,
        pytest.raises(InputError, match=r"HTTP 500.*try again later"),
    ):
        download(DOI, server.address, tmp_path, LIMIT)


def test_csv_uploads_are_fetched_as_uploaded(tmp_path):
    file = RemoteFile("0002.tab", b"1,2\n", original_name="0002.csv")
    with dataverse(file) as server:
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
    assert (path.name, path.read_bytes()) == ("0002.csv", b"1,2\n")


def test_an_unknown_dataset_is_reported(tmp_path):
    with (
        dataverse(RemoteFile("a", b"a")) as server,
        pytest.raises(InputError, match=r"does not list doi:10.1/none \(HTTP 404\)"),
    ):
        download("doi:10.1/none", server.address, tmp_path, LIMIT)


def test_no_server_is_reported(tmp_path):
    with dataverse() as server:
        address = server.address
    with pytest.raises(InputError, match="no usable answer"):
        download(DOI, address, tmp_path, LIMIT)


def test_a_listing_elsewhere_is_not_asked_with_the_token(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with dataverse(RemoteFile("a", b"a")) as server:
        server.listing_faults = [302]
        with pytest.raises(InputError, match=r"sends the request on.*dataset\.server"):
            download(DOI, server.address, tmp_path, LIMIT)


def test_an_empty_dataset_is_reported(tmp_path):
    with dataverse() as server, pytest.raises(InputError, match="no files"):
        download(DOI, server.address, tmp_path, LIMIT)


def test_a_listing_cannot_lead_out_of_the_folder(tmp_path):
    file = RemoteFile("a", b"a", folder="../..")
    with dataverse(file) as server, pytest.raises(InputError, match="outside the dataset"):
        download(DOI, server.address, tmp_path, LIMIT)


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/etc", "passwd"),
        ("", ".."),
        ("a", "b\0c"),
        ("", ""),
        ("", "x" * 201),
        ("", ".part-b.zip"),
        ("", "\ud800.zip"),
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(tmp_path, folder, name):
    file = RemoteFile(name, b"a", folder=folder)
    with (
        dataverse(file) as server,
        pytest.raises(InputError, match="outside the dataset") as refusal,
    ):
        download(DOI, server.address, tmp_path, LIMIT)
    assert "\0" not in str(refusal.value)


def test_folders_without_end_in_a_listing_are_refused(tmp_path):
    file = RemoteFile("a", b"a", folder="/".join("x" * 1100))
    with dataverse(file) as server, pytest.raises(InputError, match="more than 50 folders deep"):
        download(DOI, server.address, tmp_path, LIMIT)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_listed_twice_is_refused(tmp_path):
    with (
        dataverse(RemoteFile("a", b"1"), RemoteFile("a", b"2")) as server,
        pytest.raises(InputError, match="names the file a twice"),
    ):
        download(DOI, server.address, tmp_path, LIMIT)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (RemoteFile("a", b"1", checksum_type="UNF"), "a has no checksum that can be compared"),
        (RemoteFile("a", b"1", id="../../users"), "not the listing of a Dataverse dataset"),
    ],
)
def test_a_listing_that_cannot_be_used_is_refused(tmp_path, file, words):
    with dataverse(file) as server, pytest.raises(InputError, match=words):
        download(DOI, server.address, tmp_path, LIMIT)


@pytest.mark.parametrize(
    "listing", ["<html>", "[]", '{"data": 1}', '{"data": {"latestVersion": {}}}']
)
def test_what_is_no_listing_is_refused(tmp_path, listing):
    with dataverse(RemoteFile("a", b"1")) as server:
        server.listing = listing
        with pytest.raises(InputError, match="not the listing of a Dataverse dataset"):
            download(DOI, server.address, tmp_path, LIMIT)


def test_a_listing_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "LISTING_BYTES", 1000)
    with dataverse(RemoteFile("a", b"1")) as server:
        server.listing = "[" + "1," * 1000
        with pytest.raises(InputError, match="a listing of more than"):
            download(DOI, server.address, tmp_path, LIMIT)


def test_too_large_a_dataset_is_refused_before_it_is_fetched(tmp_path):
    with dataverse(RemoteFile("a", b"1", size=LIMIT), RemoteFile("b", b"1")) as server:
        with pytest.raises(
            InputError, match=r"0\.01 GB in 2 files, more than the 0\.01 GB of data"
        ):
            download(DOI, server.address, tmp_path, LIMIT)
        assert server.asked[access(0)] == 0


@pytest.mark.parametrize("endless", [False, True], ids=["announced", "without end"])
def test_a_file_larger_than_it_was_listed_is_not_kept(tmp_path, endless):
    with (
        dataverse(RemoteFile("a", LARGE, size=1, endless=endless)) as server,
        pytest.raises(InputError, match=r"sends more than the .* GB that are left of dataset\.max"),
    ):
        download(DOI, server.address, tmp_path, 2_000_000 if endless else 1_000_000)
    assert "a" not in names(tmp_path)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("file:///etc/passwd", "redirects to file:, expected http or https"),
        ("ftp://127.0.0.1/a", "redirects to ftp:, expected http or https"),
        ("{self}", "redirects more than 5 times"),
    ],
)
def test_redirects_lead_to_http_and_to_an_end(tmp_path, location, words):
    with (
        dataverse(RemoteFile("a", b"1", location=location)) as server,
        pytest.raises(InputError, match=words),
    ):
        download(DOI, server.address, tmp_path, LIMIT)
    assert names(tmp_path) == []


def test_a_broken_connection_goes_on_where_it_broke(tmp_path):
    with dataverse(RemoteFile("a", LARGE, breaks_after=[300_000, 500_000])) as server:
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
        assert server.sent[access(0)] == len(LARGE)  # no byte twice
    assert path.read_bytes() == LARGE
    assert names(tmp_path) == ["a"]


def test_a_later_call_goes_on_where_an_earlier_one_was_given_up(tmp_path):
    file = RemoteFile("a", LARGE, breaks_after=[100_000] * 5)
    with dataverse(file) as server:
        with pytest.raises(InputError, match=r"no usable answer.*what has arrived is kept"):
            download(DOI, server.address, tmp_path, LIMIT)
        assert names(tmp_path) == [".part-a"]
        download(DOI, server.address, tmp_path, LIMIT)
        assert server.sent[access(0)] == len(LARGE)
    assert (tmp_path / "a").read_bytes() == LARGE


def test_a_server_that_gives_no_parts_gives_all_again(tmp_path):
    with dataverse(RemoteFile("a", LARGE, breaks_after=[300_000], ranges=False)) as server:
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
    assert path.read_bytes() == LARGE


@pytest.mark.parametrize("part", [b"x" * 1000, LARGE + b"x", LARGE], ids=["other", "long", "whole"])
def test_a_part_of_another_file_is_found_out(tmp_path, part):
    (tmp_path / ".part-a").write_bytes(part)
    with dataverse(RemoteFile("a", LARGE)) as server:
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
    assert path.read_bytes() == LARGE


def test_parts_of_files_that_are_gone_are_removed(tmp_path):
    (tmp_path / ".part-b").write_bytes(b"half")
    with dataverse(RemoteFile("a", b"1")) as server:
        download(DOI, server.address, tmp_path, LIMIT)
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("pace", [0.02, 1.0], ids=["slow", "silent"])
def test_a_server_that_sends_next_to_nothing_is_given_up(tmp_path, monkeypatch, pace):
    monkeypatch.setattr(transfer, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(transfer, "RETRIES", 0)
    with dataverse(RemoteFile("a", LARGE, pace=pace)) as server:
        words = "Timeout" if pace < 0.2 else "ConnectionError"
        with pytest.raises(InputError, match=rf"no usable answer \({words}\)"):
            download(DOI, server.address, tmp_path, LIMIT)
        server.files[0].pace = 0
    assert names(tmp_path) == [".part-a"]


def test_the_token_is_not_sent_for_all_to_read(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with pytest.raises(InputError, match="for all to read; give the https address") as refusal:
        download(DOI, "http://dataverse.example", tmp_path, LIMIT)
    assert TOKEN not in str(refusal.value)


def test_the_token_is_in_no_log_no_file_and_no_message(tmp_path, monkeypatch, capfd, caplog):
    """Whatever the server answers, also where it repeats the token."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    echo = f"http://127.0.0.1:1/{TOKEN}?key={TOKEN}"
    cases = [
        RemoteFile("a", b"a", restricted=True), RemoteFile("a", b"a", faults=[403]),
        RemoteFile("a", b"a", faults=[500] * 50), RemoteFile("a", b"a", md5="0" * 32),
        RemoteFile("a", LARGE, breaks_after=[10] * 5), RemoteFile("a", b"a", location=echo),
        RemoteFile("a", b"a", location=f"file:///{TOKEN}"),
        RemoteFile("a", b"a", location="{self}"),
    ]  # fmt: skip
    messages = []
    for number, file in enumerate(cases):
        with dataverse(file) as server:
            try:
                download(DOI, server.address, tmp_path / str(number), LIMIT)
            except InputError as error:
                # What a log would show, causes included.
                messages.append("".join(traceback.format_exception(error)))
            assert server.headers[0]["X-Dataverse-key"] == TOKEN
    assert len(messages) == len(cases) - 1
    for text in (*messages, caplog.text, *capfd.readouterr(), *map(str, tmp_path.rglob("*"))):
        assert TOKEN not in text
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes()


@pytest.mark.parametrize("server", ["https://me:secret@dataverse.nl", "https://x.nl/?key=secret"])
def test_a_secret_in_the_address_of_the_server_is_refused(tmp_path, server):
    with pytest.raises(InputError, match=r"dataset\.server: the address has a pass") as refusal:
        download(DOI, server, tmp_path, LIMIT)
    assert "secret" not in str(refusal.value)


def test_a_redirect_from_https_to_http_is_refused(monkeypatch):
    class Client:
        def get(self, url, **settings):
            response = requests.Response()
            response.status_code, response.raw = 302, io.BytesIO()
            response.headers["Location"] = "http://storage.example/a"
            return response

    with pytest.raises(
        InputError, match=r"^https://dataverse.example: redirects from https to http"
    ):
        transfer._follow(Client(), "https://dataverse.example/a", {})


def test_an_answer_with_another_part_is_not_appended(tmp_path):
    """A server that answers with a part, but not with the one that was asked for."""
    (tmp_path / ".part-a").write_bytes(LARGE[:1000])
    with dataverse(RemoteFile("a", LARGE, wrong_part=[True])) as server:
        (path,) = download(DOI, server.address, tmp_path, LIMIT)
    assert path.read_bytes() == LARGE


@pytest.mark.parametrize("token", ["“quoted”", "two\nlines", "tab\there"])
def test_a_token_that_is_none_is_refused_and_not_repeated(tmp_path, monkeypatch, token):
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with dataverse(RemoteFile("a", b"1")) as server:
        with pytest.raises(InputError, match="letters that no token has; copy it") as refusal:
            download(DOI, server.address, tmp_path, LIMIT)
        assert server.asked[access(0)] == 0
    assert token not in str(refusal.value)


@pytest.mark.parametrize("location", ["http://[", "http://" + "x" * 70 + ".nl/a"])
def test_a_redirect_to_what_is_no_address_is_refused(tmp_path, location):
    with (
        dataverse(RemoteFile("a", b"1", location=location)) as server,
        pytest.raises(InputError, match=r"redirects to, is none; check|no usable answer"),
    ):
        download(DOI, server.address, tmp_path, LIMIT)


def test_a_file_that_is_a_folder_of_another_is_refused(tmp_path):
    with (
        dataverse(RemoteFile("a", b"1"), RemoteFile("b", b"2", folder="a")) as server,
        pytest.raises(InputError, match="names the file a twice"),
    ):
        download(DOI, server.address, tmp_path, LIMIT)


def test_a_listing_that_trickles_in_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT_S", 0.3)
    with dataverse(RemoteFile("a", b"1")) as server:
        server.listing, server.listing_pace = " " * 200, 0.02
        with pytest.raises(InputError, match=r"no usable answer \(Timeout\)"):
            download(DOI, server.address, tmp_path, LIMIT)


def test_an_answer_whose_head_has_no_end_is_given_up(tmp_path, monkeypatch):
    """A line now and then: a time-out of the connection begins anew with each."""
    monkeypatch.setattr(transfer, "ANSWER_S", 0.5)
    ended = threading.Event()

    def trickle(server):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.1):
                connection.sendall(b"X: 1\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=r"no usable answer \(Timeout\)"):
            download(DOI, address, tmp_path, LIMIT)
        ended.set()
        thread.join()


def test_a_listing_that_is_sent_on_to_no_address_is_refused(tmp_path, monkeypatch):
    with dataverse(RemoteFile("a", b"a")) as server:
        server.listing_faults, server.onward = [302], "http://["
        with pytest.raises(InputError, match="redirects to an invalid one; correct it"):
            download(DOI, server.address, tmp_path, LIMIT)


@pytest.mark.slow
def test_a_listing_with_any_value_in_any_field_is_refused_in_one_line_or_used(tmp_path):
    with dataverse(RemoteFile("a", b"1"), RemoteFile("b", b"2", folder="c")) as server:
        sound = requests.get(
            f"{server.address}/api/datasets/:persistentId/", {"persistentId": DOI}, timeout=10
        ).json()
        made = list(mutations(sound))
        for make in random.Random(0).sample(made, 150):
            server.listing = json.dumps(make())
            with within_seconds(), suppress(InputError):
                list_files(DOI, server.address)
