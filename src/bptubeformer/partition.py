"""Other partitions of the COCO joints than the paper's five parts: do the parts matter?

A partition is a skeleton with the same joints in other parts.
"""

import random
import re
from typing import Any

from bptubeformer.skeleton import COCO_17, Skeleton

AS_IT_IS = "skeleton"
"""The parts of the skeleton itself."""
PARTITIONS: dict[str, dict[str, list[list[str | None]]]] = {
    "limbs": {
        "leftarm": [["left shoulder", "left elbow", "left wrist"]],
        "rightarm": [["right shoulder", "right elbow", "right wrist"]],
        "leftleg": [["left hip", "left knee", "left ankle"]],
        "rightleg": [["right hip", "right knee", "right ankle"]],
        "head": [["nose", "left eye", "right eye"], [None, "left ear", "right ear"]],
    },
    "halves": {
        "upper": [
            ["nose", "left eye", "right eye", "left ear"],
            ["right ear", "left shoulder", "right shoulder", "left elbow"],
            ["right elbow", "left wrist", "right wrist", None],
        ],
        "lower": [
            ["left hip", "right hip", "left knee"],
            ["right knee", "left ankle", "right ankle"],
        ],
    },
    "sides": {
        "left": [
            ["nose", "left eye", "left ear"],
            ["left shoulder", "left elbow", "left wrist"],
            ["left hip", "left knee", "left ankle"],
        ],
        "right": [
            [None, "right eye", "right ear"],
            ["right shoulder", "right elbow", "right wrist"],
            ["right hip", "right knee", "right ankle"],
        ],
    },
}
"""Joints by name, as the rows of a grid for each part."""
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")


def partitioned(skeleton: Skeleton, partition: str) -> Skeleton:
    """Return a skeleton with its joints in other parts.

    Args:
        skeleton: with the joints of COCO, in any order.
        partition: ``skeleton`` for its own parts, one of ``PARTITIONS``, or ``random-<seed>``: its
            joints shuffled over the cells of its own parts.

    Raises:
        ValueError: it has other joints than COCO.
    """
    if partition == AS_IT_IS:
        return skeleton
    if found := re.fullmatch(r"random-(\d+)", partition):
        return Skeleton.of(skeleton.name, _shuffled(skeleton.table, int(found[1])))
    if sorted(skeleton.joints) != sorted(COCO_17.joints):
        raise ValueError(f"the partition {partition} is of the joints of {COCO_17.name}")
    parts = {
        part: {"colour": colour, "grid": grid}
        for (part, grid), colour in zip(PARTITIONS[partition].items(), COLOURS, strict=False)
    }
    return Skeleton.of(skeleton.name, {**skeleton.table, "parts": parts})


def _shuffled(table: dict[str, Any], seed: int) -> dict[str, Any]:
    joints = list(table["joints"])
    random.Random(seed).shuffle(joints)  # noqa: S311 (not for secrets)
    other = dict(zip(table["joints"], joints, strict=True)) | {None: None}
    parts = {
        name: {**part, "grid": [[other[joint] for joint in row] for row in part["grid"]]}
        for name, part in table["parts"].items()
    }
    return {**table, "parts": parts}
