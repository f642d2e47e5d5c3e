from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bptubeformer.data.formats.csv_wide import read as read_csv_wide
from bptubeformer.data.labels import in_groups, labelled, of_categories, read_labels
from bptubeformer.data.recordings import Trajectory
from bptubeformer.errors import InputError


def person(name, person="1", frames=10, **labels):
    number = np.arange(frames, dtype=np.int32)
    return Trajectory(tuple(name.split("/")), person, number, np.ones((frames, 34), np.float32),
                      labels.get("label"), labels.get("labels"))  # fmt: skip


def table(folder, text):
    path = folder / "labels.csv"
    path.write_text(text)
    return str(path)


PEOPLE = [person("cam1/walk"), person("cam1/walk", "2"), person("cam2/fall")]


def test_a_table_labels_videos_by_path_or_name(tmp_path):
    labels = table(tmp_path, "video,label,group\ncam1/walk,Walking,anna\nfall.mp4,Falling,bob\n")
    clips, without = labelled(PEOPLE, labels, tmp_path)
    found = [(c.category, c.video, c.person, len(c.number), c.group) for c in clips]
    assert found == [("Walking", "cam1/walk", "1", 10, "anna"),
                     ("Walking", "cam1/walk", "2", 10, "anna"),
                     ("Falling", "cam2/fall", "1", 10, "bob")]  # fmt: skip
    assert without == 0


def test_labels_by_frame_cut_clips_of_the_person_they_name(tmp_path):
    labels = table(
        tmp_path,
        "video,person,first_frame,last_frame,label\n"
        "walk,1,,3,Walking \nwalk,1,6,,Running\nwalk,2,2,2,Walking\n",
    )
    clips, without = labelled(PEOPLE, labels, tmp_path)
    found = [(c.category, c.video, c.person, c.number.tolist()) for c in clips]
    assert found == [("Walking", "cam1/walk-0", "1", [0, 1, 2, 3]),
                     ("Running", "cam1/walk-6", "1", [6, 7, 8, 9]),
                     ("Walking", "cam1/walk-2", "2", [2])]  # fmt: skip
    assert {clip.recording for clip in clips} == {"cam1/walk"}
    assert without == 1  # cam2/fall


@pytest.mark.parametrize(("text", "words"), [
    ("video\nwalk\n", "no column label; it has video"),
    ("video,label,lable\nwalk,a,b\n", "an unknown column lable; known: person, first_frame"),
    ("video,label,first_frame\nwalk,a,soon\n", "row 2: first_frame 'soon'"),
    ("video,label\nwalk,a\n,b\n", "row 3: video or label is empty"),
    ("video,label\nrun,a\n", r"row 2: no video of the source called run; expected one such"),
    ("video,label\ncam9/walk.mp4,a\n", r"row 2: no video of the source called cam9/walk\.mp4"),
    ("video,label\n.,a\n", r"row 2: no video of the source called \.;"),
    ("video,label\nwalk,a\nwalk,b\n", "row 3: frames of cam1/walk that another row labels too"),
    ("video,label,part\nwalk,a,exam\n", "row 2: part 'exam' is not train, validation"),
    ("video,label,person\nwalk,a,9\n", "row 2: no person 9 in cam1/walk"),
])  # fmt: skip
def test_a_table_that_does_not_fit_is_refused_by_its_row(text, words, tmp_path):
    with pytest.raises(InputError, match=words):
        labelled(PEOPLE, table(tmp_path, text), tmp_path)


