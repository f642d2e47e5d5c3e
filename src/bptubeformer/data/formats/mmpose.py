"""MMPose: the inferencer's list of frames, or the demo's ``instance_info`` with its joint names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bptubeformer.data.formats import Format, Poses, Rows, Unreadable, is_list, stream_json
from bptubeformer.data.joints import joint_name, of_coco
from bptubeformer.texts import shown


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file: a video. It does not say who is who."""
    (path,) = paths
    rows = Rows(path)
    about: dict[str, Any] = {}
    place = "item"
    if not is_list(path):
        place, about = "instance_info.item", next(stream_json(path, "meta_info"), {})
    for frame in stream_json(path, place):
        for person in frame.get("instances", ()):
            joints = np.array(person["keypoints"])
            if joints.ndim != 2 or joints.shape[1] != 2:
                raise Unreadable(
                    f"{shown(path)}: joints of {joints.shape[-1]} numbers; expected x and y in "
                    "pixels; give the file of a 2D estimator"
                )
            rows.add(int(frame["frame_id"]), None, joints.ravel(), 2)
    names = about.get("keypoint_id2name")
    if isinstance(names, dict):
        own = tuple(joint_name(str(names[key])) for key in sorted(names, key=int))
        yield rows.poses(lambda count: own)
    else:
        yield rows.poses(of_coco)


FORMAT = Format(
    recognises=lambda file: (
        "meta_info" in file.keys or {"item.frame_id", "item.instances"} <= file.keys
    ),
    read=read,
    suffix=".json",
)
