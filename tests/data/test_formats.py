"""Each reader against files that a ten-line writer made, and against real files."""

import json
import pickle
import re
import shutil
import tarfile

import numpy as np
import pytest
from scipy.spatial import cKDTree

from bptubeformer.data.formats import NAMES, Unreadable, format_named, recognise
from bptubeformer.data.formats.pyskl import FORMAT as PYSKL
from bptubeformer.data.joints import joint_name
from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import ingest
from bptubeformer.data.recordings import find_recordings, format_of, read_recordings
from bptubeformer.errors import InputError
from bptubeformer.settings import ReadingSettings
from bptubeformer.skeleton import COCO_17, known_skeletons, load_skeleton
from data.writers import ALONE, NORMALISED, SIZE, TRACKED, WRITERS

FRAMES = 12


def people(joints, count):
    """Two people who walk past each other, (FRAMES, count, J, 2); a joint and a person are lost."""
    generator = np.random.default_rng(len(joints))
    shape = generator.uniform(-60, 60, (len(joints), 2))
    starts = np.array([[300.0, 200.0], [900.0, 400.0]])[:count]
    speeds = np.array([[20.0, 3.0], [-25.0, 1.0]])[:count]
    place = starts + np.arange(FRAMES)[:, None, None] * speeds[None]
    poses = place.reshape(FRAMES, count, 1, 2) + shape
    poses[3, 0, 5] = np.nan
    if count > 1:
        poses[4, 1] = np.nan
    return poses.round(2)


def fitting(joints):
    return next(n for n in ("halpe-26", "openpose-25", *known_skeletons())
                if set(load_skeleton(n).joints) <= set(joints))  # fmt: skip


def written(name, folder):
    write, joints = WRITERS[name]
    poses = people(joints, 1 if name in ALONE else 2)
    place = folder / "Walking" / "walk"
    place.mkdir(parents=True)
    write(place, poses)
    return poses, joints


def settings_for(name, joints, **more):
    size = SIZE.tolist() if name in NORMALISED else None
    return ReadingSettings(skeleton=fitting(joints), image_size=size, **more)


def read(folder, settings):
    kind = format_of([folder], settings)
    recordings, passed_over = find_recordings([folder], kind)
    found = read_recordings(recordings, kind, load_skeleton(settings.skeleton), settings)
    return kind, found, passed_over


@pytest.mark.parametrize("name", WRITERS)
def test_a_reader_finds_the_people_that_were_written(name, tmp_path):
    poses, joints = written(name, tmp_path)
    settings = settings_for(name, joints)
    kind, found, _ = read(tmp_path, settings)
    assert name.startswith(kind)
    assert (found.rejected, found.foreign, found.repeated) == ([], 0, 0)
    assert found.inferred == (name not in TRACKED)
    skeleton = load_skeleton(settings.skeleton)
    chosen = [list(joints).index(joint) for joint in skeleton.joints]
    assert len(found.trajectories) == poses.shape[1]
    by_start = sorted(found.trajectories, key=lambda one: one.frames[0, 0])
    order = np.argsort(poses[0, :, chosen[0], 0])
    for one, i in zip(by_start, order, strict=True):
        seen = np.isfinite(poses[:, i]).any(axis=(1, 2))
        first = 1 if name in ("mmpose-demo",) or kind == "ultralytics" else 0
        assert (one.number - first).tolist() == np.flatnonzero(seen).tolist()
        expected = np.nan_to_num(poses[seen, i][:, chosen]).reshape(seen.sum(), -1)
        tolerance = 0.5 if kind == "pyskl" else 0.02
        np.testing.assert_allclose(one.frames, expected, atol=tolerance)
    labels = {one.label for one in found.trajectories}
    assert labels == {"ntu": {"A057"}, "kinetics": {"walking"}, "pyskl": {"3"}}.get(kind, {None})
    if kind == "kinect-v1":
        assert set(found.trajectories[0].labels) == {"7"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_of_one_format(name, tmp_path):
    written(name, tmp_path)
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file())
    from bptubeformer.data.formats import Beginning

    kinds = [kind for kind in NAMES if format_named(kind).suffix == path.suffix
             and format_named(kind).recognises(Beginning(path))]  # fmt: skip
    assert kinds == [recognise(path)]


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "csv-long"])
def test_a_file_cut_short_is_rejected_or_a_shorter_recording(name, tmp_path):
    _, joints = written(name, tmp_path)
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file())
    content = path.read_bytes()
    settings = settings_for(name, joints)
    kind = format_of([tmp_path], settings)
    for share in (0.02, 0.3, 0.6, 0.95):
        path.write_bytes(content[: int(len(content) * share)])
        recordings, _ = find_recordings([tmp_path], kind)
        found = read_recordings(recordings, kind, load_skeleton(settings.skeleton), settings)
        for _, reason in found.rejected:
            assert "\n" not in reason
            assert str(path.parent) in reason


