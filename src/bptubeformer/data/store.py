"""The frame store: the frames of all trajectories in one file."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file

from bptubeformer.atomic import replacing
from bptubeformer.errors import InputError
from bptubeformer.kinds import Fingerprint, Kind, Names
from bptubeformer.metadata import describe, pack
from bptubeformer.reading import reading
from bptubeformer.sections import Record
from bptubeformer.skeleton import COCO_17, Skeleton, read_skeleton
from bptubeformer.texts import shown

NUMPY_TYPES = {"F32": np.float32, "I32": np.int32, "I64": np.int64}
SAMPLE = 20_000
"""Frames, evenly over a store, whose coordinates are looked at."""
TABLE = ("category", "video", "person", "rows", "group", "part")
RECORDING = "recording"
"""Column of a store whose videos were cut from recordings; the files of others do not have it."""
TEXTS = ("category", "video", "person", "group", "part", RECORDING)


class About(Record):
    """The entries of a store's file beside its frames."""

    expected = "a frame store"
    writer = "bptubeformer ingest"
    trajectories: Annotated[dict[str, list[Any]], Kind("a mapping of columns to lists")]
    categories: Names
    skeleton: Annotated[dict[str, Any], Kind("the table of a skeleton")]
    fingerprint: Fingerprint


@dataclass(frozen=True)
class FrameStore:
    """All frames of a dataset, one trajectory after the other.

    A window is a start index into ``frames``: ``frames[start : start + length]`` is a segment,
    and segments are never stored.
    """

    frames: np.ndarray
    """float32 (F, V): x0, y0, x1, y1, ... of each frame, in pixels; a missing joint is 0, 0."""

    frame_number: np.ndarray
    """int32 (F,): number of the frame in its video; has gaps where the tracker lost the person."""

    offsets: np.ndarray
    """int64 (N + 1,): trajectory n has the rows ``offsets[n]`` to ``offsets[n + 1]``."""

    trajectories: pd.DataFrame
    """N rows: category, video, person (str), rows (int64); group, part and recording (str, may be
    empty)."""

    categories: tuple[str, ...]
    """Class names; the position is the class index."""

    skeleton: Skeleton = COCO_17
    """Whose joints a frame has."""

    def __post_init__(self) -> None:
        absent = {name: "" for name in TEXTS if name not in self.trajectories}
        if absent:
            object.__setattr__(self, "trajectories", self.trajectories.assign(**absent))

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (N,): class index of each trajectory."""
        index = {name: position for position, name in enumerate(self.categories)}
        return self.trajectories["category"].map(index).to_numpy(dtype=np.int64)

    def of_classes(self, names: Sequence[str]) -> np.ndarray:
        """Return bool (N,): trajectories of some classes.

        Raises:
            InputError: a name is not a class of the data.
        """
        for name in names:
            if name not in self.categories:
                raise InputError(
                    f"left_out has {shown(name)}, which is not a class of the data; its classes: "
                    f"{shown(', '.join(self.categories))}; change training.left_out of the run or "
                    "arm, or leave it out"
                )
        return np.isin(self.labels, [self.categories.index(name) for name in names])

    @cached_property
    def rows(self) -> np.ndarray:
        """int64 (N,): number of rows of each trajectory."""
        return np.diff(self.offsets)

    @property
    def empty_frames(self) -> int:
        """Number of frames in which no joint was found: all zero. They are frames like others."""
        return int((~self.seen).sum())

    @cached_property
    def seen(self) -> np.ndarray:
        """bool (F,): frames in which a joint was found."""
        return np.asarray(self.frames.any(axis=1))

    def extent(self) -> list[float] | None:
        """Pixels between which 98 % of the coordinates lie: x, x, y, y; None without any joint."""
        step = max(len(self.frames) // SAMPLE, 1)
        joints = np.asarray(self.frames[::step]).reshape(-1, 2)
        seen = joints[joints.any(axis=1)]
        if not len(seen):
            return None
        return [float(end) for end in np.quantile(seen, [0.01, 0.99], axis=0).T.ravel()]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything in the store, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for array in (self.frames, self.frame_number, self.offsets):
            digest.update(np.ascontiguousarray(array).data)
        about = [self._table(), self.categories, self.skeleton.table]
        digest.update(json.dumps(about).encode())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the store to one safetensors file, whole or not at all."""
        arrays = {
            "frames": self.frames,
            "frame_number": self.frame_number,
            "offsets": self.offsets,
        }
        about = {
            "trajectories": self._table(),
            "categories": self.categories,
            "skeleton": self.skeleton.metadata,
            "fingerprint": self.fingerprint,
        }
        with replacing(path) as partial:
            save_file(arrays, partial, metadata=pack(about))

    @classmethod
    def load(cls, path: Path) -> "FrameStore":
        """Open a store; its frames stay in the file until they are used (memory-mapped).

        Raises:
            InputError: the file is not a frame store.
        """
        store, _ = cls._open(path)
        with _reading(path):
            store._check_frames()
        return store

    @classmethod
    def outline(cls, path: Path) -> "FrameStore":
        """Open a store that may be without its frames; its fingerprint is what the file says.

        Raises:
            InputError: the file is not a frame store.
        """
        store, about = cls._open(path)
        vars(store)["fingerprint"] = about["fingerprint"]
        return store

    @classmethod
    def _open(cls, path: Path) -> "tuple[FrameStore, dict[str, Any]]":
        with _reading(path):
            about = _about(path)
            arrays = _memory_map(path)
            store = cls(
                frames=arrays["frames"],
                frame_number=arrays["frame_number"],
                offsets=arrays["offsets"],
                trajectories=_read_table(about),
                categories=tuple(about["categories"]),
                skeleton=read_skeleton(about["skeleton"]),
            )
            store._check_table()
            return store, about

    def _check_frames(self) -> None:
        """Refuse frames that are not those of the trajectories.

        Raises:
            ValueError: says which.
        """
        count = len(self.frames)
        if self.frames.shape != (count, self.skeleton.values) or self.frame_number.shape != (
            count,
        ):
            raise ValueError(f"frames {self.frames.shape}, numbers {self.frame_number.shape}")
        if self.offsets[-1] != count:
            raise ValueError("its trajectories are not those of its frames")

    def _check_table(self) -> None:
        """Refuse arrays that do not belong together.

        Raises:
            ValueError: says which.
        """
        kinds = (self.frames.dtype, self.frame_number.dtype, self.offsets.dtype)
        if kinds != (np.float32, np.int32, np.int64):
            raise ValueError(f"arrays of {', '.join(map(str, kinds))}")
        ends = np.concatenate([[0], np.cumsum(self.trajectories["rows"])])
        whole = (self.trajectories["rows"] > 0).all() and len(ends) > 1
        if not whole or not np.array_equal(self.offsets, ends):
            raise ValueError("its trajectories are not those of its frames")
        unknown = set(self.trajectories["category"]) - set(self.categories)
        if unknown:
            raise ValueError(f"trajectories of {', '.join(sorted(unknown))}, which is not a class")

    def _table(self) -> dict[str, list[Any]]:
        cut = [RECORDING] if (self.trajectories[RECORDING] != "").any() else []
        return {name: self.trajectories[name].tolist() for name in (*TABLE, *cut)}


