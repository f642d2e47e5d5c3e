"""OpenPose, ``--write_json``: one file a frame; the order of its people says nothing."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bptubeformer.data.formats import Format, Poses, Rows, load_json
from bptubeformer.data.joints import of_openpose

KEYS = ("pose_keypoints_2d", "pose_keypoints")


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read the files of a video."""
    rows = Rows(paths[0])
    for path in paths:
        for person in load_json(path).get("people", ()):
            numbers = next((person[key] for key in KEYS if person.get(key)), ())
            ids = person.get("person_id") or [-1]
            known = ids[0] if isinstance(ids, list) else ids
            rows.path = path
            # Some entries have no joints, or those of another model.
            if len(numbers) and len(numbers) % 3 == 0:
                rows.add(path.name, None if known == -1 else str(known), numbers, 3)
    pairs = list(zip(rows.frame, rows.person, strict=True))
    if len(set(pairs)) < len(pairs):
        rows.person = [None] * len(pairs)
    yield rows.poses(of_openpose)


FORMAT = Format(
    recognises=lambda file: "people" in file.keys,
    read=read,
    suffix=".json",
    by_frame=re.compile(r"(.*?)[_.\- ]?(\d+)(?:[_.\- ]?keypoints)?\.json", re.IGNORECASE),
    folders=("json", "output_json", "keypoints", "openpose", "sep-json"),
)