@pytest.mark.parametrize("name", sorted(NORMALISED))
def test_shares_of_the_image_need_its_size(name, tmp_path):
    _, joints = written(name, tmp_path)
    with pytest.raises(
        InputError, match=r"shares of the image; set dataset.image_size to its width"
    ):
        read(tmp_path, ReadingSettings(skeleton=fitting(joints)))


def test_without_identities_a_file_is_refused_where_they_must_be_given(tmp_path):
    _, joints = written("openpose", tmp_path)
    with pytest.raises(InputError, match="does not say who is who; let the estimator track people"):
        read(tmp_path, settings_for("openpose", joints, identity="given"))


def test_joints_that_a_format_lacks_are_named_and_skeletons_that_it_has(tmp_path):
    written("kinect-v1", tmp_path)
    with pytest.raises(
        InputError, match=r"without nose, .*which coco-17 has; set dataset.skeleton to"
    ):
        read(tmp_path, ReadingSettings())
    place = tmp_path / "2" / "x"
    place.mkdir(parents=True)
    (place / "a.json").write_text(
        json.dumps(
            {
                "meta_info": {"keypoint_id2name": {"0": "root"}},
                "instance_info": [{"frame_id": 1, "instances": [{"keypoints": [[1, 2]]}]}],
            }
        )
    )
    with pytest.raises(InputError, match="they are root: describe them in a file of yours"):
        read(tmp_path / "2", ReadingSettings())


def test_files_of_two_formats_are_refused(tmp_path):
    written("alphapose", tmp_path / "a")
    written("csv-wide", tmp_path / "b")
    with pytest.raises(
        InputError, match=r"files of 2 formats: .* is of csv-wide, .* is of alphapose"
    ):
        format_of([tmp_path], ReadingSettings())
    assert format_of([tmp_path], ReadingSettings(format="alphapose")) == "alphapose"


def test_a_format_without_files_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(
        InputError, match=r"no file of the format ntu .*names that end in .skeleton"
    ):
        find_recordings([tmp_path], "ntu")


