"""Numbers of a dataset that tell a person at a glance whether its skeletons are people."""

from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict

from bptubeformer.data.store import SAMPLE, FrameStore, video_of
from bptubeformer.kinds import Amount, FormatName, Kind
from bptubeformer.sections import Record

QUANTILES = (0, 0.01, 0.5, 0.99, 1)
HALF = 0.5


class Summary(Record):
    """The content of ``summary.json``, of which only this is read again."""

    model_config = ConfigDict(extra="allow", strict=True)
    expected = "the summary of a dataset"
    writer = "bptubeformer ingest"
    most_bytes = 50_000_000
    format: FormatName
    frames: Amount
    categories: Annotated[list[dict[str, Any]], Kind("a list of mappings")]


def visible(store: FrameStore) -> np.ndarray:
    """Share of the frames of each trajectory that have a joint, float64 (N,)."""
    return np.add.reduceat(store.seen.astype(np.int64), store.offsets[:-1]) / store.rows


def summary_of(store: FrameStore) -> dict[str, Any]:
    """Return the numbers of a dataset, as JSON has them.

    Returns:
        ``skeleton``; ``frames``; ``frames_without_joints``; ``x`` and ``y``, the ``QUANTILES`` of
        the coordinates in pixels; ``missing_joints``, the share of each joint; ``rows``, the
        quantiles of the lengths; ``gaps`` of the frame numbers, and ``trajectories_with_gaps``;
        ``hardly_visible``, the trajectories without a joint in more than half of their frames;
        ``categories``, of each its videos, trajectories, groups, parts and frames.
    """
    # Of a large dataset, frames evenly over it.
    some = store.frames[:: max(len(store.frames) // SAMPLE, 1)]
    joints = np.asarray(some).reshape(len(some), -1, 2)
    there = joints.any(axis=-1)
    seen = joints[there]
    share, table = visible(store), store.trajectories
    steps = np.diff(store.frame_number)
    steps[store.offsets[1:-1] - 1] = 1
    owner = np.repeat(np.arange(len(store.rows)), store.rows)[1:]
    hardly = table[share < HALF]
    return {
        "skeleton": store.skeleton.name,
        "frames": len(store.frames),
        "frames_without_joints": store.empty_frames,
        "x": np.quantile(seen[:, 0], QUANTILES).round(2).tolist(),
        "y": np.quantile(seen[:, 1], QUANTILES).round(2).tolist(),
        "missing_joints": dict(
            zip(store.skeleton.joints, (1 - there.mean(axis=0)).round(4).tolist(), strict=True)
        ),
        "rows": np.quantile(store.rows, QUANTILES).tolist(),
        "gaps": int((steps > 1).sum()),
        "trajectories_with_gaps": len(np.unique(owner[steps > 1])),
        "hardly_visible": [
            f"{one.category}/{one.video}/{one.person}" for one in hardly.itertuples()
        ],
        "categories": of_classes(store),
    }


def of_classes(store: FrameStore) -> list[dict[str, Any]]:
    """Return the numbers of each class of a dataset; they do not need the frames."""
    table = store.trajectories
    found = []
    for label, category in enumerate(store.categories):
        mine = store.labels == label
        own = table[mine]
        found.append(
            {
                "category": category,
                "videos": len(np.unique(video_of(table)[mine])),
                "trajectories": len(own),
                "groups": own["group"].nunique() if own["group"].any() else None,
                "parts": own["part"].value_counts().to_dict() if own["part"].any() else None,
                "frames": int(own["rows"].sum()),
            }
        )
    return found
