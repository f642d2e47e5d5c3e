"""MediaPipe, ``MP_Data/<action>/<sequence>/<frame>.npy``: the pose is first, zeros are nobody."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bptubeformer.data.formats import Beginning, Format, Poses, Rows, Unreadable
from bptubeformer.data.joints import of_mediapipe
from bptubeformer.texts import shown

JOINTS, EACH = 33, 4
WIDTHS = (JOINTS * EACH, 258, 1662)
"""Numbers of a frame: the pose alone, with hands, with face and hands."""


def load(path: Path) -> np.ndarray:
    """Return the numbers of a frame; nothing in the file is executed.

    Raises:
        Unreadable: they are not those of a pose.
    """
    try:
        frame = np.load(path, allow_pickle=False)  # noqa: TID251 (no pickle)
    except (ValueError, OSError, EOFError) as error:
        raise Unreadable(f"{shown(path)}: not an array of numbers; write it again") from error
    if frame.size not in WIDTHS or frame.dtype.kind != "f":
        raise Unreadable(
            f"{shown(path)}: {frame.size} numbers; expected {', '.join(map(str, WIDTHS))}: the "
            "pose of MediaPipe, x, y, z and visibility of 33 joints, first"
        )
    return frame.ravel()[: JOINTS * EACH]


def recognises(file: Beginning) -> bool:
    """Return True for an array of numbers."""
    return file.bytes.startswith(b"\x93NUMPY")


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read the frames of a sequence."""
    rows = Rows(paths[0])
    for path in paths:
        rows.path, frame = path, load(path)
        if frame.any():
            rows.add(path.name, "1", frame, EACH)
    yield rows.poses(of_mediapipe)


FORMAT = Format(
    recognises=recognises, read=read, suffix=".npy", by_frame=re.compile(r"()(\d+)\.npy")
)
