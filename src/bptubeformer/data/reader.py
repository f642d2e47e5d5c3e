"""The reader: from the CSV files of all trajectories to one frame store."""

import csv
import io
import os
import reprlib
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import compress, islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from bptubeformer.data.layout import Layout, TrajectoryFile
from bptubeformer.data.store import TABLE, FrameStore
from bptubeformer.errors import InputError
from bptubeformer.skeleton import COCO_17, Skeleton, known_skeletons, load_skeleton
from bptubeformer.texts import shown

LARGEST = 1e6
"""Largest coordinate, in pixels either way: no video is near it, and its square is a number."""
LARGEST_FILE = 1 << 30
"""Bytes of a file that no trajectory of one person comes near: twenty hours of video."""
LONGEST_ROW = 1 << 16
"""Letters of a row that no 35 numbers come near: 1,800 each."""
LARGEST_NUMBER = np.iinfo(np.int32).max
BATCH_BYTES = 4 << 20
"""Files are read in batches of about this size, so that small ones cost no more than large ones."""
NO_TEXT = {
    b"\x1f\x8b": "compressed by gzip; decompress it",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\xff\xfe\x00\x00": "UTF-32 text; write it again as UTF-8",
    b"\xff\xfe": "UTF-16 text; write it again as UTF-8",
    b"\xfe\xff": "UTF-16 text; write it again as UTF-8",
}
"""What a file is that begins with these bytes, and what to do with it."""
LIKELY = {
    34: "17 joints without a frame number", 51: "x, y and score of 17 joints",
    52: "a frame number, x, y and score of 17 joints", 75: "x, y and z of 25 joints (NTU RGB+D)",
    78: "x, y and score of 26 joints (Halpe)", 99: "x, y and z of 33 joints (MediaPipe)",
    132: "x, y, z and visibility of 33 joints (MediaPipe)", 96: "32 joints of an Azure Kinect",
}  # fmt: skip
"""Usual meaning of rows, by their number of columns."""
FOREIGN_ROWS, FOREIGN_COLUMNS = 20, 5
"""A file is foreign if its first rows have fewer columns, or do not contain a number."""
REJECTED = ("category", "video", "person", "file", "row", "column", "reason")


class Rejected(InputError):
    """A file that is not a trajectory, and why.

    Args:
        path: of the file.
        reason: what was found, what was expected and what to do.
        row: counted from 1; None where the whole file is wrong.
        column: name of the column; None where the whole row is wrong.
    """

    foreign = False
    """True for a file that is not a trajectory, but may lie beside them."""

    def __init__(self, path: Path, reason: str, row: int | None = None, column: str | None = None):
        where = [shown(path)]
        where += [] if row is None else [f"row {row}"]
        where += [] if column is None else [f"column {column}"]
        super().__init__(f"{', '.join(where)}: {reason}")
        self.path, self.reason, self.row, self.column = path, reason, row, column


@dataclass(frozen=True)
class Batch:
    """Trajectories read one after the other."""

    number: np.ndarray
    """int32 (rows,): frame numbers."""
    frames: np.ndarray
    """float32 (rows, V): coordinates, in pixels."""
    rows: np.ndarray
    """int64 (files,): number of rows of each trajectory; 0 for a file that is none."""
    marked: int
    """Joints at -1, -1 or NaN, NaN: missing ones, which are 0, 0 here."""
    rejected: list[Rejected]
    """Files that are not trajectories, in their order."""


