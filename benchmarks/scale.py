"""Data at HR-Crime's scale, made up: its numbers of trajectories, rows, videos and classes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from bptubeformer.data.store import FrameStore
from bptubeformer.data.synthetic import HEIGHT_PX, MOVEMENTS, WIDTH_PX
from bptubeformer.skeleton import COCO_17

TRAJECTORIES, ROWS, VIDEOS = 14_500, 4_600_000, 789
MINIMUM_ROWS = 24


def rows_of_trajectories(seed: int = 0) -> np.ndarray:
    """Rows of each trajectory, int64 (14500,), at least 24: few long ones, many short ones."""
    drawn = np.random.default_rng(seed).lognormal(5.2, 1.0, TRAJECTORIES)
    return np.maximum(drawn * ROWS / drawn.sum(), MINIMUM_ROWS).astype(np.int64)


def walk(rows: int, generator: np.random.Generator) -> np.ndarray:
    """Joints of a person who drifts, in pixels, float64 (rows, 34)."""
    joints = generator.uniform(0, [WIDTH_PX, HEIGHT_PX] * (COCO_17.values // 2))
    steps = generator.normal(0, 1, (rows, COCO_17.values))
    return np.abs(joints + steps.cumsum(axis=0))


def trajectory_table(rows: np.ndarray) -> pd.DataFrame:
    """Category, video, person and rows of each trajectory; classes and videos in turn."""
    video = np.arange(len(rows)) * VIDEOS // len(rows)
    names = np.array(list(MOVEMENTS))
    category = names[video * len(names) // VIDEOS]
    person = pd.Series(video).groupby(video).cumcount() + 1
    return pd.DataFrame(
        {
            "category": category,
            "video": [f"{name}{number:03d}" for name, number in zip(category, video, strict=True)],
            "person": [f"{number:04d}" for number in person],
            "rows": rows,
        }
    )


def write_csv_files(folder: Path, decimals: int | None, seed: int = 0) -> None:
    """Write 14,500 CSV files in HR-Crime's layout.

    Args:
        folder: becomes ``<folder>/Trajectories/<Category>/<Video>/<person>.csv``.
        decimals: of a coordinate; None: all digits of a double. Nobody here has seen HR-Crime's.
        seed: of all randomness.
    """
    generator = np.random.default_rng(seed)
    plain = pa.csv.WriteOptions(include_header=False)
    for one in trajectory_table(rows_of_trajectories(seed)).itertuples():
        place = folder / "Trajectories" / one.category / one.video
        place.mkdir(parents=True, exist_ok=True)
        frame = pa.array(np.arange(one.rows) + int(generator.integers(1, 2000)))
        joints = walk(one.rows, generator)
        if decimals is not None:
            joints = joints.round(decimals)
        columns = [frame, *(pa.array(column) for column in joints.T)]
        pa.csv.write_csv(
            pa.table(columns, names=list(COCO_17.columns)), place / f"{one.person}.csv", plain
        )


def frame_store(rows: np.ndarray, seed: int = 0) -> FrameStore:
    """A store of trajectories of so many rows, without the way over CSV files."""
    generator = np.random.default_rng(seed)
    frames = generator.uniform(0, WIDTH_PX, (int(rows.sum()), COCO_17.values)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    within = np.arange(len(frames)) - np.repeat(offsets[:-1], rows)
    return FrameStore(
        frames=frames,
        frame_number=within.astype(np.int32),
        offsets=offsets,
        trajectories=trajectory_table(rows),
        categories=tuple(MOVEMENTS),
    )