@pytest.mark.parametrize(("text", "words"), [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
    ("<!DOCTYPE html><html>", "a web page in place of the file"),
])  # fmt: skip
def test_what_stands_in_place_of_data_is_named(text, words, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(Unreadable, match=words):
        recognise(tmp_path / "a.json")


REFUSED = {
    "no person": ("tracked-person", "a.json", '{"1": {"0001": {"keypoints": []}}}', "no person"),
    "no joint": ("tracked-person", "a.json", json.dumps({"1": {"0001": {"keypoints": [0] * 51}}}),
                 "no joint in any frame"),
    "far away": ("tracked-person", "a.json", json.dumps({"1": {"0001": {"keypoints": [1e8] * 51}}}),
                 "coordinates of 1e[+]08; not pixels"),
    "texts": ("tracked-person", "a.json", json.dumps({"1": {"0001": {"keypoints": ["x"] * 51}}}),
              "its joints are not 3 numbers each"),
    "twice": ("csv-long", "a.csv",
              "Frame,Joint,X,Y\n1,0,5,5\n1,0,5,5\n", "row 3"),
    "no rows": ("csv-long", "a.csv", "", "rows of different lengths, or no text"),
    "wide text": ("csv-wide", "a.csv", "x1,y1\n1,2\n3,abc\n", "row 3, column y1: abc is"),
    "wide rows": ("csv-wide", "a.csv", "x1,y1\n1,2,3,4\n5,6\n1,2,3,4,5,6\n",
                  "rows of different lengths, or no text"),
    "another version": ("kinetics", "a.json", '{"data": [{"frame": 1}]}', "another version of its"),
    "no number": ("csv-wide", "a.csv", "frame,x1,y1\n1700000000000,1,2\n1700000000040,3,4\n",
                  "the frame number 1700000000040; expected at most 2147483647"),
    "long number": ("kinetics", "a.json",
                    '{"data": [{"frame_index": 1e999, "skeleton": [{"pose": []}]}]}',
                    "another version of its"),
    "kinect": ("kinect-v1", "a.csv", "HipCenter;Spine\n1 2 3;1 2\n", "row 2: expected x y z of 2"),
    "azure": ("kinect-azure", "a.csv", "1,2\n", "row 1: 2 numbers"),
    "azure text": ("kinect-azure", "a.csv", "1,b\n", "row 1: not numbers"),
    "boxes": ("ultralytics", "a_1.txt", "0 0.5 0.5 0.1 0.1\n", "row 1: 5 numbers"),
    "words": ("ultralytics", "a_1.txt", "0 zero\n", "row 1: not numbers"),
    "labels": ("ultralytics", "a_1.txt", " ".join(["0", *["0.5"] * 4, *["0.5 0.5 2"] * 17]),
               "labels of a training"),
    "appended": ("ultralytics", "image0.txt", "\n".join(
        [" ".join(["0", *["0.5"] * 4, *["0.5 0.5 0.9"] * 17])] * 61), "no frame can be told"),
    "ntu short": ("ntu", "S1C1P1R1A1.skeleton", "1\n1\n1 2 3\n", "row 3: 3 numbers; expected 10"),
    "ntu hand": ("ntu", "a.skeleton", "1\n1\n0 0 0 0 0 0 0 0 0 0\n26\n", "row 4: expected"),
    "ntu text": ("ntu", "a.skeleton", "x\n1\n", "row 1: not a number"),
    "3D": ("mmpose", "a.json", json.dumps([{"frame_id": 0, "instances": [
        {"keypoints": [[0.1, 0.2, 0.3]] * 17}]}]), "joints of 3 numbers; expected x and y"),
    "npy": ("mediapipe-npy", "0.npy", "\x93NUMPY", "not an array of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_rejected_in_one_line(case, tmp_path):
    kind, name, text, words = REFUSED[case]
    place = tmp_path / "Walking" / "walk"
    place.mkdir(parents=True)
    (place / name).write_text(text, encoding="latin-1")
    recordings, _ = find_recordings([tmp_path], kind)
    found = read_recordings(
        recordings, kind, load_skeleton("coco-17"), ReadingSettings(format=kind)
    )
    ((recording, reason),) = found.rejected
    assert re.search(words, reason), reason
    assert recording.place.name == name
    assert "\n" not in reason


def test_a_foreign_file_beside_them_is_passed_over(tmp_path):
    _, joints = written("kinetics", tmp_path)
    (tmp_path / "Walking" / "labels.json").write_text('{"clip": {"label": "walking"}}')
    (tmp_path / "Walking" / "notes.txt").write_text("hello")
    _, found, passed_over = read(tmp_path, settings_for("kinetics", joints))
    assert (found.foreign, found.rejected, len(found.trajectories)) == (1, [], 2)
    assert passed_over == {"not .json": 1}


@pytest.mark.parametrize("kind", NAMES)
def test_an_empty_file_is_rejected_in_one_line(kind, tmp_path):
    (tmp_path / "Walking").mkdir()
    (tmp_path / "Walking" / f"a_1{format_named(kind).suffix}").write_text("")
    recordings, _ = find_recordings([tmp_path], kind)
    found = read_recordings(recordings, kind, COCO_17, ReadingSettings(format=kind))
    ((_, reason),) = found.rejected
    assert "\n" not in reason
    assert found.trajectories == []


def test_a_recording_with_a_fault_leaves_none_of_its_people(tmp_path):
    """The second person is in a frame twice; the first one is sound."""
    entries = [{"image_id": f, "track_id": i, "keypoints": [10 + f, 20, 1] * 17}
               for f, i in ((0, 1), (1, 1), (0, 2), (0, 2))]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(entries))
    recordings, _ = find_recordings([tmp_path], "coco")
    found = read_recordings(recordings, "coco", COCO_17, ReadingSettings())
    assert (len(found.rejected), found.trajectories) == (1, [])


def test_a_link_that_leads_nowhere_is_rejected(tmp_path):
    _, joints = written("mmpose", tmp_path)
    (tmp_path / "Walking" / "gone.json").symlink_to("nowhere")
    _, found, _ = read(tmp_path, settings_for("mmpose", joints))
    assert len(found.trajectories) == 2
    assert "gone.json: cannot be read (no such file" in found.rejected[0][1]


def test_arrays_of_another_width_are_rejected(tmp_path):
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "0.npy", np.zeros(34))
    recordings, _ = find_recordings([tmp_path], "mediapipe-npy")
    found = read_recordings(
        recordings, "mediapipe-npy", load_skeleton("mediapipe-33"), ReadingSettings()
    )
    assert "34 numbers; expected 132, 258, 1662" in found.rejected[0][1]


def test_metres_and_still_images_and_crowds_are_refused(tmp_path):
    place = tmp_path / "a.json"

    def results(entries):
        place.write_text(json.dumps(entries))
        recordings, _ = find_recordings([tmp_path], "coco")
        return read_recordings(recordings, "coco", load_skeleton("coco-17"), ReadingSettings())

    one = {"image_id": 1, "keypoints": [10, 20, 1] * 17}
    with pytest.raises(InputError, match=r"from -0.5 to 0.5: metres, or relative to a body"):
        results([{"image_id": 1, "keypoints": [-0.5, 0.5, 1] * 17}])
    found = results([{**one, "image_id": number} for number in (9, 139, 400)])
    assert "still images: their numbers lie 196 apart" in found.rejected[0][1]
    assert "1001 people in one frame; expected at most 1000" in results([one] * 1001).rejected[0][1]
    twice = {**one, "track_id": 4}
    assert "person 4 is in frame 1 twice" in results([twice, twice]).rejected[0][1]


class Huge(list):
    """A list with an annotation of 8 TB that no byte of the file has."""

    def __reduce__(self):
        array = (np.ndarray, ((1, 10**12, 1, 1),))
        return (list, (), None, iter([{"frame_dir": "a", "keypoint": Built(array)}]))


class Built:
    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return self.made


class Hostile:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("content", [
    Hostile(), {"annotations": [Hostile()]}, {"annotations": [{"frame_dir": "a"}]}, [1], 5,
    {"annotations": [{"frame_dir": "a", "keypoint": np.array([None])}]},
    {"annotations": [{"frame_dir": "a", "keypoint": np.zeros((1, 2, 17, 3))}]},
    {"annotations": [{"frame_dir": "a", "keypoint": np.zeros((2, 17, 2))}]}, Huge(),
    {"annotations": [{"frame_dir": "a", "keypoint": [np.zeros((9, 17, 2))] * 99}]},
], ids=range(10))  # fmt: skip
def test_a_hostile_or_other_pickle_executes_nothing(content, tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(Unreadable, match="not a pickle of skeletons"):
        list(PYSKL.read([path]))


@pytest.mark.parametrize(("text", "name"), [
    ("LShoulder", "left shoulder"), ("ShoulderLeft", "left shoulder"), ("nose", "nose"),
    ("RIGHT_FOOT_INDEX", "right foot index"), ("LBigToe", "left big toe"), ("HipCenter", "mid hip"),
    ("Rheel", "right heel"), ("left_eye", "left eye"), ("MidHip", "mid hip"), ("Neck", "neck"),
    ("ShoulderCenter", "neck"), ("left.knee", "left knee"),
])  # fmt: skip
def test_joints_have_one_name(text, name):
    assert joint_name(text) == name


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Real files of pose estimators; skips where there are none."""
    from conftest import REAL_DATA

    archive = REAL_DATA / "poses-raw.tar.gz"
    if not archive.exists():
        pytest.skip(f"real files {archive.name} are not on this machine")
    folder = tmp_path_factory.mktemp("raw")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder / "poses-raw"


COUNTED = [
    "openpose-folder/kick9", "openpose-folder/two-people", "alphapose/tracked-6-ids",
    "alphapose/halpe26-frames-absent", "alphapose/no-idx", "alphapose/wholebody-133",
    "mmpose/inferencer-17.json", "mmpose/demo-halpe26.json", "coco/results.json",
    "coco/posetrack-track-id.json", "ultralytics/image0-12-people.txt",
    "ultralytics/image0-rows-twice.txt", "mediapipe/long-frame-landmark.csv",
    "mediapipe/wide-pixels-no-frame.csv", "mediapipe/mp-data/fall/0",
    "kinetics-skeleton/sitting/sitting_0_processed.json",
    "kinetics-skeleton/sleeping/sleeping_2_processed.json",
]  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_a_real_file_holds_what_a_plain_reader_counted(name, raw):
    (entry,) = [e for e in json.loads((raw / "expected.json").read_text()) if e["path"] == name]
    facts, place = entry["facts"], raw / name
    paths = sorted(place.rglob("*.*")) if place.is_dir() else [place]
    (poses,) = format_named(recognise(paths[0])).read(paths)
    assert len(poses.frame) == facts["people"]
    assert poses.joints.shape[1:] == (facts["joints"], 2)
    assert len(set(poses.frame.tolist())) == facts["frames"] - facts.get("frames_without_people", 0)
    if facts["frames"] > 1 and isinstance(facts["frame_first"], int) and facts["people"] > 44:
        ends = [int(poses.frame.min()), int(poses.frame.max())]
        assert ends == [facts["frame_first"], facts["frame_last"]]
    missing = (np.nan_to_num(poses.joints) == 0).all(axis=-1)
    assert missing.sum() == facts["missing_joints"]
    for axis, key in enumerate("xy"):
        seen = poses.joints[..., axis][~missing]
        np.testing.assert_allclose([seen.min(), seen.max()], facts[key], rtol=1e-3, atol=1e-3)
    if facts["trajectories"]:
        assert len(set(poses.person)) == facts["trajectories"]
        rows = {name: poses.person.count(name) for name in poses.person}
        assert rows == facts["rows_by_identity"]
    elif "identity" in entry["needs"]:
        assert poses.person is None


@pytest.mark.parametrize(("name", "words"), [
    ("coco/results.json", "still images"), ("refuse/alphapose-broken.json", "not JSON"),
    ("refuse/mmpose-human36m-3d.json", "joints of 3 numbers"),
    ("refuse/pickle_with_torch_tensors.pkl", r"it needs torch._utils._rebuild_tensor_v2"),
    ("refuse/yolo-detect-labels.txt", "5 numbers; expected a box and 17"),
    ("coco/posetrack-track-id.json", "without left eye, right eye, which coco-17 has"),
    ("refuse/git-lfs-pointer.pkl", "a pointer of Git LFS"),
    ("kinect20", "set dataset.skeleton to kinect-20"),
    ("openpose-csv", "set dataset.skeleton to coco-17 or openpose-25"),
])  # fmt: skip
def test_a_real_file_that_is_no_skeletons_is_refused(name, words, raw, tmp_path):
    place = raw / name
    if place.is_file():
        (tmp_path / "a").mkdir()
        shutil.copy(place, tmp_path / "a")
    kinds = {".json": "alphapose", ".txt": "ultralytics"}
    default = "halpe-26" if name == "openpose-csv" else "coco-17"
    try:
        source = tmp_path if place.is_file() else place
        kind = format_of([source], ReadingSettings())
        kind = kinds[place.suffix] if kind == "trajectories" else kind
        recordings, _ = find_recordings([source], kind)
        found = read_recordings(recordings, kind, load_skeleton(default), ReadingSettings())
        ((_, reason),) = found.rejected
    except InputError as refusal:
        reason = str(refusal)
    assert re.search(words, reason), reason


@pytest.mark.parametrize(("name", "skeleton", "rows"), [
    ("kinect20", "kinect-20", 460), ("kinect-azure32", "coco-17", 1080),
    ("openpose-csv", "openpose-25", 3254), ("openpose-csv", "coco-17", 3254),
])  # fmt: skip
def test_real_recordings_of_one_person_keep_every_row(name, skeleton, rows, raw):
    settings = ReadingSettings(skeleton=skeleton)
    _, found, _ = read(raw / name, settings)
    assert sum(len(one.number) for one in found.trajectories) == rows
    assert found.rejected == []


def test_the_recordings_of_precog_are_the_trajectories_that_others_made_of_them(tmp_path):
    """Every row of precog is one of precog-raw, to the two decimals that were written."""
    from conftest import REAL_DATA

    for name in ("precog", "precog-raw"):
        archive = REAL_DATA / f"{name}.tar.gz"
        if not archive.exists():
            pytest.skip(f"real files {archive.name} are not on this machine")
        with tarfile.open(archive) as file:
            file.extractall(tmp_path, filter="data")
    kinect = load_skeleton("kinect-20")
    _, found, _ = read(tmp_path / "precog-raw", ReadingSettings(skeleton="kinect-20"))
    made, _ = ingest(find_trajectories([tmp_path / "precog"], None))
    common = [joint for joint in COCO_17.joints if joint in kinect.joints]

    def of_common(frames, skeleton):
        chosen = [skeleton.joints.index(joint) for joint in common]
        return frames.reshape(len(frames), -1, 2)[:, chosen].reshape(len(frames), -1)

    raw = np.concatenate([one.frames for one in found.trajectories])
    far, _ = cKDTree(of_common(raw, kinect)).query(of_common(made.frames, COCO_17))
    assert (len(raw), len(far)) == (19_219, 18_132)
    assert far.max() < 0.005 * np.sqrt(2 * len(common)) + 1e-3


@pytest.mark.parametrize("folder", ["tracked-person", "alphapose"])
def test_every_person_of_a_real_file_is_found(folder, raw):
    """Against ten lines of plain Python, for the files that expected.json does not describe."""
    files = list((raw / folder).glob("*.json"))
    assert len(files) >= 2
    for path in files:
        content = json.loads(path.read_text())
        if folder == "alphapose":
            entries = [(entry["image_id"], entry["keypoints"]) for entry in content]
            ranks = {name: rank for rank, name in enumerate(sorted({name for name, _ in entries}))}
            numbers = [ranks[name] for name, _ in entries]
        else:
            entries = [(f, entry["keypoints"]) for person in content.values()
                       for f, entry in person.items()]  # fmt: skip
            numbers = [int(frame) for frame, _ in entries]
        (poses,) = format_named(folder).read([path])
        joints = np.array([keypoints for _, keypoints in entries]).reshape(len(entries), -1, 3)
        np.testing.assert_allclose(poses.joints, joints[..., :2], rtol=1e-6)
        assert poses.frame.tolist() == numbers
        assert (poses.person is None) == (folder == "alphapose")
