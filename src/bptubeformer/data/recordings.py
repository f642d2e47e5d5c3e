"""Recordings of pose estimators: from the files of a source to trajectories of a skeleton."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bptubeformer.data.formats import (
    MOST_PEOPLE,
    NAMES,
    Format,
    Poses,
    Unreadable,
    format_named,
    load_json,
    recognise,
)
from bptubeformer.data.layout import is_file, is_junk, walk
from bptubeformer.data.reader import LARGEST, LARGEST_NUMBER
from bptubeformer.data.tracking import track
from bptubeformer.data.trust import OF_IMAGE, PIXELS, unit_of
from bptubeformer.errors import InputError, refused_by_system
from bptubeformer.settings import ReadingSettings
from bptubeformer.skeleton import Skeleton, known_skeletons, load_skeleton
from bptubeformer.texts import shown

TRAJECTORIES = "trajectories"
"""The layout of HR-Crime: one CSV for each person, without a header."""
LOOKED_AT = 24
"""Files of each suffix from whose content the format of a source is told."""
STILL = 30
"""Mean step between frames from which they are still images, unless most steps are equal."""


@dataclass(frozen=True)
class Recording:
    """The files of one recording, and its name: a path below the source, without a suffix."""

    name: tuple[str, ...]
    paths: tuple[Path, ...]

    @property
    def place(self) -> Path:
        """The file, or the folder of the frames."""
        return self.paths[0] if len(self.paths) == 1 else self.paths[0].parent


@dataclass(frozen=True)
class Trajectory:
    """One person in one recording."""

    name: tuple[str, ...]
    """Of the recording: folders above, and the video."""
    person: str
    number: np.ndarray
    """int32 (rows,): frame numbers, ascending."""
    frames: np.ndarray
    """float32 (rows, V): pixels; a missing joint is 0, 0."""
    label: str | None
    """What the format says."""
    labels: tuple[str | None, ...] | None = None
    """What it says of each row."""


@dataclass
class Found:
    """Trajectories of the recordings of a source, and recordings that cannot be read."""

    trajectories: list[Trajectory] = field(default_factory=list)
    rejected: list[tuple[Recording | None, Any]] = field(default_factory=list)
    """Recordings and why; or rows of the table of rejected files."""
    inferred: int = 0
    """Recordings whose identities were made by tracking."""
    foreign: int = 0
    """Files of other kinds."""
    marked: int = 0
    """Joints at -1, -1 or NaN, NaN: missing ones."""
    repeated: int = 0
    """Rows that repeat another one of their frame, or have no joint."""

    def __iadd__(self, other: "Found") -> "Found":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


def format_of(folders: Sequence[Path], settings: ReadingSettings) -> str:
    """Return the format of a source: the one that is set, or told from the content of its files.

    Raises:
        InputError: its files have several formats.
    """
    if settings.format != "auto":
        return settings.format
    by_suffix: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        # Names alone, without links: much faster than ``walk``, which looks at each entry.
        for at, below, names in os.walk(folder):
            below[:] = sorted(name for name in below if not is_junk(name))
            for path in (Path(at, name) for name in sorted(names) if not is_junk(name)):
                by_suffix[path.suffix.lower()].append(path)
        if is_file(folder):
            by_suffix[folder.suffix.lower()].append(folder)
    found: dict[str, Path] = {}
    suffixes = {format_named(name).suffix for name in NAMES}
    for suffix in sorted(suffixes & set(by_suffix)):
        paths = by_suffix[suffix]
        for path in paths[:: -(-len(paths) // LOOKED_AT)]:
            if not path.is_file():
                continue
            name = recognise(path)
            if name is not None:
                found.setdefault(name, path)
    if len(found) > 1:
        each = ", ".join(f"{shown(path)} is of {name}" for name, path in found.items())
        raise InputError(
            f"files of {len(found)} formats: {each}; give each a source of its own, or set "
            "dataset.format"
        )
    return next(iter(found), TRAJECTORIES)


def find_recordings(folders: Sequence[Path], name: str) -> tuple[list[Recording], Counter[str]]:
    """Return the recordings of a format below folders, and how many other files there are.

    Raises:
        InputError: no file has the format.
    """
    kind, passed_over = format_named(name), Counter[str]()
    groups: dict[tuple[str, ...], list[tuple[int, Path]]] = defaultdict(list)
    for folder in folders:
        found = walk(folder)
        passed_over.update(found.passed_over)
        for path in found.files:
            if path.suffix.lower() != kind.suffix:
                passed_over[f"not {kind.suffix}"] += 1
                continue
            matched = kind.by_frame.fullmatch(path.name) if kind.by_frame else None
            parts = [
                p for p in path.relative_to(folder).parts[:-1] if p.lower() not in kind.folders
            ]
            last, number = (matched[1], int(matched[2])) if matched else (path.stem, 0)
            groups[(*parts, last)].append((number, path))
    if not groups:
        raise InputError(
            f"{', '.join(map(shown, folders))}: no file of the format {name} (dataset.format); "
            f"expected names that end in {kind.suffix}"
        )
    names = _short(list(groups), by_frame=kind.by_frame is not None)
    recordings = [
        Recording(names[key], tuple(path for _, path in sorted(files)))
        for key, files in sorted(groups.items())
    ]
    return recordings, passed_over


def _short(
    names: Sequence[tuple[str, ...]], by_frame: bool
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Leave out last names that are not needed: of the one recording of each folder.

    A folder of frames is the recording, and so is one whose file is called like all the others.
    """
    folders = Counter(name[:-1] for name in names)
    alone = all(count == 1 for count in folders.values()) and all(len(n) > 2 for n in names)
    lasts = {name[-1] for name in names}
    not_needed = by_frame or (len(lasts) == 1 and len(names) > 1)
    if (alone and not_needed) or lasts == {""}:
        return {name: name[:-1] or ("",) for name in names}
    return {name: name for name in names}