def ingest(
    layout: Layout, threads: int = 1, skeleton: Skeleton = COCO_17
) -> tuple[FrameStore, pd.DataFrame]:
    """Read every trajectory of a layout into one store; leave out files that are not trajectories.

    Args:
        layout: the files.
        threads: files are read by so many at a time.
        skeleton: whose joints a frame has.

    Returns:
        The store, and a table of the files that are not in it: category, video, person, file,
        row, column, reason. Its attributes: ``foreign``, the number of files that do not contain
        rows of numbers; ``marked``, of joints at -1, -1 or NaN, NaN.
    """
    batches = list(_batches([file.path for file in layout.files]))
    with ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(partial(read_trajectories_of, skeleton=skeleton), batches))
    rows = np.concatenate([batch.rows for batch in read])
    sound = rows > 0
    store = FrameStore(
        frames=np.concatenate([batch.frames for batch in read]),
        frame_number=np.concatenate([batch.number for batch in read]),
        offsets=np.concatenate([[0], np.cumsum(rows[sound])]).astype(np.int64),
        trajectories=_table(list(compress(layout.files, sound)), rows[sound]),
        categories=layout.categories,
        skeleton=skeleton,
    )
    faults = [fault for batch in read for fault in batch.rejected]
    files = list(compress(layout.files, ~sound))
    # Where nothing can be read, each file is one that should have been.
    wrong = [not fault.foreign or not sound.any() for fault in faults]
    rejected = _table_of_rejected(list(compress(files, wrong)), list(compress(faults, wrong)))
    rejected.attrs["foreign"] = len(faults) - sum(wrong)
    rejected.attrs["marked"] = sum(batch.marked for batch in read)
    return store, rejected


def check_rejected(rejected: pd.DataFrame, store: FrameStore, max_rejected: float) -> None:
    """Refuse a dataset with too many files that are not trajectories.

    Args:
        rejected: the files that are not in the store, as ``ingest`` gives them.
        store: the others.
        max_rejected: the largest share of trajectories that may be rejected.

    Raises:
        InputError: more than that are, or all of a category.
    """
    if rejected.empty:
        return
    total = len(store.rows) + len(rejected)
    first = rejected.iloc[0]
    place = ", ".join(
        [first["file"]]
        + ([] if pd.isna(first["row"]) else [f"row {first['row']}"])
        + ([] if pd.isna(first["column"]) else [f"column {first['column']}"])
    )
    found = f"the first is {place}: {first['reason']}"
    if len(rejected) > max_rejected * total:
        raise InputError(
            f"{len(rejected)} of {total} trajectories cannot be read, more than "
            f"{max_rejected:.4g} of them (dataset.max_rejected); {found}"
        )
    for category in store.categories:
        if not (store.trajectories["category"] == category).any():
            raise InputError(f"no trajectory of the category {category} can be read; {found}")


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in paths:
        batch.append(path)
        # A link that leads nowhere has no size; it is rejected when it is read.
        size += path.stat().st_size if path.exists() else 0
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _table(files: Sequence[TrajectoryFile], rows: np.ndarray) -> pd.DataFrame:
    names = [(file.category, text_of(file.video), text_of(file.person)) for file in files]
    return pd.DataFrame(names, columns=list(TABLE[:3])).assign(rows=rows)


def text_of(name: str) -> str:
    """A file name as text; bytes that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _table_of_rejected(
    files: Sequence[TrajectoryFile], rejected: Sequence[Rejected]
) -> pd.DataFrame:
    rows = [
        (shown(file.category), shown(file.video), shown(file.person), shown(file.path), fault.row,
         fault.column, fault.reason)
        for file, fault in zip(files, rejected, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(REJECTED)).astype({"row": "Int64"})


def read_trajectories_of(paths: Sequence[Path], skeleton: Skeleton = COCO_17) -> Batch:
    """Read trajectories, as ``read_trajectory`` does, one after the other."""
    try:
        together = _read_together([_content(path) for path in paths], skeleton)
    except Rejected:
        together = None
    if together is not None:
        return Batch(*together, [])
    numbers, frames, rows = [], [], []
    rejected, marked = [], 0
    for path in paths:
        try:
            number, of_one, of_it = _read_one(path, skeleton)
        except Rejected as fault:
            rejected.append(fault)
            rows.append(0)
        else:
            numbers.append(number)
            frames.append(of_one)
            rows.append(len(number))
            marked += of_it
    return Batch(
        number=np.concatenate([np.empty(0, np.int32), *numbers]),
        frames=np.concatenate([np.empty((0, skeleton.values), np.float32), *frames]),
        rows=np.array(rows, dtype=np.int64),
        marked=marked,
        rejected=rejected,
    )


def _content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        Rejected: there are none to be had, or more than a trajectory has.
    """
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise Rejected(path, "a folder; expected a file; rename or remove it")
        if not stat.S_ISREG(state.st_mode):
            # A pipe would be waited for, a device read without end.
            raise Rejected(path, "a pipe, socket or device; expected a file; remove it")
        if state.st_size > LARGEST_FILE:
            raise Rejected(
                path,
                f"{state.st_size / 1e9:.1f} GB; expected the trajectory of one person, at most "
                f"{LARGEST_FILE / 1e9:.1f} GB; give each person a file",
            )
        return path.read_bytes()
    except OSError as error:
        raise Rejected(
            path, f"cannot be read ({error.strerror}); give yourself the right, or remove it"
        ) from error


