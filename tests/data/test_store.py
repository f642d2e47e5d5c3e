from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import (
    ingest,
    read_trajectory,
)
from bptubeformer.data.store import FrameStore, read_trajectories, videos_of
from bptubeformer.errors import InputError
from conftest import trajectory_rows, write_csv


def test_a_store_holds_every_trajectory_in_order(dataset, store):
    layout = find_trajectories([dataset], None)
    assert store.offsets[0] == 0
    assert store.offsets[-1] == len(store.frames) == len(store.frame_number)
    for index, file in enumerate(layout.files):
        number, values = read_trajectory(file.path)
        rows = slice(store.offsets[index], store.offsets[index + 1])
        assert np.array_equal(store.frames[rows], values)
        assert np.array_equal(store.frame_number[rows], number)
        row = store.trajectories.iloc[index]
        assert (row["category"], row["video"], row["person"]) == (
            file.category, file.video, file.person,
        )  # fmt: skip
        assert store.categories[store.labels[index]] == file.category


def test_a_store_survives_saving(store, tmp_path):
    store.save(tmp_path / "frames.safetensors")
    loaded = FrameStore.load(tmp_path / "frames.safetensors")
    assert loaded.fingerprint == store.fingerprint
    assert loaded.categories == store.categories
    assert loaded.trajectories.equals(store.trajectories)
    assert loaded.trajectories["person"].iloc[0] == "0001"
    table, categories = read_trajectories(tmp_path / "frames.safetensors")
    assert categories == store.categories
    assert table.equals(store.trajectories)


def test_an_opened_store_stays_in_its_file(store, tmp_path):
    path = tmp_path / "frames.safetensors"
    store.save(path)
    before = path.read_bytes()
    loaded = FrameStore.load(path)
    assert isinstance(loaded.frames, np.memmap)
    loaded.frames[:] = 0
    assert path.read_bytes() == before
    assert FrameStore.load(path).fingerprint == store.fingerprint


def test_videos_of_one_name_in_two_categories_are_two(tmp_path, store):
    table = pd.DataFrame(
        {"category": ["a", "a", "b"], "video": ["1", "1", "1"], "person": list("xyz"), "rows": 1}
    )
    frames, numbers = np.zeros((3, 34), np.float32), np.arange(3, dtype=np.int32)
    FrameStore(frames, numbers, np.arange(4), table, ("a", "b")).save(tmp_path / "f.safetensors")
    video, labels = videos_of(tmp_path / "f.safetensors")
    assert (video.tolist(), labels.tolist()) == ([0, 0, 1], [0, 1])


def test_equal_stores_are_equal_files(store, tmp_path):
    contents = set()
    for number in range(5):
        store.save(tmp_path / f"{number}.safetensors")
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "frames.safetensors").write_bytes(b"nothing of the kind")
    for read in (FrameStore.load, read_trajectories):
        with pytest.raises(InputError, match="not a frame store"):
            read(tmp_path / "frames.safetensors")
        with pytest.raises(InputError, match="no such file; write it with: bptubeformer ingest"):
            read(tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [{"offsets": np.arange(4)}, {"frame_number": np.zeros(5, np.int32)},
     {"frames": np.zeros((3, 30), np.float32)}, {"categories": ("x", "y")},
     {"frames": np.zeros((4, 34), np.int64)}, {"categories": ("a", "a")}, {"categories": ("a", 1)}],
)  # fmt: skip
def test_a_store_whose_arrays_do_not_belong_together_is_refused(tmp_path, change):
    write_csv(tmp_path / "a" / "v" / "1.csv", trajectory_rows(2))
    write_csv(tmp_path / "b" / "v" / "1.csv", trajectory_rows(2))
    store, _ = ingest(find_trajectories([tmp_path], None))
    replace(store, **change).save(tmp_path / "frames.safetensors")
    with pytest.raises(InputError, match=r"not a frame store|categories.* = .*expected"):
        FrameStore.load(tmp_path / "frames.safetensors")


def test_a_store_in_which_a_name_is_not_a_text_is_refused(store, tmp_path):
    table = store.trajectories.assign(person=1)
    replace(store, trajectories=table).save(tmp_path / "frames.safetensors")
    with pytest.raises(InputError, match=r"not a frame store \(a name in it is not a text\)"):
        FrameStore.load(tmp_path / "frames.safetensors")
