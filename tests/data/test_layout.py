import os
import unicodedata

import pytest

from bptubeformer.data.layout import (
    ELSEWHERE,
    FOREIGN,
    JUNK,
    LOOP,
    NORMAL,
    OUTSIDE,
    find_trajectories,
    find_unlabelled,
    folder_state,
    tree,
)
from bptubeformer.errors import InputError
from conftest import trajectory_rows, unprivileged_user, write_csv

EXPECTED = ["Abuse", "RoadAccidents"]


def add(folder, *paths):
    for path in paths:
        write_csv(folder / path, trajectory_rows(2))


def found(layout):
    return [(file.category, file.video, file.person) for file in layout.files]


@pytest.mark.parametrize("above", ["", "Trajectories", "HR-Crime/trajectories_all", "a/b/c/d"])
def test_categories_are_found_wherever_they_stand(tmp_path, above):
    add(tmp_path / above, "Abuse/Abuse012/0002.csv", "RoadAccidents/RoadAccidents001/0001.csv")
    wanted = [("Abuse", "Abuse012", "0002"), ("RoadAccidents", "RoadAccidents001", "0001")]
    assert found(find_trajectories([tmp_path], EXPECTED)) == wanted
    assert found(find_trajectories([tmp_path], None)) == wanted


@pytest.mark.parametrize("name", ["Road Accidents", "road_accidents", "ROAD-ACCIDENTS"])
def test_category_names_match_up_to_case_and_separators(tmp_path, name):
    add(tmp_path, "Abuse/v/1.csv", f"{name}/v/1.csv")
    layout = find_trajectories([tmp_path], EXPECTED)
    assert layout.categories == ("Abuse", "RoadAccidents")
    assert [file.category for file in layout.files] == EXPECTED


def test_categories_may_stand_in_several_places(tmp_path):
    add(tmp_path / "train", "Abuse/v1/1.csv", "RoadAccidents/v1/1.csv")
    add(tmp_path / "test", "Abuse/v2/1.csv")
    assert len(find_trajectories([tmp_path], EXPECTED).files) == 3


def test_junk_and_foreign_files_are_passed_over(tmp_path):
    add(tmp_path, "Abuse/v/1.csv", "RoadAccidents/v/1.csv", "Training-Normal/v/1.csv")
    add(tmp_path, "Abuse/.DS_Store", "Abuse/v/._1.csv", "__MACOSX/Abuse/v/1.csv")
    add(tmp_path, "videos.csv", "Abuse/v/notes.txt", "Features/Abuse/features.npy")
    for categories in (EXPECTED, None):
        layout = find_trajectories([tmp_path], categories)
        assert layout.categories == tuple(EXPECTED)
        assert len(layout.files) == 2
        assert layout.passed_over == {JUNK: 3, FOREIGN: 2, NORMAL: 1, ELSEWHERE: 1}


def test_own_categories_are_read_from_the_folders_in_sorted_order(tmp_path):
    add(tmp_path / "Trajectories", "walk/v/1.csv", "jump/v/2.csv", "jump/v/1.csv")
    layout = find_trajectories([tmp_path], None)
    assert layout.categories == ("jump", "walk")
    assert found(layout) == [("jump", "v", "1"), ("jump", "v", "2"), ("walk", "v", "1")]


def test_normal_videos_are_left_out_by_name_and_said_so(tmp_path):
    add(tmp_path, *(f"{name}/v/1.csv" for name in ("abnormal", "fall", "Testing_Normal_Videos")))
    layout = find_trajectories([tmp_path], None)
    assert layout.categories == ("abnormal", "fall")
    assert layout.left_out == ("Testing_Normal_Videos",)
    listed = find_trajectories([tmp_path], ["fall", "testing normal videos"])
    assert listed.categories == ("fall", "testing normal videos")


def test_one_category_is_not_enough(tmp_path):
    add(tmp_path, "fall/v/1.csv", "normal/v/1.csv")
    with pytest.raises(InputError, match=r"1 category \(fall\); expected at least two"):
        find_trajectories([tmp_path], None)


def test_a_category_without_video_folders_is_refused(tmp_path):
    add(tmp_path, "fall/v/1.csv", "walk/v/1.csv", "jump/1.csv")
    with pytest.raises(InputError, match=r"category jump, found jump/1\.csv"):
        find_trajectories([tmp_path], None)


