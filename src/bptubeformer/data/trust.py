"""The data is looked at before it is trusted: units, missing joints, people who are none."""

import numpy as np

from bptubeformer.data.store import SAMPLE, FrameStore
from bptubeformer.errors import InputError

UNIT = 2.5
"""Largest coordinate that is a share of an image: joints may lie outside of it."""


def check_units(store: FrameStore, source: str) -> None:
    """Refuse what cannot be pixels of people.

    Raises:
        InputError: coordinates are shares of an image, metres, or a score stands in place of one;
            or nobody ever moves.
    """
    step = max(len(store.frames) // SAMPLE, 1)
    joints = np.asarray(store.frames[::step]).reshape(-1, len(store.skeleton.joints), 2)
    seen = joints[(joints != 0).any(axis=-1)]
    if not len(seen):
        raise InputError(f"{source}: no joint in any frame; expected positions in pixels")
    low, high = seen.min(axis=0), seen.max(axis=0)
    across = f"coordinates from {seen.min():.3g} to {seen.max():.3g}"
    if np.abs(seen).max() <= UNIT:
        inside = (seen >= 0).mean() > 0.9
        raise InputError(
            f"{source}: {across}: {'shares of the image' if inside else 'metres, or of a body'}; "
            "expected pixels; multiply shares by the width and height of the image"
        )
    for axis, name in enumerate("xy"):
        if low[axis] >= 0 and high[axis] <= 1.2:
            raise InputError(
                f"{source}: all {name} lie between {low[axis]:.3g} and {high[axis]:.3g}: scores in "
                "place of coordinates; expected x, y of one joint after the other"
            )
    same = np.asarray(store.frames[1 :: max(step, 1)])
    before = np.asarray(store.frames[: -1 : max(step, 1)])[: len(same)]
    if len(same) > 1 and (same[: len(before)] == before).all():
        raise InputError(f"{source}: the same pose in all frames; expected people who move")
