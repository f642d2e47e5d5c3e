"""Formats of pose estimators: one small file each, behind one interface.

A module of this folder describes a format: which files are of it (told from their content), which
files make a recording, and who is where in it. Identities, joints and units are not its business:
``recordings`` makes trajectories of any skeleton of what it reads.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import ijson
import numpy as np

from bptubeformer.errors import InputError
from bptubeformer.kinds import FORMATS
from bptubeformer.texts import shown

HEAD_BYTES = 1 << 16
"""Bytes of a file that its format is told from."""
HEAD_EVENTS = 3000
MOST_PEOPLE = 1000
"""People in one frame; more are not people."""
LFS = b"version https://git-lfs.github.com/spec/"


class Unreadable(InputError):
    """A file, or a recording, that is not what its format says."""


class Poses(NamedTuple):
    """The people of a recording, a row a person and frame."""

    frame: np.ndarray
    """int64 (N,)."""
    joints: np.ndarray
    """float32 (N, J, 2): x and y; or (N, J, 3) metres before a camera, y down. NaN, or 0 in all,
    for a joint that was not found."""
    names: tuple[str, ...]
    """Of the joints; an empty text for one that no skeleton has."""
    person: list[str] | None = None
    """Of each row; None where the format does not say who is who."""
    video: str = ""
    """Name, where a file holds several recordings."""
    label: str | None = None
    """The class that the file names."""
    labels: list[str | None] | None = None
    """The class of each row, where the file names one frame by frame; None for a row without."""


class Beginning:
    """The beginning of a file: its format is told from it."""

    def __init__(self, path: Path):
        with path.open("rb") as file:
            self.bytes = file.read(HEAD_BYTES)

    @cached_property
    def keys(self) -> set[str]:
        """Places of the first values of a JSON file, such as ``item.keypoints.item``."""
        found: set[str] = set()
        if self.bytes.lstrip()[:1] not in (b"{", b"["):
            return found
        try:
            for number, (place, _, _) in enumerate(ijson.parse(self.bytes, use_float=True)):
                found.add(place)
                if number > HEAD_EVENTS:
                    break
        except ijson.JSONError:
            pass  # the beginning ends within a value
        return found

    @cached_property
    def lines(self) -> list[str]:
        """The first lines of a text, without blank ones."""
        if b"\0" in self.bytes:
            return []
        # The last line may be cut, and so may its last letter.
        lines = self.bytes.decode("utf-8-sig", errors="ignore").splitlines()
        whole = lines[:-1] if len(self.bytes) == HEAD_BYTES else lines
        return [line for line in whole if line.strip()]


@dataclass(frozen=True)
class Format:
    """Description of a format: its files, and the function that reads them."""

    recognises: Callable[[Beginning], bool]
    read: Callable[[Sequence[Path]], Iterator[Poses]]
    """The recordings of the files that ``by_frame`` puts together, or of one file."""
    suffix: str
    by_frame: re.Pattern[str] | None = None
    """Of the name of a file that holds one frame: its groups are the recording and the number."""
    folders: tuple[str, ...] = ()
    """Folders that the estimator makes, which name no recording."""


NAMES = FORMATS[2:]
"""Names of the formats: each file is of one of them at most."""


def format_named(name: str) -> Format:
    """Return the description of a format."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    found: Format = module.FORMAT
    return found


def recognise(path: Path) -> str | None:
    """Return the format of a file, told from its content; None for any other file.

    Raises:
        Unreadable: it holds something else in place of data.
    """
    beginning = Beginning(path)
    if beginning.bytes.startswith(LFS):
        raise Unreadable(
            f"{shown(path)}: a pointer of Git LFS in place of the file; fetch it with git lfs pull"
        )
    if beginning.bytes.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise Unreadable(
            f"{shown(path)}: a web page in place of the file; download the file itself"
        )
    for name in NAMES:
        kind = format_named(name)
        if path.suffix.lower() == kind.suffix and kind.recognises(beginning):
            return name
    return None


