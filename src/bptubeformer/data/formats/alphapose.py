"""AlphaPose, ``alphapose-results.json``: one list of people for all images of a video."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bptubeformer.data.formats import Format, Poses, Rows, stream_json
from bptubeformer.data.joints import of_coco

NAMED = re.compile(rb'"image_id"\s*:\s*"')
"""Results in COCO's format have numbers there."""


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file; ``idx`` is the person where a tracker ran."""
    (path,) = paths
    rows, plain = Rows(path), True
    for entry in stream_json(path, "item"):
        index = entry.get("idx")
        plain &= isinstance(index, int | float)
        rows.add(str(entry["image_id"]), _person(index), entry["keypoints"], 3)
    people = Counter(zip(rows.frame, rows.person, strict=True))
    # Without a tracker, everybody is [0.0].
    if max(people.values(), default=0) > 1 or not (plain or len(set(rows.person)) > 1):
        rows.person = [None] * len(rows.person)
    yield rows.poses(of_coco)


def _person(index: Any) -> str | None:
    while isinstance(index, list):
        index = index[0] if index else None
    return None if index is None else f"{index:g}"


FORMAT = Format(
    recognises=lambda file: (
        {"item.image_id", "item.keypoints.item"} <= file.keys
        and NAMED.search(file.bytes) is not None
    ),
    read=read,
    suffix=".json",
)
