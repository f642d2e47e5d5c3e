import gzip
import os

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bptubeformer.data import reader
from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import (
    Rejected,
    check_rejected,
    ingest,
    read_trajectories_of,
    read_trajectory,
)
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from conftest import trajectory_rows, unprivileged_user, write_csv


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
        (
            [[";".join(map(str, row))] for row in trajectory_rows(3)],
            ["1.csv, row 1: 1 column separated by semicolons", "expected 35 columns"],
        ),
        ([["1,5"] * 35], ["1.csv, row 1: 70 columns"]),
        ([*trajectory_rows(3), [4, 5, 6]], ["1.csv, row 4: 3 columns", "expected 35 columns"]),
        ([[*row, 0] for row in trajectory_rows(3)], ["1.csv, row 1: 36 columns"]),
        ([row[:-1] for row in trajectory_rows(3)], ["1.csv, row 1: 34 columns"]),
        (changed(3, 2, "abc"), ["1.csv, row 3, column y0: 'abc' is not a finite number"]),
        (changed(4, 3, ""), ["1.csv, row 4, column x1: ''", "a missing joint is 0,0"]),
        (changed(2, 34, "nan"), ["1.csv, row 2, column y16: 'nan'"]),
        (changed(2, 1, "-inf"), ["1.csv, row 2, column x0: '-inf'"]),
        (changed(2, 1, "1e300"), ["1.csv, row 2, column x0: '1e300' is not a position in a video"]),
        (changed(2, 1, "-1000001"), ["row 2, column x0: '-1000001' is not a position in a video"]),
        (changed(2, 1, "1e999"), ["1.csv, row 2, column x0: '1e999' is not a finite number"]),
        (changed(2, 1, "9" * 400), ["1.csv, row 2, column x0: '99999", "is not a finite number"]),
        (changed(5, 0, 4.5), ["1.csv, row 5, column frame: '4.5' is not a whole frame number"]),
        (changed(5, 0, 1e12), ["row 5, column frame: '1000000000000.0' is not a whole frame"]),
        (changed(5, 0, 2), ["1.csv, row 5: frame 2 is in row 2 already"]),
        (
            [["frame", *["x"] * 34], *trajectory_rows(3)],
            ["1.csv, row 1: a header", "remove the row"],
        ),
    ],
)
def test_what_is_no_trajectory_is_refused_by_file_and_row(tmp_path, rows, words):
    with pytest.raises(InputError) as refusal:
        read_trajectory(write_csv(tmp_path / "1.csv", rows))
    message = str(refusal.value)
    assert "\n" not in message
    assert len(message) < 400
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
    batch = read_trajectories_of(paths)
    number, frames, rows = batch.number, batch.frames, batch.rows
    assert batch.rejected == []
    alone = [read_trajectory(path) for path in paths]
    assert rows.tolist() == [len(of_one) for of_one, _ in alone]
    assert np.array_equal(number, np.concatenate([of_one for of_one, _ in alone]))
    assert np.array_equal(frames, np.concatenate([of_one for _, of_one in alone]))
    assert (number.dtype, frames.dtype, rows.dtype) == (np.int32, np.float32, np.int64)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_batches_change_nothing(dataset, store, threads, monkeypatch):
    monkeypatch.setattr(reader, "BATCH_BYTES", 20_000)
    again, rejected = ingest(find_trajectories([dataset], None), threads)
    assert again.fingerprint == store.fingerprint
    assert rejected.empty


def test_a_broken_file_among_many_is_named(tmp_path):
    paths = [write_csv(tmp_path / f"{i}.csv", trajectory_rows(3)) for i in range(5)]
    for rows, words in (
        (changed(2, 3, "abc"), "3.csv, row 2, column x1: 'abc'"),
        (changed(5, 0, 2), "3.csv, row 5: frame 2 is in row 2 already"),
        (changed(2, 1, "1e39"), "3.csv, row 2, column x0: '1e39'"),
        ([], "3.csv: the file is empty"),
    ):
        write_csv(paths[3], rows)
        batch = read_trajectories_of(paths)
        assert batch.rows.tolist() == [3, 3, 3, 0, 3]
        assert batch.number.tolist() == [1, 2, 3] * 4
        assert len(batch.frames) == 12
        (fault,) = batch.rejected
        assert words in str(fault)


