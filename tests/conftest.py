"""Data and places that many tests use."""

import os
from pathlib import Path

import pytest

from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.splits import SplitSettings, make_splits
from bptubeformer.data.synthetic import write_dataset
from bptubeformer.data.trajectories import FrameStore, ingest

REPOSITORY = Path(__file__).resolve().parents[1]
# Real trajectories may not be redistributed: they are no part of this repository.
REAL_DATA = Path(os.environ.get("BPTUBEFORMER_REAL_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic dataset on disk, in HR-Crime's layout."""
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, seed=1, size=0.6)
    return folder


@pytest.fixture(scope="session")
def store(dataset: Path) -> FrameStore:
    """The frame store of that dataset."""
    return ingest(find_trajectories([dataset], None))


@pytest.fixture(scope="session")
def fold_files(store: FrameStore, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """That store as a file, and the split of its first fold by video."""
    folder = tmp_path_factory.mktemp("fold")
    store.save(folder / "frames.safetensors")
    split, *_ = make_splits(store, "video", 24, 24, SplitSettings())
    split.save(folder / "fold0.parquet")
    return folder / "frames.safetensors", folder / "fold0.parquet"


@pytest.fixture(scope="session")
def real_archive():
    """Path of an archive of real trajectories; skips where there is none."""

    def path(name: str) -> Path:
        archive = REAL_DATA / f"{name}.tar.gz"
        if not archive.exists():
            pytest.skip(f"real trajectories {archive.name} are not on this machine")
        return archive

    return path


def write_csv(path: Path, rows: list[list[object]]) -> Path:
    """Write rows as CSV, with the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def trajectory_rows(rows: int = 30, first: int = 1) -> list[list[object]]:
    """Rows of a sound trajectory: frame number and 34 coordinates."""
    return [[first + i, *(float(i + j) for j in range(34))] for i in range(rows)]
