"""Shapes of tubelet embeddings; without torch, so that the configuration can be checked."""

from collections.abc import Sequence

from bptubeformer.skeleton import GRID_SHAPE, SKELETON_GRID

AXES = ("time", "rows", "columns")

GRID_OF = {"bptubeformer": GRID_SHAPE, "ttubeformer": SKELETON_GRID}
"""Rows and columns of the grids that a model's kernel slides over, by model."""


def tubelet_grid(
    segment_length: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    grid: tuple[int, int] = GRID_SHAPE,
) -> tuple[int, int, int]:
    """Tubelets along time, rows and columns of one grid of keypoints (paper, section 2).

    A convolution without padding: ``floor((size - kernel) / stride) + 1`` along each axis; what
    is left over at the end of an axis is not seen.

    Raises:
        ValueError: the kernel does not fit, or a kernel or stride is not a positive whole number.
    """
    sizes = (segment_length, *grid)
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
