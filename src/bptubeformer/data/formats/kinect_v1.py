"""Kinect v1 as CSV: a header, ``x y z`` in metres for 20 joints, the action of the frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bptubeformer.data.formats import Beginning, Format, Poses, Unreadable
from bptubeformer.data.joints import joint_name
from bptubeformer.texts import shown

NONE = "0"
"""The action of a frame in which nothing happens."""


def recognises(file: Beginning) -> bool:
    """Return True for a header of joints between semicolons."""
    return bool(file.lines) and file.lines[0].count(";") >= 19 and "HipCenter" in file.lines[0]


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one recording of one person; frames of the same action are neighbours."""
    (path,) = paths
    header, *lines = path.read_text(encoding="utf-8-sig").splitlines()
    names = tuple(joint_name(name) for name in header.split(";") if name.strip())
    metres = np.full((len(lines), len(names), 3), np.nan, dtype=np.float32)
    for number, line in enumerate(lines):
        cells = line.split(";")
        try:
            if len(cells) <= len(names):
                raise ValueError("no action")
            metres[number] = [cell.split() for cell in cells[: len(names)]]
        except ValueError as error:
            raise Unreadable(
                f"{shown(path)}, row {number + 2}: expected x y z of {len(names)} joints "
                "and an action, between semicolons"
            ) from error
    metres[..., 1] *= -1
    actions = [line.split(";")[len(names)].strip() for line in lines]
    yield Poses(
        np.arange(len(lines)), metres, names, ["1"] * len(lines),
        labels=[None if action == NONE else action for action in actions],
    )  # fmt: skip


FORMAT = Format(recognises=recognises, read=read, suffix=".csv")
