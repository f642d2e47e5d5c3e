import json

import numpy as np
import pandas as pd
import pytest

from bptubeformer.data.store import FrameStore
from bptubeformer.data.summary import summary_of
from bptubeformer.errors import InputError
from bptubeformer.figures.overview import draw_overview, overview_page, write_overview
from bptubeformer.skeleton import load_skeleton


def store_with(skeleton="coco-17", **columns):
    skeleton = load_skeleton(skeleton)
    frames = np.random.default_rng(0).uniform(50, 100, (60, skeleton.values)).astype(np.float32)
    frames[:20, :2] = 0  # the first joint
    frames[40:55] = 0
    table = pd.DataFrame({"category": ["a", "a", "b"], "video": ["1", "2", "1"], "person": "1",
                          "rows": [20, 20, 20], **columns})  # fmt: skip
    numbers = np.arange(60, dtype=np.int32)
    numbers[5:] += 3
    return FrameStore(frames, numbers, np.array([0, 20, 40, 60]), table, ("a", "b"), skeleton)


def test_a_dataset_in_numbers():
    found = summary_of(store_with(group=["x", "y", "x"], part=["train", "test", "train"]))
    assert (found["frames"], found["frames_without_joints"], found["gaps"]) == (60, 15, 1)
    assert found["trajectories_with_gaps"] == 1
    assert found["missing_joints"]["nose"] == pytest.approx(35 / 60, abs=1e-3)
    assert found["missing_joints"]["left eye"] == 0.25
    assert found["hardly_visible"] == ["b/1/1"]
    assert found["rows"] == [20.0] * 5
    assert 50 <= found["x"][0] <= found["x"][2] <= found["x"][4] <= 100
    assert found["categories"][0] == {
        "category": "a", "videos": 2, "trajectories": 2, "groups": 2,
        "parts": {"train": 1, "test": 1}, "frames": 40,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("skeleton", ["coco-17", "mediapipe-33"])
def test_people_and_numbers_are_shown(skeleton, saved):
    store = store_with(skeleton)
    svg = saved(draw_overview(store))
    for text in ("frame", "Where joints are", "Lengths", "Missing joints", "left", "middle"):
        assert text in svg
    page = overview_page({"identities_inferred": 0, **summary_of(store)})
    assert "Groups" not in page
    assert "tracked" not in page
    for text in ("# The data", "| a ", "x, pixels", "| nose ", "1 gaps", "1 trajectories have no"):
        assert text in page
    text = {**summary_of(store), "identities_inferred": 0, "hardly_visible": ["a/*b* [c](d)/1"]}
    assert "[c](d)" not in overview_page(text)
    of_parts = store_with(part=["train", "test", "train"])
    page = overview_page({"identities_inferred": 2, **summary_of(of_parts)})
    assert "1 train" in page
    assert "in 2 recordings, people were tracked" in page


def test_a_summary_that_is_none_is_refused(tmp_path):
    store_with().save(tmp_path / "frames.safetensors")
    for text in ("{}", "no"):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(InputError, match="not a summary of a dataset"):
            write_overview(
                tmp_path / "frames.safetensors", tmp_path / "summary.json", tmp_path / "o.html"
            )
    numbers = {"identities_inferred": 0, **summary_of(store_with())}
    (tmp_path / "summary.json").write_text(json.dumps(numbers))
    write_overview(tmp_path / "frames.safetensors", tmp_path / "summary.json", tmp_path / "o.html")
    assert {"o.html", "overview.svg", "overview.png"} <= {path.name for path in tmp_path.iterdir()}
