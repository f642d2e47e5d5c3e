"""Data and ratios of the benchmarks; they measure speed, tests do not."""

import sys

import numpy as np
import pandas as pd
import pytest

from bptubeformer.cli import main
from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import ingest
from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import scale
from commands import train_command
from timing import in_turn, row


def test_the_made_up_data_has_hr_crimes_scale():
    rows = scale.rows_of_trajectories()
    assert len(rows) == scale.TRAJECTORIES
    assert rows.min() >= scale.MINIMUM_ROWS
    assert rows.sum() == pytest.approx(scale.ROWS, rel=0.01)
    table = scale.trajectory_table(rows)
    assert table["category"].nunique() == 13
    assert len(table.drop_duplicates(["category", "video"])) == scale.VIDEOS
    assert not table.duplicated(["category", "video", "person"]).any()


@pytest.mark.parametrize("decimals", [2, None])
def test_its_files_are_read_by_the_package(tmp_path, monkeypatch, decimals):
    for name, value in (("TRAJECTORIES", 30), ("ROWS", 1000), ("VIDEOS", 13)):
        monkeypatch.setattr(scale, name, value)
    scale.write_csv_files(tmp_path, decimals=decimals)
    store, _ = ingest(find_trajectories([tmp_path], None))
    assert store.trajectories["rows"].sum() == scale.rows_of_trajectories().sum()
    assert (np.round(store.frames, 2) == store.frames).all() == (decimals == 2)


def test_ways_are_timed_in_turn_and_compared_pair_by_pair():
    calls = []
    seconds = in_turn({"ours": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [2, 2]
    line = row("x", "y", {"ours": [1.0, 2.0, 4.0], "b": [3.0, 4.0, 4.0]}, "b", 10.0)
    assert (line.ours, line.others, line.ratio, line.spread) == (20.0, 40.0, 2.0, "10 to 40")


def test_the_training_that_is_timed_is_one(fold_files, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    for file in fold_files:
        (folder / file.name).symlink_to(file)
    run = {"model": "m12", "segment_length": 24}
    command = train_command(folder, run, {"max_epochs": 1}, "cpu", tmp_path / "out")
    main(command[2:])
    assert len(pd.read_csv(tmp_path / "out" / "history.csv")) == 1
