"""Shapes of tubelet embeddings; without torch, so that the configuration can be checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from bptubeformer.partition import AS_IT_IS, partitioned
from bptubeformer.skeleton import Skeleton

AXES = ("time", "rows", "columns")
PART = "part"
"""In a kernel or stride, in place of rows or columns: all those of the grid."""


def side_of(run: Mapping[str, Any], skeleton: Skeleton) -> int | None:
    """Return the rows, and columns, of the grids that a run's kernel slides over.

    Args:
        run: model and hyperparameters.
        skeleton: whose joints a frame has.

    Returns:
        None for a model without a kernel.

    Raises:
        ValueError: the run's partition is of other joints.
    """
    if "kernel" not in run:
        return None
    if run["model"] == "ttubeformer":
        return skeleton.side
    return partitioned(skeleton, run.get("partition", AS_IT_IS)).part_side


def extents(kernel: Sequence[int | str], side: int) -> list[int]:
    """Return a kernel or stride in numbers.

    Args:
        kernel: frames, rows, columns; rows and columns may be ``PART``.
        side: rows, and columns, of a grid.

    Raises:
        ValueError: the frames are not a number.
    """
    if not isinstance(kernel[0], int):
        raise ValueError(f"{kernel[0]!r} is not a number of frames; use at least 1")
    return [side if value == PART else int(value) for value in kernel]


def tubelet_grid(
    segment_length: int, kernel: Sequence[int | str], stride: Sequence[int | str], side: int
) -> tuple[int, int, int]:
    """Tubelets along time, rows and columns of one square grid of keypoints (paper, section 2).

    A convolution without padding: ``floor((size - kernel) / stride) + 1`` along each axis; what
    is left over at the end of an axis is not seen.

    Raises:
        ValueError: the kernel does not fit, or a kernel or stride is not a positive whole number.
    """
    sizes = (segment_length, side, side)
    kernel, stride = extents(kernel, side), extents(stride, side)
    for axis, size, k, s in zip(AXES, sizes, kernel, stride, strict=True):
        if k < 1 or s < 1:
            raise ValueError(
                f"kernel {tuple(kernel)} and stride {tuple(stride)} must be at least 1 along {axis}"
            )
        if k > size:
            raise ValueError(
                f"kernel {tuple(kernel)} is longer than the {size} {axis_unit(axis)} of a segment "
                f"along {axis}; use at most {size}"
            )
    time, rows, columns = (
        (size - k) // s + 1 for size, k, s in zip(sizes, kernel, stride, strict=True)
    )
    return time, rows, columns


def axis_unit(axis: str) -> str:
    """Return the unit of an axis, for messages."""
    return "frames" if axis == "time" else axis


def check_heads(width: int, heads: int) -> None:
    """Refuse a token width that the heads of the attention do not divide.

    Raises:
        ValueError: names the next width below and above that would do.
    """
    if width % heads:
        below = width // heads * heads
        choice = f"{below} or {below + heads}" if below else f"{heads}"
        raise ValueError(f"width {width} is not divided by {heads} heads; use {choice}")
