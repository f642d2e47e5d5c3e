"""From a source of any format to a frame store."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bptubeformer.data.ingest import store_of, write_store
from bptubeformer.data.labels import Clip
from bptubeformer.data.splits import make_splits
from bptubeformer.data.store import FrameStore, video_of
from bptubeformer.data.trust import check_units
from bptubeformer.errors import InputError
from bptubeformer.settings import ReadingSettings, SplitSettings, TrainingSettings
from bptubeformer.skeleton import COCO_17
from bptubeformer.training.job import train_fold
from conftest import trajectory_rows, write_csv
from data.test_formats import FRAMES, people
from data.writers import WRITERS


@pytest.fixture
def ingested(tmp_path):
    """Writes recordings of a format into folders of classes, and reads them."""

    def run(writer, names=("Walking/a", "Falling/b"), **settings):
        source = tmp_path / "source"
        for name in names:
            place = source / name
            place.mkdir(parents=True)
            write, joints = WRITERS[writer]
            write(place, people(joints, 2))
        return read(source, **settings)

    def read(source, **settings):
        manifest = tmp_path / "manifest.json"
        manifest.write_text(json.dumps({"source": "", "folders": [str(source)], "files": []}))
        output = tmp_path / "frames.safetensors"
        write_store(manifest, output, None, ReadingSettings(**settings), 2)
        return FrameStore.load(output)

    run.read = read
    return run


def test_recordings_become_a_store(ingested, capsys, tmp_path):
    store = ingested("openpose", skeleton="openpose-25")
    table = store.trajectories
    assert table["category"].tolist() == ["Falling"] * 2 + ["Walking"] * 2
    assert set(table["video"]) == {"a", "b"}
    assert (store.skeleton.name, store.frames.shape[1]) == ("openpose-25", 50)
    assert table["rows"].tolist() == [FRAMES, FRAMES - 1] * 2
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["format"], summary["identities_inferred"]) == ("openpose", 2)
    printed = capsys.readouterr().out
    assert "identities inferred by tracking in 2 recordings" in printed
    assert "46 frames of openpose-25 (openpose)" in printed


def test_a_table_of_labels_and_groups(ingested, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("video,label,group,last_frame\na,Walk,x,5\nb,Fall,y,\n")
    store = ingested("alphapose", ("one/a", "two/b"), labels=str(labels))
    assert store.categories == ("Fall", "Walk")
    found = store.trajectories[["category", "group", "rows"]].drop_duplicates().to_numpy().tolist()
    assert ["Walk", "x", 6] in found
    assert {row[1] for row in found} == {"x", "y"}


def test_the_layout_of_hr_crime_takes_labels_and_groups_too(ingested, tmp_path):
    source = tmp_path / "plain"
    for video in ("a", "b"):
        for name in ("0001", "0002"):
            write_csv(source / "x" / video / f"{name}.csv", trajectory_rows(40))
    labels = tmp_path / "labels.csv"
    labels.write_text("video,label\nx/a,Walk\nx/b,Fall\n")
    store = ingested.read(source, labels=str(labels), group=r"/(\d+)$")
    assert store.categories == ("Fall", "Walk")
    assert store.trajectories["group"].tolist() == ["0001", "0002"] * 2
    np.testing.assert_array_equal(store.frames[:40], np.array(trajectory_rows(40))[:, 1:])


def test_people_who_are_hardly_seen_can_be_left_out(ingested, tmp_path, capsys):
    source = tmp_path / "plain"
    nobody = [[row[0], *[0] * 34] for row in trajectory_rows(40)]
    for category in ("A", "B"):
        write_csv(source / category / "v" / "1.csv", trajectory_rows(40))
        write_csv(source / category / "v" / "2.csv", nobody)
    assert len(ingested.read(source).rows) == 4
    assert "2 trajectories have no joint in any frame, 2 in fewer" in capsys.readouterr().out
    assert len(ingested.read(source, min_visible=0.5).rows) == 2
    assert "left out: 2 trajectories with a joint in fewer than 50%" in capsys.readouterr().out


def test_recordings_that_cannot_be_read_are_listed(ingested, tmp_path):
    source = tmp_path / "source"
    ingested("alphapose", ("Walking/a", "Walking/d", "Falling/b", "Falling/c"))
    broken = source / "Walking" / "a" / "alphapose-results.json"
    broken.write_text(broken.read_text()[:200])
    with pytest.raises(InputError, match=r"1 of 7 trajectories cannot be read, more than 0.01"):
        ingested.read(source)
    rejected = pd.read_csv(tmp_path / "rejected.csv")
    assert rejected["file"].tolist() == [str(broken)]
    # Also where no recording of a class is left.
    for path in source.glob("Walking/*/*.json"):
        path.write_text(path.read_text()[:200])
    with pytest.raises(InputError, match=r"1 classes \(Falling\); expected at least two"):
        ingested.read(source)
    assert len(pd.read_csv(tmp_path / "rejected.csv")) == 2
    assert "not JSON, or cut short" in rejected["reason"][0]


def store_with(frames):
    table = pd.DataFrame(
        {"category": ["a"], "video": ["v"], "person": ["1"], "rows": [len(frames)]}
    )
    numbers = np.arange(len(frames), dtype=np.int32)
    return FrameStore(frames.astype(np.float32), numbers, np.array([0, len(frames)]), table, ("a",))


SOUND = 100 + 50 * np.random.default_rng(0).random((30, 34))


@pytest.mark.parametrize(("frames", "words"), [
    (SOUND / 200, "shares of the image; expected pixels"),
    (SOUND / 100 - 1.2, "metres, or relative to a body; expected pixels"),
    (np.where(np.arange(34) % 2, SOUND / 200, SOUND), "all y lie between .*: scores in place of"),
    (np.tile(SOUND[:1], (30, 1)), "the same pose in all frames"),
    (np.zeros((30, 34)), "no joint in any frame"),
])  # fmt: skip
def test_what_cannot_be_pixels_of_people_is_refused(frames, words):
    check_units(store_with(SOUND), "source")
    with pytest.raises(InputError, match=f"^source: .*{words}"):
        check_units(store_with(frames), "source")


def test_people_who_all_keep_one_pose_are_refused():
    """Each another one: they differ from person to person only."""
    poses = np.repeat(SOUND[:3], 10, axis=0)
    table = pd.DataFrame({"category": "a", "video": ["1", "2", "3"], "person": "1", "rows": 10})
    store = FrameStore(poses.astype(np.float32), np.arange(30, dtype=np.int32),
                       np.array([0, 10, 20, 30]), table, ("a",))  # fmt: skip
    with pytest.raises(InputError, match="the same pose in all frames"):
        check_units(store, "source")


def grouped(groups, classes=3):
    rows = [(f"c{i % classes}", f"v{i}", "1", 60, group) for i, group in enumerate(groups)]
    rows.sort()
    table = pd.DataFrame(rows, columns=["category", "video", "person", "rows", "group"])
    count = int(table["rows"].sum())
    return FrameStore(
        np.ones((count, 34), np.float32), np.arange(count, dtype=np.int32),
        np.concatenate([[0], np.cumsum(table["rows"])]), table,
        tuple(f"c{i}" for i in range(classes)),
    )  # fmt: skip


def test_a_group_is_in_one_part_and_is_tested_once():
    store = grouped([str(i // 3) for i in range(36)])
    splits = make_splits(store, "group", 24, 12, SplitSettings())
    assert _tested_once(store.trajectories["group"], splits) == {str(i) for i in range(12)}


def _tested_once(units, splits):
    """Units that are tested, each in one fold; none of them is in two parts of a fold."""
    tested = []
    for split in splits:
        parts = [
            set(units.iloc[split.windows(part)[1]]) for part in ("train", "validation", "test")
        ]
        assert sum(map(len, parts)) == len(set.union(*parts)) == units.nunique()
        tested += parts[2]
    assert len(tested) == len(set(tested))
    return set(tested)


def test_clips_of_one_recording_are_never_in_two_parts():
    clips = [
        Clip(label, f"v{number}", "1", np.arange(80, dtype=np.int32),
             np.ones((80, 34), np.float32)).cut(rows, f"v{number}-{rows.start}")
        for number in range(9)
        for label, rows in (("run", slice(0, 40)), ("walk", slice(40, 80)))
    ]  # fmt: skip
    clips = [replace(clip, category=("run", "walk")[i % 2]) for i, clip in enumerate(clips)]
    store = store_of(clips, ["run", "walk"], COCO_17)
    splits = make_splits(store, "video", 24, 4, SplitSettings())
    recordings = {f"v{number}" for number in range(9)}
    assert _tested_once(store.trajectories["recording"], splits) == recordings
    few = store_of(clips[:4], ["run", "walk"], COCO_17)
    with pytest.raises(InputError, match=r"video: category run is in 2 recordings \(v0, v1\);"):
        make_splits(few, "video", 24, 4, SplitSettings())


def test_a_store_keeps_the_recordings_of_its_clips(tmp_path):
    clip = Clip("run", "v", "1", np.arange(80, dtype=np.int32), np.ones((80, 34), np.float32))
    halves = [clip.cut(slice(0, 40), "v-0"), clip.cut(slice(40, 80), "v-40")]
    cut = store_of([halves[0], replace(halves[1], category="walk")], ["run", "walk"], COCO_17)
    cut.save(tmp_path / "frames.safetensors")
    read = FrameStore.load(tmp_path / "frames.safetensors")
    pd.testing.assert_frame_equal(read.trajectories, cut.trajectories, check_like=True)
    assert read.fingerprint == cut.fingerprint
    assert video_of(read.trajectories).tolist() == [0, 0]


def test_a_category_of_which_too_few_joints_are_seen_is_refused(ingested, tmp_path):
    source = tmp_path / "dark"
    for category, seen in (("A", True), ("B", False)):
        for video in ("a", "b"):
            rows = trajectory_rows(30) if seen else [[row, *[0] * 34] for row in range(1, 31)]
            write_csv(source / category / video / "1.csv", rows)
    with pytest.raises(
        InputError, match=r"dataset\.min_visible = 0\.5: no trajectory of B is left"
    ):
        ingested.read(source, min_visible=0.5)


@pytest.mark.parametrize(("groups", "words"), [
    ([""] * 12, "the data has no groups; name them in dataset.group"),
    ([str(i % 3) for i in range(12)], r"category c0 is in 1 groups \(0\); expected three or more"),
    (["a", "b", "c"] * 4 + ["a"], "3 groups; expected at least 4 for 3 folds"),
])  # fmt: skip
def test_groups_that_cannot_be_divided_are_refused(groups, words):
    store = grouped(groups, 3 if len(groups) == 12 else 2)
    with pytest.raises(InputError, match=f"protocol group: {words}"):
        make_splits(store, "group", 24, 12, SplitSettings())


def test_parts_that_the_data_brings_are_a_protocol(ingested, tmp_path):
    source = tmp_path / "plain"
    for part, videos in (("train", 6), ("test", 3)):
        for category in ("A", "B"):
            for video in range(videos):
                place = source / part / category / f"{video:02d}"
                write_csv(place / "1.csv", trajectory_rows(40, first=1 + video))
    store = ingested.read(source)
    assert store.trajectories["part"].value_counts().to_dict() == {"train": 12, "test": 6}
    splits = make_splits(store, "predefined", 24, 4, SplitSettings())
    named = (store.trajectories["category"] + " " + store.trajectories["video"]).to_numpy()
    parts = [
        [set(named[split.windows(part)[1]]) for part in ("train", "validation", "test")]
        for split in splits
    ]
    tests = {frozenset(test) for _, _, test in parts}
    assert tests == {frozenset({f"{c} test/0{i}" for i in range(3) for c in "AB"})}
    assert len({frozenset(validation) for _, validation, _ in parts}) > 1
    for train, validation, test in parts:
        assert not train & validation
        assert not (train | validation) & test


def test_a_part_for_validation_is_used(ingested, tmp_path):
    labels = tmp_path / "labels.csv"
    rows = [
        f"{c}/{i},{c},{part}" for c in "ab" for i, part in enumerate(("training", "val", "test"))
    ]
    labels.write_text("video,label,part\n" + "\n".join(rows) + "\n")
    for row in rows:
        write_csv(tmp_path / "plain" / row.partition(",")[0] / "1.csv", trajectory_rows(30))
    store = ingested.read(tmp_path / "plain", labels=str(labels))
    split, *_ = make_splits(store, "predefined", 24, 4, SplitSettings())
    for place, part in enumerate(("train", "validation", "test")):
        videos = store.trajectories["video"].iloc[split.windows(part)[1]]
        assert set(videos) == {f"a/{place}", f"b/{place}"}


def test_folds_of_predefined_parts_are_trained_with_different_seeds(tmp_path):
    store = grouped([""] * 9)
    parts = ["train", "validation", "test"] * 3
    store = replace(store, trajectories=store.trajectories.assign(part=parts))
    store.save(tmp_path / "frames.safetensors")
    splits = make_splits(store, "predefined", 24, 12, SplitSettings())
    assert [split.seed for split in splits] == [0, 1, 2]
    run = {"model": "ttran", "segment_length": 24, "token_width": 8, "depth": 1}
    losses = []
    for fold, split in enumerate(splits):
        split.save(tmp_path / f"fold{fold}.parquet")
        train_fold(
            tmp_path / "frames.safetensors", tmp_path / f"fold{fold}.parquet", run,
            TrainingSettings(max_epochs=1, seed=5), "cpu", 1, tmp_path / f"fold{fold}",
        )  # fmt: skip
        record = json.loads((tmp_path / f"fold{fold}" / "run.json").read_text())
        assert record["training"]["seed"] == 5 + fold
        losses.append(pd.read_csv(tmp_path / f"fold{fold}" / "history.csv")["train_loss"][0])
    assert len(set(losses)) == 3


@pytest.mark.parametrize(("parts", "words"), [
    ([""] * 6, "parts of the data: none; expected train and test"),
    (["train"] * 6, "parts of the data: train; expected train and test"),
    (["train", "test"] * 3, "video c0/v is in test and in train"),
    (["train", "test", ""] * 2, "2 trajectories have no part, the first of video c"),
])  # fmt: skip
def test_parts_that_are_none_are_refused(parts, words):
    store = grouped([""] * 6)
    store = replace(store, trajectories=store.trajectories.assign(part=parts, video="v"))
    with pytest.raises(InputError, match=f"protocol predefined: {words}"):
        make_splits(store, "predefined", 24, 12, SplitSettings())
