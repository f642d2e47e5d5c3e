"""AlphaPose, ``--format open`` or ``cmu``: people by image, in OpenPose's order of joints."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import ijson

from bptubeformer.data.formats import Format, Poses, Rows, broken
from bptubeformer.data.joints import of_openpose


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file; it does not say who is who."""
    (path,) = paths
    rows = Rows(path)
    try:
        with path.open("rb") as file:
            for image, entry in ijson.kvitems(file, "", use_float=True):
                for person in entry.get("people") or entry.get("bodies") or ():
                    numbers = person.get("pose_keypoints_2d") or person.get("joints") or ()
                    rows.add(str(image), None, numbers, 3)
    except ijson.JSONError as error:
        raise broken(path, error) from error
    yield rows.poses(of_openpose)


FORMAT = Format(
    recognises=lambda file: any(
        key.endswith((".people.item.pose_keypoints_2d", ".bodies.item.joints")) for key in file.keys
    ),
    read=read,
    suffix=".json",
)
