import errno
import json
import os
import signal
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from bptubeformer.atomic import replacing, write_csv, write_text
from bptubeformer.data.splits import Split
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError, refused_by_system
from bptubeformer.evaluation.inspection import Embeddings, SegmentAttention
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.figures.style import save_figure
from bptubeformer.locks import alone_in
from bptubeformer.models.files import TrainedModel, save_model
from bptubeformer.training.checkpoint import Checkpoint
from conftest import REPOSITORY
from fakes import CONTENT, FINGERPRINT


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_above_are_made_and_the_suffix_is_kept(tmp_path):
    with replacing(tmp_path / "a" / "b.parquet") as partial:
        assert partial.suffix == ".parquet"
        partial.write_text("whole")
    assert (tmp_path / "a" / "b.parquet").read_text() == "whole"


def test_what_a_killed_process_left_is_removed(tmp_path):
    other = [".partial-1-b.txt", ".partial-x-a.txt", ".partial-12-a-a.txt"]
    for name in (".partial-1-a.txt", ".partial-99999999-a.txt", *other):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("half")
        (tmp_path / name / ".tmpX").write_text("of a library")
    write_text(tmp_path / "a.txt", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.txt", *other])


def test_a_file_that_another_process_writes_is_left_to_it(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as first:
        first.write_text("first")
        write_text(path, "second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_two_hundred_pairs_of_writers_of_one_name_end_well(tmp_path):
    script = f"""
from bptubeformer.atomic import write_text
for number in range(200):
    write_text({str(tmp_path / "a.txt")!r}, str(number) * 10_000)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-c", script]
    writers = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert (tmp_path / "a.txt").read_text() == "199" * 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_where_files_cannot_be_locked_they_are_written_and_nothing_is_removed(
    tmp_path, monkeypatch
):
    (tmp_path / ".partial-1-a.txt").mkdir()

    def unknown(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", unknown)
    write_text(tmp_path / "a.txt", "whole")
    with alone_in(tmp_path / "folder", "is here"):
        write_text(tmp_path / "a.txt", "again")
    assert (tmp_path / "a.txt").read_text() == "again"
    assert (tmp_path / ".partial-1-a.txt").exists()


N = 200_000
NUMBERS = np.random.default_rng(0).integers(0, 2**60, N)


def store_of_noise():
    table = pd.DataFrame({"category": ["a"], "video": ["v"], "person": ["1"], "rows": [N]})
    numbers = NUMBERS.astype(np.int32)
    return FrameStore(np.zeros((N, 34), np.float32), numbers, np.array([0, N]), table, ("a",))


def figure_of_noise(path):
    figure, axes = plt.subplots(figsize=(14, 14))
    axes.imshow(NUMBERS[:160_000].reshape(400, 400))
    save_figure(figure, path.with_suffix(""))
    plt.close(figure)


WRITERS = {
    "a.txt": lambda path: write_text(path, "x" * 2_000_000),
    "a.csv": lambda path: write_csv(path, pd.DataFrame({"x": NUMBERS})),
    "frames.safetensors": lambda path: store_of_noise().save(path),
    "fold0.parquet": lambda path: Split(
        NUMBERS, NUMBERS, np.zeros(N, np.int8), FINGERPRINT, 24
    ).save(path),
    "predictions.parquet": lambda path: Predictions(
        NUMBERS,
        NUMBERS,
        np.zeros(N, np.int64),
        np.zeros((N, 1), np.float32),
        ("a",),
        FINGERPRINT,
        CONTENT,
    ).save(path),
    "embeddings.safetensors": lambda path: Embeddings(
        np.zeros((N, 4), np.float32), NUMBERS, NUMBERS, ("a",), NUMBERS, CONTENT
    ).save(path),
    "attention.safetensors": lambda path: SegmentAttention(
        np.zeros((N, 34), np.float32), NUMBERS, {}, {}, CONTENT
    ).save(path),
    "model.safetensors": lambda path: save_model(
        path, TrainedModel(torch.nn.Linear(1000, 1000), {}, ["a"], FINGERPRINT)
    ),
    "checkpoint.safetensors": lambda path: Checkpoint(path).keep({"x": torch.zeros(N, 4)}, {}),
    "figure.svg": figure_of_noise,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_the_old_file(small_disk, name):
    disk = small_disk(1)
    path = disk / name
    path.write_text("old")
    with pytest.raises(InputError) as refusal:
        WRITERS[name](path)
    message = f"{path}: the disk is full; make room, then run the same command again"
    assert str(refusal.value).startswith(message)
    assert [p.name for p in disk.iterdir()] == [name]
    assert path.read_text() == "old"


@pytest.mark.parametrize("umask", [0o002, 0o027, 0o077])
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_has_the_rights_of_the_umask(tmp_path, name, umask):
    before = os.umask(umask)
    try:
        WRITERS[name](tmp_path / name)
    finally:
        os.umask(before)
    rights = {oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert rights == {oct(0o666 & ~umask)}


def test_a_full_disk_is_known_however_it_is_said():
    full = "the disk is full; make room, then run the same command again"
    assert refused_by_system(OSError(errno.ENOSPC, "whatever")) == full
    assert refused_by_system(OSError(errno.EDQUOT, "whatever")) == full
    text = "I/O error: No space left on device (os error 28)"
    assert refused_by_system(RuntimeError(text)) == full
    assert refused_by_system(RuntimeError("no such thing")) is None


def test_another_error_passes_as_it_is(tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "a"):
        raise RuntimeError("no such thing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["mkdir", "open", "fsync", "replace", "rmtree"])
def test_killed_at_any_moment_a_file_is_the_old_or_the_new(tmp_path, moment):
    path = tmp_path / "table.csv"
    path.write_text("old")
    places = {
        "mkdir": "pathlib.Path.mkdir",
        "open": "pathlib.Path.write_text",
        "fsync": "os.fsync",
        "replace": "pathlib.Path.replace",
        "rmtree": "shutil.rmtree",
    }
    script = f"""
import os, pathlib, shutil, signal
from bptubeformer.atomic import write_text
def die(*arguments, **settings):
    os.kill(os.getpid(), signal.SIGKILL)
{places[moment]} = die
write_text({json.dumps(str(path))}, "new")
"""  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run([sys.executable, "-c", script], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == ("new" if moment == "rmtree" else "old")
    write_text(path, "newer")
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_wherever_it_is_met(tmp_path):
    """Also where no small disk can be made."""
    with (
        pytest.raises(InputError, match=r"a\.csv: the disk is full; make room"),
        replacing(tmp_path / "a.csv"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())
