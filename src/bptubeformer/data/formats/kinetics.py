"""Kinetics-skeleton (ST-GCN): the frames of a clip in OpenPose's order, 0 to 1, with its label."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bptubeformer.data.formats import Format, Poses, Rows, load_json
from bptubeformer.data.joints import of_openpose


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one clip; it does not say who is who."""
    (path,) = paths
    clip = load_json(path)
    rows = Rows(path)
    for frame in clip["data"]:
        for person in frame["skeleton"]:
            rows.add(int(frame["frame_index"]), None, person["pose"], 2)
    label = clip.get("label")
    yield rows.poses(of_openpose, label=label if isinstance(label, str) else None)


FORMAT = Format(
    recognises=lambda file: {"data.item.frame_index", "data.item.skeleton"} <= file.keys,
    read=read,
    suffix=".json",
)
