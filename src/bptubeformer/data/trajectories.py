"""From the CSV files of all trajectories to one frame store."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bptubeformer.atomic import replacing
from bptubeformer.data.layout import Layout, TrajectoryFile
from bptubeformer.errors import InputError
from bptubeformer.metadata import pack, unpack
from bptubeformer.skeleton import COLUMNS, VALUES

NOT_A_STORE = (OSError, SafetensorError, KeyError, TypeError, ValueError)
LARGEST = float(np.finfo(np.float32).max)
LARGEST_NUMBER = np.iinfo(np.int32).max
BATCH_BYTES = 4 << 20
"""Files are read in batches of about this size, so that small ones cost no more than large ones."""
NUMPY_TYPES = {"F32": np.float32, "I32": np.int32, "I64": np.int64}
TABLE = ("category", "video", "person", "rows")


@dataclass(frozen=True)
class FrameStore:
    """All frames of a dataset, one trajectory after the other.

    A window is a start index into ``frames``: ``frames[start : start + length]`` is a segment,
    and segments are never stored.
    """

    frames: np.ndarray
    """float32 (F, 34): x0, y0, ..., x16, y16 of each frame, in pixels; a missing joint is 0, 0."""

    frame_number: np.ndarray
    """int32 (F,): number of the frame in its video; has gaps where the tracker lost the person."""

    offsets: np.ndarray
    """int64 (N + 1,): trajectory n has the rows ``offsets[n]`` to ``offsets[n + 1]``."""

    trajectories: pd.DataFrame
    """N rows: category, video, person (str), rows (int64)."""

    categories: tuple[str, ...]
    """Class names; the position is the class index."""

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (N,): class index of each trajectory."""
        index = {name: position for position, name in enumerate(self.categories)}
        return self.trajectories["category"].map(index).to_numpy(dtype=np.int64)

    @cached_property
    def rows(self) -> np.ndarray:
        """int64 (N,): number of rows of each trajectory."""
        return np.diff(self.offsets)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything in the store, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for array in (self.frames, self.frame_number, self.offsets):
            digest.update(np.ascontiguousarray(array).data)
        digest.update(self._table().encode())
        digest.update(json.dumps(self.categories).encode())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the store to one safetensors file, whole or not at all."""
        arrays = {
            "frames": self.frames,
            "frame_number": self.frame_number,
            "offsets": self.offsets,
        }
        about = {"trajectories": self._table(), "categories": self.categories}
        with replacing(path) as partial:
            save_file(arrays, partial, metadata=pack(about))

    @classmethod
    def load(cls, path: Path) -> "FrameStore":
        """Open a store; its frames stay in the file until they are used (memory-mapped).

        Raises:
            InputError: the file is no frame store.
        """
        try:
            with safe_open(path, framework="np") as file:
                about = unpack(file.metadata())
            arrays = _memory_map(path)
            return cls(
                frames=arrays["frames"],
                frame_number=arrays["frame_number"],
                offsets=arrays["offsets"],
                trajectories=_read_table(about),
                categories=tuple(about["categories"]),
            )
        except NOT_A_STORE as error:
            raise _no_store(path, error) from error

    def _table(self) -> str:
        return self.trajectories.to_csv(index=False, columns=list(TABLE), lineterminator="\n")


def read_trajectories(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of trajectories and the class names of a store, without reading its frames.

    Raises:
        InputError: the file is no frame store.
    """
    try:
        with safe_open(path, framework="np") as file:
            about = unpack(file.metadata())
            return _read_table(about), tuple(about["categories"])
    except NOT_A_STORE as error:
        raise _no_store(path, error) from error


def video_of(trajectories: pd.DataFrame) -> np.ndarray:
    """Number of each trajectory's video, int64 (N,); one name in two categories is two videos."""
    return trajectories.groupby(["category", "video"], sort=False).ngroup().to_numpy(np.int64)


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
    types = {"category": str, "video": str, "person": str, "rows": np.int64}
    return pd.read_csv(io.StringIO(about["trajectories"]), dtype=types, keep_default_na=False)


