from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from bptubeformer.data.splits import (
    PARTS_OF_SPLIT,
    Split,
    make_splits,
    summarise,
)
from bptubeformer.data.store import FrameStore
from bptubeformer.data.windows import window_starts
from bptubeformer.errors import InputError
from bptubeformer.kinds import OF_ANY_DATA
from bptubeformer.settings import SplitSettings
from fakes import FINGERPRINT


def store_of(rows: list[list[list[int]]]) -> FrameStore:
    """A store from rows[category][video][person]."""
    table = pd.DataFrame(
        [
            (f"c{c}", f"v{v}", f"{p}", count)
            for c, videos in enumerate(rows)
            for v, people in enumerate(videos)
            for p, count in enumerate(people)
        ],
        columns=["category", "video", "person", "rows"],
    )
    offsets = np.concatenate([[0], np.cumsum(table["rows"])]).astype(np.int64)
    return FrameStore(
        frames=np.zeros((offsets[-1], 34), dtype=np.float32),
        frame_number=np.zeros(offsets[-1], dtype=np.int32),
        offsets=offsets,
        trajectories=table,
        categories=tuple(f"c{c}" for c in range(len(rows))),
    )


people = st.lists(st.integers(24, 60), min_size=1, max_size=3)
stores = st.lists(
    st.lists(people, min_size=4, max_size=6), min_size=2, max_size=4
).map(store_of)  # fmt: skip


def ids(split: Split, part: str, group: np.ndarray) -> set[int]:
    return set(group[split.windows(part)[1]])


@settings(max_examples=40)
@given(stores, st.sampled_from(OF_ANY_DATA), st.integers(0, 5), st.integers(1, 5))
def test_every_window_has_one_part_in_every_fold(store, protocol, seed, step):
    try:
        splits = make_splits(store, protocol, 24, step, SplitSettings(seed=seed))
    except InputError:
        assert protocol == "as-published"  # it does not look at classes, and the data is small
        return
    starts, _ = window_starts(store.offsets, 24, step)
    assert len(splits) == 3
    for split in splits:
        parts = [split.windows(part)[0] for part in PARTS_OF_SPLIT]
        assert sorted(np.concatenate(parts)) == starts.tolist()
        assert all(len(part) for part in parts)


@settings(max_examples=40)
@given(stores, st.sampled_from(["trajectory", "video"]), st.integers(0, 5))
def test_a_group_is_in_one_part_and_is_tested_once(store, protocol, seed):
    table = store.trajectories
    group = np.arange(len(table))
    if protocol == "video":
        group = table.groupby(["category", "video"], sort=False).ngroup().to_numpy()
    splits = make_splits(store, protocol, 24, 1, SplitSettings(seed=seed))
    for split in splits:
        members = [ids(split, part, group) for part in PARTS_OF_SPLIT]
        assert sum(map(len, members)) == len(set.union(*members))
    tested = [ids(split, "test", group) for split in splits]
    assert sum(map(len, tested)) == len(set.union(*tested)) == len(set(group))


@settings(max_examples=20)
@given(stores, st.sampled_from(["trajectory", "video"]))
def test_every_class_is_in_every_part(store, protocol):
    splits = make_splits(store, protocol, 24, 1, SplitSettings())
    assert (summarise(store, splits)["windows"] > 0).all()


def test_as_published_has_one_test_set_by_trajectory(store):
    splits = make_splits(store, "as-published", 24, 1, SplitSettings())
    trajectory = np.arange(len(store.rows))
    tested = [split.windows("test")[0].tolist() for split in splits]
    assert tested[0] == tested[1] == tested[2]
    for split in splits:
        test = ids(split, "test", trajectory)
        assert not test & ids(split, "train", trajectory)
        # The leak that this protocol has, and that the others do not have.
        assert ids(split, "validation", trajectory) & ids(split, "train", trajectory)
    validated = np.concatenate([split.windows("validation")[0] for split in splits])
    assert len(validated) == len(set(validated)) == len(splits[0].part) - len(tested[0])


def test_as_published_tests_a_fifth_of_every_quartile_of_length():
    store = store_of([[[24 + video] for video in range(40)]])
    (split, *_) = make_splits(store, "as-published", 24, 1, SplitSettings())
    tested = sorted(ids(split, "test", np.arange(40)))
    assert [sum(10 * q <= t < 10 * (q + 1) for t in tested) for q in range(4)] == [2, 2, 2, 2]


def test_as_published_cuts_as_the_public_implementation_does():
    """Bounds and cuts are rounded, not cut off, and folds follow the shuffled trajectories."""
    store = store_of([[[24 + 2 * video] for video in range(50)]])
    splits = make_splits(store, "as-published", 24, 1, SplitSettings())
    generator = np.random.RandomState(42)
    training, tested = [], []
    for first, last in ((0, 12), (12, 25), (25, 38), (38, 50)):
        shuffled = generator.permutation(np.arange(first, last))
        cut = round(0.8 * len(shuffled))
        training += shuffled[:cut].tolist()
        tested += shuffled[cut:].tolist()
    assert ids(splits[0], "test", np.arange(50)) == set(tested)
    windows = np.concatenate([
        np.arange(start, start + rows - 23)
        for start, rows in ((store.offsets[t], store.rows[t]) for t in training)
    ])  # fmt: skip
    folds = KFold(3, shuffle=True, random_state=42).split(windows)
    for split, (_, validation) in zip(splits, folds, strict=True):
        assert set(split.windows("validation")[0]) == set(windows[validation])


