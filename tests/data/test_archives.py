"""Archives that nobody has checked: what is unpacked, and what is refused by its name."""

import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.data import archives
from bptubeformer.data.archives import Budget, is_archive, stem, unpack
from bptubeformer.errors import InputError

PLENTY = 10**9
FORMS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]


def write_zip(path, members):
    """``members``: name and content; content None is a folder, a function changes the entry."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            entry = zipfile.ZipInfo("x")
            entry.filename = entry.orig_filename = name + ("/" if content is None else "")
            entry.compress_type = zipfile.ZIP_DEFLATED
            if callable(content):
                content = content(entry)
            file.writestr(entry, content or b"")


def write_tar(path, members):
    mode = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}[path.suffix]
    with tarfile.open(path, mode) as file:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type = tarfile.DIRTYPE
            elif callable(content):
                content = content(entry)
            entry.size = len(content or b"")
            file.addfile(entry, io.BytesIO(content or b""))


def write(path, members):
    (write_zip if path.suffix == ".zip" else write_tar)(path, members)
    return path


def refused(archive, target, limit=PLENTY):
    """The message; nothing was written, here or elsewhere."""
    before = sorted(target.parent.rglob("*"))
    with pytest.raises(InputError) as refusal:
        unpack(archive, target, Budget(limit))
    assert sorted(target.parent.rglob("*")) == before
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("form", FORMS)
def test_files_and_folders_come_out_as_they_went_in(tmp_path, form):
    members = [("a", None), ("a/1.csv", b"1"), ("./b/deep/2.csv", b"22" * 5000), ("empty", b"")]
    budget = Budget(PLENTY)
    unpack(write(tmp_path / f"data{form}", members), tmp_path / "out", budget)
    found = {str(p.relative_to(tmp_path / "out")): p.read_bytes()
             for p in (tmp_path / "out").rglob("*") if p.is_file()}  # fmt: skip
    assert found == {"a/1.csv": b"1", "b/deep/2.csv": b"22" * 5000, "empty": b""}
    # Four members, and the folders that stand for themselves in no member.
    assert budget.left == PLENTY - 10_001 - 7 * archives.NAME_BYTES


LEADS_OUT = [
    ("../../escaped", "a path that leads out"), ("a/../../escaped", "a path that leads out"),
    ("..\\escaped", "a path that leads out"), ("/tmp/escaped", "an absolute path"),
    ("C:\\escaped", "an absolute path"), ("..", "a path that leads out"),
]  # fmt: skip


@pytest.mark.parametrize("form", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize(("name", "words"), LEADS_OUT)
def test_members_that_lead_elsewhere_are_refused(tmp_path, form, name, words):
    archive = write(tmp_path / f"evil{form}", [("good.csv", b"1"), (name, b"evil")])
    message = refused(archive, tmp_path / "out")
    assert f"evil{form}: its member" in message
    assert words in message


def link_in_zip(entry):
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return b"/etc/passwd"


def pipe_in_zip(entry):
    entry.create_system, entry.external_attr = 3, (stat.S_IFIFO | 0o777) << 16
    return b""


def kind_in_tar(kind):
    def change(entry):
        entry.type, entry.linkname = kind, "/etc/passwd"
        return b""

    return change


@pytest.mark.parametrize(
    ("form", "change", "words"),
    [
        (".zip", link_in_zip, "a link"),
        (".zip", pipe_in_zip, "a pipe or device"),
        (".tar", kind_in_tar(tarfile.SYMTYPE), "a link"),
        (".tar.gz", kind_in_tar(tarfile.LNKTYPE), "a link"),
        (".tar", kind_in_tar(tarfile.FIFOTYPE), "a pipe or device"),
        (".tar", kind_in_tar(tarfile.CHRTYPE), "a pipe or device"),
        (".tar", kind_in_tar(tarfile.BLKTYPE), "a pipe or device"),
    ],
)
def test_links_pipes_and_devices_are_refused(tmp_path, form, change, words):
    archive = write(tmp_path / f"evil{form}", [("good.csv", b"1"), ("x.csv", change)])
    assert f"its member x.csv is {words}; expected files and folders" in refused(
        archive, tmp_path / "out"
    )


def test_a_sparse_file_without_end_is_refused_at_once(tmp_path):
    """Its header says 2^60 bytes; Python would pass over them one empty read after the other."""
    header = bytearray(tarfile.TarInfo("x.csv").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[124:136] = b"\x80" + (2**60).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive = tmp_path / "evil.tar"
    archive.write_bytes(bytes(header) + bytes(10240 - len(header)))
    assert "its member x.csv is a sparse file; expected" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize("form", [".zip", ".tar"])
def test_names_with_backslashes_are_refused(tmp_path, form):
    """As some programs write them: they would become files of long names, all in one folder."""
    archive = write(tmp_path / f"a{form}", [("a\\v\\1.csv", b"1")])
    assert "a name with backslashes; expected /" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize("form", [".zip", ".tar"])
@pytest.mark.parametrize(
    "members",
    [
        [("a", b"1"), ("a", b"2")],
        [("a", b"1"), ("./a", b"2")],
        [("a", b"1"), ("a/b", b"2")],
        [("a/b", b"1"), ("a", b"2")],
        [("a", b"1"), ("a", None)],
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path, form, members):
    message = refused(write(tmp_path / f"evil{form}", members), tmp_path / "out")
    assert "there twice; expected each name once" in message


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, form):
    archive = write(tmp_path / f"bomb{form}", [("a", os.urandom(60_000)), ("b", bytes(60_000))])
    message = refused(archive, tmp_path / "out", limit=100_000)
    assert "unpacks to more than the 0.0001 GB that are left of dataset.max_gigabytes" in message


@pytest.mark.parametrize("form", [".zip", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_an_archive_that_grows_out_of_proportion_is_refused(tmp_path, form, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 1_000_000)
    archive = write(tmp_path / f"bomb{form}", [("a", bytes(20_000_000))])
    message = refused(archive, tmp_path / "out")
    assert (
        f"bomb{form}: unpacks to more than 200 times its size ({archive.stat().st_size}" in message
    )


def test_empty_members_without_end_are_too_many(tmp_path):
    archive = write(tmp_path / "many.zip", [(f"{i}", b"") for i in range(300)])
    assert "unpacks to more than" in refused(archive, tmp_path / "out", limit=100_000)


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path):
    archive = write(tmp_path / "lies.zip", [("a", bytes(50_000))])
    content = bytearray(archive.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24  # the size in the directory
    content[at : at + 4] = (100).to_bytes(4, "little")
    archive.write_bytes(content)
    assert "cannot be unpacked" in refused(archive, tmp_path / "out")


def test_a_name_that_ends_at_a_zero_byte_is_refused(tmp_path):
    archive = write(tmp_path / "evil.zip", [("good.csv\0.exe", b"1")])
    message = refused(archive, tmp_path / "out")
    assert "its member good.csv\\x00.exe is not a name of a file" in message


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = write(tmp_path / "locked.zip", [("a", b"1")])
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    assert "cannot be unpacked" in refused(archive, tmp_path / "out")


@given(data=st.data())
def test_a_damaged_archive_is_refused_or_comes_out_whole(tmp_path_factory, data):
    """Cut short or changed anywhere: never an exception of a library, never a file outside."""
    folder = tmp_path_factory.mktemp("t")
    form = data.draw(st.sampled_from([*FORMS]))
    content = bytearray(write(folder / f"data{form}", [("a/1.csv", b"1,2\n" * 50)]).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    (folder / f"data{form}").write_bytes(content)
    try:
        unpack(folder / f"data{form}", folder / "out", Budget(PLENTY))
    except InputError as error:
        assert f"data{form}" in str(error)
        assert not (folder / "out").exists()
    else:
        # A tar without compression has no checksum of its content.
        if form != ".tar":
            contents = [p.read_bytes() for p in (folder / "out").rglob("*") if p.is_file()]
            assert contents == [b"1,2\n" * 50]
    assert {path.name for path in folder.iterdir()} <= {"out", f"data{form}"}
    shutil.rmtree(folder)


@pytest.mark.parametrize("form", [".tar", ".tar.gz", ".tar.xz"])
def test_a_tar_that_ends_too_soon_is_refused(tmp_path, form):
    """Cut between two members, or with a header of zeros: Python takes both for the end."""
    whole = write(tmp_path / "whole.tar", [(f"{i}", b"x" * 600) for i in range(4)]).read_bytes()
    member = 512 + 1024
    zeroed = whole[:member] + bytes(512) + whole[member + 512 :]
    for content in (whole[: 2 * member], zeroed, whole[:member] + b"x" * 512):
        with {".tar": open, ".tar.gz": gzip.open, ".tar.xz": lzma.open}[form](
            tmp_path / f"cut{form}", "wb"
        ) as file:
            file.write(content)
        assert "cannot be unpacked" in refused(tmp_path / f"cut{form}", tmp_path / "out")


def test_a_checksum_behind_the_end_of_a_tar_is_compared(tmp_path):
    archive = write(tmp_path / "data.tar.gz", [("a", b"1")])
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)
    assert "CRC check failed" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize("form", [".zip", ".tar"])
def test_folders_without_end_are_refused(tmp_path, form):
    deep = "/".join(["a"] * 60)
    assert "is more than 50 folders deep" in refused(
        write(tmp_path / f"deep{form}", [(f"{deep}/x", b"")]), tmp_path / "out"
    )
    wide = [(f"{i}/" + "/".join("bcdefghij") + "/x", b"") for i in range(30)]
    archive = write(tmp_path / f"wide{form}", wide)
    assert "unpacks to more than" in refused(archive, tmp_path / "out", limit=100_000)


def test_a_full_disk_is_told_from_a_damaged_archive(tmp_path, monkeypatch):
    archive = write(tmp_path / "data.zip", [("a", b"1")])

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archives, "_place", full)
    refusal = refused(archive, tmp_path / "out")
    assert "the disk is full" in refusal
    assert "nothing was unpacked" in refusal


def test_names_of_archives(tmp_path):
    assert stem(tmp_path / "Abuse.tar.gz") == "Abuse"
    assert stem(tmp_path / "a.b.ZIP") == "a.b"
    assert stem(tmp_path / "...zip") == "...zip"
    assert stem(tmp_path / ".zip") == ".zip"
    assert is_archive(tmp_path / "x.TGZ")
    assert not is_archive(tmp_path / "x.csv")