def read_recordings(
    recordings: Sequence[Recording],
    name: str,
    skeleton: Skeleton,
    settings: ReadingSettings,
    threads: int = 1,
) -> Found:
    """Read recordings and make trajectories of them.

    Args:
        recordings: what ``find_recordings`` found.
        name: of the format.
        skeleton: whose joints are taken.
        settings: image size, camera and what is done about identities.
        threads: recordings that are read at a time.

    Raises:
        InputError: what is wrong with all recordings alike: joints, units, identities.
    """
    kind, found = format_named(name), Found()

    def read(recording: Recording) -> tuple[Recording, list[Poses] | Unreadable]:
        try:
            return recording, list(_read(kind, recording))
        except Unreadable as refusal:
            return recording, refusal

    with ThreadPoolExecutor(threads) as pool:
        for recording, result in pool.map(read, recordings):
            if isinstance(result, Unreadable):
                found.rejected.append((recording, str(result)))
                continue
            for poses in result:
                try:
                    found += _trajectories_of(
                        recording, poses, skeleton, settings, several=len(result) > 1
                    )
                except Unreadable as refusal:
                    found.rejected.append((recording, str(refusal)))
    if found.trajectories:
        foreign = [one for one, _ in found.rejected if one is not None and _is_foreign(one)]
        found.rejected = [row for row in found.rejected if row[0] not in foreign]
        found.foreign = len(foreign)
    return found


def _is_foreign(recording: Recording) -> bool:
    """Return True for a whole file of another kind, which lies beside the recordings."""
    place = recording.place
    if len(recording.paths) > 1 or not place.is_file() or recognise(place) is not None:
        return False
    try:
        if place.suffix == ".json":
            load_json(place)
    except Unreadable:
        return False
    return True


def _read(kind: Format, recording: Recording) -> Iterator[Poses]:
    try:
        yield from kind.read(recording.paths)
    except Unreadable:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise Unreadable(
            f"{shown(recording.place)}: another version of its format ({type(error).__name__}: "
            f"{shown(str(error))[:80]}); expected what docs/own-data.md describes"
        ) from error
    except OSError as error:
        raise Unreadable(
            f"{shown(recording.place)}: cannot be read ({refused_by_system(error)})"
        ) from error


def _trajectories_of(
    recording: Recording,
    poses: Poses,
    skeleton: Skeleton,
    settings: ReadingSettings,
    several: bool,
) -> Found:
    """Return the trajectories of a recording; ``several`` share its file.

    Raises:
        Unreadable: it is not a recording of people.
        InputError: as for ``read_recordings``.
    """
    place, found = shown(recording.place), Found()
    _check_frames(poses, place)
    chosen = joints_of(poses.names, skeleton, place)
    marks = np.isnan(poses.joints) | (poses.joints == -1)
    found.marked = int(marks.all(axis=-1)[:, chosen].sum())
    joints = in_pixels(poses.joints, settings, place)
    if poses.person is not None:
        person, names = pd.factorize(np.array(poses.person, dtype=object))
    elif settings.identity == "given":
        raise InputError(
            f"{place}: the file does not say who is who; let the estimator track people, or "
            "set dataset.identity to tracked"
        )
    else:
        # By all joints, also those that the skeleton does not have.
        person, found.inferred = track(poses.frame, joints) - 1, 1
        found.repeated = int((person < 0).sum())
        names = np.arange(1, person.max() + 2).astype(str)
    joints = np.nan_to_num(joints[:, chosen]).reshape(len(joints), -1)
    order = np.lexsort((poses.frame, person))
    ends = np.searchsorted(person[order], np.arange(len(names) + 1))
    video = (*recording.name, poses.video) if poses.video and several else recording.name
    for one, begin, end in zip(names.tolist(), ends, ends[1:], strict=False):
        rows = order[begin:end]
        number = poses.frame[rows]
        again = number[1:][np.diff(number) == 0]
        if len(again):
            raise Unreadable(f"{place}: person {shown(one)} is in frame {again[0]} twice")
        labels = None if poses.labels is None else tuple(poses.labels[row] for row in rows)
        found.trajectories.append(
            Trajectory(video, one, number.astype(np.int32), joints[rows], poses.label, labels)
        )
    return found


