"""The graph of the COCO skeleton, for models that convolve over it; without torch.

The edges are those that the code of ST-GCN's successors uses for COCO; see docs/fidelity.md.
"""

import numpy as np

from bptubeformer.skeleton import Skeleton

CENTRE = "nose"
INWARD = {
    "left eye": CENTRE, "right eye": CENTRE, "left ear": "left eye", "right ear": "right eye",
    "left shoulder": CENTRE, "right shoulder": CENTRE,
    "left elbow": "left shoulder", "right elbow": "right shoulder",
    "left wrist": "left elbow", "right wrist": "right elbow",
    "left hip": "left shoulder", "right hip": "right shoulder",
    "left knee": "left hip", "right knee": "right hip",
    "left ankle": "left knee", "right ankle": "right knee",
}  # fmt: skip
"""The next joint on the way to the centre."""

NECK, HIP, EARS = "neck", "mid-hip", "mid-ear"
MEANS = {
    NECK: ("left shoulder", "right shoulder"),
    HIP: ("left hip", "right hip"),
    EARS: ("left ear", "right ear"),
}
"""Joints that COCO does not have, as means of two that it has."""


def adjacency(skeleton: Skeleton) -> np.ndarray:
    """Return the three subsets of neighbours: a joint itself, inward, outward.

    Args:
        skeleton: that has the joints of COCO.

    Returns:
        float32 (3, J, J): from column to row; the columns of the last two sum to 1 or 0. Joints
        that COCO does not have are their own neighbours only.
    """
    index = {joint: number for number, joint in enumerate(skeleton.joints)}
    inward = np.zeros((len(index), len(index)), np.float32)
    for joint, nearer in INWARD.items():
        inward[index[nearer], index[joint]] = 1
    directed = [one / np.maximum(one.sum(axis=0), 1) for one in (inward, inward.T)]
    return np.stack([np.eye(len(index), dtype=np.float32), *directed])