def _read_together(
    contents: list[bytes], skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int] | None:
    """Read files as if they were one; None if anything about them is out of the ordinary."""
    lines = [text if text.endswith(b"\n") else text + b"\n" for text in contents]
    joined = b"".join(lines)
    if b"\r" in joined or b'"' in joined:
        return None
    # Without these, each line is a row unless it is blank.
    rows = np.array([text.count(b"\n") for text in lines], dtype=np.int64)
    try:
        number, frames, marked = _parse(joined, skeleton)
    except pa.ArrowInvalid:
        return None
    if len(number) != rows.sum() or not _is_sound(number, frames):
        return None
    step = np.diff(number)
    step[np.cumsum(rows)[:-1] - 1] = 1
    if not (step > 0).all():
        return None
    return number.astype(np.int32), frames, rows, marked


def read_trajectory(path: Path, skeleton: Skeleton = COCO_17) -> tuple[np.ndarray, np.ndarray]:
    """Read one trajectory: no header, one row a frame, ``frame, x0, y0, x1, y1, ...``.

    Rows are sorted by frame number. Gaps between frame numbers are kept as they are. A joint at
    -1, -1 or NaN, NaN is missing, like one at 0, 0.

    Returns:
        frame numbers int32 (rows,) and coordinates float32 (rows, V), in pixels.

    Raises:
        Rejected: the file cannot be read or is empty, a row has another number of columns, a value
            is not a number or is too large for a pixel, or a frame number is not whole or not
            unique.
    """
    return _read_one(path, skeleton)[:2]


def _read_one(path: Path, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, int]:
    content = _content(path)
    try:
        number, frames, marked = _parse(content, skeleton)
    except pa.ArrowInvalid as error:
        raise _fault(path, content, skeleton) from error
    order = np.argsort(number, kind="stable")
    if not _is_sound(number, frames) or not (np.diff(number[order]) > 0).all():
        raise _fault(path, content, skeleton)
    return number[order].astype(np.int32), frames[order], marked


def _parse(content: bytes, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, int]:
    """Frame numbers float64 (rows,), coordinates float32 (rows, V), number of marked joints."""
    columns = skeleton.columns
    table = pa.csv.read_csv(
        pa.BufferReader(content),
        read_options=pa.csv.ReadOptions(column_names=columns, use_threads=False),
        # Looking for quotes takes a third of the time.
        parse_options=pa.csv.ParseOptions(quote_char='"' if b'"' in content else False),
        convert_options=pa.csv.ConvertOptions(
            column_types={columns[0]: pa.float64()} | dict.fromkeys(columns[1:], pa.float32()),
            null_values=[],
        ),
    )
    frames = np.empty((table.num_rows, skeleton.values), dtype=np.float32)
    row = 0
    for batch in table.to_batches():
        coordinates = [column.to_numpy() for column in batch.columns[1:]]
        np.stack(coordinates, axis=1, out=frames[row : row + len(batch)])
        row += len(batch)
    marked = 0
    # NaN is not above anything.
    if len(frames) and not float(frames.min()) > -1:
        joints = frames.reshape(len(frames), -1, 2)
        missing = (np.isnan(joints) | (joints == -1)).all(axis=-1)
        joints[missing] = 0
        marked = int(missing.sum())
    return table.column(0).to_numpy(), frames, marked


def _is_sound(number: np.ndarray, frames: np.ndarray) -> bool:
    """Return True if there are rows, all with whole frame numbers and coordinates in pixels."""
    return (
        len(number) > 0
        and float(frames.min()) >= -LARGEST
        and float(frames.max()) <= LARGEST
        and bool((np.abs(number) <= LARGEST_NUMBER).all())
        and bool((number == np.floor(number)).all())
    )


