import pytest

from bptubeformer.atomic import replacing, write_text


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
    (tmp_path / ".partial-7-a.txt").write_text("half, by an older version")
    write_text(tmp_path / "a.txt", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.txt", *other])