def read_trajectories(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of trajectories and the class names of a store, without reading its frames.

    Raises:
        InputError: the file is not a frame store.
    """
    with _reading(path):
        about = _about(path)
        return _read_table(about), tuple(about["categories"])


def read_skeleton_of(path: Path) -> Skeleton:
    """The skeleton of a store, without reading its frames.

    Raises:
        InputError: the file is not a frame store.
    """
    with _reading(path):
        return read_skeleton(_about(path)["skeleton"])


def read_fingerprint(path: Path) -> str:
    """Fingerprint that a store had when it was written, without reading its frames.

    Raises:
        InputError: the file is not a frame store.
    """
    with _reading(path):
        return str(_about(path)["fingerprint"])


def save_without_frames(store: Path, target: Path) -> None:
    """Write a store without its frames: what tables are made of, and nothing to train on.

    Raises:
        InputError: the file is not a frame store.
    """
    with _reading(store), safe_open(store, framework="np") as file:
        offsets, metadata = file.get_tensor("offsets"), file.metadata()
        skeleton = read_skeleton(describe(metadata, About, store)["skeleton"])
    arrays = {
        "frames": np.empty((0, skeleton.values), np.float32),
        "frame_number": np.empty(0, np.int32),
        "offsets": offsets,
    }
    with replacing(target) as partial:
        save_file(arrays, partial, metadata=metadata)


def video_of(trajectories: pd.DataFrame) -> np.ndarray:
    """Number of each trajectory's video, int64 (N,); one name in two categories is two videos.

    Clips that were cut from one recording are one video, whatever their categories.
    """
    cut = trajectories[RECORDING] != ""
    category = trajectories["category"].where(~cut, "")
    video = trajectories["video"].where(~cut, trajectories[RECORDING])
    return trajectories.groupby([category, video], sort=False).ngroup().to_numpy(np.int64)


def videos_of(store: Path) -> tuple[np.ndarray, np.ndarray]:
    """Video of each trajectory int64 (N,), and class index of each video int64 (V,), of a store."""
    trajectories, categories = read_trajectories(store)
    video = video_of(trajectories)
    _, first = np.unique(video, return_index=True)
    return video, pd.Index(categories).get_indexer(trajectories["category"].iloc[first])


def _memory_map(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file without reading them; what is written stays in memory."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        name: np.memmap(
            path,
            dtype=NUMPY_TYPES[entry["dtype"]],
            mode="c",
            offset=8 + length + entry["data_offsets"][0],
            shape=tuple(entry["shape"]),
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _read_table(about: dict[str, Any]) -> pd.DataFrame:
    table, categories = about["trajectories"], about["categories"]
    columns = [*TABLE, *({RECORDING} & set(table))]
    texts = [name for name in columns if name in TEXTS]
    if not all(isinstance(name, str) for key in texts for name in (*table[key], *categories)):
        raise ValueError("a name in it is not a text")
    read = pd.DataFrame({name: table[name] for name in columns}).astype({"rows": np.int64})
    return read if RECORDING in read else read.assign(**{RECORDING: ""})


def _reading(path: Path) -> AbstractContextManager[None]:
    return reading(path, About.expected, About.writer)


def _about(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="np") as file:
        return describe(file.metadata(), About, path)
