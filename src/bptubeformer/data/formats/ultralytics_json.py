"""Ultralytics, ``to_json()``: one file a frame, or a list of them, with x and y apart."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bptubeformer.data.formats import Format, Poses, Rows, load_json
from bptubeformer.data.joints import of_coco


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read the files of a video."""
    rows = Rows(paths[0])
    for path in paths:
        rows.path = path
        for person in load_json(path):
            joints = person.get("keypoints") or {"x": (), "y": ()}
            known = person.get("track_id")
            rows.add(
                path.name, None if known is None else str(known),
                np.stack([joints["x"], joints["y"]], axis=-1).ravel(), 2,
            )  # fmt: skip
    yield rows.poses(of_coco)


FORMAT = Format(
    recognises=lambda file: {"item.box", "item.keypoints.x"} <= file.keys,
    read=read,
    suffix=".json",
    by_frame=re.compile(r"(.*?)[_.\- ]?(\d+)\.json"),
)