def _check_frames(poses: Poses, place: str) -> None:
    """Refuse a recording without people, one with too many, and still images."""
    frames, people = np.unique(poses.frame, return_counts=True)
    if not len(frames):
        raise Unreadable(f"{place}: no person in any frame; leave the recording out")
    if np.abs(frames).max() > LARGEST_NUMBER:
        raise Unreadable(
            f"{place}: the frame number {np.abs(frames).max()}; expected at most {LARGEST_NUMBER}; "
            "number the frames from 0"
        )
    if people.max() > MOST_PEOPLE:
        raise Unreadable(
            f"{place}: {people.max()} people in one frame; expected at most {MOST_PEOPLE}"
        )
    steps, count = np.unique(np.diff(frames), return_counts=True)
    if len(steps) and np.diff(frames).mean() > STILL and 2 * count.max() <= count.sum():
        raise Unreadable(
            f"{place}: still images: their numbers lie {np.diff(frames).mean():.0f} apart; "
            "expected the frames of a recording, in order"
        )


def joints_of(names: Sequence[str], skeleton: Skeleton, place: str) -> list[int]:
    """Return where a format has the joints of a skeleton.

    Raises:
        InputError: it lacks some; says which skeletons it has.
    """
    index = {name: number for number, name in reversed(list(enumerate(names))) if name}
    lacking = [joint for joint in skeleton.joints if joint not in index]
    if lacking:
        fitting = [
            name for name in known_skeletons() if set(load_skeleton(name).joints) <= set(index)
        ]
        raise InputError(
            f"{place}: {len(names)} joints without {', '.join(lacking)}, which {skeleton.name} "
            + (f"has; set dataset.skeleton to {' or '.join(fitting)}" if fitting else
               f"has; they are {', '.join(index) or 'of no known set'}: describe them in a file of "
               "yours (dataset.skeleton)")
        )  # fmt: skip
    return [index[joint] for joint in skeleton.joints]


def in_pixels(joints: np.ndarray, settings: ReadingSettings, place: str) -> np.ndarray:
    """Return joints float32 (N, J, 2) in pixels; NaN where a joint was not found.

    A joint was not found where both numbers are 0, or -1.

    Args:
        joints: float32 (N, J, 2), of any unit, or (N, J, 3), metres before a camera.
        settings: the camera, and the size of the image.
        place: of the file, for messages.

    Raises:
        InputError: the unit is shares of an image of unknown size, or is not of an image.
    """
    joints = joints.astype(np.float32, copy=True)
    missing = (joints == 0).all(axis=-1) | (joints == -1).all(axis=-1)
    joints[missing | ~np.isfinite(joints).all(axis=-1)] = np.nan
    if joints.shape[-1] == 3:
        focal, *centre = settings.camera
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = np.array(centre) + focal * joints[..., :2] / joints[..., 2:]
        pixels[~np.isfinite(pixels).all(axis=-1)] = np.nan
        return _refuse_far_away(pixels.astype(np.float32), place)
    seen = joints[np.isfinite(joints).all(axis=-1)]
    if not len(seen):
        raise Unreadable(f"{place}: no joint in any frame; leave the recording out")
    unit = unit_of(seen)
    if unit == OF_IMAGE and settings.image_size is not None:
        joints *= np.array(settings.image_size, dtype=np.float32)
    elif unit != PIXELS:
        remedy = (
            "set dataset.image_size to its width and height, such as [1920, 1080]"
            if unit == OF_IMAGE
            else "expected positions in an image; give what the estimator wrote for the image"
        )
        raise InputError(
            f"{place}: coordinates from {seen.min():.3g} to {seen.max():.3g}: {unit}; {remedy}"
        )
    return _refuse_far_away(joints, place)


def _refuse_far_away(joints: np.ndarray, place: str) -> np.ndarray:
    """Return joints float32 (N, J, 2) that may lie in a picture; NaN where a joint is missing."""
    largest = np.abs(joints).max(initial=0, where=np.isfinite(joints))
    if largest > LARGEST:
        raise Unreadable(f"{place}: coordinates of {largest:.3g}; not pixels")
    return joints
