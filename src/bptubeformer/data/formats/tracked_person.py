"""Tracked people of skeleton anomaly detection: ``{person: {frame: {keypoints, scores}}}``."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bptubeformer.data.formats import Format, Poses, Rows, stream_pairs
from bptubeformer.data.joints import of_coco

PLACE = re.compile(r".*\.\d+\.keypoints")


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file: a video and all its people."""
    (path,) = paths
    rows = Rows(path)
    for person, frames in stream_pairs(path):
        for frame, entry in frames.items():
            rows.add(int(frame), person, entry["keypoints"], 3)
    yield rows.poses(of_coco)


FORMAT = Format(
    recognises=lambda file: any(PLACE.fullmatch(key) for key in file.keys),
    read=read,
    suffix=".json",
)