def test_longer_segments_are_tested_on_the_same_trajectories(store):
    settings = SplitSettings()
    trajectory = np.arange(len(store.rows))
    for protocol in OF_ANY_DATA:
        short = make_splits(store, protocol, 24, 1, settings)
        long = make_splits(store, protocol, 60, 1, settings)
        for a, b in zip(short, long, strict=True):
            assert ids(b, "test", trajectory) <= ids(a, "test", trajectory)


def test_the_seed_decides():
    store = store_of([[[30]] * 40] * 2)

    def parts(seed, protocol):
        (first, *_) = make_splits(store, protocol, 24, 1, SplitSettings(seed=seed))
        return first.part.tolist()

    for protocol in OF_ANY_DATA:
        assert parts(1, protocol) == parts(1, protocol)
        assert parts(1, protocol) != parts(2, protocol)


def test_short_trajectories_are_left_out():
    store = store_of([[[23], *[[30]] * 19], [[30]] * 20])
    for protocol in OF_ANY_DATA:
        split, *_ = make_splits(store, protocol, 20, 1, SplitSettings())
        assert 0 not in split.trajectory


def test_too_few_videos_are_refused_by_category():
    store = store_of([[[30]] * 4, [[30]] * 2])
    with pytest.raises(InputError, match=r"c1 has 2 videos of at least 24 rows.*the 3 folds; add"):
        make_splits(store, "video", 24, 1, SplitSettings())


def test_a_part_without_windows_is_refused():
    store = store_of([[[30]] * 4] * 2)
    with pytest.raises(InputError, match="leave out the runs of this segment_length"):
        make_splits(store, "video", 60, 1, SplitSettings())
    with pytest.raises(InputError, match="leave out the runs of this segment_length"):
        make_splits(store, "as-published", 60, 1, SplitSettings())


@pytest.mark.parametrize("protocol", OF_ANY_DATA)
def test_a_class_that_a_part_lacks_is_refused_before_training(protocol):
    """Class c1 has one video of 60 frames: it cannot be in three parts."""
    long, short = [[70]] * 9, [[70], *[[30]] * 8]
    store = store_of([long, short])
    with pytest.raises(InputError) as refusal:
        make_splits(store, protocol, 60, 1, SplitSettings())
    assert f"protocol {protocol}, fold 0: no window of 60 frames for " in str(refusal.value)
    assert " of c1; 10 of 18 trajectories have 60 rows; leave out" in str(refusal.value)


def test_windows_of_another_store_or_length_are_refused(store, tmp_path):
    split, *_ = make_splits(store, "video", 24, 1, SplitSettings())
    path = tmp_path / "fold0.parquet"
    split.check(store, 24, path)
    moved = replace(store, frames=store.frames + 1)
    for other, length in ((store, 12), (store, 60), (moved, 24)):
        with pytest.raises(InputError, match=r"fold0\.parquet: windows of 24 frames of the store"):
            split.check(other, length, path)
    changed = replace(split, starts=split.starts + 1)
    with pytest.raises(InputError, match=r"fold0\.parquet: \d+ windows of 24 frames do not lie"):
        changed.check(store, 24, path)


def test_what_is_no_split_is_refused(tmp_path):
    path = tmp_path / "fold0.parquet"
    with pytest.raises(InputError, match="no such file; write it with: bptubeformer split"):
        Split.load(path)
    path.write_bytes(b"PAR1 and so on")
    with pytest.raises(InputError, match="not a split"):
        Split.load(path)
    table = pd.DataFrame({"start": [0], "trajectory": [0], "part": pd.Categorical(["mine"])})
    table.to_parquet(path)
    with pytest.raises(InputError, match="data is missing; write the file again with: bptubeform"):
        Split.load(path)
    about = {"data": FINGERPRINT, "segment_length": 24, "seed": 0}
    table.attrs = about
    table.to_parquet(path)
    with pytest.raises(InputError, match="its parts are not train, validation, test"):
        Split.load(path)
    part = pd.Categorical(PARTS_OF_SPLIT)
    table = pd.DataFrame({"start": [0.5, 1, 2], "trajectory": [0] * 3, "part": part})
    table.attrs = about
    table.to_parquet(path)
    with pytest.raises(InputError, match="its starts or trajectories are not whole numbers"):
        Split.load(path)


def test_an_unknown_protocol_is_refused(store):
    with pytest.raises(ValueError, match="by-day"):
        make_splits(store, "by-day", 24, 1, SplitSettings())


def test_a_split_survives_saving(store, tmp_path):
    split, *_ = make_splits(store, "video", 24, 3, SplitSettings())
    split.save(tmp_path / "fold0.parquet")
    loaded = Split.load(tmp_path / "fold0.parquet")
    for name in ("starts", "trajectory", "part"):
        assert np.array_equal(getattr(loaded, name), getattr(split, name))
    assert (loaded.data, loaded.segment_length) == (store.fingerprint, 24)


def test_the_summary_counts_everything(store):
    splits = make_splits(store, "video", 24, 1, SplitSettings())
    summary = summarise(store, splits)
    assert len(summary) == 3 * 3 * len(store.categories)
    assert summary["windows"].sum() == 3 * len(splits[0].starts)
    fold = summary[summary["fold"] == 0]
    assert fold["trajectories"].sum() == (store.rows >= 24).sum()


@pytest.mark.parametrize(
    "setting",
    [{"folds": 1}, {"folds": 1001}, {"seed": 2**32}, {"seed": -1}, {"minimum_rows": 0},
     {"test_fraction": 0}, {"validation_fraction": 1}],
)  # fmt: skip
def test_settings_that_no_split_has_are_refused(setting):
    (name,) = setting
    with pytest.raises(InputError, match=f"{name} = .*: expected .*; see config.yaml"):
        SplitSettings(**setting)
