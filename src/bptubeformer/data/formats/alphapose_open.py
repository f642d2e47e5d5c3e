"""AlphaPose, ``--format open`` or ``cmu``: people by image, in OpenPose's order of joints."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bptubeformer.data.formats import Format, Poses, Rows, stream_pairs
from bptubeformer.data.joints import of_openpose


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file; it does not say who is who."""
    (path,) = paths
    rows = Rows(path)
    for image, entry in stream_pairs(path):
        for person in entry.get("people") or entry.get("bodies") or ():
            numbers = person.get("pose_keypoints_2d") or person.get("joints") or ()
            rows.add(image, None, numbers, 3)
    yield rows.poses(of_openpose)


FORMAT = Format(
    recognises=lambda file: any(
        key.endswith((".people.item.pose_keypoints_2d", ".bodies.item.joints")) for key in file.keys
    ),
    read=read,
    suffix=".json",
)