def test_a_frame_without_a_class_is_in_no_clip(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x1,y1,class\n" + "1,2,walk\n" * 2 + "3,4,\n" + "5,6,run\n" * 2)
    (poses,) = read_csv_wide([path])
    assert poses.labels == ["walk", "walk", None, "run", "run"]
    path.write_text("x1,y1,class\n1,2,\n")
    (poses,) = read_csv_wide([path])
    assert poses.label is None


def test_a_name_of_two_videos_is_refused(tmp_path):
    people = [person("cam1/walk"), person("cam2/walk")]
    with pytest.raises(InputError, match="row 2: several videos of the source called walk"):
        labelled(people, table(tmp_path, "video,label\nwalk,a\n"), tmp_path)


def test_a_table_keeps_texts_as_they_are(tmp_path):
    found = read_labels(Path(table(tmp_path, "video,label\n0012,1e5\nNA,null\n")))
    assert found[["video", "label"]].to_numpy().tolist() == [["0012", "1e5"], ["NA", "null"]]


def test_what_the_files_say_comes_before_the_folders(tmp_path):
    clips, _ = labelled([person("a/b/c", label="A057")], None, tmp_path)
    assert (clips[0].category, clips[0].video) == ("A057", "a/b/c")
    labels = ("1", "1", None, "2", "2", "2", None, None, "1", "1")
    clips, _ = labelled([person("a", labels=labels)], None, tmp_path)
    assert [(c.category, c.video, c.number.tolist()) for c in clips] == [
        ("1", "a-0", [0, 1]), ("2", "a-2", [3, 4, 5]), ("1", "a-4", [8, 9])
    ]  # fmt: skip


def test_folders_are_classes_and_must_be_in_one_place(tmp_path):
    clips, _ = labelled([person("Walking/a"), person("Falling/b")], None, tmp_path)
    assert [(c.category, c.video) for c in clips] == [("Walking", "a"), ("Falling", "b")]
    with pytest.raises(InputError, match="a is in no folder that names its class"):
        labelled([person("a")], None, tmp_path)
    with pytest.raises(InputError, match="category folders are in 2 places: S1, S2; point"):
        labelled([person("S1/a/x"), person("S2/b/x")], None, tmp_path)


def test_folders_around_the_classes_are_parts_or_groups(tmp_path):
    clips, _ = labelled([person("x/train/a/1"), person("x/Test/a/1")], None, tmp_path)
    assert [(c.category, c.video, c.part) for c in clips] == [
        ("a", "train/1", "train"), ("a", "Test/1", "test")
    ]  # fmt: skip
    clips, _ = labelled([person("S01/a/1"), person("S02/a/1"), person("S02/b/1")], None, tmp_path)
    assert [(c.category, c.video, c.group) for c in clips] == [
        ("a", "S01/1", "S01"), ("a", "S02/1", "S02"), ("b", "S02/1", "S02")
    ]  # fmt: skip


def clips_of(*names):
    return labelled([person(name) for name in names], None, "source")[0]


def test_groups_come_from_a_pattern():
    clips = in_groups(clips_of("Walking/S1_anna", "Falling/S2_bob"), r"S\d+_(\w+)/")
    assert [clip.group for clip in clips] == ["anna", "bob"]
    for pattern, words in ((r"(", "not a pattern"), ("x", "0 groups; expected one"),
                           (r"(anna)", "not found in Falling/S2_bob/1")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            in_groups(clips, pattern)


def test_classes_are_those_expected_or_all_but_normal_ones():
    clips = clips_of("walking/a", "Falling/b", "Normal/c")
    assert of_categories(clips, None)[1:] == (["Falling", "walking"], ["Normal"])
    kept, classes, left_out = of_categories(clips, ["Walking", "Normal"])
    assert (sorted({c.category for c in kept}), classes) == (
        ["Normal", "Walking"], ["Walking", "Normal"]
    )  # fmt: skip
    assert left_out == ["Falling"]
    with pytest.raises(InputError, match=r"classes \(walking\); expected also Arson"):
        of_categories(clips, ["Walking", "Arson"])
    with pytest.raises(InputError, match=r"1 classes \(Falling\); expected at least two"):
        of_categories(clips_of("Falling/b"), None)


def test_a_table_is_read_whatever_its_columns_order(tmp_path):
    pd.DataFrame({"label": ["a"], "video": ["walk"]}).to_csv(tmp_path / "labels.csv", index=False)
    clips, _ = labelled(PEOPLE, str(tmp_path / "labels.csv"), tmp_path)
    assert {clip.category for clip in clips} == {"a"}