def load_json(path: Path) -> Any:
    """Return what a small JSON file holds.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise _broken(path, error) from error


def stream_json(path: Path, place: str) -> Iterator[Any]:
    """Yield the values at a place of a JSON file of any size, one after the other.

    Raises:
        Unreadable: it is not JSON.
    """
    with _streamed(path) as file:
        yield from ijson.items(file, place, use_float=True)


def stream_pairs(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a mapping in a JSON file of any size with their values.

    Raises:
        Unreadable: it is not JSON.
    """
    with _streamed(path) as file:
        yield from ijson.kvitems(file, "", use_float=True)


def is_list(path: Path) -> bool:
    """Return True for a JSON file that holds a list, not a mapping."""
    return Beginning(path).bytes.lstrip().startswith(b"[")


@contextmanager
def _streamed(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except ijson.JSONError as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> Unreadable:
    """Return the refusal of a file that is not JSON to its end."""
    reason = str(error).splitlines()[0][:100]
    return Unreadable(
        f"{shown(path)}: not JSON, or cut short ({shown(reason)}); write or download it again"
    )


@dataclass
class Rows:
    """Rows of ``Poses`` while a file is read."""

    path: Path
    frame: list[int | str] = field(default_factory=list)
    person: list[str | None] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, frame: int | str, person: str | None, numbers: Any, each: int) -> None:
        """Add a person.

        Args:
            frame: number, or the name of the image.
            person: who it is, if the format says so.
            numbers: of the joints, one after the other, (J * ``each``,).
            each: numbers of a joint: x, y and what else there is.

        Raises:
            Unreadable: they are not numbers.
        """
        try:
            # A copy: a part of the given numbers would keep them all.
            joints = np.array(numbers, dtype=np.float32).reshape(-1, each)[:, :2].copy()
        except (TypeError, ValueError) as error:
            raise Unreadable(
                f"{shown(self.path)}, frame {shown(str(frame))}: its joints are not {each} numbers "
                "each; write the file again"
            ) from error
        self.frame.append(frame)
        self.person.append(person)
        self.values.append(joints)

    def poses(self, names: Callable[[int], tuple[str, ...]], **about: Any) -> Poses:
        """Return the rows; of different numbers of joints, those with the most frequent one.

        Args:
            names: of so many joints.
            about: ``video`` and ``label``.
        """
        counts = [len(joints) for joints in self.values]
        usual = max(set(counts), key=counts.count) if counts else 0
        kept = [number for number, count in enumerate(counts) if count == usual and usual]
        people = [self.person[i] for i in kept]
        known = [name for name in people if name is not None]
        frames = self.frame
        if any(isinstance(frame, str) for frame in frames):
            names_of = [str(frame) for frame in frames]
            ranked = {name: rank for rank, name in enumerate(sorted(set(names_of)))}
            numbers = number_in_names(names_of) or ranked
            frames = [numbers[name] for name in names_of]
        return Poses(
            frame=np.array([frames[i] for i in kept], dtype=np.int64),
            joints=np.array([self.values[i] for i in kept]).reshape(len(kept), usual, 2),
            names=names(usual) if kept else (),
            person=known if kept and len(known) == len(people) else None,
            **about,
        )


def number_in_names(names: Sequence[str]) -> dict[str, int] | None:
    """Return the number of the frame that each image or file is named after.

    It is the one number that changes from name to name; None where several change (time stamps).
    """
    different = sorted(set(names))
    numbers = {name: re.findall(r"\d+", Path(name).stem) for name in different}
    counts = {len(found) for found in numbers.values()}
    if len(counts) == 1 and counts != {0}:
        columns = list(zip(*numbers.values(), strict=True))
        changing = [i for i, column in enumerate(columns) if len(set(column)) > 1]
        if not changing and len(different) == 1:
            changing = [len(columns) - 1]
        if len(changing) == 1:
            found = {name: int(numbers[name][changing[0]]) for name in different}
            if len(set(found.values())) == len(found):
                return found
    return None
