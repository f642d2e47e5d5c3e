"""COCO: a list of results, or annotations with images, joint names and (PoseTrack) identities."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bptubeformer.data.formats import Format, Poses, Rows, is_list, stream_json
from bptubeformer.data.formats.alphapose import NAMED
from bptubeformer.data.joints import joint_name, of_coco


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one file; the folder of an image is its video.

    The third number of a joint is not looked at: tools write 0 for joints that are right.
    """
    (path,) = paths
    names: tuple[str, ...] = ()
    files: dict[Any, Path] = {}
    place = "item"
    if not is_list(path):
        place = "annotations.item"
        for category in stream_json(path, "categories.item"):
            names = tuple(joint_name(str(name)) for name in category.get("keypoints", ()))
        for image in stream_json(path, "images.item"):
            files[image["id"]] = Path(image["file_name"])
    videos: dict[str, Rows] = defaultdict(lambda: Rows(path))
    for entry in stream_json(path, place):
        if entry.get("keypoints"):
            file = files.get(entry["image_id"])
            known = entry.get("track_id")
            videos[file.parent.name if file else ""].add(
                file.name if file else int(entry["image_id"]),
                None if known is None else str(known), entry["keypoints"], 3,
            )  # fmt: skip
    for video, rows in videos.items():
        yield rows.poses(lambda count: names or of_coco(count), video=video)


FORMAT = Format(
    recognises=lambda file: (
        ({"item.image_id", "item.keypoints.item"} <= file.keys and not NAMED.search(file.bytes))
        or "annotations" in file.keys
        or "categories.item.keypoints" in file.keys
    ),
    read=read,
    suffix=".json",
)
