"""Data and places that many tests use."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import ingest
from bptubeformer.data.splits import make_splits
from bptubeformer.data.store import FrameStore
from bptubeformer.data.synthetic import write_dataset
from bptubeformer.settings import SplitSettings
from checkout import REPOSITORY, copy_checkout, snakemake
from environments import hiding
from killable import Commands
from killable import start as killable_process

# As in the Snakefile: the processes that tests start keep what they compile.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Two workers share the cores: the threads of one would wait for those of the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No time limit for an example: the machine may be busy. The same examples in every clone; others
# with ``--hypothesis-profile random``.
settings.register_profile("random", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
NOBODY = 65534
OPT_IN = ("fuzz", "demonstration", "environments")
"""Markers of tests that run only where ``-m`` names them."""
SLOW = {
    "test_dag.py": 0,
    "test_slurm.py": 1,
    "test_checkpoint.py": 1,
    "test_killed.py": 1,
    "test_calibration.py": 1,
    "test_texts.py": 2,
    "test_conda.py": 3,
    "test_report.py": 3,
    "test_crate.py": 3,
    "test_check.py": 2,
    "test_forgeries.py": 2,
    "test_mutations.py": 2,
    "test_cost.py": 2,
}
"""Files of slow tests, and when they run: those that need the finished workflow at the end."""
# Real trajectories may not be redistributed: they are not part of this repository.
REAL_DATA = Path(os.environ.get("BPTUBEFORMER_REAL_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic dataset on disk, in HR-Crime's layout."""
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, seed=6, size=0.6)
    return folder


@pytest.fixture(scope="session")
def store(dataset: Path) -> FrameStore:
    """The frame store of that dataset."""
    return ingest(find_trajectories([dataset], None))[0]


@pytest.fixture(scope="session")
def fold_files(store: FrameStore, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the paths of that store as a file, and of the split of its first fold by video."""
    folder = tmp_path_factory.mktemp("fold")
    store.save(folder / "frames.safetensors")
    split, *_ = make_splits(store, "video", 24, 24, SplitSettings())
    split.save(folder / "fold0.parquet")
    return folder / "frames.safetensors", folder / "fold0.parquet"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark slow tests, leave out opt-in tests, and order files.

    Two workers take file by file: one begins with the longest, while the other runs those that do
    not wait for the workflow that it runs.
    """
    for item in items:
        if item.path.name in SLOW:
            item.add_marker(pytest.mark.slow)
    asked = [name for name in OPT_IN if name not in config.option.markexpr]
    left_out = [item for item in items if any(map(item.get_closest_marker, asked))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: SLOW.get(item.path.name, 2))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkout in which the workflow has run; one for all workers.

    Each stage found only the modules that its conda environment has.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    folder = place / "built"
    with FileLock(place / "built.lock"):
        if not (folder / "printed.json").exists():
            checkout = copy_checkout(folder / "bptubeformer")
            hide = hiding(tmp_path_factory.mktemp("hidden"))
            done = snakemake(checkout, "--configfile", "small.yaml", "--", "all", "crate", **hide)
            assert done.returncode == 0, done.stdout + done.stderr
            printed = json.dumps([done.args, done.stdout, done.stderr])
            (folder / "printed.json").write_text(printed)
    return folder


@pytest.fixture(scope="module")
def finished(
    built: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess]:
    """A checkout in which the workflow has run, crate included, and what it printed.

    Each file of tests has a copy of its own, which it may change.
    """
    arguments, *printed = json.loads((built / "printed.json").read_text())
    checkout = tmp_path_factory.mktemp("checkout") / "bptubeformer"
    shutil.copytree(built / "bptubeformer", checkout, symlinks=True)
    return checkout, subprocess.CompletedProcess(arguments, 0, *printed)


@pytest.fixture(scope="session")
def real_archive():
    """Path of an archive of real trajectories; skips where there is none."""

    def path(name: str) -> Path:
        archive = REAL_DATA / f"{name}.tar.gz"
        if not archive.exists():
            pytest.skip(f"real trajectories {archive.name} are not on this machine")
        return archive

    return path


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that every user may look into, unlike those of ``tmp_path``."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@contextmanager
def unprivileged_user(folder: Path) -> Iterator[None]:
    """Be a user whom permissions stop, and who owns all in a folder; nothing stops root."""
    if os.geteuid() != 0:
        yield
        return
    for path in [folder, *folder.rglob("*")]:
        os.lchown(path, NOBODY, NOBODY)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a disk of so many megabytes; skips where none can be made."""
    place = tmp_path / "disk"
    place.mkdir()

    def make(megabytes: int) -> Path:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        try:
            done = subprocess.run(mount, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("a small disk cannot be made here: no command mount")
        if done.returncode:
            pytest.skip(f"a small disk cannot be made here: {done.stderr.strip()}")
        return place

    yield make
    if os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="session")
def killable() -> Iterator[Callable[[Path], Commands]]:
    """Makes commands that run in a folder and can be killed on the way."""
    with killable_process() as process:
        yield lambda folder: Commands(folder, process)
        process.stdin.close()


def write_csv(path: Path, rows: list[list[object]]) -> Path:
    """Write rows as CSV, with the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def trajectory_rows(rows: int = 30, first: int = 1) -> list[list[object]]:
    """Rows of a sound trajectory: frame number and 34 coordinates."""
    return [[first + i, *(float(i + j) for j in range(34))] for i in range(rows)]