SOUND = "".join(",".join(map(str, row)) + "\n" for row in trajectory_rows(3))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bytes(range(256)) * 10, "no text: it has zero bytes"),
        (bytes(range(1, 256)) * 10, "row 1: "),
        (gzip.compress(SOUND.encode()), "compressed by gzip; decompress it"),
        (b"PK\x03\x04" + SOUND.encode(), "a zip archive; unpack it"),
        (SOUND.encode("utf-16"), "UTF-16 text; write it again as UTF-8"),
        (SOUND.encode("utf-16-be"), "no text: it has zero bytes"),
        (SOUND.encode("utf-32-be"), "no text: it has zero bytes"),
        (SOUND.replace("2.0", "\f2.0", 1).encode(), "the file is not plain UTF-8 CSV"),
        (SOUND.replace("1", "١").encode(), "row 1, column frame: '١' is not a finite number"),
        (SOUND.replace("2.0", "1_0", 1).encode(), "'1_0' is not a finite number"),
        (SOUND.encode("utf-32"), "UTF-32 text; write it again as UTF-8"),
        (b"," * 10**7, "row 1: 10000000 letters; expected 35 columns"),
        (SOUND.replace(",", "\t").encode(), "row 1: 1 column;"),
    ],
)
def test_another_kind_of_file_under_a_csv_name_is_named(tmp_path, content, words):
    (tmp_path / "1.csv").write_bytes(content)
    with pytest.raises(Rejected) as refusal:
        read_trajectory(tmp_path / "1.csv")
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "form",
    [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n"),
     lambda text: text.replace("\n", "\r\n").replace("1,", "\ufeff1,", 1)],
    ids=["byte order mark", "CRLF", "both"],
)  # fmt: skip
def test_marks_and_line_ends_of_windows_change_nothing(tmp_path, form):
    (tmp_path / "1.csv").write_bytes(form(SOUND).encode())
    number, frames = read_trajectory(tmp_path / "1.csv")
    assert number.tolist() == [1, 2, 3]
    assert np.array_equal(frames, np.array(trajectory_rows(3), dtype=np.float32)[:, 1:])


def test_one_row_is_a_trajectory_and_empty_frames_are_frames(tmp_path):
    """As HR-Crime writes a missing joint, 0,0; real trackers leave whole frames of them."""
    write_csv(tmp_path / "a" / "v" / "1.csv", trajectory_rows(1))
    write_csv(tmp_path / "b" / "v" / "1.csv", [[i, *[0] * 34] for i in range(4)])
    store, rejected = ingest(find_trajectories([tmp_path], None))
    assert store.rows.tolist() == [1, 4]
    assert store.empty_frames == 4
    assert rejected.empty


@pytest.fixture
def in_place(tmp_path):
    """A dataset of two categories, with something in the place of one trajectory."""
    write_csv(tmp_path / "a" / "v" / "1.csv", trajectory_rows(3))
    write_csv(tmp_path / "b" / "v" / "1.csv", trajectory_rows(3))

    def read(make):
        make(tmp_path / "a" / "v" / "2.csv")
        store, rejected = ingest(find_trajectories([tmp_path], None))
        assert store.trajectories["person"].tolist() == ["1", "1"]
        (row,) = rejected.itertuples()
        assert (row.category, row.video, row.person) == ("a", "v", "2")
        assert row.file == str(tmp_path / "a" / "v" / "2.csv")
        return row

    return read


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: write_csv(path, changed(2, 3, "x")), "'x' is not a finite number"),
        (lambda path: path.mkdir(), "a folder; expected a file"),
        (os.mkfifo, "a pipe, socket or device"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe, socket or device"),
        (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
        (lambda path: path.symlink_to("gone"), "cannot be read (No such file or directory)"),
    ],
    ids=["fault", "folder", "pipe", "device", "circle", "link to nothing"],
)
def test_what_is_no_trajectory_is_left_out_and_listed(in_place, make, words):
    assert words in in_place(make).reason


def test_a_rejected_row_and_column_are_listed(in_place):
    row = in_place(lambda path: write_csv(path, changed(2, 3, "x")))
    assert (row.row, row.column) == (2, "x1")
    assert row.reason.startswith("'x' is not a finite number; expected 35 columns")


def test_a_file_far_too_large_is_not_read(in_place, monkeypatch):
    monkeypatch.setattr(reader, "LARGEST_FILE", 2000)
    row = in_place(lambda path: write_csv(path, trajectory_rows(100)))
    assert "expected the trajectory of one person" in row.reason


def test_a_file_without_the_right_to_read_it_is_listed(unprivileged):
    for place in ("a/v/1.csv", "a/v/2.csv", "b/v/1.csv"):
        write_csv(unprivileged / place, trajectory_rows(3))
    with unprivileged_user(unprivileged):
        (unprivileged / "a" / "v" / "2.csv").chmod(0)
        store, rejected = ingest(find_trajectories([unprivileged], None))
    assert len(store.rows) == 2
    assert rejected["reason"].str.contains(r"cannot be read \(Permission denied\)").tolist() == [
        True
    ]


def test_names_of_any_kind_survive_in_the_store(tmp_path):
    names = ["a,b", 'quo"te', "line\nbreak", "return\r", "$(touch owned)", "Grüße", "", " x "]
    names = [f"p{name}" for name in names] + [os.fsdecode(b"\xe9")]
    for name in names:
        write_csv(tmp_path / "a" / f"v{name}" / f"{name}.csv", trajectory_rows(2))
    write_csv(tmp_path / "a" / names[-1] / "broken\n.csv", [[1] * 6])
    write_csv(tmp_path / "b" / "v" / "1.csv", trajectory_rows(2))
    store, rejected = ingest(find_trajectories([tmp_path], None))
    store.save(tmp_path / "frames.safetensors")
    loaded = FrameStore.load(tmp_path / "frames.safetensors")
    assert loaded.trajectories.equals(store.trajectories)
    assert set(loaded.trajectories["person"]) == {*names[:-1], "\\xe9", "1"}
    assert loaded.fingerprint == store.fingerprint
    assert rejected["person"].tolist() == ["broken\\n"]
    assert rejected["video"].tolist() == ["\\udce9"]