def test_when_nothing_fits_the_tree_is_shown_beside_what_was_expected(tmp_path):
    add(tmp_path, "deep/Fighting/v/1.csv")
    with pytest.raises(InputError) as refusal:
        find_trajectories([tmp_path], EXPECTED)
    message = str(refusal.value)
    assert "2 of the 2 categories: Abuse, RoadAccidents" in message
    assert "Abuse/Abuse012/0002.csv" in message
    assert "Fighting/" in message
    assert "1.csv" in message


def test_a_missing_category_is_named(tmp_path):
    add(tmp_path, "Abuse/v/1.csv")
    with pytest.raises(InputError, match="1 of the 2 categories: RoadAccidents"):
        find_trajectories([tmp_path], EXPECTED)


@pytest.mark.parametrize("categories", [EXPECTED, None])
def test_an_empty_category_is_named(tmp_path, categories):
    add(tmp_path / "T", "Abuse/v/1.csv")
    (tmp_path / "T" / "RoadAccidents" / "v").mkdir(parents=True)
    with pytest.raises(InputError, match=r"T/RoadAccidents: category RoadAccidents is empty"):
        find_trajectories([tmp_path], categories)


def test_a_folder_without_trajectories_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match="no trajectories"):
        find_trajectories([tmp_path], None)
    with pytest.raises(InputError, match="no such folder"):
        find_trajectories([tmp_path / "none"], None)


def test_the_same_trajectory_in_two_places_is_refused(tmp_path):
    for copy in ("a", "b"):
        add(tmp_path / copy, "Abuse/v/1.csv", "RoadAccidents/v/1.csv")
    with pytest.raises(InputError, match="also stands at"):
        find_trajectories([tmp_path], EXPECTED)
    with pytest.raises(InputError, match="2 places"):
        find_trajectories([tmp_path], None)


ODD_NAMES = [
    "with space",
    "quote'\"s",
    "$(touch owned)",
    "line\nbreak",
    "Grüße-群衆",
    ";|&",
    "a\\b",
]


@pytest.mark.parametrize("categories", [EXPECTED, None])
def test_videos_and_people_may_have_any_name(tmp_path, categories):
    names = [*ODD_NAMES, os.fsdecode(b"latin-\xe9")]
    add(tmp_path, *(f"Abuse/{name}/{name}.csv" for name in names), "RoadAccidents/v/1.csv")
    layout = find_trajectories([tmp_path], categories)
    assert {file.video for file in layout.files} == {*names, "v"}
    assert folder_state(str(tmp_path))


@pytest.mark.parametrize("name", ["fall\ndown", os.fsdecode(b"caf\xe9"), "bell\a"])
def test_a_category_that_no_table_can_show_is_refused(tmp_path, name):
    add(tmp_path, f"{name}/v/1.csv", "walk/v/1.csv")
    with pytest.raises(InputError, match=r"category \w+\\\w+: .* cannot be printed") as refusal:
        find_trajectories([tmp_path], None)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("categories", [EXPECTED, None])
def test_links_are_followed_but_not_in_circles(tmp_path, categories):
    data = tmp_path / "data"
    add(tmp_path / "elsewhere", "Abuse/v/1.csv")
    add(data, "RoadAccidents/v/1.csv")
    (data / "Abuse").symlink_to(tmp_path / "elsewhere" / "Abuse")
    (data / "RoadAccidents" / "up").symlink_to(data)
    (tmp_path / "elsewhere" / "Abuse" / "v" / "back").symlink_to(data)
    layout = find_trajectories([data], categories)
    assert found(layout)[:1] == [("Abuse", "v", "1")]
    assert layout.passed_over[LOOP] >= 2


def test_folders_that_lead_to_each_other_are_looked_into_once(tmp_path):
    """Two links in each of 30 folders to the next one would be a billion ways."""
    add(tmp_path, "walk/v/1.csv", "jump/v/1.csv")
    for i in range(30):
        (tmp_path / "walk" / f"n{i}").mkdir()
        for name in "ab":
            (tmp_path / "walk" / f"n{i}" / name).symlink_to(tmp_path / "walk" / f"n{i + 1}")
    layout = find_trajectories([tmp_path], None)
    assert (layout.categories, len(layout.files)) == (("jump", "walk"), 2)


