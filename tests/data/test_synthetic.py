import numpy as np

from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import ingest
from bptubeformer.data.synthetic import HEIGHT_PX, MOVEMENTS, WIDTH_PX, write_dataset


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.csv")}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_dataset(tmp_path / name, seed=seed, size=0.3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_it_replaces_what_stood_there(tmp_path):
    write_dataset(tmp_path, seed=0, size=1)
    write_dataset(tmp_path, seed=0, size=0.3)
    write_dataset(tmp_path / "fresh", seed=0, size=0.3)
    assert contents(tmp_path / "Trajectories") == contents(tmp_path / "fresh" / "Trajectories")


def test_it_has_the_defects_of_real_trajectories(tmp_path):
    count = write_dataset(tmp_path)
    layout = find_trajectories([tmp_path], list(MOVEMENTS))
    store, _ = ingest(layout)
    assert len(store.rows) == count
    joints = store.frames.reshape(-1, 17, 2)
    assert 0.01 < (joints == 0).all(axis=-1).mean() < 0.1
    gaps = np.diff(store.frame_number)
    gaps = np.delete(gaps, store.offsets[1:-1] - 1)
    assert (gaps > 1).any()
    assert (gaps > 0).all()
    assert 0.02 < (store.rows < 24).mean() < 0.3
    people = store.trajectories.groupby(["category", "video"]).size()
    assert people.max() > 1
    videos = people.groupby("category").size()
    assert len(videos) == 13
    assert videos.max() >= 2 * videos.min()


def test_people_stand_in_the_picture_each_class_in_its_place(tmp_path):
    write_dataset(tmp_path)
    store, _ = ingest(find_trajectories([tmp_path], list(MOVEMENTS)))
    category = np.repeat(store.labels, store.rows)
    for number, movement in enumerate(MOVEMENTS.values()):
        joints = store.frames[category == number].reshape(-1, 17, 2)
        found = joints[(joints != 0).any(axis=-1)]
        assert ((found >= 0) & (found <= (WIDTH_PX, HEIGHT_PX))).mean() > 0.97
        hips = joints[:, 11][(joints[:, 11] != 0).any(axis=-1)]
        assert abs(hips[:, 0].mean() / WIDTH_PX - movement.across) < 0.08
