"""Data of HR-Crime's size, cut down to a few steps of a training."""

import sys

import numpy as np

from bptubeformer.data.splits import Split
from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import rehearsal


def test_so_many_windows_of_each_part_are_drawn_once(fold_files, monkeypatch):
    monkeypatch.setattr(rehearsal, "VALIDATED", 3)
    whole = Split.load(fold_files[1])
    few = rehearsal.drawn(whole, 5)
    assert np.bincount(few.part).tolist() == [5, 3, 3]
    for part in ("train", "validation", "test"):
        pairs = [set(zip(*map(list, split.windows(part)), strict=True)) for split in (few, whole)]
        assert pairs[0] < pairs[1]
    assert len(set(few.starts)) == 11