def _no_store(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not a frame store ({error}); write it with: bptubeformer ingest")


def ingest(layout: Layout, threads: int = 1) -> FrameStore:
    """Read every trajectory of a layout into one store.

    Args:
        layout: the files.
        threads: files are read by so many at a time.

    Raises:
        InputError: a file is not a trajectory; names the file, the row and what was expected.
    """
    batches = list(_batches([file.path for file in layout.files]))
    with ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(read_trajectories_of, batches))
    rows = np.concatenate([rows for _, _, rows in read])
    return FrameStore(
        frames=np.concatenate([frames for _, frames, _ in read]),
        frame_number=np.concatenate([number for number, _, _ in read]),
        offsets=np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        trajectories=_table(layout.files, rows),
        categories=layout.categories,
    )


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in paths:
        batch.append(path)
        size += path.stat().st_size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _table(files: tuple[TrajectoryFile, ...], rows: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(
        [(file.category, file.video, file.person) for file in files], columns=list(TABLE[:3])
    )
    return table.assign(rows=rows)


def read_trajectories_of(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read trajectories, as ``read_trajectory`` does, one after the other.

    Returns:
        frame numbers int32 (rows,), coordinates float32 (rows, 34), and the number of rows of
        each trajectory int64 (files,).

    Raises:
        InputError: a file is not a trajectory.
    """
    together = _read_together([path.read_bytes() for path in paths])
    if together is not None:
        return together
    numbers, frames = zip(*map(read_trajectory, paths), strict=True)
    rows = np.array([len(number) for number in numbers], dtype=np.int64)
    return np.concatenate(numbers), np.concatenate(frames), rows


def _read_together(contents: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Read files as if they were one; None if anything about them is out of the ordinary."""
    lines = [text if text.endswith(b"\n") else text + b"\n" for text in contents]
    joined = b"".join(lines)
    if b"\r" in joined or b'"' in joined:
        return None
    # Without these, each line is a row unless it is blank.
    rows = np.array([text.count(b"\n") for text in lines], dtype=np.int64)
    try:
        number, frames = _parse(joined)
    except pa.ArrowInvalid:
        return None
    if len(number) != rows.sum() or not _is_sound(number, frames):
        return None
    step = np.diff(number)
    step[np.cumsum(rows)[:-1] - 1] = 1
    if not (step > 0).all():
        return None
    return number.astype(np.int32), frames, rows


def read_trajectory(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one trajectory: no header, one row a frame, ``frame, x0, y0, ..., x16, y16``.

    Rows are sorted by frame number. Gaps between frame numbers are kept as they are.

    Returns:
        frame numbers int32 (rows,) and coordinates float32 (rows, 34), in pixels.

    Raises:
        InputError: the file is empty, a row has another number of columns, a value is no finite
            number, or a frame number is not whole or stands twice.
    """
    content = path.read_bytes()
    try:
        number, frames = _parse(content)
    except pa.ArrowInvalid as error:
        raise InputError(_first_fault(path, content)) from error
    order = np.argsort(number, kind="stable")
    if not _is_sound(number, frames) or not (np.diff(number[order]) > 0).all():
        raise InputError(_first_fault(path, content))
    return number[order].astype(np.int32), frames[order]


def _parse(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers float64 (rows,) and coordinates float32 (rows, 34) of a CSV."""
    table = pa.csv.read_csv(
        pa.BufferReader(content),
        read_options=pa.csv.ReadOptions(column_names=COLUMNS, use_threads=False),
        # Looking for quotes takes a third of the time.
        parse_options=pa.csv.ParseOptions(quote_char='"' if b'"' in content else False),
        convert_options=pa.csv.ConvertOptions(
            column_types={COLUMNS[0]: pa.float64()} | dict.fromkeys(COLUMNS[1:], pa.float32()),
            null_values=[],
        ),
    )
    frames = np.empty((table.num_rows, VALUES), dtype=np.float32)
    row = 0
    for batch in table.to_batches():
        columns = [column.to_numpy() for column in batch.columns[1:]]
        np.stack(columns, axis=1, out=frames[row : row + len(batch)])
        row += len(batch)
    return table.column(0).to_numpy(), frames


def _is_sound(number: np.ndarray, frames: np.ndarray) -> bool:
    """Whether there are rows, of whole frame numbers and finite coordinates."""
    return (
        len(number) > 0
        and bool(np.isfinite(frames).all())
        and bool((np.abs(number) <= LARGEST_NUMBER).all())
        and bool((number == np.floor(number)).all())
    )


def _cells(text: str) -> Iterator[list[str]]:
    """Cells of each line; what is no CSV at all is one cell."""
    for line in io.StringIO(text, newline=None):
        try:
            yield from csv.reader([line])
        except csv.Error:
            yield [line]


def _first_fault(path: Path, content: bytes) -> str:
    """Why a file is no trajectory, found by reading it slowly."""
    expected = f"expected {len(COLUMNS)} columns (frame, x0, y0, ..., x16, y16) and no header"
    seen: dict[int, int] = {}
    text = content.decode("utf-8", errors="replace")
    for row, cells in enumerate(_cells(text), start=1):
        if not cells:
            continue  # a blank line, which the fast reader passes over too
        if len(cells) != VALUES + 1:
            return f"{path}, row {row}: {len(cells)} columns; {expected}; correct or remove the row"
        for column, cell in zip(COLUMNS, cells, strict=True):
            try:
                value = float(cell)
            except ValueError:
                value = float("nan")
            if not abs(value) <= LARGEST:
                return (
                    f"{path}, row {row}, column {column}: {cell!r} is no finite number; {expected};"
                    " a missing joint is written 0,0"
                )
        frame = float(cells[0])
        if frame != int(frame) or abs(frame) > LARGEST_NUMBER:
            return f"{path}, row {row}, column frame: {cells[0]} is no whole number; {expected}"
        if int(frame) in seen:
            return (
                f"{path}, row {row}: frame {int(frame)} stands in row {seen[int(frame)]} already; "
                "expected one row a frame; remove one of them"
            )
        seen[int(frame)] = row
    if not seen:
        return f"{path}: the file is empty; {expected}; remove the file or write its rows"
    return f"{path}: the file is no plain UTF-8 CSV; {expected}; write it anew as plain CSV"
