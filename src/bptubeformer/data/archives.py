"""Unpack zip and tar archives that nobody has checked.

Only plain files and folders inside the target are written, each name once, and no more bytes than
the caller allows; an archive that holds anything else is refused whole, by the name of its member.
"""

import bz2
import errno
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from bptubeformer.errors import InputError, refused_by_system
from bptubeformer.texts import shown

TAR: dict[str, Callable[..., Any]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tbz2": bz2.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
}
"""How the tar inside a file is read, by the end of the file's name."""
ARCHIVES = (".zip", *TAR)
"""Ends of the names of archives."""

LARGEST_RATIO = 200
"""Unpacked bytes for each packed one. CSV files of skeletons have 3 to 10; deflate reaches 1030."""
HARMLESS_BYTES = 100_000_000
"""So much may be unpacked at any ratio: many empty or constant files are not an attack."""
NAME_BYTES = 512
"""What a member counts beside its content, so that empty ones without end are too many, too."""
CHUNK_BYTES = 1 << 20
DEEPEST = 50
"""Folders one inside the other, at most; Python itself fails at a thousand."""

FAULTS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # an encrypted zip
    NotImplementedError,  # a compression that Python does not know
)


@dataclass
class Budget:
    """The bytes that archives may still unpack to."""

    left: int

    def check(self, archive: Path, unpacked: int) -> None:
        """Refuse an archive that has unpacked to so many bytes and does not end.

        Raises:
            InputError: they are more than are left, or too many for the size of the archive.
        """
        if unpacked > self.left:
            raise InputError(
                f"{shown(archive)}: unpacks to more than the {self.left / 1e9:.4g} GB that are "
                "left of dataset.max_gigabytes; raise it if you trust the archive"
            )
        packed = archive.stat().st_size
        if unpacked > max(HARMLESS_BYTES, LARGEST_RATIO * packed):
            raise InputError(
                f"{shown(archive)}: unpacks to more than {LARGEST_RATIO} times its size "
                f"({packed} bytes), as no archive of trajectories does; unpack it by hand if you "
                "trust it, and give the folder as dataset.source"
            )