def _cells(content: bytes) -> Iterator[list[str]]:
    """Cells of each line; what is not a CSV at all, or far too long, is one cell."""
    for line in io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", errors="replace"):
        if len(line) > LONGEST_ROW:
            yield [line]
            continue
        try:
            yield from csv.reader([line])
        except csv.Error:
            yield [line]


def _fault(path: Path, content: bytes, skeleton: Skeleton) -> Rejected:
    """Return why a file is not a trajectory, and mark it if it is foreign."""
    fault = _first_fault(path, content, skeleton)
    rows = [row for row in islice(_cells(content), FOREIGN_ROWS) if row]
    fault.foreign = bool(rows) and all(
        len(row) < FOREIGN_COLUMNS or not any(_number(cell) is not None for cell in row)
        for row in rows
    )
    return fault


def _first_fault(path: Path, content: bytes, skeleton: Skeleton) -> Rejected:
    """Return why a file is not a trajectory, found by reading it slowly."""
    columns = skeleton.columns
    expected = (
        f"expected {len(columns)} columns (frame, x0, y0, ..., {', '.join(columns[-2:])}) and no "
        "header"
    )
    for beginning, what in NO_TEXT.items():
        if content.startswith(beginning):
            return Rejected(path, f"{what}; {expected}")
    if b"\0" in content:
        return Rejected(path, f"no text: it has zero bytes; {expected}; write it again as UTF-8")
    seen: dict[int, int] = {}
    for row, cells in enumerate(_cells(content), start=1):
        if not cells:
            continue  # a blank line, which the fast reader passes over too
        if len(cells[0]) > LONGEST_ROW:
            return Rejected(
                path, f"{len(cells[0])} letters; {expected}; correct or remove the row", row
            )
        if len(cells) != len(columns):
            apart = " separated by semicolons" if cells[0].count(";") >= skeleton.values else ""
            return Rejected(
                path,
                f"{_columns(len(cells))}{apart}{_likely(len(cells))}; {expected}; correct or "
                "remove the row",
                row,
            )
        values = [_number(cell) for cell in cells]
        if row == 1 and not any(value is not None for value in values):
            return Rejected(path, f"a header; {expected}; remove the row", row)
        for place, (column, cell, value) in enumerate(zip(columns, cells, values, strict=True)):
            # The other coordinate of the joint: 1 and 2, 3 and 4, ...
            other = values[place + 1 if place % 2 else place - 1] if place else None
            if value is not None and other is not None and value != value and other != other:
                continue
            if value is None or not np.isfinite(value):
                reason = (
                    f"{reprlib.repr(cell)} is not a finite number; {expected}; a missing joint is "
                    "0,0"
                )
                return Rejected(path, reason, row, column)
            if column != columns[0] and abs(value) > LARGEST:
                reason = (
                    f"{reprlib.repr(cell)} is not a position in a video; expected pixels; correct "
                    "it"
                )
                return Rejected(path, reason, row, column)
        frame = float(cells[0])
        if frame != int(frame) or abs(frame) > LARGEST_NUMBER:
            reason = f"{reprlib.repr(cells[0])} is not a whole frame number; {expected}; correct it"
            return Rejected(path, reason, row, columns[0])
        if int(frame) in seen:
            reason = (
                f"frame {int(frame)} is in row {seen[int(frame)]} already; expected one row a "
                "frame; remove one of them"
            )
            return Rejected(path, reason, row)
        seen[int(frame)] = row
    if not seen:
        return Rejected(path, f"the file is empty; {expected}; remove the file or write its rows")
    return Rejected(
        path, f"the file is not plain UTF-8 CSV; {expected}; write it again as plain CSV"
    )


def _likely(columns: int) -> str:
    """Return the usual meaning of rows of so many columns, for a message; empty if unknown."""
    known = {name: load_skeleton(name) for name in known_skeletons()}
    usual = [LIKELY[columns]] if columns in LIKELY else []
    usual += [f"{name} (dataset.skeleton)" for name, s in known.items() if s.values + 1 == columns]
    return f", which looks like {' or '.join(usual)}" if usual else ""


def _number(cell: str) -> float | None:
    """The number in a cell, if there is one; what only Python takes for one is none."""
    if "_" in cell or not cell.isascii():
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