def test_a_dataset_with_a_link_to_itself_is_read_once(tmp_path):
    add(tmp_path, "walk/v/1.csv", "jump/v/1.csv")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path / "walk")
    layout = find_trajectories([tmp_path], None)
    assert (layout.categories, layout.passed_over) == (("jump", "walk"), {LOOP: 2})


def test_a_link_that_the_system_cannot_look_at_is_a_file_like_others(tmp_path):
    add(tmp_path, "walk/v/1.csv", "jump/v/1.csv")
    (tmp_path / "walk" / "v" / "2.csv").symlink_to("z" * 300)
    assert len(find_trajectories([tmp_path], None).files) == 3
    assert folder_state(str(tmp_path))
    assert folder_state("z" * 300) == ""


def test_one_name_in_two_forms_of_unicode_is_one(tmp_path):
    add(tmp_path, f"{unicodedata.normalize('NFD', 'Café')}/v/1.csv", "walk/v/1.csv")
    names = [unicodedata.normalize("NFC", "Café"), "walk"]
    assert len(find_trajectories([tmp_path], names).files) == 2


@pytest.mark.parametrize("categories", [EXPECTED, None])
def test_what_stands_in_a_trajectorys_place_is_taken_for_one(tmp_path, categories):
    """To be rejected, with its reason, when it is read."""
    add(tmp_path, "Abuse/v/1.csv", "RoadAccidents/v/1.csv", "Abuse/v/folder.csv/1.csv")
    (tmp_path / "Abuse" / "v" / "circle.csv").symlink_to("circle.csv")
    (tmp_path / "Abuse" / "v" / "gone.csv").symlink_to("nowhere")
    layout = find_trajectories([tmp_path], categories)
    assert [file.person for file in layout.files] == ["1", "circle", "folder", "gone", "1"]
    assert layout.passed_over == {ELSEWHERE: 1}
    assert folder_state(str(tmp_path))


def test_a_folder_that_cannot_be_looked_into_is_named(unprivileged):
    add(unprivileged, "Abuse/v/1.csv", "RoadAccidents/v/1.csv")
    with unprivileged_user(unprivileged):
        (unprivileged / "Abuse" / "v").chmod(0)
        with pytest.raises(InputError, match=r"Abuse/v: the folder cannot be looked into \(Perm"):
            find_trajectories([unprivileged], None)
        (unprivileged / "Abuse" / "v").chmod(0o755)


def test_a_long_tree_is_cut(tmp_path):
    add(tmp_path, *(f"c{i:03d}/v/1.csv" for i in range(100)))
    lines = tree([tmp_path], lines=10).splitlines()
    assert len(lines) == 11
    assert "more lines" in lines[-1]


@pytest.mark.parametrize("target", ["..", "/proc/self", "/sys", "/"])
def test_links_to_what_is_around_the_dataset_are_not_followed(tmp_path, target):
    data = tmp_path / "data"
    add(data, "walk/v/1.csv")
    add(data, "jump/v/1.csv")
    add(tmp_path / "other", "walk/v/2.csv")
    (data / "walk" / "out").symlink_to(tmp_path if target == ".." else target)
    layout = find_trajectories([data], None)
    assert len(layout.files) == 2
    assert layout.passed_over == {OUTSIDE: 1}


def test_trajectories_of_no_category_are_named_by_their_folders(tmp_path):
    add(tmp_path / "data", "1.csv")
    add(tmp_path / "data", "a/v/2.csv")
    add(tmp_path / "data", "a/.DS_Store")
    layout = find_unlabelled(tmp_path / "data")
    assert found(layout) == [("", "a/v", "2"), ("", "data", "1")]
    assert found(find_unlabelled(tmp_path / "data" / "1.csv")) == [("", "data", "1")]
    left = find_unlabelled(tmp_path / "data", left_out=tmp_path / "data" / "a")
    assert found(left) == [("", "data", "1")]
    with pytest.raises(InputError, match="no such file or folder; give a trajectory"):
        find_unlabelled(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no \.csv file in it"):
        find_unlabelled(tmp_path / "empty")


def test_a_link_to_itself_is_a_file_like_others_for_a_model_too(tmp_path):
    add(tmp_path, "walk/v/1.csv")
    (tmp_path / "walk" / "v" / "2.csv").symlink_to("2.csv")
    layout = find_unlabelled(tmp_path, left_out=tmp_path / "classified")
    assert [file.person for file in layout.files] == ["1", "2"]