@dataclass(frozen=True)
class Member:
    """An entry of an archive."""

    name: str
    kind: str
    """``file``, ``folder``, or what else it is."""
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Return True if a file has the name of an archive."""
    return path.name.lower().endswith(ARCHIVES)


def stem(archive: Path) -> str:
    """The name of an archive without what makes it one."""
    suffix = max((s for s in ARCHIVES if archive.name.lower().endswith(s)), key=len)
    rest = archive.name[: -len(suffix)]
    return archive.name if rest in ("", ".", "..") else rest


class Damaged(InputError):
    """An archive that cannot be read, unlike one that holds what it must not."""


def unpack(archive: Path, target: Path, budget: Budget) -> None:
    """Unpack an archive into a new folder, whole or not at all.

    Args:
        archive: zip, tar, or a compressed tar.
        target: the folder to make.
        budget: what may be unpacked; what this archive takes is taken off it.

    Raises:
        InputError: the archive is damaged, too large, or holds something that it must not.
    """
    target.mkdir(parents=True)
    try:
        budget.left -= _write_members(archive, target, budget)
    except BaseException as error:
        shutil.rmtree(target)
        if isinstance(error, FAULTS):
            raise _damaged(archive, error) from error
        raise


def _write_members(archive: Path, target: Path, budget: Budget) -> int:
    """Write all members below ``target``; the number of bytes."""
    written: dict[PurePosixPath, str] = {}
    unpacked = 0
    for member in _members(archive, budget):
        place = _place(archive, member)
        unpacked += NAME_BYTES
        if member.kind == "folder":
            if written.setdefault(place, "folder") == "file":
                raise _twice(archive, member)
            (target / place).mkdir(parents=True, exist_ok=True)
            continue
        unpacked += NAME_BYTES * sum(folder not in written for folder in place.parents)
        above = [written.setdefault(folder, "folder") for folder in place.parents]
        if place in written or "file" in above:
            raise _twice(archive, member)
        written[place] = "file"
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        with member.open() as content, (target / place).open("xb") as file:
            while chunk := content.read(CHUNK_BYTES):
                unpacked += len(chunk)
                budget.check(archive, unpacked)
                file.write(chunk)
        budget.check(archive, unpacked)
    return unpacked


def _members(archive: Path, budget: Budget) -> Iterator[Member]:
    if archive.name.lower().endswith(".zip"):
        yield from _members_of_zip(archive, budget)
    else:
        yield from _members_of_tar(archive, budget)


def _members_of_zip(archive: Path, budget: Budget) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        entries = file.infolist()
        # The sizes that a zip declares are those that Python reads at most.
        budget.check(archive, sum(entry.file_size + NAME_BYTES for entry in entries))
        for entry in entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if stat.S_ISLNK(kind):
                named = "a link"
            elif kind and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
                named = "a pipe or device"
            else:
                named = "folder" if entry.is_dir() else "file"
            # The name as it stands in the file: Python's own ends at a zero byte.
            yield Member(entry.orig_filename, named, partial(file.open, entry))


def _members_of_tar(archive: Path, budget: Budget) -> Iterator[Member]:
    suffix = max((s for s in TAR if archive.name.lower().endswith(s)), key=len)
    with TAR[suffix](archive, "rb") as stream:
        counted = _Counted(stream, archive, budget)
        # As a stream: what lies between the members counts, too.
        with tarfile.open(fileobj=cast(IO[bytes], counted), mode="r|") as file:
            for entry in file:
                if entry.issparse():
                    named = "a sparse file"
                elif entry.isfile():
                    named = "file"
                elif entry.isdir():
                    named = "folder"
                else:
                    named = "a link" if entry.issym() or entry.islnk() else "a pipe or device"
                content = cast(Callable[[], IO[bytes]], partial(file.extractfile, entry))
                yield Member(entry.name, named, content)
            counted.check_end(file.offset)


class _Counted:
    """A stream that stops where the budget ends, and knows whether a tar ended in it."""

    def __init__(self, stream: IO[bytes], archive: Path, budget: Budget):
        self.stream, self.archive, self.budget = stream, archive, budget
        self.total = self.end_of_content = 0

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        if kept := len(content.rstrip(b"\0")):
            self.end_of_content = self.total + kept
        self.total += len(content)
        self.budget.check(self.archive, self.total)
        return content

    def check_end(self, offset: int) -> None:
        """Refuse a tar that was cut short, or whose headers are damaged.

        Python takes both for its end. Reading on to the end of the file compares checksums, too.

        Args:
            offset: where the last member ends, in bytes; zeros alone must follow.

        Raises:
            tarfile.ReadError: the end mark is missing.
        """
        while self.read(CHUNK_BYTES):
            pass
        if self.end_of_content > offset or self.total < offset + tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"no member and no end mark at byte {offset}")


def _place(archive: Path, member: Member) -> PurePosixPath:
    """Return the path of a member below the folder of the archive."""
    place = PurePosixPath(member.name)
    if member.kind not in ("file", "folder"):
        fault = f"{member.kind}; expected files and folders only"
    elif place.is_absolute() or member.name[1:3] in (":\\", ":/"):
        fault = "an absolute path; expected one below the archive's folder"
    elif ".." in place.parts or ".." in member.name.split("\\"):
        fault = "a path that leads out of the archive's folder"
    elif len(place.parts) > DEEPEST:
        fault = f"more than {DEEPEST} folders deep"
    elif "\\" in member.name:
        fault = "a name with backslashes; expected / between folders"
    elif "\0" in member.name or (member.kind == "file" and not place.name):
        fault = "not a name of a file"
    else:
        return place
    raise _refused(archive, member, fault)


def _twice(archive: Path, member: Member) -> InputError:
    return _refused(archive, member, "there twice; expected each name once")


def _refused(archive: Path, member: Member, fault: str) -> InputError:
    return InputError(
        f"{shown(archive)}: its member {shown(member.name)} is {fault}; nothing was unpacked; "
        "do so by hand if you trust it, and give the folder as dataset.source"
    )


def _damaged(archive: Path, error: BaseException) -> InputError:
    refusal = refused_by_system(error)
    # A member at an impossible place in the file is an invalid argument of the system.
    if refusal is not None and getattr(error, "errno", None) != errno.EINVAL:
        return InputError(f"{shown(archive)}: {refusal}; nothing was unpacked")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return Damaged(
        f"{shown(archive)}: the archive cannot be unpacked ({shown(str(reason))}); download it "
        "again"
    )
