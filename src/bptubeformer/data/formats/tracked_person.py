"""Tracked people of skeleton anomaly detection: ``{person: {frame: {keypoints, scores}}}``."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import ijson

from bptubeformer.data.formats import Format, Poses, Rows, broken
from bptubeformer.data.joints import of_coco

PLACE = re.compile(r".*\.\d+\.keypoints")


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file: a video and all its people."""
    (path,) = paths
    rows = Rows(path)
    try:
        with path.open("rb") as file:
            for person, frames in ijson.kvitems(file, "", use_float=True):
                for frame, entry in frames.items():
                    rows.add(int(frame), str(person), entry["keypoints"], 3)
    except ijson.JSONError as error:
        raise broken(path, error) from error
    yield rows.poses(of_coco)


FORMAT = Format(
    recognises=lambda file: any(PLACE.fullmatch(key) for key in file.keys),
    read=read,
    suffix=".json",
)
