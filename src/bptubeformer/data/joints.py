"""Names of joints: one form for all formats, and joint sets of formats without names."""

import re

from bptubeformer.skeleton import load_skeleton

ALIASES = {
    "hip center": "mid hip", "hip": "mid hip", "midhip": "mid hip", "shoulder center": "neck",
    "spine naval": "spine mid", "pelvis": "mid hip",
}  # fmt: skip
"""Other names of joints."""
SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}
SIDED = {"eye", "ear", "shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "heel", "foot"}

COCO_18 = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow",
    "left wrist", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
"""OpenPose's COCO model."""
AZURE_32 = (
    "mid hip", "spine mid", "spine chest", "neck", "left clavicle", "left shoulder", "left elbow",
    "left wrist", "left hand", "left hand tip", "left thumb", "right clavicle", "right shoulder",
    "right elbow", "right wrist", "right hand", "right hand tip", "right thumb", "left hip",
    "left knee", "left ankle", "left foot", "right hip", "right knee", "right ankle", "right foot",
    "head", "nose", "left eye", "left ear", "right eye", "right ear",
)  # fmt: skip
"""Azure Kinect."""


def joint_name(text: str) -> str:
    """Return the name of a joint in one form: ``left shoulder`` for LShoulder, ShoulderLeft."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-. ]+", " ", text).split()
    words = [word.lower() for word in words]
    # Lheel, rknee: a side without a word of its own.
    words = [
        part
        for word in words
        for part in ([word[0], word[1:]] if word[0] in SIDES and word[1:] in SIDED else [word])
    ]
    side = [SIDES[word] for word in words if word in SIDES]
    name = " ".join([*side, *(word for word in words if word not in SIDES)])
    name = ALIASES.get(name, name)
    return name.strip()


def of_coco(count: int) -> tuple[str, ...]:
    """Return the joints of tools trained on COCO, Halpe or COCO-WholeBody, by their number."""
    if count in (26, 136):
        known = load_skeleton("halpe-26").joints
    elif count in (17, 133):
        known = load_skeleton("coco-17").joints
    else:
        return ("",) * count
    return known + ("",) * (count - len(known))


def of_openpose(count: int) -> tuple[str, ...]:
    """Return the joints of OpenPose's models, by their number."""
    known = {25: load_skeleton("openpose-25").joints, 18: COCO_18}
    return known.get(count, ("",) * count)


def of_mediapipe(count: int) -> tuple[str, ...]:
    """Return the joints of MediaPipe Pose."""
    return load_skeleton("mediapipe-33").joints if count == 33 else ("",) * count
