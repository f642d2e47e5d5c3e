"""Ultralytics, ``save_txt``: one file a frame, ``class x y w h``, joints, confidence, person."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bptubeformer.data.formats import Beginning, Format, Poses, Rows, Unreadable
from bptubeformer.data.joints import of_coco
from bptubeformer.texts import shown

BOX, JOINTS = 5, 17
MOST_IN_A_FILE = 60
"""People of a frame; more rows are those of many frames."""


def recognises(file: Beginning) -> bool:
    """Return True for rows of a box and 17 joints."""
    rows = [line.split() for line in file.lines[:20]]
    return bool(rows) and all(_numbers_of_a_joint(len(row)) for row in rows)


def _numbers_of_a_joint(count: int) -> int:
    """Return 3 or 2, or 0 if so many numbers are not a person; confidence and person may follow."""
    return next((each for each in (3, 2) if 0 <= count - BOX - JOINTS * each <= 2), 0)


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read the files of a video; a frame without people has no file."""
    rows = Rows(paths[0])
    visibility: set[float] = set()
    for path in paths:
        rows.path = path
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                values = [float(cell) for cell in line.split()]
            except ValueError as error:
                raise Unreadable(f"{shown(path)}, row {number}: not numbers") from error
            if not values:
                continue
            each = _numbers_of_a_joint(len(values))
            if not each:
                raise Unreadable(
                    f"{shown(path)}, row {number}: {len(values)} numbers; expected a box and 17 "
                    "joints (yolo pose); boxes and polygons have no joints"
                )
            after = values[BOX + JOINTS * each :]
            person = after[-1] if after and after[-1] >= 1 and after[-1].is_integer() else None
            joints = np.array(values[BOX : BOX + JOINTS * each]).reshape(JOINTS, each)
            if each == 3:
                visibility |= set(joints[:, 2].tolist())
            rows.add(path.name, None if person is None else f"{person:g}", joints.ravel(), each)
    if len(rows.frame) > MOST_IN_A_FILE * len(paths):
        raise Unreadable(
            f"{shown(paths[0])}: {len(rows.frame)} rows in {len(paths)} file: a program appended "
            "all frames to one file, so that no frame can be told; write one file a frame"
        )
    if visibility and visibility <= {0.0, 1.0, 2.0}:
        raise Unreadable(
            f"{shown(paths[0])}: labels of a training set, not results of an estimator; give the "
            "files that yolo track wrote"
        )
    yield rows.poses(of_coco)


FORMAT = Format(
    recognises=recognises,
    read=read,
    suffix=".txt",
    by_frame=re.compile(r"(.*?)[_.\- ]?(\d+)\.txt"),
    folders=("labels",),
)
