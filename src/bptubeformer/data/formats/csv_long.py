"""CSV with one row a joint: ``Frame, LandmarkID, X, Y``, as notebooks of MediaPipe write it."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.data.formats import Beginning, Format, Poses, Unreadable
from bptubeformer.data.formats.csv_wide import FRAME, PERSON, numbers_of
from bptubeformer.data.joints import joint_name, of_coco, of_mediapipe
from bptubeformer.texts import shown

JOINT = ("landmarkid", "landmark_id", "landmark", "joint", "joint_id", "keypoint", "keypoint_id")


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    plain = {name.strip().lower(): name for name in reversed(header)}
    return next((plain[name] for name in names if name in plain), None)


def recognises(file: Beginning) -> bool:
    """Return True for a header with a frame, a joint, x and y."""
    header = next(csv.reader(file.lines[:1]), [])
    return all(_column(header, names) for names in (FRAME, JOINT, ["x"], ["y"]))


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file."""
    (path,) = paths
    try:
        table = pd.read_csv(path)
    except (ValueError, pd.errors.ParserError) as error:
        raise Unreadable(f"{shown(path)}: rows of different lengths, or no text") from error
    header = list(table.columns)
    frame, joint, x, y = (_column(header, names) for names in (FRAME, JOINT, ["x"], ["y"]))
    person = _column(header, PERSON)
    rows = pd.DataFrame({
        "frame": numbers_of(table[frame].astype(str)), "joint": table[joint],
        "person": "1" if person is None else table[person].astype(str),
        "x": pd.to_numeric(table[x], errors="coerce"),
        "y": pd.to_numeric(table[y], errors="coerce"),
    })  # fmt: skip
    if rows.duplicated(["frame", "person", "joint"]).any():
        first = int(np.flatnonzero(rows.duplicated(["frame", "person", "joint"]))[0])
        raise Unreadable(f"{shown(path)}, row {first + 2}: the joint is in this frame already")
    wide = rows.pivot(index=["frame", "person"], columns="joint", values=["x", "y"])
    joints = list(wide["x"].columns)
    if all(isinstance(name, int | float | np.number) for name in joints):
        names = (of_mediapipe if len(joints) == 33 else of_coco)(len(joints))
    else:
        names = tuple(joint_name(str(name)) for name in joints)
    yield Poses(
        frame=wide.index.get_level_values("frame").to_numpy(np.int64),
        joints=np.stack([wide["x"], wide["y"]], axis=-1).astype(np.float32),
        names=names,
        person=list(wide.index.get_level_values("person")),
    )


FORMAT = Format(recognises=recognises, read=read, suffix=".csv")
