import pytest

from bptubeformer.data.layout import find_trajectories, tree
from bptubeformer.errors import InputError
from conftest import trajectory_rows, write_csv

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
        names = {path.name for path in layout.passed_over}
        assert names == {"1.csv", "videos.csv", "notes.txt", "features.npy"}


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


def test_a_long_tree_is_cut(tmp_path):
    add(tmp_path, *(f"c{i:03d}/v/1.csv" for i in range(100)))
    lines = tree([tmp_path], lines=10).splitlines()
    assert len(lines) == 11
    assert "more lines" in lines[-1]
