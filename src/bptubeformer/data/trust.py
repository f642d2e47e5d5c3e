"""Look at the data before it is trusted: are these pixels of people?"""

import numpy as np

from bptubeformer.data.store import SAMPLE, FrameStore
from bptubeformer.errors import InputError

LARGEST_SHARE = 2.5
"""Largest coordinate that is a share of an image: joints may lie outside of it."""
INSIDE = 0.9
"""Least share of numbers from 0: most joints of people lie within the image."""
PIXELS, OF_IMAGE, METRES = "pixels", "shares of the image", "metres, or relative to a body"


def unit_of(seen: np.ndarray) -> str:
    """Return the unit of coordinates of joints that were found, float32 (N, 2)."""
    if np.abs(seen).max() > LARGEST_SHARE:
        return PIXELS
    return OF_IMAGE if (seen >= 0).mean() >= INSIDE else METRES


def check_units(store: FrameStore, source: str) -> None:
    """Refuse a dataset that cannot be pixels of people.

    Raises:
        InputError: the coordinates are shares of an image, metres or scores, or no person ever
            moves.
    """
    step = max(len(store.frames) // SAMPLE, 1)
    joints = np.asarray(store.frames[::step]).reshape(-1, len(store.skeleton.joints), 2)
    seen = joints[(joints != 0).any(axis=-1)]
    if not len(seen):
        raise InputError(f"{source}: no joint in any frame; expected positions in pixels")
    unit = unit_of(seen)
    if unit != PIXELS:
        raise InputError(
            f"{source}: coordinates from {seen.min():.3g} to {seen.max():.3g}: {unit}; expected "
            "pixels; multiply shares by the width and height of the image"
        )
    for values, name in zip(seen.T, "xy", strict=True):
        if values.min() >= 0 and values.max() <= 1.2:
            raise InputError(
                f"{source}: all {name} lie between {values.min():.3g} and {values.max():.3g}: "
                "scores in place of coordinates; expected x, y of one joint after the other"
            )
    # Rows that follow another one of their trajectory.
    later = np.delete(np.arange(len(store.frames)), store.offsets[:-1])[::step]
    if len(later) and (store.frames[later] == store.frames[later - 1]).all():
        raise InputError(f"{source}: the same pose in all frames; expected people who move")
