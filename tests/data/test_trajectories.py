import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bptubeformer.data import trajectories
from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.trajectories import (
    FrameStore,
    ingest,
    read_trajectories,
    read_trajectories_of,
    read_trajectory,
    videos_of,
)
from bptubeformer.errors import InputError
from conftest import trajectory_rows, write_csv


def test_a_trajectory_is_read_as_written(tmp_path):
    rows = trajectory_rows(5)
    number, values = read_trajectory(write_csv(tmp_path / "1.csv", rows))
    assert (number.dtype, values.dtype) == (np.int32, np.float32)
    assert number.tolist() == [1, 2, 3, 4, 5]
    assert np.array_equal(values, np.array(rows, dtype=np.float32)[:, 1:])


def test_rows_are_sorted_and_gaps_are_kept(tmp_path):
    rows = [row for row in trajectory_rows(6) if row[0] != 3]
    number, values = read_trajectory(write_csv(tmp_path / "1.csv", rows[::-1]))
    assert number.tolist() == [1, 2, 4, 5, 6]
    assert values[:, 0].tolist() == [0, 1, 3, 4, 5]


def changed(row, column, value):
    rows = trajectory_rows(5)
    rows[row - 1][column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], ["1.csv: the file is empty", "35 columns"]),
        ([*trajectory_rows(3), [4, 5, 6]], ["1.csv, row 4: 3 columns", "expected 35 columns"]),
        ([[*row, 0] for row in trajectory_rows(3)], ["1.csv, row 1: 36 columns"]),
        ([row[:-1] for row in trajectory_rows(3)], ["1.csv, row 1: 34 columns"]),
        (changed(3, 2, "abc"), ["1.csv, row 3, column y0: 'abc' is no finite number"]),
        (changed(4, 3, ""), ["1.csv, row 4, column x1: ''", "missing joint is written 0,0"]),
        (changed(2, 34, "nan"), ["1.csv, row 2, column y16: 'nan'"]),
        (changed(2, 1, "-inf"), ["1.csv, row 2, column x0: '-inf'"]),
        (changed(2, 1, "1e300"), ["1.csv, row 2, column x0: '1e300'"]),
        (changed(5, 0, 4.5), ["1.csv, row 5, column frame: 4.5 is no whole number"]),
        (changed(5, 0, 2), ["1.csv, row 5: frame 2 stands in row 2 already"]),
        ([["frame", *["x"] * 34], *trajectory_rows(3)], ["1.csv, row 1, column frame: 'frame'"]),
    ],
)
def test_what_is_no_trajectory_is_refused_by_file_and_row(tmp_path, rows, words):
    with pytest.raises(InputError) as refusal:
        read_trajectory(write_csv(tmp_path / "1.csv", rows))
    message = str(refusal.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_a_blank_line_is_no_row(tmp_path):
    rows = trajectory_rows(3)
    path = write_csv(tmp_path / "1.csv", rows)
    path.write_text(path.read_text() + "\n")
    assert len(read_trajectory(path)[0]) == 3
    path.write_text("\n" + path.read_text() + "4,5\n")
    with pytest.raises(InputError, match="row 6: 2 columns"):
        read_trajectory(path)


FORMS = {
    "plain": lambda text: text,
    "no last newline": lambda text: text.rstrip("\n"),
    "blank lines": lambda text: "\n" + text.replace("\n", "\n\n", 2),
    "Windows": lambda text: text.replace("\n", "\r\n"),
    "old Macintosh": lambda text: text.replace("\n", "\r"),
    "quoted": lambda text: "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()
    ),
    "byte order mark": lambda text: "\ufeff" + text,
    "unsorted": lambda text: "\n".join(reversed(text.splitlines())) + "\n",
}


@example([("blank lines", 1), ("plain", 1)])
@given(st.lists(st.tuples(st.sampled_from(sorted(FORMS)), st.integers(1, 5)), min_size=1))
def test_files_read_together_are_the_files_read_alone(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("t")
    paths = []
    for number, (form, rows) in enumerate(files):
        path = write_csv(folder / f"{number}.csv", trajectory_rows(rows, first=10 * number))
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = (",".join(map(str, row)) for row in trajectory_rows(rows, first=10 * number))
            file.write(FORMS[form]("".join(f"{line}\n" for line in lines)))
        paths.append(path)
    number, frames, rows = read_trajectories_of(paths)
    alone = [read_trajectory(path) for path in paths]
    assert rows.tolist() == [len(of_one) for of_one, _ in alone]
    assert np.array_equal(number, np.concatenate([of_one for of_one, _ in alone]))
    assert np.array_equal(frames, np.concatenate([of_one for _, of_one in alone]))
    assert (number.dtype, frames.dtype, rows.dtype) == (np.int32, np.float32, np.int64)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_batches_change_nothing(dataset, store, threads, monkeypatch):
    monkeypatch.setattr(trajectories, "BATCH_BYTES", 20_000)
    assert ingest(find_trajectories([dataset], None), threads).fingerprint == store.fingerprint


def test_a_broken_file_among_many_is_named(tmp_path):
    paths = [write_csv(tmp_path / f"{i}.csv", trajectory_rows(3)) for i in range(5)]
    for rows, words in (
        (changed(2, 3, "abc"), "3.csv, row 2, column x1: 'abc'"),
        (changed(5, 0, 2), "3.csv, row 5: frame 2 stands in row 2 already"),
        (changed(2, 1, "1e39"), "3.csv, row 2, column x0: '1e39'"),
        ([], "3.csv: the file is empty"),
    ):
        write_csv(paths[3], rows)
        with pytest.raises(InputError, match=words):
            read_trajectories_of(paths)


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "1.csv").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(InputError, match=r"1\.csv"):
        read_trajectory(tmp_path / "1.csv")


def test_old_line_ends_and_endless_cells_are_faults_like_others(tmp_path):
    path = tmp_path / "1.csv"
    path.write_bytes(b"1,2,3\r4,5,6\r")
    with pytest.raises(InputError, match="row 1: 3 columns"):
        read_trajectory(path)
    path.write_text("9" * 200_000)
    with pytest.raises(InputError, match="row 1: 1 columns"):
        read_trajectory(path)


@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=34, max_size=34), min_size=1, max_size=4
    )
)
def test_any_finite_coordinates_survive(tmp_path_factory, values):
    rows = [[i, *map(repr, row)] for i, row in enumerate(values)]
    path = write_csv(tmp_path_factory.mktemp("t") / "1.csv", rows)
    assert np.array_equal(read_trajectory(path)[1], np.array(values, dtype=np.float32))


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


@pytest.mark.parametrize(
    ("name", "count", "frames", "long"),
    [("store-small", 306, 39174, (204, 159)), ("msraction3d", 566, 22365, (535, 18))],
)
def test_real_trajectories_are_read(real_archive, tmp_path, name, count, frames, long):
    from bptubeformer.data.acquire import acquire, manifest_folders

    acquire(str(real_archive(name)), tmp_path / "raw", tmp_path / "manifest.json")
    layout = find_trajectories(manifest_folders(tmp_path / "manifest.json"), None)
    store = ingest(layout)
    assert (len(store.rows), len(store.frames)) == (count, frames)
    assert ((store.rows >= 24).sum(), (store.rows >= 60).sum()) == long