@pytest.mark.parametrize(
    ("broken", "share", "words"),
    [
        (1, 0.05, None),
        (1, 0.04, "1 of 21 trajectories cannot be read, more than 0.04 of them"),
        (20, 0.99, "no trajectory of the category a can be read"),
    ],
)
def test_too_much_that_is_no_trajectory_stops_the_run(tmp_path, broken, share, words):
    for i in range(20):
        rows = [[1, 2, 3, 4, 5, 6]] if i < broken else trajectory_rows(2)
        write_csv(tmp_path / "a" / "v" / f"{i:02d}.csv", rows)
    write_csv(tmp_path / "b" / "v" / "1.csv", trajectory_rows(2))
    store, rejected = ingest(find_trajectories([tmp_path], None))
    if words is None:
        return check_rejected(rejected, store, share)
    with pytest.raises(InputError) as refusal:
        check_rejected(rejected, store, share)
    assert words in str(refusal.value)
    assert "the first is" in str(refusal.value)
    assert "00.csv, row 1: 6 columns; expected 35" in str(refusal.value)


def test_joints_at_minus_one_or_nan_are_missing(tmp_path):
    rows = trajectory_rows(4)
    rows[1][3:5] = -1, -1
    rows[2][5:7] = "nan", "NaN"
    rows[2][7] = -1  # one coordinate alone is a place
    for category in ("a", "b"):
        write_csv(tmp_path / category / "v" / "1.csv", rows)
    write_csv(tmp_path / "a" / "v" / "2.csv", rows[::-1])
    store, rejected = ingest(find_trajectories([tmp_path], None))
    expected = np.array([[float(cell) for cell in row[1:]] for row in rows], dtype=np.float32)
    expected[1, 2:4] = expected[2, 4:6] = 0
    for begin in store.offsets[:-1]:
        np.testing.assert_array_equal(store.frames[begin : begin + 4], expected)
    assert rejected.attrs["marked"] == 6
    rows[0][2] = "nan"
    rows[3][2] = "x"
    path = write_csv(tmp_path / "3.csv", rows)
    with pytest.raises(InputError, match="row 1, column y0: 'nan' is not a finite number"):
        read_trajectory(path)


def test_a_file_that_is_something_else_lies_beside_the_trajectories(tmp_path):
    for category in ("a", "b"):
        write_csv(tmp_path / category / "v" / "1.csv", trajectory_rows(2))
    write_csv(tmp_path / "a" / "v" / "labels.csv", [["video", "label"], ["v", "walk"]])
    write_csv(tmp_path / "a" / "v" / "words.csv", [list("abcdefgh")] * 3)
    store, rejected = ingest(find_trajectories([tmp_path], None))
    assert (len(store.rows), len(rejected), rejected.attrs["foreign"]) == (2, 0, 2)
    for path in tmp_path.glob("*/v/1.csv"):
        path.unlink()
    _, rejected = ingest(find_trajectories([tmp_path / "a", tmp_path / "b"], ["a"]))
    assert len(rejected) == 2  # where nothing else is there, they should have been trajectories


@pytest.mark.parametrize(("columns", "words"), [
    (51, r"like x, y and score of 17 joints or ntu-25 \(dataset.skeleton\) or op"),
    (132, "MediaPipe"), (53, "which looks like halpe-26"),
    (36, "36 columns; expected 35"),
])  # fmt: skip
def test_a_wrong_width_says_what_it_looks_like(tmp_path, columns, words):
    path = write_csv(tmp_path / "1.csv", [list(range(columns))])
    with pytest.raises(InputError, match=words):
        read_trajectory(path)


def test_old_line_ends_and_endless_cells_are_faults_like_others(tmp_path):
    path = tmp_path / "1.csv"
    path.write_bytes(b"1,2,3\r4,5,6\r")
    with pytest.raises(InputError, match="row 1: 3 columns"):
        read_trajectory(path)
    path.write_text("9" * 200_000)
    with pytest.raises(InputError, match="row 1: 200000 letters;"):
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


@pytest.mark.parametrize(
    ("name", "count", "frames", "long"),
    [("store-small", 306, 39174, (204, 159)), ("msraction3d", 566, 22365, (535, 18))],
)
def test_real_trajectories_are_read(real_archive, tmp_path, name, count, frames, long):
    from bptubeformer.data.acquire import acquire
    from bptubeformer.data.manifest import manifest_folders

    acquire(str(real_archive(name)), tmp_path / "raw", tmp_path / "manifest.json")
    layout = find_trajectories(manifest_folders(tmp_path / "manifest.json"), None)
    store, rejected = ingest(layout)
    assert rejected.empty
    assert (len(store.rows), len(store.frames)) == (count, frames)
    assert ((store.rows >= 24).sum(), (store.rows >= 60).sum()) == long
