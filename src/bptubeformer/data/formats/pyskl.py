"""MMAction2 and PYSKL: one pickle with the annotations of a dataset, its labels and its splits.

A pickle is a program. The one that reads it here knows NumPy arrays and plain containers, and
refuses every other name before it is looked up.
"""

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bptubeformer.data.formats import Beginning, Format, Poses, Unreadable
from bptubeformer.data.joints import of_coco, of_openpose
from bptubeformer.skeleton import load_skeleton
from bptubeformer.texts import shown

ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
    ("collections", "OrderedDict"),
}  # fmt: skip
"""All that an array of numbers is made of."""
KINDS = "fiub"


class Restricted(pickle.Unpickler):
    """Reads numbers and containers of them."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of ``ALLOWED``; pickle calls it.

        Raises:
            UnpicklingError: the pickle wants anything else.
        """
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it needs {module}.{name}")
        return super().find_class(module, name)


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one pickle; the people of an annotation keep their place in it."""
    (path,) = paths
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            content = Restricted(file).load()
        annotations = content["annotations"] if isinstance(content, dict) else content
        for number, one in enumerate(annotations):
            if "keypoint" not in one:
                raise ValueError(f"annotation {number} has no keypoint; they are in other files")
            keypoint = np.asarray(one["keypoint"])
            if keypoint.nbytes > size:
                raise ValueError(f"annotation {number} is larger than the file")
            if keypoint.dtype.kind not in KINDS or keypoint.ndim != 4:
                raise ValueError(f"annotation {number} is not people x frames x joints x 2")
            if keypoint.shape[-1] != 2:
                raise ValueError(
                    f"annotation {number} has {keypoint.shape[-1]} numbers a joint; expected x and "
                    "y in pixels"
                )
            joints = keypoint.astype(np.float32)
            people, frames = np.nonzero(joints.any(axis=(2, 3)))
            label = one.get("label")
            yield Poses(
                frame=frames.astype(np.int64),
                joints=joints[people, frames],
                names=_names(joints.shape[2]),
                person=[str(person) for person in people],
                video=str(one["frame_dir"]),
                label=None if label is None else str(label),
            )
    except (pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, EOFError,
            AttributeError, MemoryError, OverflowError, RecursionError) as error:  # fmt: skip
        raise Unreadable(
            f"{shown(path)}: not a pickle of skeletons ({shown(str(error))[:120]}); a pickle may "
            "hold NumPy arrays, numbers and texts"
        ) from error


def _names(count: int) -> tuple[str, ...]:
    if count == 25:
        return load_skeleton("ntu-25").joints
    return (of_openpose if count == 18 else of_coco)(count)


def recognises(file: Beginning) -> bool:
    """Return True for a pickle."""
    return file.bytes[:1] == b"\x80"


FORMAT = Format(recognises=recognises, read=read, suffix=".pkl")
