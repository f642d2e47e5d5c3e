"""CSV with a header of joints, one row a person and frame: ``NOSE_x, NOSE_y, ...`` and the like.

Without a header: 132 numbers, MediaPipe's x, y, z and visibility of 33 joints.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.data.formats import Beginning, Format, Poses, Unreadable, number_in_names
from bptubeformer.data.joints import joint_name, of_coco, of_mediapipe, of_openpose
from bptubeformer.texts import shown

AXIS_LAST = re.compile(r"(.+?)[_.\- ]([xy])", re.IGNORECASE)
NUMBERED = re.compile(r"([xy])_?(\d+)\s*(?:\((.+)\))?", re.IGNORECASE)
LANDMARKS = re.compile(r"(?:pose|landmark|l|kp|keypoint)?[_ ]?(\d+)", re.IGNORECASE)
FRAME = ("frame", "frame_id", "frame_number", "frameid", "filename", "image", "image_id", "file")
PERSON = ("person", "person_id", "track_id", "trackid", "id", "identity")
LABEL = ("class", "label", "action", "category")
BARE = 132


def columns_of(header: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the columns of x and of y, by joint, in the order of the header."""
    found: dict[str, dict[str, str]] = {}
    for column in header:
        name = column.strip()
        if last := AXIS_LAST.fullmatch(name):
            found.setdefault(last[1], {})[last[2].lower()] = column
        elif first := NUMBERED.fullmatch(name):
            found.setdefault(first[3] or first[2], {})[first[1].lower()] = column
    return {joint: axes for joint, axes in found.items() if len(axes) == 2}


def recognises(file: Beginning) -> bool:
    """Return True for a header that names x and y of ten joints, or bare rows of MediaPipe."""
    if not file.lines or ";" in file.lines[0]:
        return False
    header = next(csv.reader(file.lines[:1]))
    return len(columns_of(header)) >= 10 or (len(header) == BARE and _is_number(header[0]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file; without a column of frames, a row is a frame."""
    (path,) = paths
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=True)
        if len(table.columns) == BARE and _is_number(table.columns[0]):
            table = pd.read_csv(path, dtype=str, header=None, keep_default_na=False)
            table.columns = [
                f"{axis}{joint}" for joint in range(33) for axis in ("x", "y", "z", "v")
            ]
    except (ValueError, pd.errors.ParserError) as error:
        raise Unreadable(f"{shown(path)}: rows of different lengths, or no text") from error
    table.columns = [str(column).strip() for column in table.columns]
    joints = columns_of(table.columns)
    values = np.empty((len(table), len(joints), 2), dtype=np.float32)
    for number, axes in enumerate(joints.values()):
        for axis, column in enumerate((axes["x"], axes["y"])):
            cells = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float32)
            wrong = np.flatnonzero(np.isnan(cells) & ~table[column].str.lower().isin(["", "nan"]))
            if len(wrong):
                raise Unreadable(
                    f"{shown(path)}, row {wrong[0] + 2}, column {shown(column)}: "
                    f"{shown(table[column].iloc[wrong[0]])} is not a number"
                )
            values[:, number, axis] = cells
    # Of "class (number)" and "class (text)", the last.
    by_name = {column.lower().partition(" (")[0]: column for column in table.columns}
    frame, person, label = (
        next((table[by_name[name]] for name in names if name in by_name), None)
        for names in (FRAME, PERSON, LABEL)
    )
    labels = None if label is None or label.empty else [name or None for name in label]
    alike = labels is not None and len(set(labels)) == 1
    yield Poses(
        frame=np.arange(len(table)) if frame is None else numbers_of(frame),
        joints=values,
        names=named(list(joints)),
        person=["1"] * len(table) if person is None else person.tolist(),
        label=labels[0] if labels and alike else None,
        labels=None if alike else labels,
    )


def numbers_of(frame: pd.Series) -> np.ndarray:
    """Return the frame numbers int64 (N,) of a column of numbers or of names of images."""
    numbers = pd.to_numeric(frame, errors="coerce")
    if numbers.notna().all() and (numbers % 1 == 0).all():
        return numbers.to_numpy(np.int64)
    known = number_in_names(frame.tolist())
    # Without a number, frames are in the order of the rows.
    return pd.factorize(frame)[0] if known is None else frame.map(known).to_numpy(np.int64)


def named(joints: list[str]) -> tuple[str, ...]:
    """Return the names of joints; those of a known set where the header only counts them."""
    if all(LANDMARKS.fullmatch(joint) for joint in joints):
        known = {33: of_mediapipe, 25: of_openpose, 18: of_openpose}.get(len(joints), of_coco)
        return known(len(joints))
    return tuple(map(joint_name, joints))


FORMAT = Format(recognises=recognises, read=read, suffix=".csv")
